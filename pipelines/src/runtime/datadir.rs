//! The data folder: what lies where, and who has it.
//!
//! ```text
//!  springline-data/
//!    lock          held while a process has the folder; its text is the process id
//!    journal/      the truth
//!    snapshots/    the ledger as of an epoch
//!    store/        the views: can be deleted, is rebuilt
//!    redo/         of one of several processes: what is not surely in its store yet
//!    sources/      clones and the like: can be deleted, are fetched again
//!    agents/       what agents' processes there are, and the folders they work in
//! ```

use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

/// A data folder that this process has for itself. The lock goes with it.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why the folder can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The file system said no.
    #[error("cannot use the data folder {}", .0.display())]
    Io(PathBuf, #[source] std::io::Error),
    /// Another process has it.
    #[error("the data folder {} is in use by process {holder}: stop it first, or ask it over HTTP", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process id in the lock, or `unknown`.
        holder: String,
    },
    /// It has to be there already.
    #[error("there is no data in {}: run `springline run` first, or name another folder with --data-dir", .0.display())]
    Missing(PathBuf),
}

impl DataDir {
    /// Takes the folder, makes it if need be.
    ///
    /// # Errors
    /// I/O, or another process has it.
    pub fn take(path: &Path) -> Result<Self, DataDirError> {
        let io = |error| DataDirError::Io(path.to_path_buf(), error);
        fs::create_dir_all(path).map_err(io)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(io)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            let holder = holder.trim();
            let holder = if holder.is_empty() { "unknown" } else { holder }.to_owned();
            return Err(DataDirError::InUse { path: path.to_path_buf(), holder });
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(io)?;
        write!(lock, "{}", std::process::id()).map_err(io)?;
        Ok(Self { path: path.to_path_buf(), _lock: lock })
    }

    /// Takes a folder that has data already.
    ///
    /// # Errors
    /// As [`DataDir::take`], or there is neither a journal nor a store in it.
    pub fn take_existing(path: &Path) -> Result<Self, DataDirError> {
        if !path.join("journal").is_dir() && !path.join("store").is_dir() {
            return Err(DataDirError::Missing(path.to_path_buf()));
        }
        Self::take(path)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's folder.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The snapshots' folder.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// The folder of what sinks were told to do.
    #[must_use]
    pub fn sinks(&self) -> PathBuf {
        self.path.join("sinks")
    }

    /// The folder of agents' processes and of what they work in.
    #[must_use]
    pub fn agents(&self) -> PathBuf {
        self.path.join("agents")
    }

    /// The folder of what one of several processes has and may not have applied yet.
    #[must_use]
    pub fn redo(&self) -> PathBuf {
        self.path.join("redo")
    }

    /// The store's folder.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }
}
