//! Snapshots: the ledger as of an epoch, from which everything behind that epoch can be rebuilt without the journal
//! before it.
//!
//! ```text
//!  snapshots/00000000000000000042/ledger.parquet    (table u32, key bytes, value bytes), as the store has them
//!                                 manifest.json     epoch, clock, positions, rows, BLAKE3 of ledger.parquet
//! ```
//! The manifest is written last. A snapshot is read back whole or refused.

use super::{ParquetError, io, library, write_whole};
use crate::views::{self, Scan};
use ::parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::Compression,
    file::properties::WriterProperties,
};
use arrow_array::{
    Array, BinaryArray, RecordBatch, UInt32Array,
    builder::{BinaryBuilder, UInt32Builder},
};
use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};
use springline_model::{Epoch, Partition, Position, Table, Timestamp, View};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

const MANIFEST: &str = "manifest.json";
const LEDGER: &str = "ledger.parquet";
const PAGE: usize = 4096;

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotManifest {
    /// The format's version: 1.
    pub version: u16,
    /// The epoch that it is complete as of.
    pub epoch: Epoch,
    /// That epoch's clock.
    pub at: Timestamp,
    /// How far each partition was.
    pub positions: Vec<(Partition, Position)>,
    /// Rows of all tables.
    pub rows: u64,
    /// BLAKE3 of `ledger.parquet`, hex.
    pub checksum: String,
}

/// A whole snapshot on disk.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What it says of itself.
    pub manifest: SnapshotManifest,
    dir: PathBuf,
}

impl Snapshot {
    /// Writes the ledger as a view of it stands, and removes older snapshots.
    ///
    /// # Errors
    /// I/O, or a store that does not decode. What was there before stays.
    pub fn write(
        root: &Path,
        view: &views::Snapshot<'_>,
        positions: Vec<(Partition, Position)>,
    ) -> Result<Self, ParquetError> {
        let epoch = view.epoch();
        let dir = root.join(format!("{:020}", epoch.0));
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(io("cannot remove", &dir))?;
        }
        fs::create_dir_all(&dir).map_err(io("cannot make", &dir))?;
        let path = dir.join(LEDGER);
        let rows = write_ledger(&path, view)?;
        let manifest = SnapshotManifest {
            version: 1,
            epoch,
            at: view.clock(),
            positions,
            rows,
            checksum: checksum(&path)?,
        };
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| ParquetError::Damaged { path: dir.clone(), reason: error.to_string() })?;
        write_whole(&dir.join(MANIFEST), &text)?;
        super::sync_folder(root)?;
        for old in Self::list(root)?.into_iter().filter(|old| old.manifest.epoch < epoch) {
            fs::remove_dir_all(&old.dir).map_err(io("cannot remove", &old.dir))?;
        }
        Ok(Self { manifest, dir })
    }

    /// The newest whole snapshot in a folder.
    ///
    /// # Errors
    /// I/O.
    pub fn newest(root: &Path) -> Result<Option<Self>, ParquetError> {
        Ok(Self::list(root)?.pop())
    }

    fn list(root: &Path) -> Result<Vec<Self>, ParquetError> {
        let mut found = Vec::new();
        let entries = match fs::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(io("cannot list", root)(error)),
        };
        for entry in entries {
            let dir = entry.map_err(io("cannot list", root))?.path();
            // Without a manifest it was never finished.
            let Ok(text) = fs::read(dir.join(MANIFEST)) else { continue };
            let manifest = serde_json::from_slice(&text).map_err(|error| ParquetError::Damaged {
                path: dir.join(MANIFEST),
                reason: error.to_string(),
            })?;
            found.push(Self { manifest, dir });
        }
        found.sort_by_key(|snapshot: &Self| snapshot.manifest.epoch);
        Ok(found)
    }

    /// Gives every row as (table, key, value), in the store's order.
    ///
    /// # Errors
    /// I/O, or it is not what was written.
    pub fn read(&self, mut row: impl FnMut(Table, Vec<u8>, Vec<u8>)) -> Result<(), ParquetError> {
        let path = self.dir.join(LEDGER);
        let damaged = |reason: String| ParquetError::Damaged { path: path.clone(), reason };
        if self.manifest.version != 1 {
            return Err(damaged(format!("format {} is not known", self.manifest.version)));
        }
        if checksum(&path)? != self.manifest.checksum {
            return Err(damaged("the checksum does not fit".into()));
        }
        let file = File::open(&path).map_err(io("cannot read", &path))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(ParquetRecordBatchReaderBuilder::build)
            .map_err(library(&path))?;
        let mut rows = 0;
        for batch in reader {
            let batch = batch?;
            let column = |index: usize| batch.columns().get(index).map(Array::as_any);
            let tables = column(0).and_then(|column| column.downcast_ref::<UInt32Array>());
            let keys = column(1).and_then(|column| column.downcast_ref::<BinaryArray>());
            let values = column(2).and_then(|column| column.downcast_ref::<BinaryArray>());
            let (Some(tables), Some(keys), Some(values)) = (tables, keys, values) else {
                return Err(damaged("it has other columns".into()));
            };
            for index in 0..batch.num_rows() {
                let tag = u8::try_from(tables.value(index)).ok().and_then(Table::from_tag);
                let table =
                    tag.ok_or_else(|| damaged(format!("table {} is not known", tables.value(index))))?;
                row(table, keys.value(index).to_vec(), values.value(index).to_vec());
                rows += 1;
            }
        }
        if rows == self.manifest.rows {
            Ok(())
        } else {
            Err(damaged(format!("{rows} of its {} rows", self.manifest.rows)))
        }
    }
}

fn write_ledger(path: &Path, view: &views::Snapshot<'_>) -> Result<u64, ParquetError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("table", DataType::UInt32, false),
        Field::new("key", DataType::Binary, false),
        Field::new("value", DataType::Binary, false),
    ]));
    let file = File::create(path).map_err(io("cannot make", path))?;
    let level = ::parquet::basic::ZstdLevel::try_new(1).unwrap_or_default();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_dictionary_enabled(false)
        .build();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).map_err(library(path))?;
    let mut total = 0;
    for table in View::Ledger.tables() {
        let mut scan = Scan { prefix: Vec::new(), after: None, reverse: false, limit: PAGE };
        loop {
            let rows = view.scan_raw(table, &scan)?;
            let (mut tables, mut keys, mut values) =
                (UInt32Builder::new(), BinaryBuilder::new(), BinaryBuilder::new());
            for (key, value) in &rows {
                tables.append_value(table as u32);
                keys.append_value(key);
                values.append_value(value);
            }
            if !rows.is_empty() {
                let columns: Vec<Arc<dyn Array>> =
                    vec![Arc::new(tables.finish()), Arc::new(keys.finish()), Arc::new(values.finish())];
                writer.write(&RecordBatch::try_new(schema.clone(), columns)?).map_err(library(path))?;
                writer.flush().map_err(library(path))?;
            }
            total += rows.len() as u64;
            match rows.last() {
                Some((key, _)) if rows.len() == PAGE => scan.after = Some(key.clone()),
                _ => break,
            }
        }
    }
    let file = writer.into_inner().map_err(library(path))?;
    file.sync_all().map_err(io("cannot sync", path))?;
    Ok(total)
}

fn checksum(path: &Path) -> Result<String, ParquetError> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(io("cannot read", path))?;
    hasher.update_reader(file).map_err(io("cannot read", path))?;
    Ok(hasher.finalize().to_hex().to_string())
}
