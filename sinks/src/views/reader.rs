//! Reading the views, one whole epoch at a time.
//!
//! The engines have no snapshots. So there is a gate: the writer closes it for the moment in which a batch goes into
//! the store (well below a millisecond for an edit), a reader holds it open while it reads. What a [`Snapshot`]
//! shows is therefore one epoch, in all views.
//!
//! Limits: [`Reader::read`] must be short (an export that reads for seconds holds up every view meanwhile, unless
//! nothing is being written) and never inside another `read` of the same thread: a waiting writer stands between
//! the two, and both would wait for ever.

use super::{Shared, ViewStatus, fingerprint::Fingerprint, packed, state::State};
use crate::{
    search::Searcher,
    store::{Pair, StoreError},
};
use springline_model::{
    Epoch, Row, Table, Timestamp, Uri, View,
    key::{DecodeError, text_key},
    record::attr,
    rows::{AccountRow, LabelRow, RecordRow, RepoRow, is_authority_visible},
};
use std::{ops::ControlFlow, sync::Arc};
use thiserror::Error;
use tokio::sync::watch;

/// The labels on one record that are looked at.
const MAX_LABELS: usize = 10_000;

/// Reads the views. Cloning is cheap; any thread may read.
#[derive(Clone)]
pub struct Reader(pub(super) Arc<Shared>);

impl Reader {
    /// Reads from one epoch. See the module's limits.
    pub fn read<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        let state = self.0.gate.read();
        read(&Snapshot { shared: &self.0, state: &state })
    }

    /// The last epoch applied.
    #[must_use]
    pub fn applied(&self) -> Epoch {
        *self.0.applied.borrow()
    }

    /// When the last epoch applied was sealed.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.0.gate.read().clock
    }

    /// Follows the last epoch applied.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Epoch> {
        self.0.applied.subscribe()
    }
}

/// All views as of one epoch.
pub struct Snapshot<'a> {
    shared: &'a Shared,
    state: &'a State,
}

/// A range of a table's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

impl Snapshot<'_> {
    /// Which epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.state.epoch
    }

    /// When it was sealed: the views' only clock.
    #[must_use]
    pub const fn clock(&self) -> Timestamp {
        self.state.clock
    }

    /// How a view is.
    #[must_use]
    pub fn status(&self, view: View) -> ViewStatus {
        let stamp = self.state.stamp(view);
        ViewStatus { version: stamp.version, fingerprint: self.fingerprint(view), applied: stamp.applied }
    }

    /// Of the rows of a view.
    #[must_use]
    pub fn fingerprint(&self, view: View) -> Fingerprint {
        self.state.fingerprint(view)
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
        packed::get(&self.shared.blocks, table, key)
    }

    /// Rows in the order of their keys.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn scan<R: Row>(&self, scan: &Scan) -> Result<Vec<R>, ReadError> {
        let mut rows = Vec::new();
        self.visit(R::TABLE, scan, |key, value| {
            rows.push(decode(key, value)?);
            Ok(())
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
            Ok(())
        })?;
        Ok(rows)
    }

    /// Searches the texts. What it gives can be kept: it goes on showing this epoch.
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

    fn visit(
        &self,
        table: Table,
        scan: &Scan,
        mut show: impl FnMut(&[u8], &[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.check(table.view())?;
        if scan.limit == 0 || table == Table::Search {
            return Ok(());
        }
        let (mut from, mut to) = (scan.prefix.clone(), end_of(&scan.prefix));
        match &scan.after {
            Some(after) if scan.reverse => {
                to = Some(to.map_or_else(|| after.clone(), |to| to.min(after.clone())));
            }
            Some(after) => from = from.max([after, &[0][..]].concat()),
            None => {}
        }
        let (mut left, mut shown) = (scan.limit, Ok(()));
        packed::visit(&self.shared.blocks, table, &from, to.as_deref(), scan.reverse, |key, value| {
            left -= 1;
            shown = show(key, value);
            if left == 0 || shown.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        shown
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

/// A failure to read the views.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The view is not kept here.
    #[error("this server does not keep the view `{}`", .0.name())]
    Off(View),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block does not decode.
    #[error("a block of {} in the store does not decode", table.name())]
    Block {
        /// Of which table.
        table: Table,
    },
    /// A row does not decode.
    #[error("a row of {} in the store does not decode", table.name())]
    Row {
        /// Of which table.
        table: Table,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
}
