//! Every view, and the records, as of one epoch.

use super::{
    ParquetError,
    cells::Tabular,
    io,
    table::{Part, TableWriter},
    tables::{ByTable, by_table},
    write_whole,
};
use crate::{
    search::Posting,
    views::{Scan, Snapshot},
};
use serde::{Deserialize, Serialize};
use springline_model::{Epoch, Row, Table, Timestamp, rows::RecordRow};
use std::{collections::BTreeMap, fs, path::Path};

const MANIFEST: &str = "manifest.json";
const PAGE: usize = 4096;

/// What an export holds; `manifest.json` in its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Who wrote it.
    pub generator: String,
    /// The epoch that every table is complete as of.
    pub epoch: Epoch,
    /// That epoch's clock.
    pub at: Timestamp,
    /// [`Manifest::at`] for people.
    pub at_rfc3339: String,
    /// By table.
    pub tables: BTreeMap<String, TableManifest>,
}

/// One table of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableManifest {
    /// Its rows.
    pub rows: u64,
    /// Its bytes on disk.
    pub bytes: u64,
    /// Its files.
    pub files: Vec<Part>,
}

/// What was written.
pub type Exported = Manifest;

/// Writes tables into a folder: a new one, an empty one, or that of an earlier export, which is replaced.
///
/// What may not be seen is not exported. `progress` is told each table's name before it is written.
///
/// # Errors
/// I/O, a store that does not decode, or a folder that holds something else.
pub fn export(
    snapshot: &Snapshot<'_>,
    tables: &[Table],
    dir: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Exported, ParquetError> {
    prepare(dir)?;
    let mut manifest = Manifest {
        generator: concat!("springline ", env!("CARGO_PKG_VERSION")).to_owned(),
        epoch: snapshot.epoch(),
        at: snapshot.clock(),
        at_rfc3339: snapshot.clock().to_rfc3339(),
        tables: BTreeMap::new(),
    };
    for table in tables {
        progress(table.name());
        let files = match table {
            Table::Records => records(snapshot, dir)?,
            table => match by_table(*table, Pages { snapshot, dir }) {
                Some(files) => files?,
                None => postings(snapshot, dir)?,
            },
        };
        let rows = files.iter().map(|part| part.rows).sum();
        let bytes = files.iter().map(|part| part.bytes).sum();
        manifest.tables.insert(table.name().to_owned(), TableManifest { rows, bytes, files });
    }
    let path = dir.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| ParquetError::Damaged { path: path.clone(), reason: error.to_string() })?;
    write_whole(&path, &text)?;
    Ok(manifest)
}

/// Makes the folder ready: an earlier export's manifest goes first, so that a half-written one is never taken for
/// whole.
fn prepare(dir: &Path) -> Result<(), ParquetError> {
    fs::create_dir_all(dir).map_err(io("cannot make", dir))?;
    let manifest = dir.join(MANIFEST);
    if manifest.is_file() {
        fs::remove_file(&manifest).map_err(io("cannot remove", &manifest))?;
    } else {
        let left = fs::read_dir(dir).map_err(io("cannot list", dir))?.filter_map(Result::ok);
        let foreign = left
            .map(|entry| entry.file_name())
            .any(|name| !Table::ALL.iter().any(|table| name.to_str() == Some(table.name())));
        if foreign {
            return Err(ParquetError::Occupied(dir.to_path_buf()));
        }
    }
    for table in Table::ALL {
        let old = dir.join(table.name());
        if old.is_dir() {
            fs::remove_dir_all(&old).map_err(io("cannot remove", &old))?;
        }
    }
    Ok(())
}

/// All rows of a table.
struct Pages<'a> {
    snapshot: &'a Snapshot<'a>,
    dir: &'a Path,
}

impl ByTable for Pages<'_> {
    type Given = Result<Vec<Part>, ParquetError>;

    fn of<R: Tabular + Row>(self) -> Self::Given {
        pages::<R>(self.snapshot, self.dir, |_| Ok(()))
    }
}

/// Hidden records stay in the ledger, but nobody may see them.
fn records(snapshot: &Snapshot<'_>, dir: &Path) -> Result<Vec<Part>, ParquetError> {
    pages::<RecordRow>(snapshot, dir, |rows| Ok(snapshot.retain_visible(rows)?))
}

/// The search index: who has which words, and how often.
fn postings(snapshot: &Snapshot<'_>, dir: &Path) -> Result<Vec<Part>, ParquetError> {
    let mut writer = TableWriter::of::<Posting<'_>>(dir, Table::Search);
    snapshot.search()?.each_posting(|posting| writer.push(posting))?;
    writer.finish()
}

fn pages<R: Tabular + Row>(
    snapshot: &Snapshot<'_>,
    dir: &Path,
    keep: impl Fn(&mut Vec<R>) -> Result<(), ParquetError>,
) -> Result<Vec<Part>, ParquetError> {
    let mut writer = TableWriter::of::<R>(dir, R::TABLE);
    let mut scan = Scan { prefix: Vec::new(), after: None, reverse: false, limit: PAGE };
    loop {
        let mut rows = snapshot.scan::<R>(&scan)?;
        scan.after = (rows.len() == PAGE).then(|| rows.last().map(Row::key_bytes)).flatten();
        keep(&mut rows)?;
        for row in &rows {
            writer.push(row)?;
        }
        if scan.after.is_none() {
            return writer.finish();
        }
    }
}
