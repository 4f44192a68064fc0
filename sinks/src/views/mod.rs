//! The materialised views: what operators emit, kept so that it is always exactly one whole epoch.
//!
//! ```text
//!  apply(epoch, changes)                                    read(|snapshot| …)
//!    │ consolidate, check against what is stored              ▲
//!    │ packed: rows → blocks     search: terms → postings     │ holds the gate open
//!    ▼                                                        │
//!  [ blocks · postings · positions · state ] ─ gate closed ─► store
//!    one atomic batch                          for its write
//! ```
//!
//! Invariants:
//! 1. Whatever happens, the store holds all views, positions and the clock as of one epoch, and names it.
//! 2. An epoch is applied once: one that comes again is dropped, one too early is refused.
//! 3. A table's fingerprint is that of its rows. Changes that don't fit what is stored are refused before anything
//!    is written.
//! 4. What changes in a view that is followed is logged in the batch that changes it: [`Views::follow`].
//! 5. Nothing is synced by [`Views::apply`]: the journal holds the truth, and what a power loss takes from the store
//!    is replayed. [`Views::sync`] says from which epoch on.
//!
//! ```
//! use springline_model::{Epoch, EpochCommit, NodeName, Timestamp, Row as _, rows::NodeRow};
//! use springline_sinks::{Engine, StoreConfig, views::{Changes, Views}};
//!
//! let views = Views::open(&StoreConfig::of(Engine::Memory), std::path::Path::new("unused"))?;
//! let row = NodeRow { node: NodeName::from_canonical("agora"), subnodes: 1, authors: 1, links: 0, linkers: 0 };
//! let mut changes = Changes::default();
//! changes.push(&row, 1);
//! let commit = EpochCommit { epoch: Epoch(1), at: Timestamp(0), execution: 0, advances: vec![], events: 1 };
//! views.apply(&commit, changes)?;
//! let stored = views.reader().read(|snapshot| snapshot.get::<NodeRow>(&row.key_bytes()))?;
//! assert_eq!(stored, Some(row));
//! # Ok::<(), springline_sinks::views::ViewsError>(())
//! ```

mod block;
mod blocks;
mod changes;
mod error;
mod fingerprint;
mod log;
mod packed;
pub mod peers;
mod reader;
mod reconcile;
mod search;
mod state;
#[cfg(test)]
mod tests;

pub use changes::{Change, Changes, Conflict};
pub use error::{ReadError, ViewsError};
pub use fingerprint::Fingerprint;
pub use log::{
    At, Follow, Follower, LogError, LogHead, LogPage, ParseAtError, ViewChange, followed_tables, is_followed,
};
pub use reader::{Reader, Scan, Snapshot};
pub use reconcile::Corrections;

use crate::{
    search::{SearchIndex, Staged},
    store::{self, Pair, Store, StoreConfig, Write},
};
use blocks::Blocks;
use log::Appender;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use springline_model::{Epoch, EpochCommit, Partition, Position, Table, View, rows::PostingsRow};
use state::{State, load_positions, write_position};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    path::Path,
    sync::{Arc, OnceLock},
};
use tokio::sync::watch;

/// The writer's side. Cloning is cheap; calls from several threads take their turns.
#[derive(Clone)]
pub struct Views(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// Held while writing.
    writer: Mutex<()>,
    positions: Mutex<BTreeMap<Partition, Position>>,
}

/// What readers have, too.
struct Shared {
    blocks: Blocks,
    /// The gate, and what it guards beside the store.
    gate: RwLock<State>,
    index: SearchIndex,
    applied: watch::Sender<Epoch>,
    /// Views that are not kept.
    off: OnceLock<BTreeSet<View>>,
}

/// What became of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Written.
    Written {
        /// Rows that came, went or changed.
        rows: usize,
        /// Writes in the store's batch.
        writes: usize,
    },
    /// The store had it already: dropped.
    Already,
}

/// How a view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewStatus {
    /// The version of its definition that its rows come from; none while they are being replaced, or if it was never
    /// complete. If it isn't [`View::version`], the view has to be recomputed and [`Views::reconcile`]d.
    pub version: Option<u16>,
    /// Of its rows.
    pub fingerprint: Fingerprint,
    /// The epoch that it is complete as of.
    pub applied: Epoch,
}

impl Views {
    /// Opens the store in a folder, or makes one.
    ///
    /// # Errors
    /// As [`store::open`]; or the state in the store does not decode. A search index that is damaged is emptied, and
    /// waits to be recomputed.
    pub fn open(config: &StoreConfig, dir: &Path) -> Result<Self, ViewsError> {
        Self::over(store::open(config, dir)?)
    }

    fn over(store: Arc<dyn Store>) -> Result<Self, ViewsError> {
        let mut state = State::load(&*store)?;
        let index = search::open(&store, &mut state)?;
        let positions = Mutex::new(load_positions(&*store)?);
        let applied = watch::Sender::new(state.epoch);
        let shared = Arc::new(Shared {
            blocks: Blocks::new(store, state.second()),
            gate: RwLock::new(state),
            index,
            applied,
            off: OnceLock::new(),
        });
        let views = Self(Arc::new(Inner { shared, writer: Mutex::default(), positions }));
        View::ALL.iter().try_for_each(|view| views.clear_other(*view))?;
        Ok(views)
    }

    /// The reader's side.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.0.shared.clone())
    }

    /// Applies an epoch's changes to all views at once.
    ///
    /// # Errors
    /// [`ViewsError::Gap`], [`ViewsError::Conflict`], [`ViewsError::Stale`], [`ViewsError::Search`]: nothing is
    /// written. Or the store fails: then it has to be opened again to know what it holds.
    pub fn apply(&self, commit: &EpochCommit, mut changes: Changes) -> Result<Applied, ViewsError> {
        let _writer = self.0.writer.lock();
        let mut state = self.state();
        if commit.epoch <= state.epoch {
            return Ok(Applied::Already);
        }
        if commit.epoch != state.epoch.next() {
            return Err(ViewsError::Gap { applied: state.epoch, epoch: commit.epoch });
        }
        let (mut writes, mut rows) = (Vec::new(), 0);
        let mut log = Appender::new(commit.epoch, commit.at);
        if !changes.visible.is_empty() {
            // The records are the first table, and may be hidden without a change of theirs.
            changes.tables.entry(Table::Records).or_default();
        }
        for (table, row_changes) in changes.tables {
            if table == Table::Search {
                return Err(ViewsError::Misplaced(table));
            }
            let row_changes = changes::consolidate(table, row_changes)?;
            if table == Table::Records {
                let shown = log::shown(&self.0.shared.blocks, &changes.visible, &row_changes)?;
                log.append(&mut state.book, table, &shown);
            }
            if row_changes.is_empty() {
                continue;
            }
            if !state.is_current(table.view()) {
                return Err(ViewsError::Stale(table.view()));
            }
            writes.extend(packed::edit(&self.0.shared.blocks, table, &row_changes)?);
            let fingerprint = state.table(table);
            for change in &row_changes {
                change.old.iter().for_each(|old| fingerprint.remove(table, &change.key, old));
                change.new.iter().for_each(|new| fingerprint.add(table, &change.key, new));
            }
            if table != Table::Records {
                log.append(&mut state.book, table, &row_changes);
            }
            rows += row_changes.len();
        }
        rows += changes.postings.len();
        let staged = self.stage_postings(&mut state, changes.postings)?;
        state.advance(commit);
        let mut logged = log.finish(&mut state.book);
        if !logged.is_empty() {
            self.trim(&mut state.book, &mut logged)?;
            writes.append(&mut logged);
        }
        let advances = commit.advances.iter();
        writes.extend(advances.clone().map(|advance| write_position(&advance.partition, &advance.to)));
        let written = Applied::Written { rows, writes: writes.len() };
        self.commit(state, writes, staged)?;
        let advances = advances.map(|advance| (advance.partition.clone(), advance.to.clone()));
        self.0.positions.lock().extend(advances);
        Ok(written)
    }

    /// The last epoch applied.
    #[must_use]
    pub fn applied(&self) -> Epoch {
        *self.0.shared.applied.borrow()
    }

    /// Makes durable what is applied, and gives the epoch that is now surely on disk.
    ///
    /// # Errors
    /// The store or the disk fails.
    pub fn sync(&self) -> Result<Epoch, ViewsError> {
        let applied = self.applied();
        self.0.shared.blocks.store().sync()?;
        Ok(applied)
    }

    /// How far each partition is, as of the last epoch applied.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<Partition, Position> {
        self.0.positions.lock().clone()
    }

    /// How a view is.
    #[must_use]
    pub fn status(&self, view: View) -> ViewStatus {
        let state = self.0.shared.gate.read();
        let stamp = state.stamp(view);
        ViewStatus { version: stamp.version, fingerprint: state.fingerprint(view), applied: stamp.applied }
    }

    /// Keeps these views no longer: their rows are deleted, and reading them is [`ReadError::Off`]. A view that is
    /// left out at a later start has no version and is recomputed. For once, before the first epoch is applied.
    ///
    /// # Errors
    /// The store fails.
    pub fn switch_off(&self, off: &BTreeSet<View>) -> Result<(), ViewsError> {
        for view in off {
            let status = self.status(*view);
            if status.version.is_some() || status.fingerprint.rows > 0 {
                self.reconcile(*view, BTreeMap::new(), Vec::new())?;
                self.invalidate(*view)?;
            }
        }
        self.0.shared.off.get_or_init(|| off.clone());
        Ok(())
    }

    /// Takes a view's version away, so that it is recomputed at the next start.
    ///
    /// # Errors
    /// The store fails.
    pub fn invalidate(&self, view: View) -> Result<(), ViewsError> {
        let _writer = self.0.writer.lock();
        let mut state = self.state();
        state.invalidate(view);
        self.commit(state, Vec::new(), None)
    }

    /// The settings that the stored rows were made by, as they were kept; none if they never were.
    ///
    /// # Errors
    /// The store fails.
    pub fn settings(&self) -> Result<Option<String>, ViewsError> {
        state::load_settings(self.0.shared.blocks.store())
    }

    /// Keeps the settings that the stored rows are made by from now on.
    ///
    /// # Errors
    /// The store fails.
    pub fn keep_settings(&self, settings: &str) -> Result<(), ViewsError> {
        let _writer = self.0.writer.lock();
        Ok(self.0.shared.blocks.commit(vec![state::write_settings(settings)])?)
    }

    /// The fingerprint of the rows that are stored, computed anew. Nothing is applied meanwhile.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn verify(&self, view: View) -> Result<Fingerprint, ViewsError> {
        let _writer = self.0.writer.lock();
        if view == View::Search {
            return Ok(self.0.shared.index.verify()?);
        }
        let mut fingerprint = Fingerprint::default();
        for table in view.tables() {
            packed::visit(&self.0.shared.blocks, table, &[], None, false, |key, value| {
                fingerprint.add(table, key, value);
                ControlFlow::Continue(())
            })?;
        }
        Ok(fingerprint)
    }

    /// The fingerprint that a view of these rows has.
    #[must_use]
    pub fn fingerprint_of(rows: &BTreeMap<Table, Vec<Pair>>) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        rows.iter().for_each(|(table, rows)| fingerprint += reconcile::fingerprint(*table, rows));
        fingerprint
    }

    /// The fingerprint that a search index of these documents has.
    #[must_use]
    pub fn fingerprint_of_documents(documents: &[PostingsRow]) -> Fingerprint {
        SearchIndex::fingerprint_of(documents)
    }

    /// Bytes that the store takes on disk.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn size_on_disk(&self) -> Result<u64, ViewsError> {
        Ok(self.0.shared.blocks.store().size_on_disk()?)
    }

    fn state(&self) -> State {
        self.0.shared.gate.read().clone()
    }

    /// One atomic batch of writes, postings and state; from then on readers see them. The caller holds the writer's
    /// lock.
    fn commit(
        &self,
        state: State,
        mut writes: Vec<Write>,
        mut staged: Option<Staged>,
    ) -> Result<(), ViewsError> {
        writes.push(state.write()?);
        staged.iter_mut().for_each(|staged| writes.append(&mut staged.writes));
        let epoch = state.epoch;
        let shared = &self.0.shared;
        let mut gate = shared.gate.write();
        writes.extend(state.book.write(&gate.book)?);
        shared.blocks.commit(writes)?;
        shared.blocks.turn(state.second());
        *gate = state;
        staged.map_or(Ok(()), |staged| shared.index.publish(staged))?;
        drop(gate);
        shared.applied.send_replace(epoch);
        Ok(())
    }
}
