//! Writing logs, and keeping them within their bounds.

use super::{
    super::{Views, changes::RowChange, error::ViewsError, state::State},
    Book, Follow, Follower, LogHead,
    chunk::{self, Writer},
    followed_tables, is_followed,
};
use crate::store::Write;
use springline_model::{Epoch, Table, Timestamp, View};
use std::{collections::BTreeMap, ops::Bound};

/// Chunks that are looked at for trimming with each write, beside as many as were written.
const TRIM_CHUNKS: usize = 16;
/// Chunks of logs that have ended that are deleted in a batch.
const SWEEP_CHUNKS: usize = 128;

/// Logs what one batch changes.
pub(in super::super) struct Appender {
    epoch: Epoch,
    clock: Timestamp,
    open: BTreeMap<View, Writer>,
    writes: Vec<Write>,
}

impl Appender {
    /// Of changes in an epoch.
    pub(in super::super) const fn new(epoch: Epoch, clock: Timestamp) -> Self {
        Self { epoch, clock, open: BTreeMap::new(), writes: Vec::new() }
    }

    /// Logs the changes of a table, if its view is followed. Tables have to come in their order.
    pub(in super::super) fn append(&mut self, book: &mut Book, table: Table, changes: &[RowChange]) {
        let view = table.view();
        let records = book.records;
        let is_told =
            |head: &LogHead| is_followed(table) || table == Table::Records && records == Some(head.id);
        let Some(head) = book.heads.get_mut(&view).filter(|head| is_told(head)) else { return };
        for RowChange { key, old, new } in changes {
            head.newest = head.newest.next(self.epoch);
            let open = self.open.entry(view).or_insert_with(|| Writer::new(head.newest, self.clock));
            if open.push(table, key, old.as_deref(), new.as_deref())
                && let Some(full) = self.open.remove(&view)
            {
                self.writes.push(close(head, view, full));
            }
        }
    }

    /// The writes that keep what is full by now; nobody reads it before the book says that it is there.
    pub(in super::super) fn take_full(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
    }

    /// The writes that keep them.
    pub(in super::super) fn finish(mut self, book: &mut Book) -> Vec<Write> {
        for (view, open) in self.open {
            let Some(head) = book.heads.get_mut(&view) else { continue };
            self.writes.push(close(head, view, open));
        }
        self.writes
    }
}

fn close(head: &mut LogHead, view: View, chunk: Writer) -> Write {
    let (key, value) = (chunk::key(view, head.id, chunk.first), chunk.finish());
    head.bytes += (key.len() + value.len()) as u64;
    Write::Put(key, value)
}

impl Views {
    /// Logs the changes of these views from now on, and keeps the cursors of these followers; what others left behind
    /// is deleted. To be called at each start, before an epoch is applied.
    ///
    /// # Errors
    /// [`ViewsError::Unfollowable`], or the store fails.
    pub fn follow(&self, follow: &Follow) -> Result<(), ViewsError> {
        let wanted = || follow.views.iter().chain(follow.followers.values());
        if let Some(view) = wanted().find(|view| followed_tables(**view).next().is_none()) {
            return Err(ViewsError::Unfollowable(*view));
        }
        let _writer = self.0.writer.lock();
        let mut state = self.state();
        let epoch = state.epoch;
        state.book.follow(follow, epoch);
        self.keep_book(state, Vec::new())?;
        View::ALL.iter().try_for_each(|view| self.sweep(*view))
    }

    /// Ends a view's log: what is to come can't be told as changes. The caller holds the writer's lock.
    pub(in super::super) fn end_log(&self, view: View, why: &str) -> Result<(), ViewsError> {
        let mut state = self.state();
        if !state.book.heads.contains_key(&view) {
            return Ok(());
        }
        tracing::warn!(view = view.name(), why, "the log of a view's changes ends; another one begins");
        state.book.end(view, why);
        self.keep_book(state, Vec::new())?;
        self.sweep(view)
    }

    /// Adds the writes that delete what need not be kept any longer.
    pub(in super::super) fn trim(&self, book: &mut Book, writes: &mut Vec<Write>) -> Result<(), ViewsError> {
        let limit = writes.len() + TRIM_CHUNKS;
        let views: Vec<View> = book.heads.keys().copied().collect();
        for view in views {
            self.trim_view(book, view, limit, writes)?;
        }
        Ok(())
    }

    fn trim_view(
        &self,
        book: &mut Book,
        view: View,
        limit: usize,
        writes: &mut Vec<Write>,
    ) -> Result<(), ViewsError> {
        let Book { heads, followers, keep_bytes, hold_bytes, records: _ } = &mut *book;
        let Some(head) = heads.get_mut(&view).filter(|head| head.bytes > *keep_bytes) else { return Ok(()) };
        let of_this = |follower: &Follower| follower.log == head.id && follower.lost.is_none();
        let mut holders: Vec<_> = followers.iter_mut().filter(|(_, follower)| of_this(follower)).collect();
        if head.bytes <= *hold_bytes && holders.iter().any(|(_, follower)| follower.at <= head.oldest) {
            return Ok(());
        }
        let (from, to) = (chunk::key(view, head.id, head.oldest), after(&chunk::log_prefix(view, head.id)));
        let store = self.0.shared.blocks.store();
        let mut is_damaged = false;
        for (key, value) in store.range(Bound::Included(&from), Bound::Excluded(&to), false, limit)? {
            // A log is not worth refusing an epoch for.
            let Ok(last) = chunk::last(view, &key, &value) else {
                is_damaged = true;
                break;
            };
            let is_held = holders.iter().any(|(_, follower)| follower.at < last);
            if head.bytes <= *keep_bytes || is_held && head.bytes <= *hold_bytes {
                break;
            }
            for (name, follower) in holders.extract_if(.., |(_, follower)| follower.at < last) {
                let why = format!("more than {hold_bytes} bytes of changes came behind {}", follower.at);
                tracing::error!(follower = name, view = view.name(), why, "a follower is lost");
                follower.lost = Some(why);
            }
            head.bytes = head.bytes.saturating_sub((key.len() + value.len()) as u64);
            head.oldest = last;
            writes.push(Write::Delete(key));
        }
        if is_damaged {
            book.end(view, "its log was damaged");
        }
        Ok(())
    }

    /// Deletes what is left of a view's logs that have ended, and what was written behind the end of the one that has
    /// not: by a correction that was not finished.
    pub(in super::super) fn sweep(&self, view: View) -> Result<(), ViewsError> {
        let blocks = &self.0.shared.blocks;
        let (begin, end) = (chunk::prefix(view), after(&chunk::prefix(view)));
        let ranges = match self.state().book.heads.get(&view) {
            None => vec![(begin, end)],
            Some(head) => {
                let mut behind = chunk::key(view, head.id, head.newest);
                behind.push(0);
                vec![(begin, chunk::log_prefix(view, head.id)), (behind, end)]
            }
        };
        for (from, to) in ranges {
            loop {
                let found = blocks.store().range(
                    Bound::Included(&from),
                    Bound::Excluded(&to),
                    false,
                    SWEEP_CHUNKS,
                )?;
                if found.is_empty() {
                    break;
                }
                blocks.commit(found.into_iter().map(|(key, _)| Write::Delete(key)).collect())?;
            }
        }
        Ok(())
    }

    /// Keeps a changed book, together with `writes`. The caller holds the writer's lock.
    pub(super) fn keep_book(&self, state: State, mut writes: Vec<Write>) -> Result<(), ViewsError> {
        let shared = &self.0.shared;
        let mut gate = shared.gate.write();
        writes.extend(state.book.write(&gate.book)?);
        if !writes.is_empty() {
            shared.blocks.commit(writes)?;
        }
        gate.book = state.book;
        Ok(())
    }
}

/// Above all keys that begin with a prefix: behind a view's prefix there are twenty bytes, behind a log's twelve.
fn after(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[u8::MAX; 21]].concat()
}
