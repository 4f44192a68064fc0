//! The only time that the dataflow knows.

use crate::{Partition, Position, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A closed group of events; totally ordered, without gaps, the first is 1. Zero stands for "nothing yet".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Before the first.
    pub const ZERO: Self = Self(0);

    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One partition's progress in an epoch: it covers what lies in `(from, to]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advance {
    /// Which sequence of its source.
    pub partition: Partition,
    /// The position before the epoch; `None` at the very start.
    pub from: Option<Position>,
    /// The position that the epoch reaches; the next run resumes behind it.
    pub to: Position,
}

/// What closes an epoch in the journal and makes it definite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochCommit {
    /// Which epoch.
    pub epoch: Epoch,
    /// The wall clock when it was sealed. Never goes back from one epoch to the next. The views' only clock.
    pub at: Timestamp,
    /// Which run of the process sealed it (random at each start).
    pub execution: u64,
    /// How far each partition got.
    pub advances: Vec<Advance>,
    /// How many events it holds.
    pub events: u64,
}
