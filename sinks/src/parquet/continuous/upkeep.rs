//! Looking after what was written: a step at a time, each of them a manifest of its own.
//!
//! * *Replaced* files are deleted when their time has come.
//! * *Retention* drops the files of days that are too old.
//! * *Purge* ([`super::purge`]) takes out what was deleted.
//! * *Compaction* puts files of one day together: eight of a kind, and whatever is left of a day that is over. A row
//!   is so written again a few times. Neighbours in a snapshot are put together when both are small.

use super::{
    Form, ParquetSinkConfig,
    dataset::Dataset,
    file::{self, Encoder},
    manifest::{DataFile, DatasetTable},
    merge::{merged, whole},
    open::DAY_MILLIS,
    purge::{Purge, purge_at},
};
use crate::parquet::ParquetError;
use arrow_array::RecordBatchReader as _;
use springline_model::{Table, Timestamp};
use std::time::Duration;

/// Files of a kind that are put together.
const RUN: usize = 8;
/// Between looks when there is nothing to do, and at least between two that find something to be due.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is going on.
#[derive(Default)]
pub(super) struct Upkeep {
    purge: Option<Purge>,
}

impl Upkeep {
    /// Does one thing, if there is one to do; when to come again.
    pub(super) fn step(
        &mut self,
        dataset: &mut Dataset,
        config: &ParquetSinkConfig,
        now: Timestamp,
    ) -> Result<Duration, ParquetError> {
        let expires = dataset.expire(now)?;
        let has_worked = match config.form {
            Form::Snapshot => join(dataset, config.file_bytes)?,
            Form::Changelog => {
                retire(dataset, config, now)?
                    || self.purge(dataset, config, now)?
                    || compact(dataset, config, now)?
            }
        };
        if has_worked {
            return Ok(Duration::ZERO);
        }
        let purge = config.purge_secs;
        let purges = dataset.manifest().files().filter_map(|file| Some(purge_at(file.deleted_since?, purge)));
        let next = purges
            .chain(expires)
            .min()
            .map_or(LOOK.1, |at| Duration::from_millis(u64::try_from(at.0 - now.0).unwrap_or(0)));
        Ok(next.clamp(LOOK.0, LOOK.1))
    }

    /// One file of a purge.
    fn purge(
        &mut self,
        dataset: &mut Dataset,
        config: &ParquetSinkConfig,
        now: Timestamp,
    ) -> Result<bool, ParquetError> {
        if self.purge.is_none() {
            let is_due = |table: &DatasetTable| {
                let since = table.files.iter().filter_map(|file| file.deleted_since).min();
                since.is_some_and(|since| purge_at(since, config.purge_secs) <= now)
            };
            let due = dataset.manifest().tables.iter().find(|(_, table)| is_due(table));
            let Some(name) = due.map(|(name, _)| name.clone()) else { return Ok(false) };
            let until = Timestamp(now.0 - i64::from(config.purge_secs) * 500);
            self.purge = Some(Purge::begin(dataset, name, until)?);
        }
        if let Some(purge) = &mut self.purge
            && !purge.step(dataset)?
        {
            self.purge = None;
        }
        Ok(true)
    }
}

/// Drops what is too old.
fn retire(dataset: &mut Dataset, config: &ParquetSinkConfig, now: Timestamp) -> Result<bool, ParquetError> {
    let Some(days) = config.retain_days else { return Ok(false) };
    let first = Timestamp(now.0 - i64::from(days) * DAY_MILLIS).date();
    let is_old = |file: &DataFile| file.date.as_ref().is_some_and(|date| *date < first);
    // Readers want one file with the columns.
    let has_old = |table: &DatasetTable| table.files.len() > 1 && table.files.iter().any(is_old);
    if !dataset.manifest().tables.values().any(has_old) {
        return Ok(false);
    }
    dataset.commit(|next| {
        for table in next.tables.values_mut() {
            let last = table.files.last().cloned();
            table.files.retain(|file| !is_old(file));
            if table.files.is_empty() {
                table.files.extend(last);
            }
        }
    })?;
    Ok(true)
}

/// Puts some small files together.
fn compact(dataset: &mut Dataset, config: &ParquetSinkConfig, now: Timestamp) -> Result<bool, ParquetError> {
    let today = now.date();
    let tables = &dataset.manifest().tables;
    let found =
        tables.iter().find_map(|(name, table)| Some((name, run(&table.files, config.file_bytes, &today)?)));
    let Some((name, files)) = found.map(|(name, files)| (name.clone(), files.to_vec())) else {
        return Ok(false);
    };
    let mut new = DataFile { rows: 0, ..files[0].clone() };
    let mut encoder = None;
    for file in &files {
        let reader = file::read(&file.path, dataset.read(file)?, None)?;
        let encoder = match &mut encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::new(reader.schema())?),
        };
        for batch in reader {
            encoder.write(batch?);
        }
        new.rows += file.rows;
        new.level = new.level.max(file.level);
        let (from, to) = (new.epochs, file.epochs);
        new.epochs = from.zip(to).map(|(from, to)| (from.0.min(to.0), from.1.max(to.1))).or(from).or(to);
        new.deleted_since = new.deleted_since.into_iter().chain(file.deleted_since).min();
    }
    new.level = new.level.saturating_add(1);
    let Some(encoder) = encoder else { return Ok(false) };
    let new = dataset.store(&name, new, encoder.finish()?)?;
    replace(dataset, &name, &files, Some(new))?;
    Ok(true)
}

/// Neighbours that are to be put together.
fn run<'a>(files: &'a [DataFile], file_bytes: u64, today: &str) -> Option<&'a [DataFile]> {
    let fits = |run: &[DataFile]| run.iter().map(|file| file.bytes).sum::<u64>() <= file_bytes;
    let of_a_kind = |a: &DataFile, b: &DataFile| a.date == b.date && a.columns == b.columns;
    let of_a_level = |a: &DataFile, b: &DataFile| of_a_kind(a, b) && a.level == b.level;
    let eight = files.chunk_by(of_a_level).flat_map(|level| level.windows(RUN)).find(|run| fits(run));
    let mut over =
        files.chunk_by(of_a_kind).filter(|day| day[0].date.as_deref().is_some_and(|date| date < today));
    eight.or_else(|| {
        over.find_map(|day| {
            let from = day.windows(2).position(fits)?;
            let longest = (from + 2..=day.len()).take_while(|to| fits(&day[from..*to])).last()?;
            Some(&day[from..longest])
        })
    })
}

/// Puts two small neighbours of a snapshot together.
fn join(dataset: &mut Dataset, file_bytes: u64) -> Result<bool, ParquetError> {
    let small = |pair: &&[DataFile]| pair[0].bytes + pair[1].bytes <= file_bytes / 2;
    let tables = &dataset.manifest().tables;
    let found = tables.iter().find_map(|(name, table)| Some((name, table.files.windows(2).find(small)?)));
    let Some((name, pair)) = found.map(|(name, pair)| (name.clone(), pair.to_vec())) else {
        return Ok(false);
    };
    let Some(table) = Table::ALL.iter().copied().find(|table| table.name() == name) else { return Ok(false) };
    let old = pair.iter().map(|file| whole(dataset, file)).collect::<Result<Vec<_>, _>>()?;
    let new = merged(dataset, table, &old, &[], file_bytes)?;
    replace(dataset, &name, &pair, new)?;
    Ok(true)
}

/// Names other files in the place of some neighbours.
pub(super) fn replace(
    dataset: &mut Dataset,
    table: &str,
    old: &[DataFile],
    new: impl IntoIterator<Item = DataFile>,
) -> Result<(), ParquetError> {
    dataset.commit(|next| {
        let Some(files) = next.tables.get_mut(table).map(|table| &mut table.files) else { return };
        if let Some(from) = files.iter().position(|file| file.path == old[0].path) {
            files.splice(from..from + old.len(), new);
        }
    })
}
