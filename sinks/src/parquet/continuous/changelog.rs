//! A row for each change, in the order of the changes.

use super::{
    Form,
    dataset::{Dataset, Tables},
    file::{Push, columns},
    manifest::DataFile,
    open::{OpenFile, change, date, day},
};
use crate::{follow::Item, parquet::ParquetError};
use springline_model::{Table, Timestamp};
use std::collections::{BTreeMap, btree_map::Entry};

/// Files that are open: of each table one a date.
#[derive(Default)]
pub(super) struct Changelog {
    open: BTreeMap<(Table, i64), OpenFile>,
    /// The day of each table's last change, since 1970. It never goes back, so that files stand in the order of the
    /// changes.
    days: BTreeMap<Table, i64>,
}

impl Changelog {
    /// Behind what a dataset has.
    pub(super) fn behind(tables: &Tables) -> Self {
        let last = |table: &Table| {
            let date = tables.get(table.name())?.files.last()?.date.as_ref()?;
            Some((*table, day(Timestamp::parse(date).ok()?)))
        };
        Self { open: BTreeMap::new(), days: Table::ALL.iter().filter_map(last).collect() }
    }

    pub(super) fn push(&mut self, item: &Item) -> Result<(), ParquetError> {
        let today = day(item.clock);
        let last = self.days.entry(item.table).or_insert(today);
        *last = today.max(*last);
        let open = match self.open.entry((item.table, *last)) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(none) => {
                let date = date(none.key().1);
                none.insert(OpenFile::new(&columns(item.table, Form::Changelog), &date)?)
            }
        };
        let Some(value) = item.after.as_ref().or(item.before.as_ref()) else { return Ok(()) };
        let ours = change(item.at, item.op, item.clock, &item.key);
        Push { group: &mut open.group, ours: &ours, key: &item.key, value }.to(item.table)?;
        open.pushed(item.at, item.clock, item.op)
    }

    /// Forgets what was not written yet of a table.
    pub(super) fn forget(&mut self, table: Table) {
        self.open.retain(|(other, _), _| *other != table);
    }

    /// Closes the files.
    pub(super) fn flush(&mut self, dataset: &mut Dataset, tables: &mut Tables) -> Result<(), ParquetError> {
        while let Some(((table, _), open)) = self.open.pop_first() {
            let file = open.finish(dataset, table.name())?;
            tables.entry(table.name().to_owned()).or_default().files.push(file);
        }
        Ok(())
    }

    /// A file without rows, so that readers find a table's columns.
    pub(super) fn empty(
        dataset: &mut Dataset,
        table: Table,
        clock: Timestamp,
    ) -> Result<DataFile, ParquetError> {
        OpenFile::new(&columns(table, Form::Changelog), &clock.date())?.finish(dataset, table.name())
    }
}
