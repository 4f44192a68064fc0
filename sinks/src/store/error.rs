//! What can go wrong below the views.

use super::{Engine, MAX_KEY_BYTES, format};
use std::{
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// A failure of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process (or this one) has it open.
    #[error("the store in {} is in use by another process; stop that first", dir.display())]
    InUse {
        /// Its folder.
        dir: PathBuf,
    },
    /// The engine does not open its own files. See [`StoreError::rebuild_helps`].
    #[error("the {engine} store in {} is damaged ({reason}); delete the folder, it is rebuilt from the journal", dir.display())]
    Damaged {
        /// Which engine.
        engine: Engine,
        /// Its folder.
        dir: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// Written by another version of this program. See [`StoreError::rebuild_helps`].
    #[error(
        "the store in {} has format {found}, this program writes {}; delete the folder, it is rebuilt from the journal",
        dir.display(), format::VERSION
    )]
    Version {
        /// Its folder.
        dir: PathBuf,
        /// What it has.
        found: u16,
    },
    /// It holds something, and that is not ours.
    #[error("{} holds data that this program did not write", dir.display())]
    Foreign {
        /// Its folder.
        dir: PathBuf,
    },
    /// The folder holds the store of another engine.
    #[error(
        "{} holds a store of engine `{found}`, the configuration asks for `{asked}`: set store.engine = \"{found}\", \
         or delete the folder `{found}` to have the views rebuilt", dir.display()
    )]
    OtherEngine {
        /// The folder of both.
        dir: PathBuf,
        /// What is there.
        found: Engine,
        /// What is wanted.
        asked: Engine,
    },
    /// A key that is empty, too long, or in the range that engines use for themselves.
    #[error("a key of {bytes} bytes can't be stored (1 to {MAX_KEY_BYTES} bytes, not beginning with 0xFF)")]
    Key {
        /// Its length.
        bytes: usize,
    },
    /// The disk fails.
    #[error("{}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// How.
        #[source]
        source: io::Error,
    },
    /// The engine fails.
    #[error("{engine} fails")]
    Engine {
        /// Which engine.
        engine: Engine,
        /// How.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether [`super::remove`] and a rebuild from the journal would get over it.
    #[must_use]
    pub const fn rebuild_helps(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Version { .. })
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn damaged(engine: Engine, dir: &Path, reason: String) -> Self {
        Self::Damaged { engine, dir: dir.to_owned(), reason }
    }

    /// An I/O error of an engine that opens: either the disk's own, or how the engine puts that it does not
    /// understand its files (an early end, a checksum).
    pub(super) fn open_io(engine: Engine, dir: &Path, error: io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match error.kind() {
            PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull => Self::io(dir, error),
            _ => Self::damaged(engine, dir, error.to_string()),
        }
    }

    pub(super) fn engine(
        engine: Engine,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Engine { engine, source: source.into() }
    }
}
