//! Makes a stored view exactly what it should be, by writing what differs.
//!
//! A small difference is one atomic batch. A large one (a view that is new, or whose definition has changed) is
//! written in several, so that readers and memory are not held up: before the first the view loses its version,
//! with the last it gets it back, so a crash in between is seen and repaired at the next start.

use super::{
    Views,
    blocks::Blocks,
    changes::{Conflict, RowChange},
    error::ViewsError,
    fingerprint::Fingerprint,
    packed,
    reader::ReadError,
    state::{State, write_position},
};
use crate::store::{Pair, Write};
use springline_model::{Epoch, Partition, Position, Table, Timestamp, View, rows::PostingsRow};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Row changes a batch.
const BATCH_ROWS: usize = 4096;
/// Blocks deleted a batch.
const BATCH_BLOCKS: usize = 1000;

/// What had to be written to make a view right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    /// Rows that were missing.
    pub added: u64,
    /// Rows that were too many.
    pub removed: u64,
    /// Rows that were others.
    pub changed: u64,
}

impl Corrections {
    fn count(&mut self, changes: &[RowChange]) {
        for change in changes {
            match (&change.old, &change.new) {
                (None, _) => self.added += 1,
                (_, None) => self.removed += 1,
                _ => self.changed += 1,
            }
        }
    }
}

impl Views {
    /// Makes the stored view exactly these rows, and current. `postings` are the search view's documents.
    ///
    /// # Errors
    /// [`ViewsError::Misplaced`], two rows of one key, or the store fails.
    pub fn reconcile(
        &self,
        view: View,
        rows: BTreeMap<Table, Vec<Pair>>,
        postings: Vec<PostingsRow>,
    ) -> Result<Corrections, ViewsError> {
        let _writer = self.0.writer.lock();
        if view != View::Search {
            return self.make(view, rows, self.state(), Vec::new());
        }
        match rows.into_keys().next() {
            Some(table) => Err(ViewsError::Misplaced(table)),
            None => self.make_index(postings),
        }
    }

    /// Fills a store that has no epoch yet with the ledger as of an epoch, from a snapshot. The other views have to
    /// be recomputed then: they have no version.
    ///
    /// # Errors
    /// [`ViewsError::NotEmpty`], [`ViewsError::Misplaced`], two rows of one key, or the store fails.
    pub fn restore(
        &self,
        epoch: Epoch,
        at: Timestamp,
        positions: BTreeMap<Partition, Position>,
        ledger: BTreeMap<Table, Vec<Pair>>,
    ) -> Result<(), ViewsError> {
        let _writer = self.0.writer.lock();
        let mut state = self.state();
        if state.epoch != Epoch::ZERO {
            return Err(ViewsError::NotEmpty(state.epoch));
        }
        View::ALL.iter().for_each(|view| state.invalidate(*view));
        (state.epoch, state.clock) = (epoch, at);
        let writes =
            positions.iter().map(|(partition, position)| write_position(partition, position)).collect();
        self.make(View::Ledger, ledger, state, writes)?;
        self.0.positions.lock().extend(positions);
        Ok(())
    }

    /// Writes what differs, and with the last batch also the state, with the view complete, and `writes`.
    fn make(
        &self,
        view: View,
        mut rows: BTreeMap<Table, Vec<Pair>>,
        mut state: State,
        mut writes: Vec<Write>,
    ) -> Result<Corrections, ViewsError> {
        if let Some(table) = rows.keys().find(|table| table.view() != view) {
            return Err(ViewsError::Misplaced(*table));
        }
        let blocks = &self.0.shared.blocks;
        let mut corrections = Corrections::default();
        let mut changes: Vec<(Table, Vec<RowChange>)> = Vec::new();
        for table in view.tables() {
            let wanted = sorted(table, rows.remove(&table).unwrap_or_default())?;
            *state.table(table) = fingerprint(table, &wanted);
            let differs = match difference(blocks, table, wanted)? {
                Compared::Whole(differs) => differs,
                Compared::Damaged(wanted) => {
                    self.clear(view, table)?;
                    wanted
                        .into_iter()
                        .map(|(key, value)| RowChange { key, old: None, new: Some(value) })
                        .collect()
                }
            };
            corrections.count(&differs);
            changes.push((table, differs));
        }
        let total: usize = changes.iter().map(|(_, changes)| changes.len()).sum();
        if total <= BATCH_ROWS {
            for (table, changes) in changes {
                writes.extend(packed::edit(blocks, table, &changes)?);
            }
        } else {
            for (table, changes) in &changes {
                for changes in changes.chunks(BATCH_ROWS) {
                    let writes = packed::edit(blocks, *table, changes)?;
                    self.commit(self.without(view), writes, None)?;
                }
            }
        }
        state.complete(view);
        self.commit(state, writes, None)?;
        Ok(corrections)
    }

    /// The state as it is, but for the view's version.
    pub(super) fn without(&self, view: View) -> State {
        let mut state = self.state();
        state.invalidate(view);
        state
    }

    /// Deletes a table that can't be read.
    fn clear(&self, view: View, table: Table) -> Result<(), ViewsError> {
        loop {
            let writes = packed::clear(&self.0.shared.blocks, table, BATCH_BLOCKS)?;
            if writes.is_empty() {
                return Ok(());
            }
            self.commit(self.without(view), writes, None)?;
        }
    }
}

fn sorted(table: Table, mut rows: Vec<Pair>) -> Result<Vec<Pair>, ViewsError> {
    rows.sort_unstable();
    match rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(ViewsError::conflict(table, &pair[0].0, Conflict::Several)),
        None => Ok(rows),
    }
}

/// Of rows of a table.
pub(super) fn fingerprint(table: Table, rows: &[Pair]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    rows.iter().for_each(|(key, value)| fingerprint.add(table, key, value));
    fingerprint
}

enum Compared {
    /// The changes that lead from what is stored to what is wanted.
    Whole(Vec<RowChange>),
    /// What is stored can't be read; what is wanted.
    Damaged(Vec<Pair>),
}

fn difference(blocks: &Blocks, table: Table, wanted: Vec<Pair>) -> Result<Compared, ViewsError> {
    // Which of the wanted rows are there already, so that nothing is lost if a block is damaged.
    let mut there = vec![false; wanted.len()];
    let mut old = BTreeMap::new();
    let mut at = 0;
    let read = packed::visit(blocks, table, &[], None, false, |key, value| {
        while wanted.get(at).is_some_and(|(wanted, _)| wanted.as_slice() < key) {
            at += 1;
        }
        match wanted.get(at) {
            Some((same, wanted)) if same == key && wanted == value => there[at] = true,
            _ => drop(old.insert(key.to_vec(), value.to_vec())),
        }
        ControlFlow::Continue(())
    });
    match read {
        Err(ReadError::Block { .. }) => return Ok(Compared::Damaged(wanted)),
        read => read?,
    }
    let mut changes = Vec::new();
    for ((key, value), there) in wanted.into_iter().zip(there) {
        if !there {
            changes.push(RowChange { old: old.remove(&key), key, new: Some(value) });
        }
    }
    changes.extend(old.into_iter().map(|(key, value)| RowChange { key, old: Some(value), new: None }));
    changes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(Compared::Whole(changes))
}
