//! Keeps the disk in order while the process runs: syncs the store, takes snapshots, trims the journal behind them.

use super::{collect::Report, host::chain, journal::Journal, sealer::Sealed};
use crate::config::JournalConfig;
use parking_lot::Mutex;
use springline_model::{Epoch, Timestamp};
use springline_sinks::{
    parquet::{ParquetError, Snapshot},
    views::Views,
};
use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Duration,
};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);

/// What it works with.
pub(super) struct Keeper {
    /// The views.
    pub views: Views,
    /// The journal, shared with the sealer.
    pub journal: Arc<Mutex<Journal>>,
    /// To the committer: a snapshot is taken between two epochs.
    pub reports: mpsc::Sender<Report>,
    /// The newest definite epoch.
    pub sealed: watch::Receiver<Sealed>,
    /// Where snapshots go.
    pub snapshots: PathBuf,
    /// When to take one.
    pub config: JournalConfig,
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
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            if self.views.applied() != synced {
                let views = self.views.clone();
                match tokio::task::spawn_blocking(move || views.sync()).await {
                    Ok(Ok(epoch)) => synced = epoch,
                    Ok(Err(error)) => {
                        tracing::error!(error = %chain(&error), "the store could not be synced");
                    }
                    Err(_) => return,
                }
            }
            let bytes = self.journal.lock().bytes();
            if !self.due(last, bytes.saturating_sub(bytes_then)) {
                continue;
            }
            match self.snapshot().await {
                Ok(Some(snapshot)) => {
                    last = (snapshot.manifest.epoch, Timestamp::now());
                    let trimmed = self.journal.lock().trim(snapshot.manifest.epoch);
                    bytes_then = self.journal.lock().bytes();
                    match trimmed {
                        Ok(freed) => {
                            tracing::info!(epoch = last.0.0, freed, "snapshot taken, journal trimmed");
                        }
                        Err(error) => {
                            tracing::error!(error = %chain(&error), "the journal could not be trimmed");
                        }
                    }
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
