//! From the stored views to live ones.
//!
//! ```text
//!  hydrate: the operators that keep state are fed the ledger, a chunk a tick
//!  renew:   views that another version, or other settings, wrote, are made anew from the same
//!  replay:  the epochs behind the store
//! ```

use super::{
    ProcessControl, RuntimeError,
    cluster::{self, Lost, Net},
    collect::Report,
    journal::Journal,
    lookup::{self, StoreLookup},
    recompute,
    sealer::{Log, SealerError},
    workers::Workers,
};
use crate::{config::Config, views::Definitions};
use parking_lot::Mutex;
use springline_model::{Epoch, EpochCommit, Event, Timestamp, View};
use springline_operators::{Committed, Visible};
use springline_queries::control::Phase;
use springline_sinks::views::{Views, ViewsError};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::{Arc, mpsc},
    time::Instant,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where what came in before is.
pub(super) enum Past {
    /// In the data folder; what the store lacks begins at an epoch.
    Embedded { journal: Journal, replay_from: Epoch },
    /// In a log that is followed from the store's offsets on.
    Elsewhere,
}

/// What has to be done before new events can be taken.
pub(super) struct Boot {
    pub(super) views: Views,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) applied: watch::Receiver<u64>,
    pub(super) control: Arc<ProcessControl>,
    pub(super) config: Config,
    pub(super) stop: CancellationToken,
    /// Views that are made anew.
    pub(super) anew: BTreeSet<View>,
    /// The other processes, if there are any.
    pub(super) together: Option<Together>,
    /// Told when one of them is gone.
    pub(super) lost: Lost,
}

/// What a start of several processes needs to know.
pub(super) struct Together {
    pub(super) net: Net,
    /// How many ticks hydration takes, everywhere.
    pub(super) hydration: u64,
}

/// The views whose rows another version of the program, or the same with other settings, has written.
///
/// # Errors
/// The store fails.
pub(super) fn stale(views: &Views, config: &Config) -> Result<BTreeSet<View>, ViewsError> {
    let settings = config.definitions().settings();
    let written: BTreeMap<String, String> =
        views.settings()?.and_then(|settings| serde_json::from_str(&settings).ok()).unwrap_or_default();
    let is_stale = |view: &View| {
        let other_version = views.status(*view).version != Some(view.version());
        let is_kept = *view != View::Ledger && !config.views.off.contains(view);
        is_kept && (other_version || settings.get(view.name()) != written.get(view.name()))
    };
    Ok(View::ALL.iter().copied().filter(is_stale).collect())
}

impl Boot {
    /// Brings the views up to the journal's end, as far as it is here.
    pub(super) fn run(mut self, past: Past) -> Result<(Workers, Log), RuntimeError> {
        self.control.enter(Phase::Hydrating);
        if !self.anew.is_empty() && self.views.applied() > Epoch::ZERO {
            let names: Vec<&str> = self.anew.iter().map(|view| view.name()).collect();
            tracing::info!(views = names.join(", "), "made anew while those of before are served");
        }
        let (net, ticks) =
            self.together.take().map_or((None, 0), |Together { net, hydration }| (Some(net), hydration));
        let mut workers = self.start_workers(net)?;
        self.hydrate(&mut workers)?;
        let clock = self.views.reader().clock();
        while workers.next_tick() < ticks && !self.stop.is_cancelled() {
            // Others have more to feed, and ticks are everybody's.
            let tick = workers.feed(vec![], vec![], clock).map_err(SealerError::Worker)?;
            self.wait(tick)?;
        }
        self.renew(&workers)?;
        match past {
            Past::Embedded { journal, replay_from } => {
                self.replay(&mut workers, &journal, replay_from)?;
                Ok((workers, Log::Embedded(Arc::new(Mutex::new(journal)))))
            }
            Past::Elsewhere => {
                self.settled(&workers)?;
                Ok((workers, Log::Elsewhere(Arc::default())))
            }
        }
    }

    /// Has what was gathered of the views that are made anew written, once everything is hydrated.
    fn renew(&mut self, workers: &Workers) -> Result<(), RuntimeError> {
        if self.anew.is_empty() || self.stop.is_cancelled() {
            return Ok(());
        }
        self.settled(workers)?;
        let (done, is_done) = mpsc::sync_channel(1);
        self.reports.send(Report::Hydrated(done)).map_err(|_| SealerError::Committer)?;
        is_done.recv().map_err(|_| SealerError::Committer)?;
        self.keep()
    }

    /// Keeps the settings that views are made by, beside whose share they are.
    fn keep(&self) -> Result<(), RuntimeError> {
        let mut settings = self.config.definitions().settings();
        let shard = cluster::of_store(&self.views)?;
        settings.extend(shard.map(|shard| (cluster::NAME.to_owned(), shard)));
        self.views.keep_settings(&serde_json::json!(settings).to_string())?;
        self.views.sync()?;
        Ok(())
    }

    fn start_workers(&self, net: Option<Net>) -> Result<Workers, RuntimeError> {
        let (reader, applied) = (self.views.reader(), self.applied.clone());
        let committed = Arc::new(move || {
            Rc::new(StoreLookup { reader: reader.clone(), applied: applied.clone() }) as Rc<dyn Committed>
        });
        let definitions = Definitions { anew: self.anew.clone(), ..self.config.definitions() };
        Ok(Workers::start(self.config.runtime.workers, definitions, committed, self.reports.clone(), net)?)
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
        self.settled(workers)?;
        if total > 0 {
            tracing::info!(epochs = total, "replayed");
        }
        Ok(())
    }

    /// Waits until all that was fed is through.
    fn settled(&mut self, workers: &Workers) -> Result<(), SealerError> {
        let next = workers.next_tick();
        if next > 0 { self.wait_for(next) } else { Ok(()) }
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
        let lost = self.lost.clone();
        runtime.block_on(async {
            tokio::select! {
                () = lost.token().cancelled() => Err(SealerError::Lost),
                reached = self.applied.wait_for(|applied| *applied >= tick) => {
                    reached.map(|_| ()).map_err(|_| SealerError::Committer)
                }
            }
        })
    }
}
