//! sled 0.34: a tree of pages over a log, with what its last stable version needs to be safe and small.
//!
//! ```text
//!   key                → 0 · value                      packed, a value has up to PART_BYTES
//!   key                → 1 · number of parts (u32)      or more,
//!   0xFF · key · index → part                           in parts of PART_BYTES
//!
//!   packed: the value (0), or LZ4 (1) if that is shorter
//! ```
//!
//! - Values are compressed here and not by sled, whose compression is of what it writes and not of what it holds.
//! - One tree and one batch a commit: recovered whole or not at all.
//! - `flush()` does not reach the disk on Linux (it calls `sync_file_range`): [`Store::sync`] calls `fdatasync` on
//!   the same file.
//! - Pages above 128 KiB go to files of their own, which sled never syncs. A page holds up to 17 values, so long
//!   values are cut into parts, which keeps pages below that. Keys of several KiB that sort side by side could
//!   still make such files: `sync` then syncs them too.
//! - What a batch replaces is freed by the *following* calls, a little each: a commit makes [`COLLECT_GETS`] a
//!   write of them, or memory would grow with every batch.
//! - It panics on some damage: every call is guarded ([`guard`]), and the store is then rebuilt from the journal.
//! - It can't walk backwards over some keys with four `0xFF` in a row: keys are escaped ([`escape`]).
//! - Its compression and its flushing thread are off.

use super::{
    Engine, Pair, Store, StoreConfig, StoreError, Write, check_keys,
    escape::{escape, unescape},
    folder_size, guard, is_empty,
};
use ::sled::{Batch, Db, Error, IVec, Tree};
use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};
use parking_lot::Mutex;
use std::{
    borrow::Cow,
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    ops::Bound,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Longer values are cut.
const PART_BYTES: usize = 6 * 1024;
/// The first byte of a value.
const WHOLE: u8 = 0;
const IN_PARTS: u8 = 1;
/// The first byte of what is packed.
const PLAIN: u8 = 0;
const COMPRESSED: u8 = 1;
/// Shorter values are left as they are.
const LEAST_PACKED: usize = 256;
/// Never there; sorts before all others.
const NO_KEY: &[u8] = &[0];
/// Keys from here on are parts.
const PARTS: &[u8] = &[u8::MAX];

/// No-op reads a write, to have replaced pages freed, and the least and the most a commit.
const COLLECT_GETS: usize = 4;
const COLLECT_LEAST: usize = 256;
const COLLECT_MOST: usize = 20_000;

/// How long one that was closed may still hold its lock: its threads write behind a commit, and keep it until then.
const CLOSING: Duration = Duration::from_secs(1);

/// The engine, open.
pub(super) struct SledStore {
    db: Db,
    tree: Tree,
    /// The log, to sync it. The same file that sled writes, opened once more.
    log: File,
    /// Page files that are on disk already.
    synced_pages: Mutex<BTreeSet<OsString>>,
    dir: PathBuf,
}

impl SledStore {
    /// Opens or creates it in a folder of its own.
    pub(super) fn open(config: &StoreConfig, dir: &Path) -> Result<Self, StoreError> {
        let settings = ::sled::Config::new()
            .path(dir)
            .cache_capacity(config.cache_bytes)
            .flush_every_ms(None)
            .use_compression(false);
        let started = Instant::now();
        let open = || loop {
            match settings.open() {
                Err(error) if is_locked(&error) && started.elapsed() < CLOSING => {
                    thread::sleep(CLOSING / 50);
                }
                Err(error) => return Err(error),
                Ok(db) => {
                    let tree = db.open_tree("rows")?;
                    return Ok((db, tree));
                }
            }
        };
        let (db, tree) = guard::open(Engine::Sled, dir, open, |error| match error {
            error if is_locked(&error) => StoreError::InUse { dir: dir.to_owned() },
            Error::Io(error) => StoreError::open_io(Engine::Sled, dir, error),
            other => StoreError::damaged(Engine::Sled, dir, other.to_string()),
        })?;
        let path = dir.join("db");
        let log = File::open(&path).map_err(|error| StoreError::io(&path, error))?;
        Ok(Self { db, tree, log, synced_pages: Mutex::default(), dir: dir.to_owned() })
    }

    /// How many parts the stored value of a key has.
    fn parts(&self, key: &[u8]) -> Result<u32, StoreError> {
        let value = self.tree.get(escape(key)).map_err(failed)?;
        Ok(value.as_deref().and_then(parts_of).unwrap_or(0))
    }

    /// The whole value behind what is stored under the key.
    fn whole(&self, key: &[u8], stored: &IVec) -> Result<Vec<u8>, StoreError> {
        let Some(parts) = parts_of(stored) else { return unpack(stored.get(1..).unwrap_or_default()) };
        let mut value = Vec::with_capacity(parts as usize * PART_BYTES);
        for index in 0..parts {
            let part = self.tree.get(escape(&part_key(key, index))).map_err(failed)?;
            value.extend_from_slice(&part.ok_or_else(missing)?);
        }
        unpack(&value)
    }

    fn sync_pages(&self) -> Result<(), StoreError> {
        let dir = self.dir.join("blobs");
        let entries = fs::read_dir(&dir).map_err(|error| StoreError::io(&dir, error))?;
        let names: BTreeSet<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        let mut synced = self.synced_pages.lock();
        for name in names.difference(&synced) {
            let path = dir.join(name);
            match File::open(&path).and_then(|file| file.sync_all()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io(&path, error));
                }
                _ => {} // replaced meanwhile: nothing refers to it any more
            }
        }
        *synced = names;
        Ok(())
    }
}

fn is_locked(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.to_string().starts_with("could not acquire lock"))
}

fn failed(error: Error) -> StoreError {
    StoreError::engine(Engine::Sled, error)
}

fn missing() -> StoreError {
    StoreError::engine(Engine::Sled, "a part of a long value is missing")
}

/// A value as it is stored; `head` comes before it.
fn pack(head: u8, value: &[u8]) -> Vec<u8> {
    let room = if value.len() < LEAST_PACKED { 0 } else { get_maximum_output_size(value.len()) };
    let mut packed = vec![0; room + 6];
    (packed[0], packed[1]) = (head, COMPRESSED);
    if room > 0
        && let Ok(length) = compress_into(value, &mut packed[6..])
        && length + 4 < value.len()
        && let Ok(whole) = u32::try_from(value.len())
    {
        packed[2..6].copy_from_slice(&whole.to_be_bytes());
        packed.truncate(6 + length);
        return packed;
    }
    [&[head, PLAIN], value].concat()
}

/// The value that was packed.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let damaged = || StoreError::engine(Engine::Sled, "a compressed value is damaged");
    match packed.split_first() {
        Some((&PLAIN, value)) => Ok(value.to_vec()),
        Some((&COMPRESSED, rest)) => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
            decompress(rest, u32::from_be_bytes(*length) as usize).map_err(|_| damaged())
        }
        _ => Err(damaged()),
    }
}

fn parts_of(stored: &[u8]) -> Option<u32> {
    let (&IN_PARTS, count) = stored.split_first()? else { return None };
    count.try_into().ok().map(u32::from_be_bytes)
}

fn part_key(key: &[u8], index: u32) -> Vec<u8> {
    [PARTS, key, &index.to_be_bytes()].concat()
}

impl Store for SledStore {
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        check_keys(&writes)?;
        let mut batch = Batch::default();
        let mut count = 0;
        for (key, value) in super::last_of_each(writes) {
            let mut parts = 0;
            let old_parts = self.parts(&key)?;
            let stored = value.map(|value| {
                let packed = pack(WHOLE, &value);
                if packed.len() <= PART_BYTES {
                    return packed;
                }
                for part in packed[1..].chunks(PART_BYTES) {
                    batch.insert(&*escape(&part_key(&key, parts)), part);
                    parts += 1;
                }
                [&[IN_PARTS], &parts.to_be_bytes()[..]].concat()
            });
            (parts..old_parts).for_each(|index| batch.remove(&*escape(&part_key(&key, index))));
            count += 1 + parts.max(old_parts) as usize;
            match stored {
                Some(stored) => batch.insert(&*escape(&key), stored),
                None => batch.remove(&*escape(&key)),
            }
        }
        self.tree.apply_batch(batch).map_err(failed)?;
        for _ in 0..(count * COLLECT_GETS).clamp(COLLECT_LEAST, COLLECT_MOST) {
            self.tree.contains_key(NO_KEY).map_err(failed)?;
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let stored = self.tree.get(escape(key)).map_err(failed)?;
        stored.map(|stored| self.whole(key, &stored)).transpose()
    }

    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let to = match to {
            Bound::Included(key) | Bound::Excluded(key) if key < PARTS => to,
            _ => Bound::Excluded(PARTS),
        };
        if is_empty(from, to) {
            return Ok(Vec::new());
        }
        let pair = |pair: Result<(IVec, IVec), Error>| {
            let (key, stored) = pair.map_err(failed)?;
            let key = unescape(&key);
            let value = self.whole(&key, &stored)?;
            Ok((key, value))
        };
        let range = self.tree.range::<Cow<'_, [u8]>, _>((from.map(escape), to.map(escape)));
        if reverse {
            range.rev().take(limit).map(pair).collect()
        } else {
            range.take(limit).map(pair).collect()
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(failed)?;
        self.sync_pages()?;
        self.log.sync_data().map_err(|error| StoreError::io(&self.dir.join("db"), error))
    }

    fn size_on_disk(&self) -> Result<u64, StoreError> {
        folder_size(&self.dir)
    }
}
