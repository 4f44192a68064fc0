//! Who waits for what: from a committed transaction to the epoch that shows it.
//!
//! ```text
//!  reader ── batch ──► sealer ──epoch──► applied? ─► covered: partition → offset ─┐
//!  writer ── committed: (partition → offset), senders, positions ─────────────────┴─► senders answered,
//!                                                                                     positions known
//! ```
//!
//! Of several processes each covers its share of the partitions, and tells the others.
//!
//! A sender is answered when the views *show* what it has sent, not only when the log has it: epochs are cut anew
//! after a crash, so one that is not applied says nothing. For the same reason a position is known to the sources only
//! when the ledger has what lies before it.

use crate::runtime::cluster::{Hub, Reached};
use parking_lot::Mutex;
use springline_model::{Epoch, Partition, Position};
use springline_sinks::views::Reader;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{mpsc, oneshot, watch};

/// How far the sources have got, as they are to know it.
pub(super) type Positions = Arc<Mutex<BTreeMap<Partition, Position>>>;

/// Messages of a partition that are on their way into an epoch.
pub(super) struct Passed {
    pub(super) partition: i32,
    /// The first offset behind them.
    pub(super) next: i64,
    pub(super) sealed: oneshot::Receiver<Epoch>,
}

/// What is applied of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Covered {
    /// The first offset of each partition that is not.
    pub(super) next: BTreeMap<i32, i64>,
    /// The epoch that shows the last of it.
    pub(super) epoch: Epoch,
}

impl Covered {
    fn take(&mut self, Reached { partition, next, epoch }: Reached) {
        self.next.insert(partition, next);
        self.epoch = self.epoch.max(epoch);
    }

    /// Whether it has all that lies before these offsets.
    pub(super) fn reaches(&self, ends: &BTreeMap<i32, i64>) -> bool {
        ends.iter().all(|(partition, end)| self.next.get(partition).is_some_and(|next| next >= end))
    }
}

/// A transaction that is committed.
pub(super) struct Written {
    /// The last offset of each partition that it has.
    pub(super) last: BTreeMap<i32, i64>,
    pub(super) positions: BTreeMap<Partition, Position>,
    pub(super) senders: Vec<oneshot::Sender<Epoch>>,
}

/// Follows what the reader passes on, until the reader or the sealer is gone.
pub(super) async fn cover(
    mut passed: mpsc::Receiver<Passed>,
    views: Reader,
    covered: watch::Sender<Covered>,
    hub: Option<Hub>,
) {
    let mut applied = views.watch();
    while let Some(Passed { partition, next, sealed }) = passed.recv().await {
        let Ok(epoch) = sealed.await else { return };
        if applied.wait_for(|applied| *applied >= epoch).await.is_err() {
            return;
        }
        let reached = Reached { partition, next, epoch };
        covered.send_modify(|covered| covered.take(reached));
        hub.iter().for_each(|hub| hub.reach(reached));
    }
}

/// Follows what other processes have covered, until one of them is gone.
pub(super) async fn overhear(hub: Hub, views: Reader, covered: watch::Sender<Covered>) {
    let (mut reached, mut applied) = (hub.reached(), views.watch());
    let follow = async {
        while reached.changed().await.is_ok() {
            let all: Vec<Reached> = reached.borrow_and_update().values().copied().collect();
            for theirs in all {
                // An epoch is applied everywhere, but not everywhere at the same moment.
                if applied.wait_for(|applied| *applied >= theirs.epoch).await.is_err() {
                    return;
                }
                covered.send_modify(|covered| covered.take(theirs));
            }
        }
    };
    tokio::select! {
        () = hub.lost().token().cancelled() => {}
        () = follow => {}
    }
}

/// Answers who waits, transaction by transaction, until the writer is gone and all are answered, or nothing more will
/// be covered.
pub(super) async fn settle(
    mut written: mpsc::Receiver<Written>,
    mut covered: watch::Receiver<Covered>,
    views: Reader,
    positions: Positions,
) {
    while let Some(Written { last, positions: moved, senders }) = written.recv().await {
        let ends = last.iter().map(|(partition, last)| (*partition, last + 1)).collect();
        let reached = covered.wait_for(|covered| covered.reaches(&ends)).await;
        let Ok(epoch) = reached.map(|covered| covered.epoch) else { return };
        // Nothing was written for those who only tell how far they are: what the views show is what they wait for.
        let epoch = if ends.is_empty() { epoch.max(views.applied()) } else { epoch };
        positions.lock().extend(moved);
        for sender in senders {
            let _ = sender.send(epoch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springline_model::{EpochCommit, SourceId, Timestamp};
    use springline_sinks::{
        Engine, StoreConfig,
        views::{Changes, Views},
    };

    #[tokio::test]
    async fn senders_hear_of_the_epoch_that_shows_it() {
        let views = Views::open(&StoreConfig::of(Engine::Memory), std::path::Path::new("unused")).unwrap();
        let (to_cover, passed) = mpsc::channel(4);
        let (to_settle, written) = mpsc::channel(4);
        let (covered, covered_now) = watch::channel(Covered::default());
        let positions = Positions::default();
        tokio::spawn(cover(passed, views.reader(), covered, None));
        tokio::spawn(settle(written, covered_now, views.reader(), positions.clone()));

        let partition = Partition { source: SourceId::new("s"), name: "p".into() };
        let (sender, mut answer) = oneshot::channel();
        let reached = BTreeMap::from([(partition.clone(), Position("9".into()))]);
        let last = BTreeMap::from([(0, 5), (1, 2)]);
        to_settle.send(Written { last, positions: reached, senders: vec![sender] }).await.unwrap();
        for (partition, next, epoch) in [(0, 6, 1), (1, 2, 1), (1, 3, 2)] {
            let (tell, sealed) = oneshot::channel();
            to_cover.send(Passed { partition, next, sealed }).await.unwrap();
            tell.send(Epoch(epoch)).unwrap();
        }
        let apply = |epoch| {
            let commit = EpochCommit {
                epoch: Epoch(epoch),
                at: Timestamp(0),
                execution: 0,
                advances: vec![],
                events: 0,
            };
            views.apply(&commit, Changes::default()).unwrap();
        };
        apply(1);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(answer.try_recv().is_err(), "epoch 2 is not applied");
        assert!(positions.lock().is_empty());
        apply(2);
        assert_eq!(answer.await, Ok(Epoch(2)));
        assert_eq!(positions.lock()[&partition], Position("9".into()));
    }
}
