//! What to do with what is found on disk at start: a pure decision, and nothing else.
//!
//! ```text
//!  snapshot S     journal [first .. last]       store applied A
//!      │               │                             │
//!      └───────────────┴──────► decide() ◄───────────┘ ──► Resume | Restore | Refuse
//! ```

use springline_model::Epoch;

/// What is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The newest epoch in the store; zero for an empty or unusable one.
    pub applied: Epoch,
    /// The first epoch that the journal can replay.
    pub first: Epoch,
    /// The newest epoch in the journal; one before `first` when it is empty.
    pub last: Epoch,
    /// The epoch of the newest whole snapshot.
    pub snapshot: Option<Epoch>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Keep the store, replay what is behind it.
    Resume {
        /// The first epoch to replay (one behind the newest when there is nothing to do).
        replay_from: Epoch,
    },
    /// Empty the store, fill it from the snapshot, replay what is behind that.
    Restore {
        /// The snapshot's epoch.
        snapshot: Epoch,
        /// The first epoch to replay.
        replay_from: Epoch,
    },
}

/// Nothing safe can be done by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The journal has lost epochs that the store has.
    #[error(
        "the store has epoch {applied} but the journal ends at {last}: the journal was lost or replaced. Bring the \
         journal back, or start over with an empty data folder"
    )]
    JournalBehind {
        /// The store's newest.
        applied: Epoch,
        /// The journal's newest.
        last: Epoch,
    },
    /// Epochs between the store (or snapshot) and the journal are nowhere.
    #[error(
        "the journal begins at epoch {first}, the store ends at {applied} and no snapshot fills the gap. Bring back \
         the snapshots folder or the older segments, or start over with an empty data folder"
    )]
    Gap {
        /// The store's newest.
        applied: Epoch,
        /// The journal's oldest.
        first: Epoch,
    },
}

/// Decides. The nearest state from which the journal leads on without a gap wins; the store before a snapshot.
///
/// # Errors
/// No such state is there, or the store is ahead of the journal.
pub fn decide(found: Found) -> Result<Decision, Refusal> {
    let Found { applied, first, last, snapshot } = found;
    if applied > last {
        return Err(Refusal::JournalBehind { applied, last });
    }
    if applied.next() >= first && (applied > Epoch::ZERO || first == Epoch(1)) {
        return Ok(Decision::Resume { replay_from: applied.next() });
    }
    match snapshot {
        Some(snapshot) if snapshot.next() >= first && snapshot <= last => {
            Ok(Decision::Restore { snapshot, replay_from: snapshot.next() })
        }
        _ => Err(Refusal::Gap { applied, first }),
    }
}

/// Decides where the journal is a log elsewhere: the store and snapshots each have the offsets that they reach, so each
/// is whole by itself; the newer one wins, and what is behind it is read from the log. None: the store it is.
#[must_use]
pub fn decide_elsewhere(applied: Epoch, snapshot: Option<Epoch>) -> Option<Epoch> {
    snapshot.filter(|snapshot| *snapshot > applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(applied: u64, first: u64, last: u64, snapshot: Option<u64>) -> Result<Decision, Refusal> {
        let (applied, first, last) = (Epoch(applied), Epoch(first), Epoch(last));
        decide(Found { applied, first, last, snapshot: snapshot.map(Epoch) })
    }

    fn resume(from: u64) -> Result<Decision, Refusal> {
        Ok(Decision::Resume { replay_from: Epoch(from) })
    }

    fn restore(snapshot: u64) -> Result<Decision, Refusal> {
        Ok(Decision::Restore { snapshot: Epoch(snapshot), replay_from: Epoch(snapshot + 1) })
    }

    #[test]
    fn table() {
        assert_eq!(found(0, 1, 0, None), resume(1), "a first start");
        assert_eq!(found(9, 1, 9, None), resume(10), "a clean stop");
        assert_eq!(found(7, 1, 9, None), resume(8), "a crash between journal and store");
        assert_eq!(found(0, 1, 9, None), resume(1), "the store was deleted, the journal is whole");
        assert_eq!(found(7, 5, 9, Some(4)), resume(8), "trimmed, and the store is ahead of the snapshot");
        assert_eq!(found(0, 5, 9, Some(4)), restore(4), "the store was deleted, the journal trimmed");
        assert_eq!(found(0, 5, 9, Some(6)), restore(6), "the snapshot overlaps the journal");
        assert_eq!(found(4, 5, 4, Some(4)), resume(5), "everything trimmed");
        assert_eq!(found(0, 5, 4, Some(4)), restore(4), "everything trimmed and the store deleted");
        assert_eq!(found(2, 5, 9, Some(4)), restore(4), "an old copy of the store was put back");
        let gap = |applied, first| Err(Refusal::Gap { applied: Epoch(applied), first: Epoch(first) });
        assert_eq!(found(0, 5, 9, None), gap(0, 5), "no snapshot for the trimmed part");
        assert_eq!(found(2, 5, 9, Some(3)), gap(2, 5), "the snapshot is too old");
        let behind = Err(Refusal::JournalBehind { applied: Epoch(9), last: Epoch(7) });
        assert_eq!(found(9, 1, 7, None), behind, "the journal lost its end");
        assert_eq!(
            found(9, 1, 0, Some(9)),
            Err(Refusal::JournalBehind { applied: Epoch(9), last: Epoch(0) })
        );
    }

    #[test]
    fn table_elsewhere() {
        let found = |applied, snapshot: Option<u64>| decide_elsewhere(Epoch(applied), snapshot.map(Epoch));
        assert_eq!(found(0, None), None, "a first start: from the beginning of the log");
        assert_eq!(found(9, None), None, "a stop or a crash: on from the store's offsets");
        assert_eq!(found(9, Some(4)), None, "the store is newer");
        assert_eq!(found(9, Some(9)), None, "both the same");
        assert_eq!(found(0, Some(4)), Some(Epoch(4)), "the store was deleted");
        assert_eq!(
            found(2, Some(4)),
            Some(Epoch(4)),
            "an old copy of the store, or one that lost its last epochs"
        );
    }
}
