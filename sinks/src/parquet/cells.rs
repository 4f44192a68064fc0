//! From a row's fields to Arrow columns.

use arrow_array::{
    ArrayRef, RecordBatch,
    builder::{
        BinaryBuilder, Int32Builder, ListBuilder, StringBuilder, TimestampMillisecondBuilder, UInt32Builder,
        UInt64Builder,
    },
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use springline_model::Timestamp;
use std::sync::Arc;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// UTF-8, never null.
    Text,
    /// UTF-8 or null.
    Maybe,
    /// Any number of texts.
    Texts,
    /// Unsigned 64 bits.
    Count,
    /// Unsigned 64 bits or null.
    MaybeCount,
    /// Unsigned 32 bits.
    Number,
    /// Milliseconds, UTC.
    Time,
    /// Milliseconds, UTC, or null.
    MaybeTime,
    /// Days since 1970-01-01.
    Date,
    /// Bytes.
    Bytes,
}

impl Type {
    fn arrow(self) -> DataType {
        match self {
            Self::Text | Self::Maybe => DataType::Utf8,
            Self::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            Self::Count | Self::MaybeCount => DataType::UInt64,
            Self::Number => DataType::UInt32,
            Self::Time | Self::MaybeTime => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
            Self::Bytes => DataType::Binary,
        }
    }

    const fn is_nullable(self) -> bool {
        matches!(self, Self::Maybe | Self::MaybeCount | Self::MaybeTime)
    }
}

/// One value of a row.
#[derive(Clone, Debug)]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Owned(String),
    Maybe(Option<&'a str>),
    Texts(&'a [String]),
    Count(u64),
    MaybeCount(Option<u64>),
    Number(u32),
    Time(Timestamp),
    MaybeTime(Option<Timestamp>),
    Date(Timestamp),
    Bytes(&'a [u8]),
}

/// Names and types.
pub(super) type Columns = &'static [(&'static str, Type)];

/// A row that an export can write.
pub(super) trait Tabular {
    /// Names and types, in the order of [`Tabular::cells`]. The partition's column is not among them.
    const COLUMNS: Columns;

    /// The column whose values become folders.
    const PARTITION: Option<&'static str> = None;

    /// This row's value of the partition's column.
    fn partition(&self) -> &str {
        ""
    }

    /// Gives a cell for each column.
    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>);
}

enum Column {
    Text(StringBuilder),
    Texts(ListBuilder<StringBuilder>),
    Count(UInt64Builder),
    Number(UInt32Builder),
    Time(TimestampMillisecondBuilder),
    Date(Int32Builder),
    Bytes(BinaryBuilder),
}

impl Column {
    fn new(column: Type) -> Self {
        match column {
            Type::Text | Type::Maybe => Self::Text(StringBuilder::new()),
            Type::Texts => Self::Texts(ListBuilder::new(StringBuilder::new())),
            Type::Count | Type::MaybeCount => Self::Count(UInt64Builder::new()),
            Type::Number => Self::Number(UInt32Builder::new()),
            Type::Time | Type::MaybeTime => {
                Self::Time(TimestampMillisecondBuilder::new().with_timezone("UTC"))
            }
            Type::Date => Self::Date(Int32Builder::new()),
            Type::Bytes => Self::Bytes(BinaryBuilder::new()),
        }
    }

    fn push(&mut self, cell: &Cell<'_>) -> Result<(), ArrowError> {
        match (self, cell) {
            (Self::Text(column), Cell::Text(text)) => column.append_value(text),
            (Self::Text(column), Cell::Owned(text)) => column.append_value(text),
            (Self::Text(column), Cell::Maybe(text)) => column.append_option(*text),
            (Self::Texts(column), Cell::Texts(texts)) => column.append_value(texts.iter().map(Some)),
            (Self::Count(column), Cell::Count(count)) => column.append_value(*count),
            (Self::Count(column), Cell::MaybeCount(count)) => column.append_option(*count),
            (Self::Number(column), Cell::Number(number)) => column.append_value(*number),
            (Self::Time(column), Cell::Time(at)) => column.append_value(at.0),
            (Self::Time(column), Cell::MaybeTime(at)) => column.append_option(at.map(|at| at.0)),
            (Self::Date(column), Cell::Date(at)) => {
                let days = at.0.div_euclid(86_400_000);
                column.append_value(i32::try_from(days).unwrap_or(if days < 0 {
                    i32::MIN
                } else {
                    i32::MAX
                }));
            }
            (Self::Bytes(column), Cell::Bytes(bytes)) => column.append_value(bytes),
            (_, cell) => {
                return Err(ArrowError::SchemaError(format!("{cell:?} in a column of another type")));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Texts(column) => Arc::new(column.finish()),
            Self::Count(column) => Arc::new(column.finish()),
            Self::Number(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
            Self::Date(column) => {
                let days = column.finish();
                Arc::new(days.reinterpret_cast::<arrow_array::types::Date32Type>())
            }
            Self::Bytes(column) => Arc::new(column.finish()),
        })
    }
}

/// Rows on their way to a row group.
pub(super) struct Group {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
}

impl Group {
    pub(super) fn new(columns: &[(&'static str, Type)]) -> Self {
        let field = |(name, column): &(&str, Type)| Field::new(*name, column.arrow(), column.is_nullable());
        Self {
            schema: Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>())),
            columns: columns.iter().map(|(_, column)| Column::new(*column)).collect(),
            rows: 0,
        }
    }

    /// The columns as Arrow knows them.
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn push(&mut self, row: &impl Tabular) -> Result<(), ArrowError> {
        let mut cells = Vec::with_capacity(self.columns.len());
        row.cells(&mut cells);
        self.push_cells(&cells)
    }

    /// Adds a row by its cells, one a column.
    pub(super) fn push_cells(&mut self, cells: &[Cell<'_>]) -> Result<(), ArrowError> {
        if cells.len() != self.columns.len() {
            return Err(ArrowError::SchemaError(format!(
                "{} cells for {} columns",
                cells.len(),
                self.columns.len()
            )));
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell)?;
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows = 0;
        let arrays: Result<Vec<ArrayRef>, _> = self.columns.iter_mut().map(Column::finish).collect();
        RecordBatch::try_new(self.schema.clone(), arrays?)
    }
}
