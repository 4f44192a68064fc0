//! The books themselves: what one tick's events change, without any dataflow.

use super::{Committed, LookupError, overlay::Overlay};
use crate::Visible;
use differential_dataflow::consolidation::consolidate;
use springline_model::{
    AccountStatus, Event, EventBody, Quarantined, Record, Rev, SourceId, Uri,
    rows::{AccountRow, QuarantineRow, RecordRow},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

/// What one tick changes.
#[derive(Default)]
pub(super) struct Said {
    pub(super) visible: Vec<(Visible, isize)>,
    pub(super) records: Vec<(RecordRow, isize)>,
    pub(super) accounts: Vec<(AccountRow, isize)>,
    pub(super) quarantine: Vec<(QuarantineRow, isize)>,
}

/// The newest of a key's puts and deletes in one tick.
struct Version {
    rev: Rev,
    /// Counted over the tick's events.
    arrival: usize,
    source: SourceId,
    /// `None`: deleted.
    record: Option<Arc<Record>>,
}

/// What a tick has to say of one URI.
#[derive(Default)]
struct Turn {
    version: Option<Version>,
    /// The last refusal, or the release (`None`), and when it arrived.
    filing: Option<(usize, Option<Quarantined>)>,
}

/// A tick's events, coalesced by key.
#[derive(Default)]
struct Tick {
    turns: BTreeMap<Uri, Turn>,
    accounts: BTreeMap<Uri, (Rev, AccountStatus)>,
}

impl Tick {
    fn of(events: impl Iterator<Item = Event>) -> Self {
        let mut tick = Self::default();
        for (arrival, Event { source, body, .. }) in events.enumerate() {
            match body {
                EventBody::Put { rev, record } => {
                    tick.version(record.uri.clone(), Version { rev, arrival, source, record: Some(record) });
                }
                EventBody::Delete { rev, uri } => {
                    tick.version(uri, Version { rev, arrival, source, record: None });
                }
                EventBody::Account { rev, authority, status } => {
                    let newest = tick.accounts.entry(authority).or_insert((rev, status));
                    if rev >= newest.0 {
                        *newest = (rev, status);
                    }
                }
                EventBody::Quarantine(refused) => {
                    let uri = refused.uri.clone();
                    tick.turns.entry(uri).or_default().filing = Some((arrival, Some(*refused)));
                }
                EventBody::Release { uri } => {
                    tick.turns.entry(uri).or_default().filing = Some((arrival, None));
                }
            }
        }
        tick
    }

    fn version(&mut self, uri: Uri, version: Version) {
        let turn = self.turns.entry(uri).or_default();
        if turn.version.as_ref().is_none_or(|newest| version.rev >= newest.rev) {
            turn.version = Some(version);
        }
    }
}

/// The state of a worker's share of the ledger.
pub(super) struct Machine {
    committed: Rc<dyn Committed>,
    records: Overlay<RecordRow>,
    accounts: Overlay<AccountRow>,
    quarantine: Overlay<QuarantineRow>,
}

impl Machine {
    pub(super) fn new(committed: Rc<dyn Committed>) -> Self {
        let (records, accounts, quarantine) = Default::default();
        Self { committed, records, accounts, quarantine }
    }

    /// Applies a tick's events: first what they say of accounts, to the records as they were, then the rest.
    pub(super) fn tick(
        &mut self,
        tick: u64,
        events: impl Iterator<Item = Event>,
    ) -> Result<Said, LookupError> {
        let shown = self.committed.tick();
        self.records.evict(shown);
        self.accounts.evict(shown);
        self.quarantine.evict(shown);

        let news = Tick::of(events);
        let mut said = Said::default();
        for (authority, (rev, status)) in news.accounts {
            self.account(tick, AccountRow { authority, rev, status }, &mut said)?;
        }
        let flipped = !said.visible.is_empty();
        // In the order of the URIs: those of an authority follow each other, so its status is read once.
        let mut authority: Option<(Uri, bool)> = None;
        for (uri, turn) in news.turns {
            let hidden = match &authority {
                Some((known, hidden)) if known.as_str() == uri.authority() => *hidden,
                _ => {
                    let hidden = self.hidden(uri.authority())?;
                    authority = Some((Uri::from(uri.authority()), hidden));
                    hidden
                }
            };
            self.turn(tick, uri, turn, hidden, &mut said)?;
        }
        if flipped {
            consolidate(&mut said.visible); // a record that was shown or hidden may have changed too
        }
        Ok(said)
    }

    fn account(&mut self, tick: u64, new: AccountRow, said: &mut Said) -> Result<(), LookupError> {
        let old = self.account_row(new.authority.as_str())?;
        if old.as_ref().is_some_and(|old| old.rev >= new.rev) {
            return Ok(());
        }
        let was_hidden = old.as_ref().is_some_and(|old| old.status == AccountStatus::Hidden);
        let hides = new.status == AccountStatus::Hidden;
        if was_hidden != hides {
            let diff = if hides { -1 } else { 1 };
            self.owned(new.authority.as_str(), |row| said.visible.push((visible(row), diff)))?;
        }
        said.accounts.extend(old.map(|old| (old, -1)));
        said.accounts.push((new.clone(), 1));
        self.accounts.put(tick, new.authority.clone(), Some(new));
        Ok(())
    }

    fn turn(
        &mut self,
        tick: u64,
        uri: Uri,
        Turn { version, filing }: Turn,
        hidden: bool,
        said: &mut Said,
    ) -> Result<(), LookupError> {
        let taken = match version {
            None => None,
            Some(version) => self.version(tick, &uri, version, hidden, said)?,
        };
        let verdict = match (taken, filing) {
            (None, None) => return Ok(()),
            (Some(taken), Some((arrival, _))) if taken > arrival => None,
            (_, Some((_, refused))) => refused.map(QuarantineRow),
            (Some(_), None) => None,
        };
        let old = self.quarantine_row(&uri)?;
        if old != verdict {
            said.quarantine.extend(old.map(|old| (old, -1)));
            said.quarantine.extend(verdict.clone().map(|new| (new, 1)));
            self.quarantine.put(tick, uri, verdict);
        }
        Ok(())
    }

    /// Takes a put or delete unless it is stale; gives its arrival if it was taken.
    fn version(
        &mut self,
        tick: u64,
        uri: &Uri,
        Version { rev, arrival, source, record }: Version,
        hidden: bool,
        said: &mut Said,
    ) -> Result<Option<usize>, LookupError> {
        let old = self.record_row(uri)?;
        if old.as_ref().is_some_and(|old| old.rev >= rev) {
            return Ok(None);
        }
        let new = record.map(|record| RecordRow { rev, source, record });
        let (was, is) = (old.as_ref().map(visible), new.as_ref().map(visible));
        if !hidden && was != is {
            said.visible.extend(was.map(|was| (was, -1)));
            said.visible.extend(is.map(|is| (is, 1)));
        }
        if old.is_some() || new.is_some() {
            said.records.extend(old.map(|old| (old, -1)));
            said.records.extend(new.clone().map(|new| (new, 1)));
            self.records.put(tick, uri.clone(), new);
        }
        Ok(Some(arrival))
    }

    fn record_row(&self, uri: &Uri) -> Result<Option<RecordRow>, LookupError> {
        self.records.get(uri.as_str()).map_or_else(|| self.committed.record(uri), |row| Ok(row.clone()))
    }

    fn account_row(&self, authority: &str) -> Result<Option<AccountRow>, LookupError> {
        self.accounts.get(authority).map_or_else(|| self.committed.account(authority), |row| Ok(row.clone()))
    }

    fn quarantine_row(&self, uri: &Uri) -> Result<Option<QuarantineRow>, LookupError> {
        self.quarantine
            .get(uri.as_str())
            .map_or_else(|| self.committed.quarantined(uri), |row| Ok(row.clone()))
    }

    fn hidden(&self, authority: &str) -> Result<bool, LookupError> {
        Ok(self.account_row(authority)?.is_some_and(|row| row.status == AccountStatus::Hidden))
    }

    /// Shows every record that an authority has now.
    fn owned(&self, authority: &str, mut visit: impl FnMut(&RecordRow)) -> Result<(), LookupError> {
        // A prefix is not enough: `https://example.org` begins what `https://example.org.evil/` owns.
        let owns = |uri: &Uri| uri.authority() == authority;
        let newer: BTreeSet<&Uri> = self.records.under(authority).map(|(uri, _)| uri).collect();
        self.committed.owned(authority, &mut |row| {
            if owns(&row.record.uri) && !newer.contains(&row.record.uri) {
                visit(&row);
            }
        })?;
        for (_, row) in self.records.under(authority).filter(|(uri, _)| owns(uri)) {
            row.iter().for_each(&mut visit);
        }
        Ok(())
    }
}

fn visible(row: &RecordRow) -> Visible {
    Visible { source: row.source.clone(), record: row.record.clone() }
}
