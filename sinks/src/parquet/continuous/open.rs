//! A changelog's file that is open: rows in memory, and what the manifest will say of them.

use super::{
    dataset::Dataset,
    file::{Encoder, described},
    manifest::DataFile,
};
use crate::{
    follow::Op,
    parquet::{
        ParquetError,
        cells::{Cell, Group, Type},
        table::GROUP_ROWS,
    },
    views::At,
};
use springline_model::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

pub(super) const DAY_MILLIS: i64 = 86_400_000;

/// The day of a time in UTC, counted from 1970-01-01.
pub(super) const fn day(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY_MILLIS)
}

/// How folders name a day.
pub(super) fn date(day: i64) -> String {
    Timestamp(day.saturating_mul(DAY_MILLIS)).date()
}

/// Rows of one day.
pub(super) struct OpenFile {
    /// Where a row is added; then it is to be told of ([`Self::pushed`]).
    pub(super) group: Group,
    encoder: Encoder,
    file: DataFile,
}

/// The cells that every change has.
pub(super) const fn change<'a>(at: At, op: Op, clock: Timestamp, key: &'a [u8]) -> [Cell<'a>; 5] {
    [
        Cell::Count(at.epoch.0),
        Cell::Number(at.n),
        Cell::Text(op.letter()),
        Cell::Time(clock),
        Cell::Bytes(key),
    ]
}

impl OpenFile {
    pub(super) fn new(columns: &[(&'static str, Type)], date: &str) -> Result<Self, ParquetError> {
        let group = Group::new(columns);
        let encoder = Encoder::new(group.schema())?;
        let columns = format!("{:08x}", xxh3_64(described(columns).join(",").as_bytes()) as u32);
        let file = DataFile { date: Some(date.to_owned()), columns, ..DataFile::default() };
        Ok(Self { group, encoder, file })
    }

    /// A row was added.
    pub(super) fn pushed(&mut self, at: At, clock: Timestamp, op: Op) -> Result<(), ParquetError> {
        self.file.rows += 1;
        let (first, last) = self.file.epochs.unwrap_or((at.epoch, at.epoch));
        self.file.epochs = Some((first.min(at.epoch), last.max(at.epoch)));
        if op == Op::Delete {
            let since = self.file.deleted_since.map_or(clock, |since| since.min(clock));
            self.file.deleted_since = Some(since);
        }
        if self.group.rows() >= GROUP_ROWS {
            self.encoder.write(self.group.take()?);
        }
        Ok(())
    }

    /// Writes it, under a table's name.
    pub(super) fn finish(mut self, dataset: &mut Dataset, table: &str) -> Result<DataFile, ParquetError> {
        if self.group.rows() > 0 {
            self.encoder.write(self.group.take()?);
        }
        dataset.store(table, self.file, self.encoder.finish()?)
    }
}
