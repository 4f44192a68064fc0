//! What came in, told on: the journal's events, each once, to whoever keeps them.
//!
//! ```text
//!  journal, behind what the views show ─► EventLog ─► EventsRunner ─► EventsFeed: files, and how far it was read
//!  (segments on disk, or a topic)            ▲            │ Gone: of whom nothing may be kept
//!                                            └─ begin ────┘
//! ```
//!
//! It reads the journal by itself, with a cursor that the dataset's manifest keeps: nothing is written for it, and what
//! can't be told at once is in the journal anyway. An event is told when it is definite: of the embedded journal when the
//! views show it, of a log in Kafka when it is committed there.
//!
//! Invariants:
//! 1. What is committed is a stretch of each log without a hole, each event once. What can't be had any more is an event
//!    of its own, a `gap`.
//! 2. Of an account that is deleted or forbidden no record is told, whenever its events came in; that they came is told
//!    as something that has to go ([`Op::Delete`](crate::follow::Op::Delete)), like what was told of it before.
//!
//! Limits: the embedded journal is held back for what is behind, up to `changes.hold_bytes` ([`EventsRunner::needs`]);
//! beyond that there is a gap. A put that is older than the delete of its record, and is told again when that delete has
//! already gone from the dataset, stays in it.

mod gone;
mod orders;
mod runner;

pub use gone::{Gone, owner};
pub use orders::{Orders, OrdersError};
pub use runner::EventsRunner;

use crate::{follow::FeedError, parquet::JournalProgress, views::At};
use springline_model::{Epoch, Event, Timestamp};
use std::sync::Arc;

/// An event, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The log: `journal`, or a topic's partition.
    pub log: Arc<str>,
    /// Its epoch and its number in it, from 1 on; of a message of a topic its offset, and 1. A gap has 0, and the last
    /// place that is missing.
    pub at: At,
    /// When its epoch was sealed; of a message, when it was written.
    pub clock: Timestamp,
    /// What happened.
    pub event: Event,
}

/// Some events that follow each other.
#[derive(Debug, Default)]
pub struct EventPage {
    /// In the order of their logs.
    pub events: Vec<Told>,
    /// How far each log is read now that has moved: where it begins, and where it is.
    pub progress: JournalProgress,
    /// The epoch that all of this is complete as of.
    pub epoch: Epoch,
    /// When that was sealed.
    pub clock: Timestamp,
    /// There is more already.
    pub has_more: bool,
}

/// Why a log can't be read on.
#[derive(Debug, thiserror::Error)]
pub enum EventLogError {
    /// What was read of it before is not what it has.
    #[error("{0}")]
    Lost(String),
    /// Not now.
    #[error(transparent)]
    Failed(#[from] FeedError),
}

/// A journal that is read in its order.
pub trait EventLog: Send {
    /// Goes on behind what was read, or begins with the oldest that is kept.
    ///
    /// # Errors
    /// It can't be read now, the views are behind what was read; or it is another one.
    fn begin(&mut self, had: &JournalProgress) -> Result<(), EventLogError>;

    /// What follows, some of it. Waits a little at most.
    ///
    /// # Errors
    /// As [`Self::begin`], which comes next.
    fn read(&mut self) -> Result<EventPage, EventLogError>;

    /// Bytes that it takes here.
    fn bytes(&self) -> u64 {
        0
    }
}
