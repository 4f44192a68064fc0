//! Reading the views, one whole epoch at a time.
//!
//! The engines have no snapshots. So there is a gate: the writer closes it for the moment in which a batch goes into
//! the store (well below a millisecond for an edit), a reader holds it open while it reads. What a [`Snapshot`]
//! shows is therefore one epoch, in all views.
//!
//! Of several processes each has a share of the rows. [`Reader::across`] reads them all ([`super::peers`]): there the
//! gate is open only while this process' own rows are read, and what a [`Snapshot`] shows is of one epoch if
//! [`Heard`] says so.
//!
//! Limits: [`Reader::read`] must be short (an export that reads for seconds holds up every view meanwhile, unless
//! nothing is being written) and never inside another `read` of the same thread: a waiting writer stands between
//! the two, and both would wait for ever.

use super::{
    ReadError, Shared, ViewStatus,
    fingerprint::Fingerprint,
    packed,
    peers::{Across, Heard, Peers, Status, summed},
    state::State,
};
use crate::{
    search::{
        Searcher,
        query::{Highlighter, Hits, Page, Query},
    },
    store::Pair,
};
use serde::{Deserialize, Serialize};
use springline_model::{
    Epoch, Row, Table, Timestamp, Uri, View,
    key::text_key,
    record::attr,
    rows::{AccountRow, LabelRow, RecordRow, RepoRow, is_authority_visible},
};
use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc, time::Instant};
use tokio::sync::watch;

/// The labels on one record that are looked at.
const MAX_LABELS: usize = 10_000;

/// Reads the views. Cloning is cheap; any thread may read.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
    pub(super) peers: Option<Arc<dyn Peers>>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, peers: None }
    }

    /// Reads the rows of other processes, too. Reading blocks then, at most [`Peers::deadline`].
    #[must_use]
    pub fn across(&self, peers: Arc<dyn Peers>) -> Self {
        Self { shared: self.shared.clone(), peers: Some(peers) }
    }

    /// Reads from one epoch. See the module's limits.
    pub fn read<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        self.heard(read).0
    }

    /// Reads once, and says whose answers it is made of.
    pub fn heard<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> T) -> (T, Heard) {
        if let Some(peers) = &self.peers {
            return self.once(&**peers, Instant::now() + peers.deadline(), None, read);
        }
        let state = self.shared.gate.read();
        (read(&Snapshot::held(&self.shared, &state)), Heard::alone(state.epoch))
    }

    /// The last epoch applied.
    #[must_use]
    pub fn applied(&self) -> Epoch {
        *self.shared.applied.borrow()
    }

    /// When the last epoch applied was sealed.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.shared.gate.read().clock
    }

    /// Follows the last epoch applied.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Epoch> {
        self.shared.applied.subscribe()
    }
}

/// All views as of one epoch.
pub struct Snapshot<'a> {
    pub(super) shared: &'a Shared,
    pub(super) sight: Sight<'a>,
}

/// Whose rows are seen.
pub(super) enum Sight<'a> {
    /// This process', the gate held open.
    Held(&'a State),
    /// Everybody's.
    Across(Box<Across<'a>>),
}

/// A range of a table's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// What their keys begin with.
    pub prefix: Vec<u8>,
    /// Where to go on: a whole key; the rows behind it (before it, if `reverse`) are given.
    pub after: Option<Vec<u8>>,
    /// From the greatest key down.
    pub reverse: bool,
    /// At most so many.
    pub limit: usize,
}

impl<'a> Snapshot<'a> {
    /// Of this process' rows.
    pub(super) const fn held(shared: &'a Shared, state: &'a State) -> Self {
        Self { shared, sight: Sight::Held(state) }
    }

    /// Looks at this process' own state.
    pub(super) fn here<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        match &self.sight {
            Sight::Held(state) => look(state),
            Sight::Across(across) => across.here(look),
        }
    }

    /// Whose answers were needed so far, and of which epochs they are.
    #[must_use]
    pub fn heard(&self) -> Heard {
        match &self.sight {
            Sight::Held(state) => Heard::alone(state.epoch),
            Sight::Across(across) => across.heard(),
        }
    }

    /// Which epoch; over several processes, the oldest that was heard of so far.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match &self.sight {
            Sight::Held(state) => state.epoch,
            Sight::Across(across) => across.epoch(),
        }
    }

    /// When it was sealed: the views' only clock.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.here(|state| state.clock)
    }

    /// How the views of each process are; none for one that does not answer. Empty if there is only this one.
    #[must_use]
    pub fn processes(&self) -> &[Option<Status>] {
        match &self.sight {
            Sight::Held(_) => &[],
            Sight::Across(across) => across.statuses(),
        }
    }

    /// How a view is: over several processes its rows are those of all, and it is complete as of what the last of them
    /// has applied.
    #[must_use]
    pub fn status(&self, view: View) -> ViewStatus {
        let Sight::Across(across) = &self.sight else {
            return self.here(|state| {
                let stamp = state.stamp(view);
                let (version, applied) = (stamp.version, stamp.applied);
                ViewStatus { version, fingerprint: state.fingerprint(view), applied }
            });
        };
        let of = |status: &Status| status.views.iter().find(|(of, _)| *of == view).map(|(_, status)| *status);
        let all: Vec<ViewStatus> = across.statuses().iter().flatten().filter_map(of).collect();
        let version = all.first().and_then(|first| first.version);
        ViewStatus {
            version: version.filter(|_| all.iter().all(|status| status.version == version)),
            fingerprint: summed(all.iter().map(|status| status.fingerprint)),
            applied: all.iter().map(|status| status.applied).min().unwrap_or_default(),
        }
    }

    /// Of the rows of a view.
    #[must_use]
    pub fn fingerprint(&self, view: View) -> Fingerprint {
        self.status(view).fingerprint
    }

    /// How many rows a view has.
    #[must_use]
    pub fn count(&self, view: View) -> u64 {
        self.fingerprint(view).rows
    }

    /// Whether a view is not kept: [`super::Views::switch_off`].
    #[must_use]
    pub fn is_off(&self, view: View) -> bool {
        self.shared.off.get().is_some_and(|off| off.contains(&view))
    }

    fn check(&self, view: View) -> Result<(), ReadError> {
        if self.is_off(view) { Err(ReadError::Off(view)) } else { Ok(()) }
    }

    /// One row, by its whole key.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn get<R: Row>(&self, key: &[u8]) -> Result<Option<R>, ReadError> {
        let value = self.get_raw(R::TABLE, key)?;
        value.map(|value| decode(key, &value)).transpose()
    }

    /// One row as it is stored.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn get_raw(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.check(table.view())?;
        match &self.sight {
            Sight::Held(_) => packed::get(&self.shared.blocks, table, key),
            Sight::Across(across) => across.get(table, key),
        }
    }

    /// Says which rows are going to be asked for, one by one: those of other processes are fetched together.
    pub fn fetch(&self, table: Table, keys: impl IntoIterator<Item = Vec<u8>>) {
        if let Sight::Across(across) = &self.sight {
            across.fetch(table, keys.into_iter());
        }
    }

    /// [`Self::fetch`] for [`Self::record`].
    pub fn fetch_records<'u>(&self, uris: impl IntoIterator<Item = &'u Uri>) {
        self.fetch(Table::Records, uris.into_iter().map(|uri| text_key(uri.as_str())));
    }

    /// Rows in the order of their keys.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn scan<R: Row>(&self, scan: &Scan) -> Result<Vec<R>, ReadError> {
        let mut rows = Vec::new();
        self.visit(R::TABLE, scan, |key, value| {
            rows.push(decode(key, value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Rows as they are stored, in the order of their keys. The search index is not stored as rows: it has none.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn scan_raw(&self, table: Table, scan: &Scan) -> Result<Vec<Pair>, ReadError> {
        let mut rows = Vec::new();
        self.visit(table, scan, |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// A page of what a query finds, the best first, and what finds its words in the texts of the hits.
    ///
    /// # Errors
    /// [`ReadError::Off`]; [`SearchError::Query`](crate::search::SearchError::Query), if a prefix is too short; or the store fails or is damaged.
    pub fn find(&self, query: &Query, page: &Page) -> Result<(Hits, Highlighter), ReadError> {
        self.check(View::Search)?;
        match &self.sight {
            Sight::Held(_) => {
                let searcher = self.search()?;
                let hits = searcher.search(query, page, &|uri| self.searched_text(uri))?;
                Ok((hits, searcher.highlighter(query)))
            }
            Sight::Across(across) => {
                let (hits, langs) = across.find(query, page)?;
                Ok((hits, Highlighter::new(query, &langs.iter().copied())))
            }
        }
    }

    /// What a record says, with what describes its pictures; none if it can't be had.
    pub(super) fn searched_text(&self, uri: &Uri) -> Option<String> {
        let record = self.record(uri).ok().flatten()?.record;
        Some(match record.attrs.get(attr::ALT) {
            None => record.text.clone(),
            Some(alt) => format!("{}\n\n{alt}", record.text),
        })
    }

    /// This process' own search index. What it gives can be kept: it goes on showing this epoch.
    ///
    /// # Errors
    /// [`ReadError::Off`].
    pub fn search(&self) -> Result<Searcher, ReadError> {
        self.check(View::Search)?;
        Ok(self.shared.index.searcher())
    }

    /// A record's newest version, visible or not.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn record(&self, uri: &Uri) -> Result<Option<RecordRow>, ReadError> {
        self.get(&text_key(uri.as_str()))
    }

    /// Whether what an authority ([`Uri::authority`]) owns may be seen: neither its operator, nor its host, nor a
    /// label hides it.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn is_visible(&self, authority: &str) -> Result<bool, ReadError> {
        Ok(self.seen(authority)?.0)
    }

    /// Leaves out the records that may not be seen.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn retain_visible(&self, rows: &mut Vec<RecordRow>) -> Result<(), ReadError> {
        // In the order of the URIs those of an authority follow each other.
        let mut known: Option<(Uri, (bool, bool))> = None;
        let mut failed = Ok(());
        rows.retain(|row| {
            let uri = &row.record.uri;
            let seen = match &known {
                Some((authority, seen)) if authority.as_str() == uri.authority() => Ok(*seen),
                _ => self.seen(uri.authority()),
            };
            let is_seen = seen.and_then(|seen| {
                known = Some((Uri::from(uri.authority()), seen));
                let (authority, some_hidden) = seen;
                Ok(authority && !(some_hidden && self.is_hidden_by_label(row)?))
            });
            is_seen.unwrap_or_else(|error| {
                failed = Err(error);
                false
            })
        });
        failed
    }

    /// Of rows of records those that may be seen.
    ///
    /// # Errors
    /// As [`Self::retain_visible`].
    pub fn visible_raw(&self, rows: Vec<Pair>) -> Result<Vec<Pair>, ReadError> {
        let decoded: Result<Vec<RecordRow>, _> = rows.iter().map(|(key, value)| decode(key, value)).collect();
        let mut decoded = decoded?;
        self.retain_visible(&mut decoded)?;
        let seen: BTreeSet<Vec<u8>> = decoded.iter().map(Row::key_bytes).collect();
        Ok(rows.into_iter().filter(|(key, _)| seen.contains(key)).collect())
    }

    /// Whether an authority may be seen, and whether labels hide some of its records.
    fn seen(&self, authority: &str) -> Result<(bool, bool), ReadError> {
        let key = text_key(authority);
        let account: Option<AccountRow> = self.get(&key)?;
        let repo: Option<RepoRow> = if authority.starts_with("at://") { self.get(&key)? } else { None };
        let is_visible = is_authority_visible(account.as_ref(), repo.as_ref());
        Ok((is_visible, repo.is_some_and(|repo| repo.hiding > 0)))
    }

    fn is_hidden_by_label(&self, row: &RecordRow) -> Result<bool, ReadError> {
        let prefix = text_key(row.record.uri.as_str());
        let labels: Vec<LabelRow> = self.scan(&Scan { prefix, limit: MAX_LABELS, ..Scan::default() })?;
        let cid = row.record.attrs.get(attr::CID).map(String::as_str);
        Ok(labels.iter().any(|LabelRow(label)| label.hides_version(cid)))
    }

    /// Shows rows in the order of their keys, until told to stop.
    pub(super) fn visit(
        &self,
        table: Table,
        scan: &Scan,
        mut show: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ReadError>,
    ) -> Result<(), ReadError> {
        self.check(table.view())?;
        if scan.limit == 0 || table == Table::Search {
            return Ok(());
        }
        if let Sight::Across(across) = &self.sight {
            return across.visit(table, scan, show);
        }
        let (mut from, mut to) = (scan.prefix.clone(), end_of(&scan.prefix));
        match &scan.after {
            Some(after) if scan.reverse => {
                to = Some(to.map_or_else(|| after.clone(), |to| to.min(after.clone())));
            }
            Some(after) => from = from.max([after, &[0][..]].concat()),
            None => {}
        }
        let (mut left, mut failed) = (scan.limit, Ok(()));
        packed::visit(&self.shared.blocks, table, &from, to.as_deref(), scan.reverse, |key, value| {
            left -= 1;
            match show(key, value) {
                Ok(ControlFlow::Continue(())) if left > 0 => ControlFlow::Continue(()),
                Ok(_) => ControlFlow::Break(()),
                Err(error) => {
                    failed = Err(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed
    }
}

/// The first key behind all that begin with a prefix, if there can be one.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn decode<R: Row>(key: &[u8], value: &[u8]) -> Result<R, ReadError> {
    R::decode(key, value).map_err(|source| ReadError::Row { table: R::TABLE, source })
}
