//! The search index: where was this said.
//!
//! ```text
//!  stage(changes) ─► numbers ─┬─ small epoch: log entry + segment in memory ──┐ when they are large enough
//!                             └─ large epoch: segment in the store ◄──────────┘ (flush)
//!                                  segment segment segment ─► merge, a bounded piece an epoch ─► segment
//!  ─► Staged { writes } ─► the epoch's one atomic batch ─► publish ─► State (immutable) ◄─ Searcher
//! ```
//!
//! Every version of a document gets a number, rising, never used again. A segment holds the documents of a range of
//! numbers, and the ranges of the segments follow on each other; so a term's postings are those of its segments one
//! behind the other, and merging changes no number. What is changed or deleted is marked dead, which hides it at
//! once, and left out when its segment is merged; a segment with a quarter of its documents dead is merged alone.
//!
//! Small epochs cost a log entry each (their rows as they came) beside a segment in memory, which is built again from
//! the log when the index is opened. A row that dies is taken out of its log entry at once.
//!
//! Invariants:
//! 1. After [`SearchIndex::publish`] searchers see exactly the documents put and not taken out so far; before, nothing.
//! 2. Counts ([`Searcher::documents`], each term's document frequency) are exact: the dead never count.
//! 3. What a search answers does not depend on which segments there are.
//! 4. The fingerprint that [`Staged::delta`]s add up to is the one that [`SearchIndex::verify`] computes.
//! 5. A searcher goes on seeing what it saw: pages of merged segments are deleted when nobody reads them any more.
//!
//! Limits: 4 billion versions of documents between two rebuilds; memory for the segments of small epochs (2 MiB), a
//! merge's open pages, and of each stored segment about 1% of its size; a merge reads about 1 MiB an epoch (or twice
//! what the epoch brings), but always whole postings lists.

mod codec;
mod dead;
mod difference;
mod error;
mod fingerprint;
mod keys;
mod policy;
pub mod query;
mod searcher;
mod segment;
mod stage;
mod state;
mod verify;

pub use error::SearchError;
pub use searcher::{Posting, Searcher};
pub use stage::Staged;

use crate::{
    store::{Store, Write},
    views::Fingerprint,
};
use parking_lot::{Mutex, RwLock};
use segment::{Merge, Pager, Segment};
use springline_model::rows::PostingsRow;
use state::State;
use std::sync::{Arc, Weak};

/// The version of what is on disk.
const FORMAT: u16 = 1;

/// When to do what, in bytes. Tests make them small.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Segments in memory are flushed into the store when they are as large together,
    flush: u64,
    /// or so many epochs are in the log, however small,
    logs: usize,
    /// or at once with an epoch whose rows are as large; those are never logged.
    direct: usize,
    /// What a merge reads in a small epoch.
    merge: u64,
    /// What the lowest level of segments in memory is made of,
    memory: u64,
    /// and in the store.
    stored: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            flush: 2 * 1024 * 1024,
            logs: 4096,
            direct: 256 * 1024,
            merge: 1024 * 1024,
            memory: 4 * 1024,
            stored: 256 * 1024,
        }
    }
}

/// The index, open. One thread stages and publishes; any number search.
pub struct SearchIndex {
    pager: Arc<Pager>,
    limits: Limits,
    current: RwLock<Arc<State>>,
    writer: Mutex<Writer>,
}

/// What only who stages needs.
#[derive(Default)]
struct Writer {
    merge: Option<Merge>,
    /// Segments that are no longer part of the index but may still be read.
    retired: Vec<(u32, Weak<Segment>)>,
}

impl SearchIndex {
    /// Opens what is in the store, or an empty index if there is nothing.
    ///
    /// # Errors
    /// The store fails, or [`SearchError::rebuild_helps`].
    pub fn open(store: Arc<dyn Store>) -> Result<Self, SearchError> {
        Self::with(store, Limits::default())
    }

    /// Prepares an epoch's changes: documents that come (+1) and go (-1); a document that changes does both. Nothing
    /// is to be seen before [`Self::publish`]. Also with no changes at all: it may have merging to go on with.
    ///
    /// # Errors
    /// [`SearchError::Missing`], [`SearchError::Twice`], [`SearchError::Full`]; or the store fails or is damaged.
    pub fn stage(&self, changes: Vec<(PostingsRow, isize)>) -> Result<Staged, SearchError> {
        stage::stage(self, changes)
    }

    /// Prepares one bounded step of cleaning: what is dead goes from the disk. `None` when all is clean, or waits for
    /// a searcher that still reads it.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn compact(&self) -> Result<Option<Staged>, SearchError> {
        stage::compact(self)
    }

    /// Prepares the removal of every document. Their pages go with the next epochs, or with [`Self::compact`].
    pub fn clear(&self) -> Staged {
        stage::clear(self)
    }

    /// Makes what was staged visible. Its writes must be committed.
    ///
    /// # Errors
    /// [`SearchError::Stale`]: something else was published since it was staged.
    pub fn publish(&self, staged: Staged) -> Result<(), SearchError> {
        stage::publish(self, staged)
    }

    /// The index as it is now, for as long as wanted.
    #[must_use]
    pub fn searcher(&self) -> Searcher {
        Searcher::new(self.state())
    }

    /// The fingerprint of the documents that are stored, computed from their postings.
    ///
    /// # Errors
    /// The store fails or is damaged.
    pub fn verify(&self) -> Result<Fingerprint, SearchError> {
        verify::verify(&self.state())
    }

    /// The fingerprint that the changes so far add up to.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let state = self.state();
        Fingerprint { rows: state.counts.documents, sum: state.counts.sum }
    }

    /// The changes that make the index hold exactly these documents. `None` if more than half of what it has differs:
    /// then [`Self::clear`] it and put them all.
    ///
    /// # Errors
    /// [`SearchError::Twice`]; or the store fails or is damaged: then begin with [`Self::clear`], too.
    pub fn difference(
        &self,
        wanted: Vec<PostingsRow>,
    ) -> Result<Option<Vec<(PostingsRow, isize)>>, SearchError> {
        difference::difference(&self.state(), wanted)
    }

    /// The fingerprint that an index of these documents has.
    pub fn fingerprint_of<'a>(documents: impl IntoIterator<Item = &'a PostingsRow>) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for row in documents {
            fingerprint += Fingerprint { rows: 1, sum: fingerprint::row(row) };
        }
        fingerprint
    }

    /// Deletes of everything that any version of the index has in the store, at most so many; none when there is
    /// nothing left. For an index that does not open; it must not be open.
    ///
    /// # Errors
    /// The store fails.
    pub fn wipe(store: &dyn Store, limit: usize) -> Result<Vec<Write>, SearchError> {
        let (from, to) = keys::EVERYTHING;
        let (from, to) = keys::bounds(&from, None, &to);
        Ok(store.range(from, to, false, limit)?.into_iter().map(|(key, _)| Write::Delete(key)).collect())
    }

    fn with(store: Arc<dyn Store>, limits: Limits) -> Result<Self, SearchError> {
        let pager = Arc::new(Pager::new(store));
        let current = RwLock::new(Arc::new(State::load(&pager)?));
        Ok(Self { pager, limits, current, writer: Mutex::default() })
    }

    fn state(&self) -> Arc<State> {
        self.current.read().clone()
    }
}

#[cfg(test)]
mod tests;
