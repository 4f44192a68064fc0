//! Makes a stored view exactly what it should be.
//!
//! A small difference is one atomic batch. A large one (a view that is new, or whose definition has changed) would hold
//! up readers and memory, and in several batches they would see a mixture. So the view is written whole, beside what
//! is served, and takes its place with the last, small batch:
//!
//! ```text
//!  table's tag         k1 … k9  served until then         deleted afterwards
//!  its other tag       k1'… k9' written meanwhile         served from then on
//!  log                 … 7.3 │ 7.4 … 7.900  not read until then
//! ```
//!
//! Invariants: a crash leaves the rows of before, or those that follow; what it leaves beside them is deleted at the
//! next start. The log tells of what differs, and its end moves with the rows.
//! Limits: the rows lie in memory, and meanwhile twice on disk.

#[cfg(test)]
mod tests;

use super::{
    Views,
    blocks::Blocks,
    changes::{Conflict, RowChange},
    error::{ReadError, ViewsError},
    fingerprint::Fingerprint,
    log::Appender,
    packed,
    state::{State, write_position},
};
use crate::store::{Pair, Write};
use springline_model::{Epoch, Partition, Position, Table, Timestamp, View, rows::PostingsRow};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Row changes that are one batch.
const BATCH_ROWS: usize = if cfg!(test) { 32 } else { 4096 };
/// Blocks written, or deleted, a batch.
const BATCH_BLOCKS: usize = if cfg!(test) { 4 } else { 256 };

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
    fn count(&mut self, old: Option<&[u8]>, new: Option<&[u8]>) {
        match (old, new) {
            (None, _) => self.added += 1,
            (_, None) => self.removed += 1,
            _ => self.changed += 1,
        }
    }

    const fn rows(&self) -> u64 {
        self.added + self.removed + self.changed
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

    /// Writes what differs, and with it (in the last batch) the state, with the view complete, and `writes`.
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
        let mut wanted: BTreeMap<Table, Vec<Pair>> = BTreeMap::new();
        for table in view.tables() {
            let rows = sorted(table, rows.remove(&table).unwrap_or_default())?;
            *state.table(table) = fingerprint(table, &rows);
            wanted.insert(table, rows);
        }
        state.complete(view);
        let (corrections, is_damaged) = differences(blocks, &wanted)?;
        let is_small = !is_damaged && corrections.rows() <= BATCH_ROWS as u64;
        if is_damaged {
            self.end_log(view, "rows of it were damaged")?;
        }
        if !is_small {
            self.write_beside(view, &wanted)?;
            state.turn(view);
        }
        // What was written of the log by now.
        state.book = self.state().book;
        self.sweep(view)?;
        let mut log = Appender::new(state.epoch, state.clock);
        for (table, rows) in wanted.iter().filter(|_| !is_damaged) {
            in_batches(blocks, *table, rows, |changes| {
                log.append(&mut state.book, *table, changes);
                if is_small {
                    writes.extend(packed::edit(blocks, *table, changes)?);
                } else {
                    blocks.commit(log.take_full())?;
                }
                Ok(())
            })?;
        }
        writes.extend(log.finish(&mut state.book));
        self.trim(&mut state.book, &mut writes)?;
        self.commit(state, writes, None)?;
        if !is_small {
            self.clear_other(view)?;
        }
        Ok(corrections)
    }

    /// Writes a view's rows where those that are served don't lie.
    fn write_beside(&self, view: View, wanted: &BTreeMap<Table, Vec<Pair>>) -> Result<(), ViewsError> {
        self.clear_other(view)?;
        let blocks = &self.0.shared.blocks;
        for (table, rows) in wanted {
            let mut writes = packed::fill(blocks.other_tag(*table), rows);
            loop {
                let batch: Vec<Write> = writes.by_ref().take(BATCH_BLOCKS).collect();
                if batch.is_empty() {
                    break;
                }
                blocks.commit(batch)?;
            }
        }
        Ok(())
    }

    /// The state as it is, but for the view's version.
    pub(super) fn without(&self, view: View) -> State {
        let mut state = self.state();
        state.invalidate(view);
        state
    }

    /// Deletes what lies where a view's rows don't: those of before, or what a crash has left.
    pub(super) fn clear_other(&self, view: View) -> Result<(), ViewsError> {
        let blocks = &self.0.shared.blocks;
        for table in view.tables().filter(|table| *table != Table::Search) {
            loop {
                let writes = packed::clear(blocks, blocks.other_tag(table), BATCH_BLOCKS)?;
                if writes.is_empty() {
                    break;
                }
                blocks.commit(writes)?;
            }
        }
        Ok(())
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

/// How much differs, and whether rows that are stored can't be read.
fn differences(
    blocks: &Blocks,
    wanted: &BTreeMap<Table, Vec<Pair>>,
) -> Result<(Corrections, bool), ViewsError> {
    let (mut corrections, mut is_damaged) = (Corrections::default(), false);
    for (table, rows) in wanted {
        let before = corrections;
        let compared = compare(blocks, *table, rows, |_, old, new| {
            corrections.count(old, new);
            Ok(())
        });
        match compared {
            Err(ViewsError::Read(ReadError::Block { .. })) => {
                is_damaged = true;
                corrections = Corrections { added: before.added + rows.len() as u64, ..before };
            }
            compared => compared?,
        }
    }
    Ok((corrections, is_damaged))
}

/// Shows what differs as changes.
fn in_batches(
    blocks: &Blocks,
    table: Table,
    wanted: &[Pair],
    mut show: impl FnMut(&[RowChange]) -> Result<(), ViewsError>,
) -> Result<(), ViewsError> {
    let mut changes = Vec::new();
    compare(blocks, table, wanted, |key, old, new| {
        let [old, new] = [old, new].map(|value| value.map(<[u8]>::to_vec));
        changes.push(RowChange { key: key.to_vec(), old, new });
        if changes.len() < BATCH_ROWS {
            return Ok(());
        }
        show(&std::mem::take(&mut changes))
    })?;
    show(&changes)
}

/// Shows each key with what is stored and what is wanted, where they differ, in order.
fn compare(
    blocks: &Blocks,
    table: Table,
    wanted: &[Pair],
    mut show: impl FnMut(&[u8], Option<&[u8]>, Option<&[u8]>) -> Result<(), ViewsError>,
) -> Result<(), ViewsError> {
    let mut wanted = wanted.iter().peekable();
    let mut shown = Ok(());
    packed::visit(blocks, table, &[], None, false, |key, stored| {
        shown = (|| {
            while let Some((missing, value)) = wanted.next_if(|(wanted, _)| wanted.as_slice() < key) {
                show(missing, None, Some(value))?;
            }
            match wanted.next_if(|(wanted, _)| wanted.as_slice() == key) {
                Some((_, value)) if value == stored => Ok(()),
                found => show(key, Some(stored), found.map(|(_, value)| value.as_slice())),
            }
        })();
        if shown.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    shown?;
    wanted.try_for_each(|(key, value)| show(key, None, Some(value)))
}
