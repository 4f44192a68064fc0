//! Keeps the disk in order while the process runs: syncs the store, takes snapshots, trims the journal behind them.

use super::{
    cluster::Redo,
    collect::Report,
    feeds::Feeds,
    host::chain,
    sealer::{Log, Sealed},
};
use crate::config::JournalConfig;
use springline_model::{Epoch, Partition, Position, Timestamp};
use springline_sinks::{
    parquet::{ParquetError, Snapshot},
    views::Views,
};
use std::{collections::BTreeMap, path::PathBuf, sync::mpsc, time::Duration};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);

/// What it works with.
pub(super) struct Keeper {
    /// The views.
    pub views: Views,
    /// The journal, shared with the sealer.
    pub log: Log,
    /// To the committer: a snapshot is taken between two epochs.
    pub reports: mpsc::Sender<Report>,
    /// The newest definite epoch.
    pub sealed: watch::Receiver<Sealed>,
    /// Told how far the store on disk is.
    pub synced: watch::Sender<BTreeMap<Partition, Position>>,
    /// Those who are told what came in: the journal is kept for them.
    pub feeds: Feeds,
    /// Bytes of it that are, at most.
    pub hold_bytes: u64,
    /// Where snapshots go.
    pub snapshots: PathBuf,
    /// When to take one.
    pub config: JournalConfig,
    /// Of one of several processes: no snapshots are taken of its share, the redo is trimmed behind the store.
    pub redo: Option<Redo>,
    /// Cancelled at shutdown.
    pub stop: CancellationToken,
}

impl Keeper {
    /// Runs until the stop.
    pub(super) async fn run(self) {
        let mut synced = self.views.applied();
        let newest = Snapshot::newest(&self.snapshots).ok().flatten();
        let mut last = newest.map_or((Epoch::ZERO, Timestamp::now()), |snapshot| {
            (snapshot.manifest.epoch, snapshot.manifest.at)
        });
        let mut bytes_then = 0;
        // What a snapshot covers, and was not let go of yet.
        let mut covered = Some(last.0).filter(|epoch| *epoch > Epoch::ZERO);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            if self.views.applied() != synced {
                let (views, positions) = (self.views.clone(), self.views.positions());
                match tokio::task::spawn_blocking(move || views.sync()).await {
                    Ok(Ok(epoch)) => {
                        synced = epoch;
                        self.synced.send_replace(positions);
                        if let Some(Err(error)) = self.redo.as_ref().map(|redo| redo.trim(epoch)) {
                            tracing::error!(error = %chain(&error), "the redo could not be trimmed");
                        }
                    }
                    Ok(Err(error)) => {
                        tracing::error!(error = %chain(&error), "the store could not be synced");
                    }
                    Err(_) => return,
                }
            }
            if let Some(epoch) = covered {
                covered = self.trim(epoch);
            }
            let bytes = self.log.bytes();
            if self.redo.is_some() || !self.due(last, bytes.saturating_sub(bytes_then)) {
                continue;
            }
            match self.snapshot().await {
                Ok(Some(snapshot)) => {
                    last = (snapshot.manifest.epoch, Timestamp::now());
                    tracing::info!(epoch = last.0.0, "snapshot taken");
                    covered = self.trim(last.0);
                    bytes_then = self.log.bytes();
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the snapshot failed; the journal is kept");
                    bytes_then = bytes; // not again at once
                    last.1 = Timestamp::now();
                }
            }
        }
    }

    /// Lets go of what a snapshot covers; what is still needed of it is left for later.
    fn trim(&self, covered: Epoch) -> Option<Epoch> {
        let is_held = self.log.bytes() <= self.hold_bytes;
        let needed = if is_held { self.feeds.needs() } else { Epoch(u64::MAX) };
        match self.log.trim(covered, needed) {
            Ok(freed) if freed > 0 => tracing::info!(freed, "journal trimmed"),
            Ok(_) => {}
            Err(error) => tracing::error!(error = %chain(&error), "the journal could not be trimmed"),
        }
        (needed <= covered).then_some(covered)
    }

    fn due(&self, (epoch, at): (Epoch, Timestamp), grown: u64) -> bool {
        let sealed = *self.sealed.borrow();
        let hours = i64::from(self.config.snapshot_after_hours) * 3_600_000;
        let old = sealed.epoch > epoch && Timestamp::now().0 - at.0 >= hours;
        grown >= self.config.snapshot_after_bytes || old
    }

    /// Takes one between two epochs; none if the process is on its way down.
    async fn snapshot(&self) -> Result<Option<Snapshot>, ParquetError> {
        let (done, taken) = oneshot::channel();
        let root = self.snapshots.clone();
        let job = Box::new(move |views: &Views| {
            let positions = views.positions().into_iter().collect();
            let _ = done.send(views.reader().read(|snapshot| Snapshot::write(&root, snapshot, positions)));
        });
        if self.reports.send(Report::Job(job)).is_err() {
            return Ok(None);
        }
        taken.await.map_or(Ok(None), |taken| taken.map(Some))
    }
}
