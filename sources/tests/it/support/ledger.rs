//! A ledger as simple as can be: what a source sent so far, and what it may ask for.
//!
//! Of a garden's record every version must be above the one before; those of the AT Protocol may be told again, so that
//! the highest counts.

use super::Records;
use springline_model::{
    Epoch, EventBody, Gap, Hosting, Identity, Label, Partition, Position, Quarantined, Record, RepoNews, Rev,
    SourceId, Uri, record::attr, rows::SubredditRow,
};
use springline_sources::{BATCH_EVENTS, Batch, Known, KnownError, KnownItem, KnownRecord};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) records: BTreeMap<Uri, (Rev, Arc<Record>)>,
    pub(crate) quarantine: BTreeMap<Uri, Quarantined>,
    pub(crate) positions: BTreeMap<Partition, Position>,
    revs: BTreeMap<Uri, Rev>,
    /// Feedback that was deleted.
    tombs: BTreeSet<Uri>,
    pub(crate) subreddits: Vec<SubredditRow>,
    pub(crate) epoch: u64,
    pub(crate) puts: u64,
    pub(crate) deletes: u64,
    /// Repositories that have to be fetched.
    pub(crate) resyncs: BTreeSet<Uri>,
    /// What is said of accounts, each time.
    pub(crate) hosting: Vec<(Uri, Hosting)>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) gaps: Vec<Gap>,
    /// What labelers say, each time.
    pub(crate) labels: Vec<Label>,
    /// The versions of repositories, as commits tell them.
    versions: BTreeMap<Uri, Rev>,
    /// Since which versions repositories have to be fetched.
    since: BTreeMap<Uri, Rev>,
    /// Repositories that were fetched, and into which version.
    pub(crate) fetched: Vec<(Uri, Rev)>,
}

/// Shared between a host and its source; outlives both, as a store does.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Inner>>);

impl Ledger {
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }

    /// Takes a batch in, and checks what every source promises.
    pub(crate) fn apply(&self, batch: Batch) {
        let mut inner = self.0.lock().unwrap();
        assert!(batch.events.len() <= BATCH_EVENTS, "{} events in a batch", batch.events.len());
        assert!(batch.position.is_some() || !batch.events.is_empty(), "a batch for nothing");
        for event in batch.events {
            assert_eq!(event.source, batch.partition.source);
            let mut rise = |uri: &Uri, rev: Rev| {
                let last = inner.revs.get(uri).copied().unwrap_or_default();
                assert!(
                    last < rev || uri.as_str().starts_with("at://"),
                    "{uri} went from {last:?} to {rev:?}"
                );
                inner.revs.insert(uri.clone(), last.max(rev));
                last < rev
            };
            match event.body {
                EventBody::Put { rev, record } | EventBody::Fetched { rev, record } => {
                    let is_news = rise(&record.uri, rev);
                    inner.puts += 1;
                    inner.quarantine.remove(&record.uri);
                    if is_news {
                        inner.records.insert(record.uri.clone(), (rev, record));
                    }
                }
                EventBody::Delete { rev, uri } | EventBody::Missing { rev, uri } => {
                    let is_news = rise(&uri, rev);
                    inner.deletes += 1;
                    inner.quarantine.remove(&uri);
                    if is_news {
                        inner.records.remove(&uri);
                        inner.tombs.insert(uri);
                    }
                }
                EventBody::Repo { authority, rev, news, .. } => match news {
                    RepoNews::Fetching | RepoNews::Announced => {
                        let version = inner.versions.get(&authority).copied().unwrap_or_default();
                        inner.since.entry(authority.clone()).or_insert(version);
                        inner.resyncs.insert(authority);
                    }
                    RepoNews::Fetched => {
                        // What is older was not named.
                        inner
                            .records
                            .retain(|uri, (at, _)| uri.authority() != authority.as_str() || *at >= rev);
                        inner.resyncs.remove(&authority);
                        inner.since.remove(&authority);
                        inner.fetched.push((authority, rev));
                    }
                    RepoNews::Commit { .. } => drop(inner.versions.insert(authority, rev)),
                },
                EventBody::Hosting { authority, status, .. } => inner.hosting.push((authority, status)),
                EventBody::Identity(identity) => inner.identities.push(*identity),
                EventBody::Gap(gap) => inner.gaps.push(*gap),
                EventBody::Label { label, .. } => inner.labels.push(*label),
                EventBody::Quarantine(row) => {
                    inner.quarantine.insert(row.uri.clone(), *row);
                }
                other => panic!("no source sends {other:?}"),
            }
        }
        if let Some(position) = batch.position {
            inner.positions.insert(batch.partition, position);
        }
        inner.epoch += 1;
        if let Some(sealed) = batch.sealed {
            let _ = sealed.send(Epoch(inner.epoch));
        }
    }

    pub(crate) fn records(&self) -> Records {
        self.with(|inner| {
            inner.records.iter().map(|(uri, (_, record))| (uri.clone(), (**record).clone())).collect()
        })
    }

    /// Whether a record is there, by its name.
    pub(crate) fn has(&self, uri: &str) -> bool {
        self.with(|inner| inner.records.contains_key(uri))
    }

    /// The text of a record.
    pub(crate) fn text(&self, uri: &str) -> Option<String> {
        self.with(|inner| inner.records.get(uri).map(|(_, record)| record.text.clone()))
    }

    /// Why something is quarantined, by its name.
    pub(crate) fn reasons(&self) -> BTreeMap<String, String> {
        self.with(|inner| {
            inner.quarantine.iter().map(|(uri, row)| (uri.to_string(), row.reason.clone())).collect()
        })
    }

    /// Puts and deletes so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.with(|inner| (inner.puts, inner.deletes))
    }

    pub(crate) fn position(&self, partition: &str) -> Option<String> {
        self.with(|inner| {
            let found = inner.positions.iter().find(|(p, _)| p.name == partition);
            found.map(|(_, position)| position.0.clone())
        })
    }
}

impl Known for Ledger {
    fn resyncs(&self, limit: usize) -> Result<Vec<Uri>, KnownError> {
        Ok(self.with(|inner| inner.resyncs.iter().take(limit).cloned().collect()))
    }

    fn since(&self, authority: &str) -> Result<Option<Rev>, KnownError> {
        Ok(self.with(|inner| inner.since.get(authority).copied()))
    }

    fn record(&self, uri: &Uri) -> Result<Option<Arc<Record>>, KnownError> {
        Ok(self.with(|inner| inner.records.get(uri).map(|(_, record)| record.clone())))
    }

    fn shows(&self, epoch: Epoch) -> bool {
        self.with(|inner| inner.epoch >= epoch.0)
    }

    fn position(&self, partition: &Partition) -> Option<Position> {
        self.with(|inner| inner.positions.get(partition).cloned())
    }

    fn partitions(&self, source: &SourceId) -> Result<Vec<(Partition, Position)>, KnownError> {
        Ok(self.with(|inner| {
            let own = inner.positions.iter().filter(|(partition, _)| partition.source == *source);
            own.map(|(partition, position)| (partition.clone(), position.clone())).collect()
        }))
    }

    fn records(&self, authority: &str) -> Result<Vec<KnownRecord>, KnownError> {
        Ok(self.with(|inner| {
            let own = inner.records.iter().filter(|(uri, _)| uri.authority() == authority);
            own.map(|(uri, (rev, record))| KnownRecord {
                uri: uri.clone(),
                rev: *rev,
                at: record.at,
                bytes: record.attrs.get(attr::BYTES).map_or(0, |bytes| bytes.parse().unwrap()),
                cid: record.attrs.get(attr::CID).cloned(),
            })
            .collect()
        }))
    }

    fn items(&self, uris: &[Uri]) -> Result<Vec<KnownItem>, KnownError> {
        Ok(self.with(|inner| {
            let item = |uri: &Uri| {
                let record = inner.records.get(uri).map(|(_, record)| Arc::clone(record));
                let rev = inner.revs.get(uri).copied().unwrap_or_default();
                KnownItem { rev, was_deleted: record.is_none() && inner.tombs.contains(uri), record }
            };
            uris.iter().map(item).collect()
        }))
    }

    fn subreddits(&self) -> Result<Vec<SubredditRow>, KnownError> {
        Ok(self.with(|inner| inner.subreddits.clone()))
    }

    fn quarantined(&self, authority: &str) -> Result<Vec<Uri>, KnownError> {
        Ok(self.with(|inner| {
            inner.quarantine.keys().filter(|uri| uri.authority() == authority).cloned().collect()
        }))
    }
}
