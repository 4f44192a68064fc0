//! From the stored views to live ones.
//!
//! ```text
//!  correct: views that another version, or other settings, wrote, are recomputed
//!  hydrate: the operators that keep state are fed the ledger, a chunk a tick
//!  replay:  the epochs behind the store
//! ```

use super::{
    ProcessControl, RuntimeError,
    collect::Report,
    journal::Journal,
    lookup::{self, StoreLookup},
    recompute::{self, recompute},
    sealer::SealerError,
    workers::Workers,
};
use crate::{config::Config, views::Purpose};
use springline_model::{Epoch, EpochCommit, Event, Timestamp, View};
use springline_operators::{Committed, Visible};
use springline_queries::control::Phase;
use springline_sinks::views::Views;
use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, mpsc},
    time::Instant,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What has to be done before new events can be taken.
pub(super) struct Boot {
    pub(super) views: Views,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) applied: watch::Receiver<u64>,
    pub(super) control: Arc<ProcessControl>,
    pub(super) config: Config,
    pub(super) stop: CancellationToken,
}

impl Boot {
    /// Brings the views up to the journal's end.
    pub(super) fn run(
        mut self,
        journal: Journal,
        replay_from: Epoch,
    ) -> Result<(Workers, Journal), RuntimeError> {
        self.control.enter(Phase::Hydrating);
        self.correct()?;
        let mut workers = self.start_workers()?;
        self.hydrate(&mut workers)?;
        self.replay(&mut workers, &journal, replay_from)?;
        Ok((workers, journal))
    }

    /// Recomputes the views that another version of the program, or the same with other settings, has written.
    fn correct(&self) -> Result<(), RuntimeError> {
        let reader = self.views.reader();
        let settings = self.config.definitions().settings();
        let written: BTreeMap<String, String> = self
            .views
            .settings()?
            .and_then(|settings| serde_json::from_str(&settings).ok())
            .unwrap_or_default();
        let is_stale = |view: View| {
            let other_version = self.views.status(view).version != Some(view.version());
            let is_kept = view != View::Ledger && !self.config.views.off.contains(&view);
            is_kept && (other_version || settings.get(view.name()) != written.get(view.name()))
        };
        let stale: Vec<View> = View::ALL.iter().copied().filter(|view| is_stale(*view)).collect();
        if stale.is_empty() {
            return Ok(());
        }
        if self.views.applied() == Epoch::ZERO {
            for view in stale {
                self.views.reconcile(view, BTreeMap::new(), Vec::new())?;
            }
            return Ok(self.views.keep_settings(&serde_json::json!(settings).to_string())?);
        }
        let started = Instant::now();
        let mut computed = recompute(&reader, self.config.runtime.workers, self.config.definitions())?;
        for view in stale {
            let rows = computed.of(view);
            let postings = if view == View::Search { std::mem::take(&mut computed.postings) } else { vec![] };
            let corrections = self.views.reconcile(view, rows, postings)?;
            tracing::info!(view = view.name(), ?corrections, "view computed anew");
        }
        self.views.keep_settings(&serde_json::json!(settings).to_string())?;
        tracing::info!(elapsed = ?started.elapsed(), "views corrected");
        Ok(())
    }

    fn start_workers(&self) -> Result<Workers, RuntimeError> {
        let (reader, applied) = (self.views.reader(), self.applied.clone());
        let committed = Arc::new(move || {
            Rc::new(StoreLookup { reader: reader.clone(), applied: applied.clone() }) as Rc<dyn Committed>
        });
        Ok(Workers::start(
            self.config.runtime.workers,
            Purpose::Live,
            self.config.definitions(),
            committed,
            self.reports.clone(),
        )?)
    }

    /// Feeds what the ledger has to the operators that keep state, a chunk a tick, so that the peak of memory stays
    /// near the steady state.
    fn hydrate(&mut self, workers: &mut Workers) -> Result<(), RuntimeError> {
        if self.views.applied() == Epoch::ZERO {
            return Ok(());
        }
        let started = Instant::now();
        let reader = self.views.reader();
        let clock = reader.clock();
        let total = self.views.status(View::Ledger).fingerprint.rows;
        let mut done = 0;
        let mut outcome = Ok(());
        lookup::visible(&reader, recompute::CHUNK, &mut |rows| {
            if outcome.is_err() || self.stop.is_cancelled() {
                return;
            }
            done += rows.len() as u64;
            let records =
                rows.into_iter().map(|row| Visible { source: row.source, record: row.record }).collect();
            outcome = workers
                .feed(vec![], records, clock)
                .map_err(SealerError::Worker)
                .and_then(|tick| self.wait(tick));
            self.control.progress("hydrate", done, Some(total));
        })?;
        outcome?;
        tracing::info!(records = done, elapsed = ?started.elapsed(), "hydrated");
        Ok(())
    }

    /// Feeds the epochs that the store has not seen.
    fn replay(&mut self, workers: &mut Workers, journal: &Journal, from: Epoch) -> Result<(), RuntimeError> {
        let total = journal.last().0.saturating_sub(from.0 - 1);
        for (done, record) in (0..).zip(journal.replay(from)?) {
            if self.stop.is_cancelled() {
                break;
            }
            let record = record?;
            let at = record.commit.at;
            self.feed(workers, record.commit, record.events, at)?;
            self.control.progress("replay", done, Some(total));
        }
        let next = workers.next_tick();
        if next > 0 {
            self.wait_for(next)?;
        }
        if total > 0 {
            tracing::info!(epochs = total, "replayed");
        }
        Ok(())
    }

    fn feed(
        &mut self,
        workers: &mut Workers,
        commit: EpochCommit,
        events: Vec<Event>,
        at: Timestamp,
    ) -> Result<(), RuntimeError> {
        let tick = workers.next_tick();
        self.reports.send(Report::Commit { tick, commit }).map_err(|_| SealerError::Committer)?;
        let tick = workers.feed(events, vec![], at).map_err(SealerError::Worker)?;
        self.wait(tick)?;
        Ok(())
    }

    /// Waits until no more than the bound is in flight behind a tick.
    fn wait(&mut self, tick: u64) -> Result<(), SealerError> {
        self.wait_for((tick + 1).saturating_sub(self.config.runtime.epochs_in_flight.max(1)))
    }

    fn wait_for(&mut self, tick: u64) -> Result<(), SealerError> {
        let runtime = tokio::runtime::Handle::current();
        let reached = runtime.block_on(self.applied.wait_for(|applied| *applied >= tick));
        reached.map(|_| ()).map_err(|_| SealerError::Committer)
    }
}
