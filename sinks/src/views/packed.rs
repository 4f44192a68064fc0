//! Rows packed into blocks.
//!
//! ```text
//!   [tag]             → rows k1 … k9       a block holds the rows from its own key
//!   [tag] · separator → rows k10 … k17     up to the key of the next block
//!   [tag] · …
//! ```
//!
//! A key of its own costs an engine far more than a row inside of a value. So rows that sort side by side share a
//! value of about [`TARGET`] bytes, found by [`Blocks::floor`]: the block of a row is the one with the greatest key
//! that is not above it. A block's key need not be its first row's: it is the shortest text that separates the
//! block from the one before, and stays when rows come and go. What lies before the first block belongs to a block
//! `[tag]`, whether that is there or not. Which tag a table has is known to [`Blocks`].
//!
//! Invariants: a block is never empty; its rows rise strictly and lie between its key and the next block's; it is
//! not much longer than [`MOST`] unless it is a single row. A block that shrinks below [`LEAST`] is joined with the
//! next one if both fit in [`TARGET`].
//!
//! Limits: a change of one row rewrites its block; the changes of one call lie in memory.

use super::{
    block::{BlockReader, BlockWriter, Rows, common_prefix, row_size},
    blocks::Blocks,
    changes::{Conflict, RowChange},
    error::{ReadError, ViewsError},
};
use crate::store::{Pair, StoreError, Write};
use springline_model::Table;
use std::{
    ops::{Bound, ControlFlow, Range},
    slice,
};

/// The size that blocks are cut to. Rows above it stand alone.
pub(super) const TARGET: usize = 2 * 1024;
/// The size from which a block is cut.
pub(super) const MOST: usize = TARGET + TARGET / 2;
/// The size below which a block looks for a neighbour.
pub(super) const LEAST: usize = TARGET / 4;
/// How many blocks a scan asks the store for at once, at first and at most.
const READ_AHEAD: (usize, usize) = (2, 16);

/// One row's value.
pub(super) fn get(blocks: &Blocks, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
    let Some((_, block)) = floor(blocks, table, key)? else { return Ok(None) };
    let mut rows = BlockReader::new(table, &block);
    while let Some((row, value)) = rows.next()? {
        if row >= key {
            return Ok((row == key).then(|| value.to_vec()));
        }
    }
    Ok(None)
}

/// Shows the rows of a range in order, until told to stop. `from` is the first key, `to` the first behind the range
/// (`None`: the table's end).
pub(super) fn visit(
    blocks: &Blocks,
    table: Table,
    from: &[u8],
    to: Option<&[u8]>,
    reverse: bool,
    mut show: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut show_block = |block: &[u8]| {
        if reverse {
            show_backward(table, block, from, to, &mut show)
        } else {
            show_forward(table, block, from, to, &mut show)
        }
    };
    // What is left to ask the store for: [low, high).
    let tag = blocks.tag(table);
    let mut low = vec![tag];
    let mut high = to.map_or_else(|| vec![tag + 1], |to| block_key(tag, to));
    if !reverse && let Some((key, block)) = floor(blocks, table, from)? {
        if show_block(&block)?.is_break() {
            return Ok(());
        }
        // Few rows are asked for most often: the next block costs less alone than in a range.
        let Some((key, block)) = blocks.above(&key)? else { return Ok(()) };
        if show_block(&block)?.is_break() {
            return Ok(());
        }
        low = after(key);
    }
    let (mut ahead, most) = READ_AHEAD;
    loop {
        let found = blocks.store().range(Bound::Included(&low), Bound::Excluded(&high), reverse, ahead)?;
        let is_last = found.len() < ahead;
        for (key, block) in found {
            if show_block(&block)?.is_break() {
                return Ok(());
            }
            if reverse { high = key } else { low = after(key) }
        }
        if is_last {
            return Ok(());
        }
        ahead = most.min(ahead * 2);
    }
}

fn show_forward(
    table: Table,
    block: &[u8],
    from: &[u8],
    to: Option<&[u8]>,
    show: &mut impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ReadError> {
    let mut rows = BlockReader::new(table, block);
    while let Some((key, value)) = rows.next()? {
        if to.is_some_and(|to| key >= to) || (key >= from && show(key, value).is_break()) {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn show_backward(
    table: Table,
    block: &[u8],
    from: &[u8],
    to: Option<&[u8]>,
    show: &mut impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ReadError> {
    for (key, value) in Rows::read(table, block)?.iter().rev() {
        if key < from || (to.is_none_or(|to| key < to) && show(key, value).is_break()) {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The writes that make these changes, which rise by key.
pub(super) fn edit(blocks: &Blocks, table: Table, changes: &[RowChange]) -> Result<Vec<Write>, ViewsError> {
    let mut edit = Edit { blocks, table, changes, writes: Vec::new() };
    let mut at = 0;
    let mut next = None;
    while let Some(change) = changes.get(at) {
        let first = match next.take() {
            Some(block) => block,
            None => {
                floor(blocks, table, &change.key)?.unwrap_or_else(|| (vec![blocks.tag(table)], Vec::new()))
            }
        };
        (at, next) = edit.blocks(first, at)?;
    }
    Ok(edit.writes)
}

/// The writes that delete whatever lies under a tag, at most `limit` of them.
pub(super) fn clear(blocks: &Blocks, tag: u8, limit: usize) -> Result<Vec<Write>, StoreError> {
    let (from, to) = ([tag], [tag + 1]);
    let found = blocks.store().range(Bound::Included(&from), Bound::Excluded(&to), false, limit)?;
    Ok(found.into_iter().map(|(key, _)| Write::Delete(key)).collect())
}

/// The writes that make a table of these rows, which rise by key, under a tag with nothing under it.
pub(super) fn fill(tag: u8, rows: &[Pair]) -> impl Iterator<Item = Write> {
    let rows: Vec<(&[u8], &[u8])> =
        rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
    let sizes = sizes(&rows);
    cut(&sizes).into_iter().map(move |piece| {
        let key = match piece.start {
            0 => vec![tag],
            start => separator(tag, rows[start - 1].0, rows[start].0),
        };
        Write::Put(key, write_block(&rows[piece.clone()], sizes[piece].iter().sum()))
    })
}

struct Edit<'a> {
    blocks: &'a Blocks,
    table: Table,
    changes: &'a [RowChange],
    writes: Vec<Write>,
}

impl Edit<'_> {
    /// Rewrites a block, which the change at `start` falls into, and, if little is left of it, the ones behind.
    /// Gives the first change that is not done, and the block it falls into if that is known.
    fn blocks(&mut self, first: Pair, start: usize) -> Result<(usize, Option<Pair>), ViewsError> {
        let (mut end, mut next) = self.extent(&first, start, true)?;
        let mut old = vec![first];
        loop {
            let read: Result<Vec<_>, _> =
                old.iter().map(|(_, block)| Rows::read(self.table, block)).collect();
            let read = read?;
            let rows = self.merge(&read, &self.changes[start..end])?;
            let sizes = sizes(&rows);
            let size: usize = sizes.iter().sum();
            if (1..LEAST).contains(&size)
                && let Some((last, _)) = old.last()
                && let Some(neighbour) = self.blocks.above(last)?
                && size + neighbour.1.len() <= TARGET
            {
                (end, next) = self.extent(&neighbour, end, false)?;
                old.push(neighbour);
                continue;
            }
            self.replace(&old, &rows, &sizes);
            return Ok((end, next));
        }
    }

    /// The first change from `start` on that lies behind a block, and the block it falls into if that had to be
    /// looked up. `inside` says that the change at `start` is known to fall into the block.
    fn extent(&self, block: &Pair, start: usize, inside: bool) -> Result<(usize, Option<Pair>), ViewsError> {
        let last = BlockReader::new(self.table, &block.1).last_key()?;
        let changes = &self.changes[start..];
        let sure = last.map_or(0, |last| changes.partition_point(|change| change.key <= last));
        let sure = sure.max(usize::from(inside));
        let Some(unsure) = changes.get(sure) else { return Ok((start + sure, None)) };
        // Most often there is one change here and the next one is far away.
        let found = floor(self.blocks, self.table, &unsure.key)?;
        if let Some(found) = found.filter(|found| found.0 != block.0) {
            return Ok((start + sure, Some(found)));
        }
        let count = match self.blocks.above(&block.0)? {
            Some((above, _)) => changes.partition_point(|change| change.key.as_slice() < &above[1..]),
            None => changes.len(),
        };
        Ok((start + count, None))
    }

    /// The rows of some blocks after some changes.
    fn merge<'b>(
        &self,
        blocks: &'b [Rows<'b>],
        changes: &'b [RowChange],
    ) -> Result<Vec<(&'b [u8], &'b [u8])>, ViewsError> {
        let mut merged = Vec::with_capacity(changes.len() + 64);
        let mut changes = changes.iter().peekable();
        let conflict = |change: &RowChange, conflict| ViewsError::conflict(self.table, &change.key, conflict);
        let put = |merged: &mut Vec<_>, change: &'b RowChange| {
            merged.extend(change.new.as_deref().map(|new| (change.key.as_slice(), new)));
        };
        for (key, value) in blocks.iter().flat_map(Rows::iter) {
            while let Some(change) = changes.next_if(|change| change.key.as_slice() < key) {
                if change.old.is_some() {
                    return Err(conflict(change, Conflict::Missing));
                }
                put(&mut merged, change);
            }
            match changes.next_if(|change| change.key == key) {
                None => merged.push((key, value)),
                Some(change) => match change.old.as_deref() {
                    Some(old) if old == value => put(&mut merged, change),
                    Some(_) => return Err(conflict(change, Conflict::Differs)),
                    None => return Err(conflict(change, Conflict::Taken)),
                },
            }
        }
        for change in changes {
            if change.old.is_some() {
                return Err(conflict(change, Conflict::Missing));
            }
            put(&mut merged, change);
        }
        Ok(merged)
    }

    /// Writes rows in place of old blocks.
    fn replace(&mut self, old: &[Pair], rows: &[(&[u8], &[u8])], sizes: &[usize]) {
        let mut gone: Vec<&Vec<u8>> = old.iter().map(|(key, _)| key).collect();
        for (index, piece) in cut(sizes).into_iter().enumerate() {
            let key = match index {
                0 => old[0].0.clone(),
                _ => separator(self.blocks.tag(self.table), rows[piece.start - 1].0, rows[piece.start].0),
            };
            gone.retain(|old| **old != key);
            let block = write_block(&rows[piece.clone()], sizes[piece].iter().sum());
            self.writes.push(Write::Put(key, block));
        }
        self.writes.extend(gone.into_iter().map(|key| Write::Delete(key.clone())));
    }
}

/// `size` is what it takes, about.
fn write_block(rows: &[(&[u8], &[u8])], size: usize) -> Vec<u8> {
    let mut block = BlockWriter::with_capacity(size);
    let mut previous = None;
    for (key, value) in rows {
        block.push(previous.replace(*key), key, value);
    }
    block.finish()
}

/// How much each row takes in a block behind the one before.
fn sizes(rows: &[(&[u8], &[u8])]) -> Vec<usize> {
    let mut previous = None;
    rows.iter().map(|(key, value)| row_size(previous.replace(*key), key, value)).collect()
}

/// Cuts rows into blocks of about the same size, and rows that are longer than a block into blocks of their own.
fn cut(sizes: &[usize]) -> Vec<Range<usize>> {
    let total: usize = sizes.iter().sum();
    let goal = if total <= MOST { MOST } else { total / total.div_ceil(TARGET) };
    let mut pieces = Vec::new();
    let (mut start, mut filled) = (0, 0);
    for (index, size) in sizes.iter().enumerate() {
        let alone = *size > TARGET || index > 0 && sizes[index - 1] > TARGET;
        if index > start && (alone || filled + size / 2 > goal) {
            pieces.push(start..index);
            (start, filled) = (index, 0);
        }
        filled += size;
    }
    if start < sizes.len() {
        pieces.push(start..sizes.len());
    }
    pieces
}

/// The block that a row lies in if it is there.
fn floor(blocks: &Blocks, table: Table, key: &[u8]) -> Result<Option<Pair>, StoreError> {
    blocks.floor(&block_key(blocks.tag(table), key))
}

fn block_key(tag: u8, key: &[u8]) -> Vec<u8> {
    [slice::from_ref(&tag), key].concat()
}

/// The key of a block that begins with `first`, where the one before ends with `last`.
fn separator(tag: u8, last: &[u8], first: &[u8]) -> Vec<u8> {
    block_key(tag, &first[..=common_prefix(last, first)])
}

/// The least key above one.
fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::{self, Engine, StoreConfig};
    use proptest::prelude::*;
    use std::{
        collections::{BTreeMap, BTreeSet},
        path::Path,
    };

    /// Checks the module's invariants, and gives the bytes of each block.
    pub(in crate::views) fn check(store: &Blocks, table: Table) -> Vec<usize> {
        let (from, to) = ([store.tag(table)], [store.tag(table) + 1]);
        let blocks =
            store.store().range(Bound::Included(&from), Bound::Excluded(&to), false, usize::MAX).unwrap();
        let mut last: Option<Vec<u8>> = None;
        for (key, block) in &blocks {
            let rows = Rows::read(table, block).unwrap();
            assert!(last.as_deref().is_none_or(|last| last < &key[1..]), "a row lies above its block");
            assert!(rows.iter().next().is_some_and(|(first, _)| first >= &key[1..]), "empty, or a row below");
            for (key, _) in rows.iter() {
                assert!(last.as_deref().is_none_or(|last| last < key), "rows rise");
                last = Some(key.to_vec());
            }
            let longest = rows.iter().map(|(key, _)| key.len()).max().unwrap();
            assert!(rows.iter().count() == 1 || block.len() <= MOST + longest, "{} bytes", block.len());
        }
        blocks.iter().map(|(_, block)| block.len()).collect()
    }

    fn memory() -> Blocks {
        Blocks::new(store::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap(), BTreeSet::new())
    }

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "[a-c]{0,3}".prop_map(String::into_bytes),
            (0..2000_u32).prop_map(|number| number.to_be_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ]
    }

    fn value() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![8 => 0..100_usize, 2 => 100..2000_usize, 1 => 3000..9000_usize];
        (any::<u8>(), length).prop_map(|(byte, length)| vec![byte; length])
    }

    /// Each round: some keys and their new values.
    fn rounds() -> impl Strategy<Value = Vec<BTreeMap<Vec<u8>, Option<Vec<u8>>>>> {
        let round = proptest::collection::btree_map(key(), proptest::option::weighted(0.6, value()), 0..80);
        proptest::collection::vec(round, 1..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_packed_table_is_a_map(rounds in rounds(), bounds: (Vec<u8>, Option<Vec<u8>>)) {
            let store = memory();
            let mut oracle = BTreeMap::new();
            for round in rounds {
                let mut changes = Vec::new();
                for (key, new) in round {
                    let old = match &new {
                        Some(value) => oracle.insert(key.clone(), value.clone()),
                        None => oracle.remove(&key),
                    };
                    if old != new {
                        changes.push(RowChange { key, old, new });
                    }
                }
                let writes = edit(&store, Table::Nodes, &changes).unwrap();
                store.commit(writes).unwrap();
                check(&store, Table::Nodes);
            }
            for (key, value) in &oracle {
                let stored = get(&store, Table::Nodes, key).unwrap();
                prop_assert_eq!(stored.as_ref(), Some(value));
            }
            let (from, to) = bounds;
            let inside = |key: &Vec<u8>| *key >= from && to.as_ref().is_none_or(|to| key < to);
            let mut expected: Vec<Pair> = oracle.into_iter().filter(|(key, _)| inside(key)).collect();
            for reverse in [false, true] {
                let mut shown = Vec::new();
                visit(&store, Table::Nodes, &from, to.as_deref(), reverse, |key, value| {
                    shown.push((key.to_vec(), value.to_vec()));
                    ControlFlow::Continue(())
                }).unwrap();
                prop_assert_eq!(&shown, &expected);
                expected.reverse();
            }
        }
    }

    fn one(key: u32, old: Option<&str>, new: Option<&str>) -> RowChange {
        let bytes = |text: &str| text.as_bytes().to_vec();
        RowChange { key: key.to_be_bytes().to_vec(), old: old.map(bytes), new: new.map(bytes) }
    }

    #[test]
    fn blocks_are_neither_tiny_nor_many() {
        let store = memory();
        let value = "v".repeat(60);
        let row = |key: u32| one(key, None, Some(&value));
        // In order, backwards, and scattered.
        let orders: [Vec<u32>; 3] = [
            (0..3000).collect(),
            (10_000..13_000).rev().collect(),
            (0..3000).map(|n| 20_000 + n * 7919 % 3000).collect(),
        ];
        for key in orders.iter().flatten() {
            store.commit(edit(&store, Table::Nodes, &[row(*key)]).unwrap()).unwrap();
        }
        let blocks = check(&store, Table::Nodes);
        let live: usize = blocks.iter().sum();
        assert!(live / blocks.len() > TARGET / 2, "{live} bytes in {} blocks", blocks.len());
        // Nearly all go again, in no order.
        for key in orders.iter().flatten().filter(|key| *key % 50 != 0) {
            let gone = one(*key, Some(&value), None);
            store.commit(edit(&store, Table::Nodes, &[gone]).unwrap()).unwrap();
        }
        let blocks = check(&store, Table::Nodes);
        let live: usize = blocks.iter().sum();
        assert!(blocks.len() <= 2 + live / (LEAST / 2), "{live} bytes in {} blocks", blocks.len());
        store.commit(clear(&store, store.tag(Table::Nodes), usize::MAX).unwrap()).unwrap();
        assert!(check(&store, Table::Nodes).is_empty());
    }

    #[test]
    fn changes_that_do_not_fit_are_refused() {
        let store = memory();
        let edit = |change| edit(&store, Table::Nodes, &[change]);
        store.commit(edit(one(1, None, Some("a"))).unwrap()).unwrap();
        let conflict = |change| match edit(change) {
            Err(ViewsError::Conflict { conflict, .. }) => conflict,
            other => panic!("{other:?}"),
        };
        assert_eq!(conflict(one(1, None, Some("b"))), Conflict::Taken);
        assert_eq!(conflict(one(1, Some("x"), None)), Conflict::Differs);
        assert_eq!(conflict(one(0, Some("a"), None)), Conflict::Missing);
        assert_eq!(conflict(one(2, Some("a"), Some("b"))), Conflict::Missing);
    }
}
