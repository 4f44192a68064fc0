//! What an epoch changes here, kept until the store surely has it.
//!
//! ```text
//!  committer ──append + fdatasync──► redo/ ──► every process has it? ──► store ──sync──► trimmed
//!                                      └────────── at a start: up to the newest epoch that all have ──► store
//! ```
//!
//! An epoch counts only when every process has it on disk, and none knows what the others applied before it died. So each
//! writes its share down before anybody applies it: it can then be applied by all, or be dropped by all.
//!
//! It lies in the files of a [`Journal`]: whole epochs, a torn tail is cut, damage before it is refused. An epoch's first
//! chunk is its [`EpochCommit`], the others are rows.
//!
//! Limits: as those of a journal; a chunk has about [`CHUNK_BYTES`], or one row.

use crate::runtime::journal::{Journal, JournalError, JournalOptions};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use springline_model::{Epoch, EpochCommit, Table, rows::PostingsRow};
use springline_sinks::views::{Change, Changes};
use std::{path::Path, sync::Arc};

/// Raise it when what is in a chunk changes.
const FORMAT: u8 = 1;
const CHUNK_BYTES: usize = 1024 * 1024;
/// Trimmed every few seconds, so that small segments would only be more files.
const OPTIONS: JournalOptions = JournalOptions { segment_bytes: 64 * 1024 * 1024, sync: true };

/// What a chunk has.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Rows = 1,
    Postings = 2,
    Visible = 3,
}

/// The redo of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Redo(Arc<Mutex<Journal>>);

/// What can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum RedoError {
    /// The files.
    #[error("the redo can't be used")]
    Journal(#[from] JournalError),
    /// Whole, and not what this program writes.
    #[error(
        "epoch {0} of the redo is not what this version writes: start the version that wrote it once more"
    )]
    Foreign(Epoch),
}

impl Redo {
    /// Opens it in its folder; an epoch that was not finished is cut.
    pub(crate) fn open(dir: &Path) -> Result<Self, RedoError> {
        Ok(Self(Arc::new(Mutex::new(Journal::open(dir, OPTIONS)?))))
    }

    /// The newest epoch that can be applied to a store that has `applied`.
    pub(crate) fn reach(&self, applied: Epoch) -> Epoch {
        let journal = self.0.lock();
        if journal.first() <= applied.next() { journal.last().max(applied) } else { applied }
    }

    /// Keeps an epoch: it is on disk when this returns.
    pub(crate) fn append(&self, commit: &EpochCommit, changes: &Changes) -> Result<u64, RedoError> {
        let chunks = encode(commit, changes).map_err(JournalError::Encode)?;
        // Events were counted elsewhere; here its chunks are.
        let frame = EpochCommit { advances: vec![], events: chunks.len() as u64, ..commit.clone() };
        Ok(self.0.lock().append(&frame, &chunks)?.bytes)
    }

    /// Drops what lies behind `last`; the next epoch is the one after it.
    pub(crate) fn cut_behind(&self, last: Epoch) -> Result<(), RedoError> {
        let mut journal = self.0.lock();
        if journal.last() > last {
            journal.cut_behind(last)?;
        }
        // Older than the store, or with a gap behind it: there is nothing to do with it.
        if journal.last() != last {
            journal.restart(last.next())?;
        }
        Ok(())
    }

    /// Drops what a synced store has.
    pub(crate) fn trim(&self, covered: Epoch) -> Result<u64, RedoError> {
        Ok(self.0.lock().trim(covered, covered.next())?)
    }

    /// Shows the epochs behind `applied`, in order.
    pub(crate) fn replay<E: From<RedoError>>(
        &self,
        applied: Epoch,
        mut visit: impl FnMut(EpochCommit, Changes) -> Result<(), E>,
    ) -> Result<(), E> {
        let journal = self.0.lock();
        if journal.last() <= applied {
            return Ok(());
        }
        let mut replay = journal.replay(applied.next()).map_err(RedoError::from)?;
        while let Some((frame, chunks)) = replay.next_chunks().map_err(RedoError::from)? {
            let (commit, changes) = decode(&chunks).ok_or(RedoError::Foreign(frame.epoch))?;
            visit(commit, changes)?;
        }
        Ok(())
    }
}

fn encode(commit: &EpochCommit, changes: &Changes) -> Result<Vec<Vec<u8>>, postcard::Error> {
    let mut chunks = vec![postcard::to_extend(commit, vec![FORMAT])?];
    let rows = changes.tables.iter().flat_map(|(table, rows)| rows.iter().map(move |row| (table, row)));
    let rows = rows.map(|(table, row)| (*table as u8, &row.key, &row.value, row.diff));
    fill(&mut chunks, Kind::Rows, rows)?;
    fill(&mut chunks, Kind::Postings, changes.postings.iter())?;
    fill(&mut chunks, Kind::Visible, changes.visible.iter())?;
    Ok(chunks)
}

fn fill(
    chunks: &mut Vec<Vec<u8>>,
    kind: Kind,
    items: impl Iterator<Item = impl Serialize>,
) -> Result<(), postcard::Error> {
    let mut chunk = vec![kind as u8];
    for item in items {
        chunk = postcard::to_extend(&item, chunk)?;
        if chunk.len() >= CHUNK_BYTES {
            chunks.push(std::mem::replace(&mut chunk, vec![kind as u8]));
        }
    }
    if chunk.len() > 1 {
        chunks.push(chunk);
    }
    Ok(())
}

fn decode(chunks: &[Vec<u8>]) -> Option<(EpochCommit, Changes)> {
    let (head, chunks) = chunks.split_first()?;
    let (format, head) = head.split_first()?;
    let commit = postcard::from_bytes(head).ok().filter(|_| *format == FORMAT)?;
    let mut changes = Changes::default();
    for chunk in chunks {
        let (kind, items) = chunk.split_first()?;
        if *kind == Kind::Rows as u8 {
            for (tag, key, value, diff) in all::<(u8, Vec<u8>, Vec<u8>, isize)>(items)? {
                let table = Table::from_tag(tag)?;
                changes.tables.entry(table).or_default().push(Change { key, value, diff });
            }
        } else if *kind == Kind::Postings as u8 {
            changes.postings.extend(all::<(PostingsRow, isize)>(items)?);
        } else if *kind == Kind::Visible as u8 {
            changes.visible.extend(all::<(Vec<u8>, isize)>(items)?);
        } else {
            return None;
        }
    }
    Some((commit, changes))
}

fn all<T: DeserializeOwned>(mut bytes: &[u8]) -> Option<Vec<T>> {
    let mut items = Vec::new();
    while !bytes.is_empty() {
        let (item, rest) = postcard::take_from_bytes(bytes).ok()?;
        items.push(item);
        bytes = rest;
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use springline_model::{Advance, Partition, Position, SourceId, Timestamp};
    use std::fs;

    fn epoch(number: u64, rows: &[(Vec<u8>, isize)]) -> (EpochCommit, Changes) {
        let partition = Partition { source: SourceId::new("log"), name: "t/0".into() };
        let to = Position(number.to_string());
        let advances = vec![Advance { partition, from: None, to }];
        let at = Timestamp(number.cast_signed());
        let commit = EpochCommit { epoch: Epoch(number), at, execution: 7, advances, events: 0 };
        let mut changes = Changes::default();
        for (key, diff) in rows {
            let change = Change { key: key.clone(), value: vec![1; key.len()], diff: *diff };
            changes.tables.entry(Table::Nodes).or_default().push(change);
        }
        (commit, changes)
    }

    fn read(redo: &Redo, applied: u64) -> Vec<(EpochCommit, Vec<Change>)> {
        let mut epochs = Vec::new();
        redo.replay(Epoch(applied), |commit, mut changes| {
            epochs.push((commit, changes.tables.remove(&Table::Nodes).unwrap_or_default()));
            Ok::<(), RedoError>(())
        })
        .unwrap();
        epochs
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever is torn off its end, cut or trimmed: what is left are the whole epochs in between, and it goes on.
        #[test]
        fn keeps_whole_epochs(
            rows in prop::collection::vec(prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), -2_isize..3), 0..5), 1..12),
            tear in 0_u64..400,
            cut in 0_u64..14,
            synced in 0_u64..14,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let all: Vec<_> = (1..).zip(&rows).map(|(number, rows)| epoch(number, rows)).collect();
            let redo = Redo::open(dir.path()).unwrap();
            for (commit, changes) in &all {
                redo.append(commit, changes).unwrap();
            }
            drop(redo);
            let file = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
            let bytes = fs::metadata(&file).unwrap().len();
            fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(bytes - tear.min(bytes)).unwrap();

            let redo = Redo::open(dir.path()).unwrap();
            let whole = redo.reach(Epoch::ZERO).0;
            prop_assert!(whole as usize <= all.len() && (tear > 0 || whole as usize == all.len()));
            let synced = synced.min(whole);
            redo.trim(Epoch(synced)).unwrap();
            let cut = cut.clamp(synced, whole.max(synced));
            redo.cut_behind(Epoch(cut)).unwrap();
            let redo = { drop(redo); Redo::open(dir.path()).unwrap() };
            prop_assert_eq!(redo.reach(Epoch(synced)), Epoch(cut));
            let expected: Vec<_> = all[synced as usize..cut as usize].iter().cloned().map(|(commit, mut changes)| {
                (commit, changes.tables.remove(&Table::Nodes).unwrap_or_default())
            }).collect();
            prop_assert_eq!(read(&redo, synced), expected);
            let (commit, changes) = epoch(cut + 1, &[(vec![9], 1)]);
            redo.append(&commit, &changes).unwrap();
            prop_assert_eq!(read(&redo, cut).len(), 1);
        }
    }

    #[test]
    fn one_that_is_behind_its_store_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let redo = Redo::open(dir.path()).unwrap();
        assert_eq!(redo.reach(Epoch(5)), Epoch(5));
        redo.cut_behind(Epoch(5)).unwrap();
        let (commit, changes) = epoch(6, &[(vec![0; 2 * CHUNK_BYTES], 1), (vec![1], -1)]);
        redo.append(&commit, &changes).unwrap();
        assert_eq!(redo.reach(Epoch(3)), Epoch(3), "epochs 4 and 5 are nowhere");
        assert_eq!(redo.reach(Epoch(5)), Epoch(6));
        assert_eq!(read(&redo, 5), [(commit, changes.tables[&Table::Nodes].clone())]);
    }
}
