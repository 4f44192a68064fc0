//! Writing one table's files.

use super::{
    ParquetError,
    cells::{Columns, Group, Tabular},
    encoder::Encoder,
    io, sync_folder,
};
use springline_model::Table;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// A file is closed behind this many rows.
pub(super) const PART_ROWS: usize = 1_000_000;
/// How hard files are compressed: an export is written once.
const LEVEL: i32 = 3;
/// Rows held in memory for each open file, beside those on their way into it.
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
    writer: Encoder<File>,
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
            open.writer.write(open.group.take()?);
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
        let group = Group::new(self.columns);
        let writer = Encoder::into(file, &path, group.schema(), LEVEL)?;
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
            open.writer.write(open.group.take()?);
        }
        let file = open.writer.finish()?;
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

/// Reads it back; none if it is not what [`encode`] writes.
pub(super) fn decode(folder: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte == b'%' {
            let (hex, behind) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}
