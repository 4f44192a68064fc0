//! The rows as they are: changes are merged into the files that hold their keys.
//!
//! ```text
//!  files      [a … f] [g … p] [q … z]        a key's file: the last one whose first key is not behind it
//!  changes       c+       k-     r±          three files are written anew, in pieces of `file_bytes`
//! ```

use super::{
    Form,
    dataset::{Dataset, Tables},
    file::{self, Encoder, KEY, Push, columns},
    manifest::DataFile,
};
use crate::parquet::{
    ParquetError,
    cells::{Cell, Group},
    table::GROUP_ROWS,
};
use arrow_array::{Array as _, ArrayRef, RecordBatch, UInt32Array};
use arrow_select::{concat::concat_batches, take::take_record_batch};
use springline_model::Table;
use std::{collections::BTreeMap, mem};

/// Rows that are written at a time.
const CHUNK: usize = if cfg!(test) { 16 } else { GROUP_ROWS };
/// Bytes of rows, before compression, from which a file is cut: whole files are merged in memory.
const RAW: usize = 256 << 20;

/// A key, and its value now.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

/// What has changed: keys, and their values now.
#[derive(Default)]
pub(super) struct Merge {
    /// As it came: sorting it once costs less than keeping it sorted.
    tables: BTreeMap<Table, Vec<Change>>,
}

impl Merge {
    pub(super) fn push(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.tables.entry(table).or_default().push((key, value));
    }

    /// Forgets what was not written yet of a table.
    pub(super) fn forget(&mut self, table: Table) {
        self.tables.remove(&table);
    }

    /// Writes anew each file that a change falls into.
    pub(super) fn flush(
        &mut self,
        dataset: &mut Dataset,
        tables: &mut Tables,
        file_bytes: u64,
    ) -> Result<(), ParquetError> {
        while let Some((table, changes)) = self.tables.pop_first() {
            let changes = last_of_each(changes);
            let files = &mut tables.entry(table.name().to_owned()).or_default().files;
            // From the last one on: places before stay where they are.
            let mut rest = &changes[..];
            for place in (0..files.len().max(1)).rev() {
                let of_place = match files.get(place).and_then(|file| file.first_key.as_ref()) {
                    Some(first) if place > 0 => {
                        let (before, of_place) = rest.split_at(rest.partition_point(|(key, _)| key < first));
                        rest = before;
                        of_place
                    }
                    _ => mem::take(&mut rest),
                };
                let (inside, behind) = split(files.get(place), of_place);
                if !behind.is_empty() {
                    let new = merged(dataset, table, &[], behind, file_bytes)?;
                    files.splice(place + 1..place + 1, new);
                }
                if inside.is_empty() {
                    continue;
                }
                let old = files.get(place).map_or(0..0, |_| place..place + 1);
                let read = files[old.clone()]
                    .iter()
                    .map(|file| whole(dataset, file))
                    .collect::<Result<Vec<_>, _>>()?;
                let new = merged(dataset, table, &read, inside, file_bytes)?;
                files.splice(old, new);
            }
        }
        Ok(())
    }

    /// A file without rows, so that readers find a table's columns.
    pub(super) fn empty(dataset: &mut Dataset, table: Table) -> Result<DataFile, ParquetError> {
        let schema = Group::new(&columns(table, Form::Snapshot)).schema();
        dataset.store(table.name(), DataFile::default(), Encoder::new(schema)?.finish()?)
    }
}

/// Sorted by key, each once: as it came last.
fn last_of_each(mut changes: Vec<Change>) -> Vec<Change> {
    // Stable; and what came in order is found to be so.
    changes.sort_by(|(a, _), (b, _)| a.cmp(b));
    changes.dedup_by(|later, kept| {
        let is_same = later.0 == kept.0;
        if is_same {
            mem::swap(later, kept);
        }
        is_same
    });
    changes
}

/// Changes that fall into a file, and those that lie behind its last row, if they are half as many as it has rows: these
/// become files of their own, so that one which grows at its end (a first filling does) is not written anew each time.
fn split<'a>(file: Option<&DataFile>, changes: &'a [Change]) -> (&'a [Change], &'a [Change]) {
    let Some((last, rows)) = file.and_then(|file| Some((file.last_key.as_ref()?, file.rows))) else {
        return (changes, &[]);
    };
    let (inside, behind) = changes.split_at(changes.partition_point(|(key, _)| key <= last));
    if behind.len() as u64 * 2 >= rows { (inside, behind) } else { (changes, &[]) }
}

/// All batches of a file.
pub(super) fn whole(dataset: &Dataset, file: &DataFile) -> Result<Vec<RecordBatch>, ParquetError> {
    Ok(file::read(&file.path, dataset.read(file)?, None)?.collect::<Result<_, _>>()?)
}

/// Files with the rows of old ones, which follow each other, and changes.
pub(super) fn merged(
    dataset: &mut Dataset,
    table: Table,
    old: &[Vec<RecordBatch>],
    changed: &[Change],
    file_bytes: u64,
) -> Result<Vec<DataFile>, ParquetError> {
    let mut pieces = Pieces::new(dataset, table, file_bytes);
    let mut group = Group::new(&columns(table, Form::Snapshot));
    let is_new = old.iter().flatten().all(|batch| batch.num_rows() == 0);
    let mut new = Vec::new();
    for (key, value) in changed {
        let Some(value) = value else { continue };
        Push { group: &mut group, ours: &[Cell::Bytes(key)], key, value }.to(table)?;
        if group.rows() >= CHUNK {
            let batch = group.take()?;
            if is_new { pieces.write(batch)? } else { new.push(batch) }
        }
    }
    let last = group.take()?;
    if is_new {
        pieces.write(last)?;
        return pieces.finish();
    }
    new.push(last);
    let from = old.iter().flatten().map(RecordBatch::num_rows).sum();
    let all = concat_batches(&group.schema(), old.iter().flatten().chain(&new))?;
    let keys = file::binary(table.name(), &all, KEY)?;
    // Two sorted sequences: what was there and is not changed, and what has changed.
    let mut order: Vec<u32> = Vec::with_capacity(all.num_rows());
    let (mut next, mut left) = (from, changed.iter().peekable());
    for row in 0..from {
        let key = keys.value(row);
        let mut is_changed = false;
        while let Some((of, value)) = left.next_if(|(of, _)| of.as_slice() <= key) {
            is_changed = of == key;
            if value.is_some() {
                order.push(index(next)?);
                next += 1;
            }
        }
        if !is_changed {
            order.push(index(row)?);
        }
    }
    for row in next..all.num_rows() {
        order.push(index(row)?);
    }
    for rows in order.chunks(CHUNK) {
        pieces.write(pick(&all, rows)?)?;
    }
    pieces.finish()
}

/// Files that are written one after the other, in the order of their keys.
struct Pieces<'a> {
    dataset: &'a mut Dataset,
    table: Table,
    file_bytes: u64,
    files: Vec<DataFile>,
    open: Option<Piece>,
}

struct Piece {
    encoder: Encoder,
    file: DataFile,
    /// Bytes of its rows before compression.
    raw: usize,
}

impl<'a> Pieces<'a> {
    const fn new(dataset: &'a mut Dataset, table: Table, file_bytes: u64) -> Self {
        Self { dataset, table, file_bytes, files: Vec::new(), open: None }
    }

    fn write(&mut self, batch: RecordBatch) -> Result<(), ParquetError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let (rows, raw) = (batch.num_rows() as u64, size(&batch));
        let mut piece = match self.open.take() {
            Some(piece) => piece,
            None => {
                let first_key = Some(file::binary(self.table.name(), &batch, KEY)?.value(0).to_vec());
                let file = DataFile { first_key, ..DataFile::default() };
                Piece { encoder: Encoder::new(batch.schema())?, file, raw: 0 }
            }
        };
        let keys = file::binary(self.table.name(), &batch, KEY)?;
        piece.file.last_key = Some(keys.value(batch.num_rows() - 1).to_vec());
        piece.file.rows += rows;
        piece.raw += raw;
        piece.encoder.write(batch);
        let is_full = piece.encoder.size() >= self.file_bytes || piece.raw >= RAW;
        self.open = Some(piece);
        if is_full { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), ParquetError> {
        let Some(Piece { encoder, file, .. }) = self.open.take() else { return Ok(()) };
        self.files.push(self.dataset.store(self.table.name(), file, encoder.finish()?)?);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<DataFile>, ParquetError> {
        self.close()?;
        Ok(self.files)
    }
}

/// Some rows; without a copy if they follow each other.
fn pick(all: &RecordBatch, rows: &[u32]) -> Result<RecordBatch, ParquetError> {
    match rows.first() {
        Some(first) if rows.windows(2).all(|pair| pair[0] + 1 == pair[1]) => {
            Ok(all.slice(*first as usize, rows.len()))
        }
        _ => Ok(take_record_batch(all, &UInt32Array::from(rows.to_vec()))?),
    }
}

/// Bytes of a batch's rows.
fn size(batch: &RecordBatch) -> usize {
    let of = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default();
    batch.columns().iter().map(of).sum()
}

fn index(row: usize) -> Result<u32, ParquetError> {
    u32::try_from(row).map_err(|_| ParquetError::Dataset("a file has too many rows".into()))
}
