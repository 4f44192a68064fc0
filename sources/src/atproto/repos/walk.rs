//! A repository's records against what the ledger has.
//!
//! The difference is taken as of the copy's version: what was put later is no business of a copy. What was here and is
//! not in it is missing; what came here since is for the ledger to compare, which takes what the copy does not name for
//! missing. So a record that is too old to be taken is named all the same if it is here.

use super::fetch::{FetchRepoError, Made};
use crate::{
    BATCH_EVENTS, Known, SourceError,
    atproto::{
        car::FileBlocks,
        data,
        reader::{Change, Origin, Reader},
        repo::Repo,
    },
};
use springline_model::{EventBody, Rev, Timestamp, Uri};
use std::{collections::HashSet, time::Duration};
use tokio::sync::mpsc;

/// A walk over a repository's records, on a thread that may block.
pub(super) struct Walk<'a> {
    pub(super) reader: &'a Reader,
    pub(super) known: &'a dyn Known,
    pub(super) place: &'a str,
    pub(super) days: u32,
    pub(super) to: mpsc::Sender<Vec<EventBody>>,
}

impl Walk<'_> {
    /// Sends what makes the ledger equal to it; what that came to, and the root of its tree.
    pub(super) fn run(
        &self,
        repo: &Repo<FileBlocks>,
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
        let mut records = repo.records();
        while let Some(record) = records.next()? {
            let Some((collection, rkey)) = record.names() else {
                made.refused += 1;
                continue;
            };
            if !self.reader.wants(did, collection) {
                continue;
            }
            let uri = Uri::at_record(did, collection, rkey);
            let cid = record.cid.to_string();
            let change = Change { did, collection, rkey, cid: Some(&cid), rev: tid };
            let origin = Origin { place: &self.place, bytes: &record.block };
            here.insert(uri.clone());
            match data::record(&record.block) {
                Ok(value) => {
                    self.reader.put(&change, &value, true, origin, &mut events);
                    made.records += 1;
                    let is_old = |record: &springline_model::Record| {
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
            if events.len() >= BATCH_EVENTS {
                self.send(std::mem::take(&mut events))?;
            }
        }
        for record in had.iter().filter(|record| record.rev < rev && !here.contains(&record.uri)) {
            made.missing += 1;
            events.push(EventBody::Missing { rev, uri: record.uri.clone() });
            if events.len() >= BATCH_EVENTS {
                self.send(std::mem::take(&mut events))?;
            }
        }
        self.send(events)?;
        Ok((made, *repo.data().digest()))
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
