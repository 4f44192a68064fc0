//! What changes in a view, kept for those who follow it: rows before and after, epoch by epoch.
//!
//! ```text
//!  apply, reconcile ──► rows ─┐
//!                     └► log ─┴─ one atomic batch ─► store      [0] "changes" · view · log · epoch · n → changes
//!                                                               [0] "book"    → heads of logs, cursors of followers
//!  view     (7,1) (7,2) (9,1) (9,2) (9,3) (10,1)
//!  oldest ┘          a cursor ┘          newest ┘    read: strictly after a position
//! ```
//!
//! A change has a position ([`At`]): its epoch, and its number among those of its view in that epoch, from 1 on, in
//! the order of tables and keys. A log has a name of its own, a random number: positions of logs of different names
//! have nothing to do with each other.
//!
//! Invariants:
//! 1. A log is written in the batch that changes the rows, whoever changes them: an epoch, or a view that is made what
//!    it should be. (The latter are numbered on behind the changes of the epoch that they are complete as of.) So the
//!    rows at one position and the changes behind it give the rows at any later one.
//! 2. Where that can't be kept, because rows were damaged or a view is no longer followed, the log ends, and the next
//!    one has another name.
//! 3. The oldest changes go when a log takes more than [`Follow::keep_bytes`], but not those that a durable follower
//!    has not had, up to [`Follow::hold_bytes`]; then the follower is *lost*, is told why, and has to begin again.
//! 4. Fingerprints know nothing of logs. A view that nobody follows has none, and costs nothing.
//!
//! 5. Of records, when they are followed ([`Follow::records`]), the log tells what can be seen: one that is hidden goes,
//!    one that is shown again comes, with the epoch that does it. What they are is the table `records`, less what is
//!    hidden.
//!
//! Limits: of the ledger only jobs, the standing of clusters ([`is_followed`]) and visible records can be followed: the
//! rest holds what may not be seen. That a record was told again, unchanged, raises its `rev` and is not logged. Search
//! has no rows. Trimming goes with writing, some chunks at a time, so the bounds are exceeded by
//! a little. What is read before [`super::Views::sync`] can be taken back by a power cut; the same changes come again.

mod book;
mod chunk;
mod followers;
mod read;
mod shown;
#[cfg(test)]
pub(super) mod tests;
mod write;

pub use book::{Follow, Follower, LogHead};
pub use read::{LogError, LogPage, ViewChange};

pub(super) use book::Book;
pub(super) use shown::shown;
pub(super) use write::Appender;

use serde::{Deserialize, Serialize};
use springline_model::{Epoch, Table, View};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A position in a view's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct At {
    /// The change's epoch.
    pub epoch: Epoch,
    /// Its number in it, from 1 on. 0 is before the first.
    pub n: u32,
}

impl At {
    /// Behind all changes of an epoch.
    #[must_use]
    pub const fn end_of(epoch: Epoch) -> Self {
        Self { epoch, n: u32::MAX }
    }

    /// The position of the change that follows, in an epoch that is not earlier.
    const fn next(self, epoch: Epoch) -> Self {
        let n = if self.epoch.0 == epoch.0 { self.n + 1 } else { 1 };
        Self { epoch, n }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.n)
    }
}

/// Not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a position is an epoch, or an epoch and a number in it: 57, 57.3")]
pub struct ParseAtError;

impl FromStr for At {
    type Err = ParseAtError;

    /// `57.3`; `57` is behind all changes of that epoch.
    fn from_str(text: &str) -> Result<Self, ParseAtError> {
        let number = |text: &str| text.parse().map_err(|_| ParseAtError);
        match text.split_once('.') {
            None => Ok(Self::end_of(Epoch(number(text)?))),
            Some((epoch, n)) => {
                Ok(Self { epoch: Epoch(number(epoch)?), n: n.parse().map_err(|_| ParseAtError)? })
            }
        }
    }
}

/// Whether changes of a table are logged when its view is followed; records only if they are asked for.
#[must_use]
pub const fn is_followed(table: Table) -> bool {
    match table.view() {
        View::Search => false,
        View::Ledger => {
            matches!(table, Table::Jobs | Table::ClusterJobs | Table::ClusterStates | Table::JobQueue)
        }
        _ => true,
    }
}

/// The tables of a view whose changes are logged; none if it can't be followed.
pub fn followed_tables(view: View) -> impl Iterator<Item = Table> {
    view.tables().filter(|table| is_followed(*table))
}
