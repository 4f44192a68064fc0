//! Writing one table's files.

use super::{
    ParquetError,
    cells::{Columns, Group, Tabular},
    io, library, sync_folder,
};
use ::parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use springline_model::Table;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// A file is closed behind this many rows.
pub(super) const PART_ROWS: usize = 1_000_000;
/// Rows held in memory for each open file.
pub(super) const GROUP_ROWS: usize = 16 * 1024;
/// Files open at one time; the one written to longest ago is closed for a new one.
const OPEN_FILES: usize = 64;

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// Its path under the export's folder.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

struct Open {
    group: Group,
    writer: ArrowWriter<File>,
    path: PathBuf,
    rows: usize,
    used: u64,
}

/// Writes rows of one table into its partitions' files.
pub(super) struct TableWriter {
    root: PathBuf,
    table: &'static str,
    columns: Columns,
    /// The column whose values become folders.
    partition: Option<&'static str>,
    open: BTreeMap<String, Open>,
    numbers: BTreeMap<String, u32>,
    parts: Vec<Part>,
    clock: u64,
}

impl TableWriter {
    /// For rows of one type.
    pub(super) fn of<R: Tabular>(root: &Path, table: Table) -> Self {
        Self {
            root: root.to_path_buf(),
            table: table.name(),
            columns: R::COLUMNS,
            partition: R::PARTITION,
            open: BTreeMap::new(),
            numbers: BTreeMap::new(),
            parts: Vec::new(),
            clock: 0,
        }
    }

    pub(super) fn push(&mut self, row: &impl Tabular) -> Result<(), ParquetError> {
        let partition = row.partition();
        if !self.open.contains_key(partition) {
            self.begin(partition)?;
        }
        self.clock += 1;
        let Some(open) = self.open.get_mut(partition) else { return Ok(()) };
        open.used = self.clock;
        open.group.push(row)?;
        open.rows += 1;
        if open.group.rows() >= GROUP_ROWS {
            let batch = open.group.take()?;
            open.writer.write(&batch).map_err(library(&open.path))?;
            // Without it a row group keeps growing in memory until the library's own bound.
            open.writer.flush().map_err(library(&open.path))?;
        }
        if open.rows >= PART_ROWS {
            self.end(partition)?;
        }
        Ok(())
    }

    fn begin(&mut self, partition: &str) -> Result<(), ParquetError> {
        if self.open.len() >= OPEN_FILES {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.used).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.end(&oldest)?;
            }
        }
        let dir = self.root.join(self.folder(partition));
        fs::create_dir_all(&dir).map_err(io("cannot make", &dir))?;
        let number = self.numbers.entry(partition.to_owned()).or_default();
        let path = dir.join(format!("part-{number:05}.parquet.tmp"));
        *number += 1;
        let file = File::create(&path).map_err(io("cannot make", &path))?;
        let level = ::parquet::basic::ZstdLevel::try_new(3).unwrap_or_default();
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let group = Group::new(self.columns);
        let writer = ArrowWriter::try_new(file, group.schema(), Some(properties)).map_err(library(&path))?;
        self.open.insert(partition.to_owned(), Open { group, writer, path, rows: 0, used: self.clock });
        Ok(())
    }

    fn folder(&self, partition: &str) -> String {
        match self.partition {
            Some(column) => format!("{}/{column}={}", self.table, encode(partition)),
            None => self.table.to_owned(),
        }
    }

    fn end(&mut self, partition: &str) -> Result<(), ParquetError> {
        let Some(mut open) = self.open.remove(partition) else { return Ok(()) };
        if open.group.rows() > 0 {
            let batch = open.group.take()?;
            open.writer.write(&batch).map_err(library(&open.path))?;
        }
        let file = open.writer.into_inner().map_err(library(&open.path))?;
        file.sync_all().map_err(io("cannot sync", &open.path))?;
        let bytes = file.metadata().map_err(io("cannot read", &open.path))?.len();
        let path = open.path.with_extension("");
        fs::rename(&open.path, &path).map_err(io("cannot rename to", &path))?;
        sync_folder(path.parent().unwrap_or(&self.root))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = format!("{}/{name}", self.folder(partition));
        self.parts.push(Part { path, rows: open.rows as u64, bytes });
        Ok(())
    }

    /// Closes every file. A table without rows gets one empty file, so that readers find its columns.
    pub(super) fn finish(mut self) -> Result<Vec<Part>, ParquetError> {
        if self.open.is_empty() && self.parts.is_empty() {
            self.begin(if self.partition.is_some() { "none" } else { "" })?;
        }
        while let Some(partition) = self.open.keys().next().cloned() {
            self.end(&partition)?;
        }
        self.parts.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(self.parts)
    }
}

/// A partition's value as part of a path: what is not a plain letter, digit, `.`, `-` or `_` as `%XX`.
fn encode(value: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in value.bytes().take(200) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
