//! A dataset's files: their columns, and how they are written and read. They are made in memory.

use super::Form;
use crate::parquet::{
    ParquetError,
    cells::{Cell, Group, Tabular, Type},
    encoder, library,
    table::GROUP_ROWS,
    tables::{ByTable, by_table},
};
use ::parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
};
use arrow_array::{RecordBatch, cast::AsArray as _};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use springline_model::{Row, Table};
use std::path::Path;

/// How hard files are compressed: each row is written a few times.
const LEVEL: i32 = 1;

/// The row's key, as the store has it.
pub(super) const KEY: &str = "_key";

/// What a change has beside its row.
pub(super) const CHANGE: [(&str, Type); 5] = [
    ("_epoch", Type::Count),
    ("_n", Type::Number),
    ("_op", Type::Text),
    ("_at", Type::Time),
    (KEY, Type::Bytes),
];

/// The columns of a table's files: ours, then the row's.
pub(super) fn columns(table: Table, form: Form) -> Vec<(&'static str, Type)> {
    let ours = match form {
        Form::Changelog => &CHANGE[..],
        Form::Snapshot => &CHANGE[4..],
    };
    [ours, &by_table(table, Columns).unwrap_or_default()].concat()
}

struct Columns;

impl ByTable for Columns {
    type Given = Vec<(&'static str, Type)>;

    fn of<R: Tabular + Row>(self) -> Self::Given {
        R::PARTITION.map(|name| (name, Type::Text)).into_iter().chain(R::COLUMNS.iter().copied()).collect()
    }
}

/// Columns as a manifest names them.
pub(super) fn described(columns: &[(&'static str, Type)]) -> Vec<String> {
    let schema = Group::new(columns).schema();
    schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect()
}

/// Adds a row behind some cells of ours.
pub(super) struct Push<'a> {
    pub(super) group: &'a mut Group,
    pub(super) ours: &'a [Cell<'a>],
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

impl Push<'_> {
    pub(super) fn to(self, table: Table) -> Result<(), ParquetError> {
        by_table(table, self).unwrap_or(Ok(()))
    }
}

impl ByTable for Push<'_> {
    type Given = Result<(), ParquetError>;

    fn of<R: Tabular + Row>(self) -> Self::Given {
        let row = R::decode(self.key, self.value)
            .map_err(|source| crate::ReadError::Row { table: R::TABLE, source })?;
        let mut cells: Vec<Cell<'_>> = Vec::with_capacity(self.ours.len() + R::COLUMNS.len() + 1);
        cells.extend(self.ours.iter().cloned());
        cells.extend(R::PARTITION.map(|_| Cell::Text(row.partition())));
        row.cells(&mut cells);
        Ok(self.group.push_cells(&cells)?)
    }
}

/// A file that is being written.
pub(super) type Encoder = encoder::Encoder<Vec<u8>>;

impl Encoder {
    pub(super) fn new(schema: SchemaRef) -> Result<Self, ParquetError> {
        Self::into(Vec::new(), Path::new("a file in memory"), schema, LEVEL)
    }
}

/// A file, batch by batch; only some of its columns if they are named.
pub(super) fn read(
    path: &str,
    bytes: Vec<u8>,
    only: Option<&[&str]>,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).map_err(library(Path::new(path)))?;
    let mask = only.map_or_else(ProjectionMask::all, |only| {
        ProjectionMask::columns(builder.parquet_schema(), only.iter().copied())
    });
    builder.with_projection(mask).with_batch_size(GROUP_ROWS).build().map_err(library(Path::new(path)))
}

/// A column of bytes.
pub(super) fn binary<'a>(
    path: &str,
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a arrow_array::BinaryArray, ParquetError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_binary_opt::<i32>());
    column.ok_or_else(|| damaged(path, &format!("it has no column `{name}`")))
}

pub(super) fn damaged(path: &str, reason: &str) -> ParquetError {
    ParquetError::Damaged { path: path.into(), reason: reason.to_owned() }
}
