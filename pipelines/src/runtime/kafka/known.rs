//! What sources may ask for when the journal is a log: records from the store, positions from the log.

use super::settle::Positions;
use springline_model::{Epoch, Partition, Position, Record, Rev, SourceId, Uri, rows::SubredditRow};
use springline_sources::{Known, KnownError, KnownItem, KnownRecord};
use std::sync::Arc;

/// The ledger's answers, but for positions.
pub(super) struct LogKnown<K> {
    pub(super) ledger: K,
    pub(super) positions: Positions,
}

impl<K: Known> Known for LogKnown<K> {
    fn position(&self, partition: &Partition) -> Option<Position> {
        self.positions.lock().get(partition).cloned()
    }

    fn partitions(&self, source: &SourceId) -> Result<Vec<(Partition, Position)>, KnownError> {
        let positions = self.positions.lock();
        let of_source = positions.iter().filter(|(partition, _)| partition.source == *source);
        Ok(of_source.map(|(partition, position)| (partition.clone(), position.clone())).collect())
    }

    fn records(&self, authority: &str) -> Result<Vec<KnownRecord>, KnownError> {
        self.ledger.records(authority)
    }

    fn resyncs(&self, limit: usize) -> Result<Vec<Uri>, KnownError> {
        self.ledger.resyncs(limit)
    }

    fn since(&self, authority: &str) -> Result<Option<Rev>, KnownError> {
        self.ledger.since(authority)
    }

    fn record(&self, uri: &Uri) -> Result<Option<Arc<Record>>, KnownError> {
        self.ledger.record(uri)
    }

    fn shows(&self, epoch: Epoch) -> bool {
        self.ledger.shows(epoch)
    }

    fn quarantined(&self, authority: &str) -> Result<Vec<Uri>, KnownError> {
        self.ledger.quarantined(authority)
    }

    fn items(&self, uris: &[Uri]) -> Result<Vec<KnownItem>, KnownError> {
        self.ledger.items(uris)
    }

    fn subreddits(&self) -> Result<Vec<SubredditRow>, KnownError> {
        self.ledger.subreddits()
    }
}
