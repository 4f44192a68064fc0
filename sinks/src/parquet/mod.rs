//! Views as Parquet: tables for analysts, once or [continuously](continuous), and the ledger's snapshots.
//!
//! ```text
//!  DIR/manifest.json                       epoch, clock, and for each table its files, rows and bytes; written last
//!  DIR/backlinks/kind=note/part-00000.parquet      (a table with a partition column: one folder a value)
//!  DIR/nodes/part-00000.parquet                    zstd, sorted by the view's own key
//! ```
//!
//! Invariants: an export is of one epoch; files are written under a temporary name, synced and renamed, and the
//! manifest comes last: a folder with a manifest is whole.
//!
//! Limits: a file holds at most [`table::PART_ROWS`] rows, a row group [`table::GROUP_ROWS`]; memory is a row group
//! for each open partition.

mod cells;
mod clusters;
mod continuous;
mod encoder;
mod export;
mod feedback;
mod jobs;
mod json;
mod network;
mod records;
mod rows;
mod snapshot;
mod table;
mod tables;

pub use continuous::{
    DataFile, DatasetManifest, DatasetTable, EventsFeed, Form, JournalProgress, LogProgress, ParquetFeed,
    ParquetSinkConfig, S3Config, Subject,
};
pub use export::{Exported, Manifest, TableManifest, export};
pub use json::{JsonRow, StoredRow, column_names, json_row};
pub use records::Records;
pub use snapshot::{Snapshot, SnapshotManifest};

use crate::{search::SearchError, views::ReadError};
use std::path::{Path, PathBuf};

/// Why an export or a snapshot failed.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// The file system said no.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried: "cannot write".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The store could not be read.
    #[error("the store could not be read")]
    Read(#[from] ReadError),
    /// The search index could not be read.
    #[error("the search index could not be read")]
    Search(#[from] SearchError),
    /// The Parquet library refused.
    #[error("{}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: ::parquet::errors::ParquetError,
    },
    /// Columns that do not fit together: our own mistake.
    #[error("rows do not fit the columns")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A snapshot that is not whole.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The object store, or the folder taken as one, said no.
    #[error("{action} {path}")]
    Object {
        /// What was tried: "cannot write".
        action: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        #[source]
        source: object_store::Error,
    },
    /// A dataset that is somebody else's, or written by somebody else meanwhile.
    #[error("{0}")]
    Dataset(String),
    /// The folder already holds something else.
    #[error("{} is not empty and holds no export: choose another folder", .0.display())]
    Occupied(PathBuf),
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ParquetError {
    let path = path.to_path_buf();
    move |source| ParquetError::Io { action, path, source }
}

fn library(path: &Path) -> impl FnOnce(::parquet::errors::ParquetError) -> ParquetError {
    let path = path.to_path_buf();
    move |source| ParquetError::Parquet { path, source }
}

/// Writes a small file so that it is either whole or not there.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ParquetError> {
    use std::io::Write as _;
    let temporary = path.with_extension("tmp");
    let mut file = std::fs::File::create(&temporary).map_err(io("cannot make", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("cannot write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(io("cannot rename to", path))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Makes renames in a folder durable.
fn sync_folder(dir: &Path) -> Result<(), ParquetError> {
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("cannot sync", dir))
}
