//! fjall 3: a log-structured merge tree. One keyspace holds everything, so that a batch is one journal entry.
//!
//! Memory: the block cache (`cache_bytes`), a memtable of [`MEMTABLE_BYTES`] and one that is being flushed. Disk:
//! about twice the live bytes, and a journal of at most 64 MiB. A batch reaches the system at its commit (so that
//! a killed process loses nothing) and the disk at `sync`.

use super::{Engine, Pair, Store, StoreConfig, StoreError, Write, check_keys, folder_size, guard, is_empty};
use ::fjall::{Database, Error, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::{
    ops::Bound,
    path::{Path, PathBuf},
};

/// When a memtable is flushed to a table.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
/// When the journal is cut by flushing what holds it; the least that fjall takes.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// The engine, open.
pub(super) struct FjallStore {
    db: Database,
    rows: Keyspace,
    dir: PathBuf,
}

impl FjallStore {
    /// Opens or creates it in a folder of its own.
    pub(super) fn open(config: &StoreConfig, dir: &Path) -> Result<Self, StoreError> {
        let open = || {
            let db = Database::builder(dir)
                .cache_size(config.cache_bytes)
                .worker_threads(1)
                .max_journaling_size(JOURNAL_BYTES)
                .open()?;
            let rows =
                db.keyspace("rows", || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))?;
            Ok((db, rows))
        };
        let (db, rows) = guard::open(Engine::Fjall, dir, open, |error: Error| match error {
            Error::Locked => StoreError::InUse { dir: dir.to_owned() },
            Error::Io(error) => StoreError::open_io(Engine::Fjall, dir, error),
            other => StoreError::damaged(Engine::Fjall, dir, other.to_string()),
        })?;
        Ok(Self { db, rows, dir: dir.to_owned() })
    }
}

fn failed(error: Error) -> StoreError {
    StoreError::engine(Engine::Fjall, error)
}

impl Store for FjallStore {
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        check_keys(&writes)?;
        let mut batch = self.db.batch();
        // Within a batch fjall can't tell two writes of one key apart.
        for (key, value) in super::last_of_each(writes) {
            match value {
                Some(value) => batch.insert(&self.rows, key, value),
                None => batch.remove(&self.rows, key),
            }
        }
        batch.commit().map_err(failed)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.rows.get(key).map_err(failed)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        if is_empty(from, to) {
            return Ok(Vec::new());
        }
        let pair = |guard: ::fjall::Guard| {
            let (key, value) = guard.into_inner().map_err(failed)?;
            Ok((key.to_vec(), value.to_vec()))
        };
        let range = self.rows.range::<&[u8], _>((from, to));
        if reverse {
            range.rev().take(limit).map(pair).collect()
        } else {
            range.take(limit).map(pair).collect()
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.persist(PersistMode::SyncAll).map_err(failed)
    }

    fn size_on_disk(&self) -> Result<u64, StoreError> {
        folder_size(&self.dir)
    }
}
