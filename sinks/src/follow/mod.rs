//! Sinks that follow a view, whatever happens to them or to us: each change exactly once, as far as the sink keeps its
//! word.
//!
//! ```text
//!            ┌── begin: how far have you got? ──────────┐
//!  log ──► Runner ── send, send, … commit(progress) ──► Feed (Kafka, …)
//!            └── then: the store's cursor, so that what was had need not be kept
//! ```
//!
//! The [`Feed`] keeps the progress together with what it was sent, all or nothing; the cursor in the store only says what
//! need not be kept, and may lie behind. A commit covers whole epochs: one when the sink keeps up, several when it is
//! behind or lets them wait ([`Feed::due`]).
//!
//! A sink that has never begun, or was reset, is given the rows first, a few at a time, while changes go on:
//!
//! ```text
//!   rows:  a b c │ d e f      each step: the changes since the last step of rows up to │, then further rows, as of the
//!              horizon        same epoch. So behind each step the sink has all rows up to the horizon, as of an epoch.
//! ```
//!
//! Invariants:
//! 1. Folding what is committed gives, after each commit, the rows of the tables up to the horizon as of an epoch;
//!    without a horizon, all.
//! 2. Each position of a log is committed once, in order.
//! 3. What is committed is on disk here first, so a sink never knows more than the store does after a power cut.
//!
//! Limits: a step is at most [`step::PAGE`] changes and as many rows; steps of one epoch belong into one commit, so an
//! epoch may be larger than that. A sink that fails is tried again, later and later.

mod config;
mod progress;
mod rounds;
mod runner;
mod status;
mod step;
#[cfg(test)]
mod tests;

pub use config::{SinkConfig, SinkError};
pub use progress::{Horizon, Progress};
pub(crate) use rounds::{Round, rounds};
pub use runner::Runner;
pub(crate) use runner::chain;
pub use status::{SinkState, SinkStatus};

use crate::views::At;
use springline_model::{Table, Timestamp};
use std::{error::Error, time::Duration};

/// What went wrong with a feed: it is begun anew, later.
pub type FeedError = Box<dyn Error + Send + Sync>;

/// Something that takes a view's changes and keeps how far it has got with them. Called on a thread that may block.
pub trait Feed: Send {
    /// Keeps out whoever else may be at it, gives up what was not committed, and tells what was.
    ///
    /// # Errors
    /// Not now.
    fn begin(&mut self) -> Result<Option<Progress>, FeedError>;

    /// Takes some more.
    ///
    /// # Errors
    /// Nothing since the last commit counts; [`Self::begin`] comes next.
    fn send(&mut self, items: Vec<Item>) -> Result<(), FeedError>;

    /// Makes what was sent since the last commit count, together with the progress, all or nothing.
    ///
    /// # Errors
    /// It may count or not; [`Self::begin`] comes next and tells.
    fn commit(&mut self, progress: &Progress) -> Result<(), FeedError>;

    /// How long what was sent, and has waited so long, may still wait for its commit. Until then it is held back in the
    /// log, and told again if the process dies.
    fn due(&self, _waited: Duration) -> Duration {
        Duration::ZERO
    }

    /// Looks after what was committed, a bounded piece of work at a time; gives when to be called again at the latest.
    ///
    /// # Errors
    /// Nothing since the last commit counts; [`Self::begin`] comes next.
    fn tend(&mut self) -> Result<Duration, FeedError> {
        Ok(Duration::MAX)
    }
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Forget all rows of the table: they are told anew.
    Truncate,
    /// It is there.
    Read,
    /// It came.
    Create,
    /// It is another.
    Update,
    /// It went.
    Delete,
}

impl Op {
    /// As change feeds of databases call it.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Truncate => "t",
            Self::Read => "r",
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
        }
    }
}

/// What a sink is told of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What happened.
    pub op: Op,
    /// The change's position. Of a row that is there: the epoch that it was read as of, and 0.
    pub at: At,
    /// When that epoch was sealed.
    pub clock: Timestamp,
    /// The row's table.
    pub table: Table,
    /// Its key; empty for [`Op::Truncate`].
    pub key: Vec<u8>,
    /// Its value before.
    pub before: Option<Vec<u8>>,
    /// Its value now.
    pub after: Option<Vec<u8>>,
}

impl Feed for Box<dyn Feed> {
    fn begin(&mut self) -> Result<Option<Progress>, FeedError> {
        (**self).begin()
    }

    fn send(&mut self, items: Vec<Item>) -> Result<(), FeedError> {
        (**self).send(items)
    }

    fn commit(&mut self, progress: &Progress) -> Result<(), FeedError> {
        (**self).commit(progress)
    }

    fn due(&self, waited: Duration) -> Duration {
        (**self).due(waited)
    }

    fn tend(&mut self) -> Result<Duration, FeedError> {
        (**self).tend()
    }
}
