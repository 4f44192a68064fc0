//! A repository's records against what the ledger has.
//!
//! The difference is taken as of the copy's version: what was put later is no business of a copy. What was here and is
//! not in it is missing; what came here since is for the ledger to compare, which takes what the copy does not name for
//! missing. So a record that is too old to be taken is named all the same if it is here.

use super::{FetchRepoError, diff::Patched, fetch::Made};
use crate::{
    BATCH_EVENTS, Known, SourceError,
    atproto::{
        blocks::BlockSource,
        data,
        reader::{Change, Origin, Reader},
        repo::{Repo, RepoError, names},
    },
};
use springline_model::{EventBody, Record, Rev, Timestamp, Uri, record::attr};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// A walk over a repository's records, on a thread that may block.
pub(super) struct Walk<'a> {
    pub(super) reader: &'a Reader,
    pub(super) known: &'a dyn Known,
    pub(super) place: &'a str,
    pub(super) days: u32,
    /// What has not changed is as the ledger has it.
    pub(super) is_diff: bool,
    pub(super) to: mpsc::Sender<Vec<EventBody>>,
}

impl Walk<'_> {
    /// Sends what makes the ledger equal to it; what that came to, and the root of its tree.
    pub(super) fn run(
        &self,
        repo: &Repo<Patched>,
        authority: &Uri,
        rev: Rev,
    ) -> Result<(Made, [u8; 32]), FetchRepoError> {
        let had = self.known.records(authority.as_str()).map_err(SourceError::Known)?;
        let was_here: HashSet<&Uri> = had.iter().map(|record| &record.uri).collect();
        let mut here: HashSet<Uri> = HashSet::new();
        let mut made = Made::default();
        let mut events = Vec::with_capacity(BATCH_EVENTS);
        let did = repo.did();
        let tid = repo.rev().ok_or(FetchRepoError::Stale)?;
        let oldest = oldest(self.days);
        let mut paths = repo.paths();
        while let Some((path, cid)) = paths.next().map_err(RepoError::from)? {
            let Some((collection, rkey)) = names(path) else {
                made.refused += 1;
                continue;
            };
            if !self.reader.wants(did, collection) {
                continue;
            }
            let uri = Uri::at_record(did, collection, rkey);
            here.insert(uri.clone());
            let text = cid.to_string();
            if let Some(record) = self.unchanged(&uri, &text)? {
                made.records += 1;
                events.push(EventBody::Fetched { rev, record });
                self.send_full(&mut events)?;
                continue;
            }
            let block = repo.blocks().block(&cid).map_err(RepoError::from)?;
            let change = Change { did, collection, rkey, cid: Some(&text), rev: tid };
            let origin = Origin { place: &self.place, bytes: &block };
            match data::record(&block) {
                Ok(value) => {
                    self.reader.put(&change, &value, true, origin, &mut events);
                    made.records += 1;
                    let is_old = |record: &Record| {
                        oldest.is_some_and(|oldest| record.at < oldest) && !was_here.contains(&record.uri)
                    };
                    if matches!(events.last(), Some(EventBody::Fetched { record, .. }) if is_old(record)) {
                        events.pop();
                        made.old += 1;
                    }
                }
                Err(error) => {
                    made.refused += 1;
                    events.push(EventBody::Missing { rev, uri: uri.clone() });
                    events.push(self.reader.refuse(uri, error.to_string(), origin));
                }
            }
            self.send_full(&mut events)?;
        }
        for record in had.iter().filter(|record| record.rev < rev && !here.contains(&record.uri)) {
            made.missing += 1;
            events.push(EventBody::Missing { rev, uri: record.uri.clone() });
            self.send_full(&mut events)?;
        }
        self.send(events)?;
        Ok((made, *repo.data().digest()))
    }

    /// A record that the ledger has already, in this version.
    fn unchanged(&self, uri: &Uri, cid: &str) -> Result<Option<Arc<Record>>, SourceError> {
        if !self.is_diff {
            return Ok(None);
        }
        let record = self.known.record(uri).map_err(SourceError::Known)?;
        Ok(record.filter(|record| record.attrs.get(attr::CID).is_some_and(|known| known == cid)))
    }

    /// Sends them if they are enough for a batch.
    fn send_full(&self, events: &mut Vec<EventBody>) -> Result<(), SourceError> {
        if events.len() >= BATCH_EVENTS {
            self.send(std::mem::take(events))?;
        }
        Ok(())
    }

    fn send(&self, events: Vec<EventBody>) -> Result<(), SourceError> {
        if events.is_empty() {
            return Ok(());
        }
        self.to.blocking_send(events).map_err(|_| SourceError::Closed)
    }
}

fn oldest(days: u32) -> Option<Timestamp> {
    let age = Duration::from_secs(u64::from(days) * 86_400).as_millis();
    (days > 0).then(|| Timestamp(Timestamp::now().0 - i64::try_from(age).unwrap_or(0)))
}
