//! Reading a log.

use super::{
    super::{reader::Snapshot, state::State},
    At, LogHead, chunk,
};
use crate::store::{Pair, StoreError};
use springline_model::{Table, Timestamp, View};
use std::ops::Bound;
use thiserror::Error;

/// How many chunks are asked for at once.
const CHUNKS: usize = 8;
/// The bytes of rows from which a page ends.
const PAGE_BYTES: usize = 1 << 20;

/// A row came, went, or is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewChange {
    /// Where in the log.
    pub at: At,
    /// When its epoch was sealed.
    pub clock: Timestamp,
    /// Of which table.
    pub table: Table,
    /// The row's key.
    pub key: Vec<u8>,
    /// The row's value before.
    pub before: Option<Vec<u8>>,
    /// The row's value now.
    pub after: Option<Vec<u8>>,
}

/// Some changes that follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// In order.
    pub changes: Vec<ViewChange>,
    /// There are further ones.
    pub has_more: bool,
    /// The next one is of the same epoch as the last one here.
    pub cuts_epoch: bool,
}

/// Why a log can't be read there.
#[derive(Debug, Error)]
pub enum LogError {
    /// Nobody asked for it to be kept.
    #[error("the changes of the view `{}` are not kept", .0.name())]
    Unfollowed(View),
    /// What lies behind the position is not there any more, or never was: another log.
    #[error("the changes of the view `{}` behind that position are gone: the oldest kept are those behind {}", view.name(), head.oldest)]
    Gone {
        /// Of which view.
        view: View,
        /// What there is.
        head: LogHead,
    },
    /// The position has not come yet.
    #[error("the view `{}` is not there yet: its last change is {}", view.name(), head.newest)]
    Ahead {
        /// Of which view.
        view: View,
        /// What there is.
        head: LogHead,
    },
    /// What is stored does not decode.
    #[error("the log of the view `{}` in the store does not decode", .0.name())]
    Damaged(View),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Snapshot<'_> {
    /// How far a view's log reaches, if it has one. A log is of this process' rows alone.
    #[must_use]
    pub fn log(&self, view: View) -> Option<LogHead> {
        self.here(|state| state.book.heads.get(&view).copied())
    }

    /// The changes of a view strictly behind a position, at most so many and about a megabyte of them, but at least
    /// one. `log` is the name of the log that the position is of, if that is known.
    ///
    /// # Errors
    /// As [`LogError`] says.
    pub fn changes(
        &self,
        view: View,
        log: Option<u64>,
        after: At,
        limit: usize,
    ) -> Result<LogPage, LogError> {
        self.here(|state| self.changes_as_of(state, view, log, after, limit))
    }

    fn changes_as_of(
        &self,
        state: &State,
        view: View,
        log: Option<u64>,
        after: At,
        limit: usize,
    ) -> Result<LogPage, LogError> {
        let head = state.book.heads.get(&view).copied().ok_or(LogError::Unfollowed(view))?;
        if log.is_some_and(|log| log != head.id) || after < head.oldest {
            return Err(LogError::Gone { view, head });
        }
        if after > At::end_of(state.epoch) {
            return Err(LogError::Ahead { view, head });
        }
        let mut page = LogPage::default();
        if after >= head.newest {
            return Ok(page);
        }
        let store = self.shared.blocks.store();
        let (prefix, from) = (chunk::log_prefix(view, head.id), chunk::key(view, head.id, after));
        // What lies behind is of a view that is being made anew, or was not.
        let end = chunk::key(view, head.id, head.newest);
        // The chunk that the position lies in, then those behind.
        let within = store.range(Bound::Included(&prefix), Bound::Included(&from), true, 1)?;
        let mut behind = from;
        let mut bytes = 0;
        let mut take = |pairs: Vec<Pair>, page: &mut LogPage| -> Result<bool, LogError> {
            for (key, value) in pairs {
                let mut is_full = false;
                chunk::read(view, &key, &value, |change| {
                    if change.at <= after || is_full {
                        return;
                    }
                    is_full =
                        !page.changes.is_empty() && (page.changes.len() >= limit || bytes >= PAGE_BYTES);
                    if is_full {
                        page.has_more = true;
                        page.cuts_epoch =
                            page.changes.last().is_some_and(|last| last.at.epoch == change.at.epoch);
                        return;
                    }
                    bytes += change.key.len()
                        + change.before.as_ref().map_or(0, Vec::len)
                        + change.after.as_ref().map_or(0, Vec::len);
                    page.changes.push(change);
                })?;
                if is_full {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let mut is_full = take(within, &mut page)?;
        while !is_full {
            let found = store.range(Bound::Excluded(&behind), Bound::Included(&end), false, CHUNKS)?;
            let Some((last, _)) = found.last() else { break };
            behind.clone_from(last);
            is_full = take(found, &mut page)?;
        }
        Ok(page)
    }
}
