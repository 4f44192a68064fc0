//! Taking out of a changelog what was deleted.
//!
//! Of each key that was deleted all changes up to that go, its `d` too. A pass begins when the oldest `d` has been there
//! for three quarters of `purge_secs`, and takes those that are half of it old: those who follow the files have that long
//! to see a `d`. Files are written anew from the oldest on, so a `d` never goes before what it deletes, and whatever a
//! crash leaves still folds to the view.
//!
//! Of events ([`super::events`]) it goes by what they are about: of a record all that is not newer than its deletion, by
//! its `rev`, wherever it stands; of an account, named by `authority`, all that came before. So all files are looked at.
//!
//! Limits: a pass takes [`DOOMED`] keys, which it holds in memory, and reads the keys of all files up to the last `d`.

use super::{
    dataset::Dataset,
    events::{AUTHORITY, REV},
    file::{self, Encoder, KEY, damaged},
    manifest::DataFile,
    upkeep::replace,
};
use crate::parquet::ParquetError;
use arrow_array::{
    Array as _, BinaryArray, BooleanArray, RecordBatch, RecordBatchReader as _, StringArray, UInt64Array,
    cast::AsArray as _,
    types::{TimestampMillisecondType, UInt32Type, UInt64Type},
};
use arrow_select::filter::filter_record_batch;
use springline_model::Timestamp;
use std::collections::{HashMap, VecDeque};

/// Keys that a pass takes.
const DOOMED: usize = 200_000;
/// The columns that say what goes; the last two are for events.
const OURS: [&str; 7] = ["_epoch", "_n", "_op", "_at", KEY, AUTHORITY, REV];
const OF_VIEWS: usize = 5;

/// A pass over a table.
pub(super) struct Purge {
    table: String,
    /// Keys, and up to where what is told of them goes.
    doomed: HashMap<Vec<u8>, Doom>,
    /// Paths of files still to look at.
    left: VecDeque<String>,
    /// It goes by accounts and versions, too.
    of_events: bool,
}

/// Up to where what is told of a key goes.
#[derive(Clone, Copy, Default)]
struct Doom {
    at: (u64, u32),
    rev: Option<u64>,
}

impl Doom {
    fn takes(self, at: (u64, u32), rev: Option<u64>) -> bool {
        match rev.zip(self.rev) {
            Some((rev, last)) => rev <= last,
            None => at <= self.at,
        }
    }
}

fn ours(of_events: bool) -> &'static [&'static str] {
    if of_events { &OURS } else { &OURS[..OF_VIEWS] }
}

/// When a row that was deleted then is due.
pub(super) const fn purge_at(since: Timestamp, purge_secs: u32) -> Timestamp {
    Timestamp(since.0 + purge_secs as i64 * 750)
}

impl Purge {
    /// Learns what was deleted, up to a time.
    pub(super) fn begin(dataset: &Dataset, table: String, until: Timestamp) -> Result<Self, ParquetError> {
        let mut doomed = HashMap::new();
        let mut left = VecDeque::new();
        let files = dataset.manifest().tables.get(&table).map_or(&[][..], |table| &table.files);
        let of_events = dataset.manifest().journal.is_some();
        let mut last = 0;
        for (place, file) in files.iter().enumerate() {
            if doomed.len() >= DOOMED || file.deleted_since.is_none_or(|since| since > until) {
                continue;
            }
            last = place + 1;
            for batch in file::read(&file.path, dataset.read(file)?, Some(ours(of_events)))? {
                let batch = batch?;
                let changes = Changes::of(&file.path, &batch, of_events)?;
                for row in (0..batch.num_rows()).filter(|row| changes.is_deleted(*row, until)) {
                    if doomed.len() < DOOMED {
                        let doom: &mut Doom = doomed.entry(changes.keys.value(row).to_vec()).or_default();
                        (doom.at, doom.rev) = (doom.at.max(changes.at(row)), doom.rev.max(changes.rev(row)));
                    }
                }
            }
        }
        let last = if of_events { files.len() } else { last };
        left.extend(files[..last].iter().map(|file| file.path.clone()));
        tracing::info!(table, keys = doomed.len(), files = left.len(), "rows that were deleted go");
        Ok(Self { table, doomed, left, of_events })
    }

    /// Looks at files until one had to be written anew; false at the end.
    pub(super) fn step(&mut self, dataset: &mut Dataset) -> Result<bool, ParquetError> {
        while let Some(path) = self.left.pop_front() {
            if self.clean(dataset, &path)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes a file anew without what has to go; whether there was anything.
    fn clean(&self, dataset: &mut Dataset, path: &str) -> Result<bool, ParquetError> {
        let table = dataset.manifest().tables.get(&self.table);
        let file = table.and_then(|table| table.files.iter().find(|file| file.path == path)).cloned();
        let Some(file) = file else { return Ok(false) };
        let bytes = dataset.read(&file)?;
        let mut any = false;
        for batch in file::read(path, bytes.clone(), Some(ours(self.of_events)))? {
            let batch = batch?;
            let changes = Changes::of(path, &batch, self.of_events)?;
            any = any || (0..batch.num_rows()).any(|row| self.takes(&changes, row));
        }
        if !any {
            return Ok(false);
        }
        let reader = file::read(path, bytes, None)?;
        let mut encoder = Encoder::new(reader.schema())?;
        let mut kept = DataFile { rows: 0, deleted_since: None, ..file.clone() };
        for batch in reader {
            let batch = batch?;
            let changes = Changes::of(path, &batch, self.of_events)?;
            let keep = |row| !self.takes(&changes, row);
            let mask: BooleanArray = (0..batch.num_rows()).map(|row| Some(keep(row))).collect();
            for row in (0..batch.num_rows()).filter(|row| keep(*row)) {
                if changes.is_deleted(row, Timestamp(i64::MAX)) {
                    let at = changes.clock(row);
                    kept.deleted_since = Some(kept.deleted_since.map_or(at, |since| since.min(at)));
                }
            }
            kept.rows += mask.true_count() as u64;
            encoder.write(filter_record_batch(&batch, &mask)?);
        }
        let new = match kept.rows {
            0 => None,
            _ => Some(dataset.store(&self.table, kept, encoder.finish()?)?),
        };
        replace(dataset, &self.table, std::slice::from_ref(&file), new)?;
        Ok(true)
    }

    fn takes(&self, changes: &Changes<'_>, row: usize) -> bool {
        let (at, key) = (changes.at(row), changes.keys.value(row));
        let by_key = self.doomed.get(key).is_some_and(|doom| doom.takes(at, changes.rev(row)));
        let account = || self.doomed.get(changes.authorities?.value(row).as_bytes());
        by_key || account().is_some_and(|doom| at <= doom.at)
    }
}

/// Our columns of some changes.
struct Changes<'a> {
    epochs: &'a [u64],
    numbers: &'a [u32],
    ops: &'a StringArray,
    clocks: &'a [i64],
    keys: &'a BinaryArray,
    authorities: Option<&'a StringArray>,
    revs: Option<&'a UInt64Array>,
}

impl<'a> Changes<'a> {
    fn of(path: &str, batch: &'a RecordBatch, of_events: bool) -> Result<Self, ParquetError> {
        let no = |name: &str| damaged(path, &format!("it has no column `{name}`"));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| no(name));
        Ok(Self {
            epochs: column("_epoch")?.as_primitive_opt::<UInt64Type>().ok_or_else(|| no("_epoch"))?.values(),
            numbers: column("_n")?.as_primitive_opt::<UInt32Type>().ok_or_else(|| no("_n"))?.values(),
            ops: column("_op")?.as_string_opt().ok_or_else(|| no("_op"))?,
            clocks: column("_at")?
                .as_primitive_opt::<TimestampMillisecondType>()
                .ok_or_else(|| no("_at"))?
                .values(),
            keys: file::binary(path, batch, KEY)?,
            authorities: if of_events {
                Some(column(AUTHORITY)?.as_string_opt().ok_or_else(|| no(AUTHORITY))?)
            } else {
                None
            },
            revs: if of_events {
                Some(column(REV)?.as_primitive_opt().ok_or_else(|| no(REV))?)
            } else {
                None
            },
        })
    }

    fn at(&self, row: usize) -> (u64, u32) {
        (self.epochs[row], self.numbers[row])
    }

    fn rev(&self, row: usize) -> Option<u64> {
        self.revs.filter(|revs| revs.is_valid(row)).map(|revs| revs.value(row))
    }

    fn clock(&self, row: usize) -> Timestamp {
        Timestamp(self.clocks[row])
    }

    fn is_deleted(&self, row: usize, until: Timestamp) -> bool {
        self.ops.value(row) == "d" && self.clock(row) <= until
    }
}
