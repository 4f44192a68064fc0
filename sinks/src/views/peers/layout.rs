//! Which processes there are, and which of them were heard.

use serde::{Deserialize, Serialize};
use springline_model::{Epoch, Table, home};
use std::{collections::BTreeSet, fmt};

/// Which of how many processes this is. All workers have the same share of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// This one, from 0.
    pub process: usize,
    /// How many there are.
    pub processes: usize,
    /// Workers of each.
    pub workers: usize,
}

impl Layout {
    /// The process that keeps what has this number: [`springline_model::home`].
    #[must_use]
    pub fn owner(&self, number: u64) -> usize {
        let workers = self.workers.max(1);
        let all = (self.processes.max(1) * workers) as u64;
        // Below the number of all workers, so it fits.
        (number % all) as usize / workers
    }

    /// The process that keeps the row with this key, or all whose keys begin with this; none if any may.
    #[must_use]
    pub fn owner_of_key(&self, table: Table, key: &[u8]) -> Option<usize> {
        home::of_key(table, key).map(|number| self.owner(number))
    }
}

/// Whose answers a read is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// How many processes there are.
    pub processes: usize,
    /// Those that were asked and did not answer.
    pub missing: BTreeSet<usize>,
    /// The oldest epoch of an answer, and the newest.
    pub epochs: (Epoch, Epoch),
}

impl Heard {
    /// Of one process alone.
    pub(in crate::views) fn alone(epoch: Epoch) -> Self {
        Self { processes: 1, missing: BTreeSet::new(), epochs: (epoch, epoch) }
    }

    /// The epoch that the read is complete as of: the oldest.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epochs.0
    }

    /// Whether somebody did not answer.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Whether the answers are of several epochs.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.epochs.0 != self.epochs.1
    }

    /// Whether the read shows all of one epoch.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.is_partial() && !self.is_mixed()
    }
}

/// Who did not answer: `1 of 3 processes did not answer: 2`.
impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} processes did not answer", self.missing.len(), self.processes)?;
        for (at, process) in self.missing.iter().enumerate() {
            write!(f, "{} {process}", if at == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}
