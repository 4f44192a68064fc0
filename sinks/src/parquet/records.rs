//! Exported records, read back: what `export --view records` wrote, whole.
//!
//! The kind of a record stands in the name of its folder (`kind=note`), everything else in columns, links and
//! attributes as JSON. Other columns are passed over, so that what an analyst has added does no harm.

use super::{ParquetError, io, library, table};
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use arrow_array::{
    Array, ListArray, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array, cast::AsArray as _,
};
use springline_model::{NodeName, Record, Rev, SourceId, Timestamp, Uri, rows::RecordRow};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The records of one file, in its order. An error ends it.
pub struct Records {
    path: PathBuf,
    kind: String,
    batches: ParquetRecordBatchReader,
    rows: u64,
    batch: Option<(Columns, usize)>,
}

struct Columns {
    uri: StringArray,
    source: StringArray,
    rev: UInt64Array,
    author: StringArray,
    node: StringArray,
    title: StringArray,
    text: StringArray,
    langs: ListArray,
    tags: ListArray,
    at: TimestampMillisecondArray,
    links: StringArray,
    attrs: StringArray,
}

impl Records {
    /// Opens a file of the table `records`.
    ///
    /// # Errors
    /// I/O, it is no Parquet file, or its folder names no kind.
    pub fn open(path: &Path) -> Result<Self, ParquetError> {
        let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let kind = folder.as_deref().and_then(|folder| folder.strip_prefix("kind=")).and_then(table::decode);
        let kind =
            kind.ok_or_else(|| damaged(path, "it does not lie in a folder `kind=…` of the table `records`"))?;
        let file = File::open(path).map_err(io("cannot read", path))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(library(path))?;
        let rows = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
        let batches = reader.build().map_err(library(path))?;
        Ok(Self { path: path.to_path_buf(), kind, batches, rows, batch: None })
    }

    /// How many records it holds.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    fn row(&mut self) -> Result<Option<RecordRow>, ParquetError> {
        loop {
            if let Some((columns, next)) = &mut self.batch
                && *next < columns.uri.len()
            {
                let row = *next;
                *next += 1;
                let read = columns.record(row, &self.kind);
                return read.map(Some).map_err(|reason| damaged(&self.path, &reason));
            }
            let Some(batch) = self.batches.next() else { return Ok(None) };
            let columns = Columns::of(&batch?).map_err(|reason| damaged(&self.path, &reason))?;
            self.batch = Some((columns, 0));
        }
    }
}

impl Iterator for Records {
    type Item = Result<RecordRow, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row().transpose()
    }
}

fn damaged(path: &Path, reason: &str) -> ParquetError {
    ParquetError::Damaged { path: path.to_path_buf(), reason: reason.to_owned() }
}

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Self, String> {
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| format!("it has no column `{name}`: an export of records has"))
        };
        let other = |name: &str| format!("its column `{name}` is of another type");
        let text = |name: &str| column(name)?.as_string_opt().cloned().ok_or_else(|| other(name));
        let texts = |name: &str| column(name)?.as_list_opt().cloned().ok_or_else(|| other(name));
        Ok(Self {
            uri: text("uri")?,
            source: text("source")?,
            rev: column("rev")?.as_primitive_opt().cloned().ok_or_else(|| other("rev"))?,
            author: text("author")?,
            node: text("node")?,
            title: text("title")?,
            text: text("text")?,
            langs: texts("langs")?,
            tags: texts("tags")?,
            at: column("at")?.as_primitive_opt().cloned().ok_or_else(|| other("at"))?,
            links: text("link_list")?,
            attrs: text("attrs")?,
        })
    }

    fn record(&self, row: usize, kind: &str) -> Result<RecordRow, String> {
        let node = (!self.node.is_null(row)).then(|| NodeName::from_canonical(self.node.value(row)));
        let json = |column: &str, error: serde_json::Error| format!("row {row}: `{column}`: {error}");
        let record = Record {
            uri: Uri::new(self.uri.value(row)),
            kind: kind.to_owned(),
            author: Uri::new(self.author.value(row)),
            node,
            title: self.title.value(row).to_owned(),
            text: self.text.value(row).to_owned(),
            langs: texts(&self.langs, row),
            tags: texts(&self.tags, row),
            at: Timestamp(self.at.value(row)),
            links: serde_json::from_str(self.links.value(row)).map_err(|error| json("link_list", error))?,
            attrs: serde_json::from_str(self.attrs.value(row)).map_err(|error| json("attrs", error))?,
        };
        let outside = |link: &springline_model::Link| {
            record.text.get(link.span.start as usize..link.span.end as usize).is_none()
        };
        if record.links.iter().any(outside) {
            return Err(format!("row {row}: a link lies outside of its text"));
        }
        let source = SourceId::new(self.source.value(row));
        Ok(RecordRow { source, rev: Rev(self.rev.value(row)), record: Arc::new(record) })
    }
}

fn texts(column: &ListArray, row: usize) -> Vec<String> {
    let values = column.value(row);
    let texts = values.as_string_opt::<i32>().into_iter().flat_map(|texts| texts.iter().flatten());
    texts.map(str::to_owned).collect()
}
