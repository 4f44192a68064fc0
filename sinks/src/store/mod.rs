//! Sorted bytes under keys, written in atomic batches: what every engine offers and no more.
//!
//! ```text
//!   dir/sled/…   or   dir/fjall/…   or nothing (memory)
//!   key [0] "format"   the marker: magic, version, engine     ── this module
//!   key [0] …          the views' own state                    ── views::state
//!   key [table tag] …  rows                                    ── views::packed, search
//! ```
//!
//! Invariants, which `conformance` checks on every engine:
//! 1. A batch is all or nothing, in memory, after a reopen and after a crash.
//! 2. What was committed before [`Store::sync`] began is on disk when it returns.
//! 3. [`Store::range`] is ordered by bytes, in either direction, whatever its bounds.
//!
//! Limits: keys have 1 to [`MAX_KEY_BYTES`] bytes and never begin with `0xFF`; no snapshots: a reader that must
//! not see half of a batch keeps the writer out ([`crate::views`] does, with its gate).

mod config;
#[cfg(test)]
pub(crate) mod conformance;
mod error;
mod escape;
mod fjall;
mod format;
mod guard;
mod memory;
mod sled;

pub use config::{Engine, StoreConfig};
pub use error::StoreError;

use guard::Guard;
use std::{
    collections::BTreeMap,
    fs,
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The longest key.
pub const MAX_KEY_BYTES: usize = 60_000;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// One write of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The key now has this value.
    Put(Vec<u8>, Vec<u8>),
    /// The key is gone; it need not have been there.
    Delete(Vec<u8>),
}

impl Write {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put(key, _) | Self::Delete(key) => key,
        }
    }
}

/// An engine, open. Calls may come from any thread.
pub trait Store: Send + Sync {
    /// Writes all or nothing. Of several writes of one key the last wins. Not durable before [`Store::sync`].
    ///
    /// # Errors
    /// The engine fails, or a key is out of bounds: then nothing is written.
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// # Errors
    /// The engine fails.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The first `limit` pairs of a range, from its end if `reverse`. Bounds that cross give nothing.
    ///
    /// # Errors
    /// The engine fails.
    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError>;

    /// Makes everything that was committed before the call durable. Memory is never durable: it does nothing.
    ///
    /// # Errors
    /// The engine or the disk fails.
    fn sync(&self) -> Result<(), StoreError>;

    /// Bytes of its files; 0 for memory.
    ///
    /// # Errors
    /// The folder can't be read.
    fn size_on_disk(&self) -> Result<u64, StoreError>;
}

/// Opens the engine's folder in `dir`, creating it if it is not there, and checks or writes its format marker.
///
/// # Errors
/// [`StoreError::InUse`], [`StoreError::OtherEngine`], [`StoreError::Version`], [`StoreError::Foreign`],
/// [`StoreError::Damaged`], or the disk fails.
pub fn open(config: &StoreConfig, dir: &Path) -> Result<Arc<dyn Store>, StoreError> {
    let on_disk = || {
        let folder = folder(config.engine, dir)?;
        guard::check(config.engine, &folder)?;
        Ok(folder)
    };
    let store = match config.engine {
        Engine::Memory => Arc::new(memory::MemoryStore::default()) as Arc<dyn Store>,
        Engine::Sled => {
            let dir = on_disk()?;
            Arc::new(Guard::new(sled::SledStore::open(config, &dir)?, config.engine, &dir))
        }
        Engine::Fjall => {
            let dir = on_disk()?;
            Arc::new(Guard::new(fjall::FjallStore::open(config, &dir)?, config.engine, &dir))
        }
    };
    format::check(&*store, config.engine, dir)?;
    Ok(store)
}

/// Deletes the engine's folder in `dir`, for a rebuild from the journal. The store must not be open.
///
/// # Errors
/// The disk fails.
pub fn remove(engine: Engine, dir: &Path) -> Result<(), StoreError> {
    let Some(folder) = engine.folder() else { return Ok(()) };
    let path = dir.join(folder);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io(&path, error)),
        _ => Ok(()),
    }
}

/// The engine's folder in `dir`, created if need be. Each engine has its own, so that one never opens another's
/// files; that of another engine is refused, because the user would see two stores grow apart.
fn folder(engine: Engine, dir: &Path) -> Result<PathBuf, StoreError> {
    for other in Engine::ALL.iter().filter(|other| **other != engine) {
        if other.folder().is_some_and(|name| dir.join(name).exists()) {
            return Err(StoreError::OtherEngine { dir: dir.to_owned(), found: *other, asked: engine });
        }
    }
    let path = dir.join(engine.folder().unwrap_or_default());
    fs::create_dir_all(&path).map_err(|error| StoreError::io(&path, error))?;
    Ok(path)
}

/// The writes of a batch by key, the last of each.
fn last_of_each(writes: Vec<Write>) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let pair = |write| match write {
        Write::Put(key, value) => (key, Some(value)),
        Write::Delete(key) => (key, None),
    };
    writes.into_iter().map(pair).collect()
}

/// Refuses a batch with a key that an engine could not hold.
fn check_keys(writes: &[Write]) -> Result<(), StoreError> {
    let bad = |key: &[u8]| key.is_empty() || key.len() > MAX_KEY_BYTES || key[0] == u8::MAX;
    match writes.iter().map(Write::key).find(|key| bad(key)) {
        Some(key) => Err(StoreError::Key { bytes: key.len() }),
        None => Ok(()),
    }
}

/// Whether there can be anything between the bounds: engines differ in what they make of crossed ones.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            from >= to
        }
    }
}

/// Bytes of all files below a folder. Files that vanish meanwhile count nothing.
fn folder_size(dir: &Path) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).map_err(|error| StoreError::io(dir, error))? {
        let entry = entry.map_err(|error| StoreError::io(dir, error))?;
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes += folder_size(&entry.path())?,
            Ok(meta) => bytes += meta.len(),
            Err(_) => {}
        }
    }
    Ok(bytes)
}
