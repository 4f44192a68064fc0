//! What the ledger has, as a source may ask for it.

use springline_model::{
    Epoch, Partition, Position, Record, Rev, SourceId, Timestamp, Uri, rows::SubredditRow,
};
use std::{error::Error, sync::Arc};

/// A view of the ledger for sources. Calls may block for as long as the store takes: sources call from blocking
/// threads, once a partition at start and seldom later.
pub trait Known: Send + Sync {
    /// The last durable position of a partition.
    fn position(&self, partition: &Partition) -> Option<Position>;

    /// All partitions of a source that have a position, with it: so that a garden that left the configuration is
    /// found.
    ///
    /// # Errors
    /// The store can't be read.
    fn partitions(&self, source: &SourceId) -> Result<Vec<(Partition, Position)>, KnownError>;

    /// The live records of an authority ([`Uri::authority`]: `garden://flancian/`).
    ///
    /// # Errors
    /// The store can't be read.
    fn records(&self, authority: &str) -> Result<Vec<KnownRecord>, KnownError>;

    /// Repositories (`at://<did>/`) that have to be fetched as a whole, at most so many.
    ///
    /// # Errors
    /// The store can't be read.
    fn resyncs(&self, limit: usize) -> Result<Vec<Uri>, KnownError>;

    /// Since which version a repository has to be fetched: what was missed is newer.
    ///
    /// # Errors
    /// The store can't be read.
    fn since(&self, authority: &str) -> Result<Option<Rev>, KnownError>;

    /// A record, as it is in the ledger.
    ///
    /// # Errors
    /// The store can't be read.
    fn record(&self, uri: &Uri) -> Result<Option<Arc<Record>>, KnownError>;

    /// Whether what was sealed up to an epoch shows in the answers: a batch is durable before it does.
    fn shows(&self, epoch: Epoch) -> bool;

    /// The quarantined pieces of an authority: so that one that is gone is released.
    ///
    /// # Errors
    /// The store can't be read.
    fn quarantined(&self, authority: &str) -> Result<Vec<Uri>, KnownError>;

    /// What is known of feedback items, in the order they are asked for.
    ///
    /// # Errors
    /// The store can't be read.
    fn items(&self, uris: &[Uri]) -> Result<Vec<KnownItem>, KnownError>;

    /// What the operator said of subreddits.
    ///
    /// # Errors
    /// The store can't be read.
    fn subreddits(&self) -> Result<Vec<SubredditRow>, KnownError>;
}

/// What the ledger has of a feedback item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownItem {
    /// The version of it, or of its deletion; 0 if it was never here.
    pub rev: Rev,
    /// Its record, visible or not.
    pub record: Option<Arc<Record>>,
    /// It was here and was deleted.
    pub was_deleted: bool,
}

/// What a source needs to know of a record that the ledger has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRecord {
    /// Its identity.
    pub uri: Uri,
    /// Its version.
    pub rev: Rev,
    /// [`springline_model::Record::at`].
    pub at: Timestamp,
    /// The size of its file, from [`springline_model::record::attr::BYTES`].
    pub bytes: u64,
    /// [`springline_model::record::attr::CID`].
    pub cid: Option<String>,
}

/// The ledger could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("the ledger can't be read")]
pub struct KnownError(#[source] pub Box<dyn Error + Send + Sync>);

/// An empty ledger: for a first index, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingKnown;

impl Known for NothingKnown {
    fn position(&self, _: &Partition) -> Option<Position> {
        None
    }

    fn partitions(&self, _: &SourceId) -> Result<Vec<(Partition, Position)>, KnownError> {
        Ok(Vec::new())
    }

    fn records(&self, _: &str) -> Result<Vec<KnownRecord>, KnownError> {
        Ok(Vec::new())
    }

    fn resyncs(&self, _: usize) -> Result<Vec<Uri>, KnownError> {
        Ok(Vec::new())
    }

    fn since(&self, _: &str) -> Result<Option<Rev>, KnownError> {
        Ok(None)
    }

    fn record(&self, _: &Uri) -> Result<Option<Arc<Record>>, KnownError> {
        Ok(None)
    }

    fn shows(&self, _: Epoch) -> bool {
        true
    }

    fn quarantined(&self, _: &str) -> Result<Vec<Uri>, KnownError> {
        Ok(Vec::new())
    }

    fn items(&self, uris: &[Uri]) -> Result<Vec<KnownItem>, KnownError> {
        Ok(vec![KnownItem::default(); uris.len()])
    }

    fn subreddits(&self) -> Result<Vec<SubredditRow>, KnownError> {
        Ok(Vec::new())
    }
}
