//! From the data folder to live views, and back.

use super::{
    DataDir, DataDirError, ProcessControl, acquaint,
    boot::Boot,
    collect::Report,
    committer,
    control::Desks,
    host::{self, Prepared, Shared, chain},
    intake::Intake,
    journal::{Journal, JournalError},
    keeper::Keeper,
    labeler::{Labeler, LabelerError},
    lookup::StoreKnown,
    recompute::RecomputeError,
    recovery::{Decision, Found, Refusal, decide},
    sealer::{Sealed, Sealer, SealerError},
    steward::Steward,
    teller::Teller,
    workers::{Workers, WorkersFailed},
};
use crate::{
    agents::{AgentError, Agents, Runner},
    config::{Config, Embedding},
    embedding::{EmbeddingError, Stage},
};
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use springline_model::{Epoch, Table, Uri};
use springline_queries::control::Phase;
use springline_sinks::{
    parquet::{ParquetError, Snapshot},
    views::{ReadError, Reader, Views, ViewsError},
};
use springline_sources::{
    Outbox, ProgressBars, SourceError,
    atproto::{
        identity::{IdentityConfig, Resolver},
        who::Identities,
    },
    feedback::Projects,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Why the process can't start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The data folder can't be had.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The journal.
    #[error("the journal can't be used")]
    Journal(#[from] JournalError),
    /// The store.
    #[error("the store can't be used")]
    Store(#[from] ViewsError),
    /// The store does not decode.
    #[error("the store can't be read")]
    Read(#[from] ReadError),
    /// A snapshot.
    #[error("the snapshot can't be used")]
    Snapshot(#[from] ParquetError),
    /// What is on disk does not fit together.
    #[error(transparent)]
    Recovery(#[from] Refusal),
    /// The labeler's settings make no sense.
    #[error(transparent)]
    Labeler(#[from] LabelerError),
    /// The model of texts.
    #[error("the texts' model can't be used")]
    Embedding(#[from] EmbeddingError),
    /// An agent's settings make no sense.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A source's settings make no sense.
    #[error("a source can't be used")]
    Source(#[from] SourceError),
    /// The dataflow.
    #[error(transparent)]
    Workers(#[from] WorkersFailed),
    /// A view could not be corrected.
    #[error("a view could not be computed anew")]
    Recompute(#[from] RecomputeError),
    /// Sealing ended.
    #[error("no more epochs can be sealed")]
    Sealer(#[from] SealerError),
    /// A thread panicked.
    #[error("{0} has failed")]
    Panicked(&'static str),
}

/// Everything on disk opened and found to fit together; nothing runs yet, but queries can be served.
pub struct Opened {
    config: Config,
    data: DataDir,
    views: Views,
    journal: Journal,
    replay_from: Epoch,
    prepared: Vec<Prepared>,
    progress: ProgressBars,
    control: Arc<ProcessControl>,
    sealed: watch::Sender<Sealed>,
    asked: tokio::sync::mpsc::Receiver<Uri>,
    embedding: Option<Stage>,
    projects: Arc<Projects>,
    agents: Agents,
}

impl Opened {
    /// Opens what the data folder holds, cuts the journal's torn tail, and fills the store from the snapshot if that
    /// is what recovery asks for.
    ///
    /// # Errors
    /// Something is damaged, in use, or does not fit together; a source's settings make no sense.
    pub fn open(
        config: Config,
        data: DataDir,
        progress: ProgressBars,
        metrics: Option<PrometheusHandle>,
    ) -> Result<Self, RuntimeError> {
        let embedding = Stage::open(&config.embedding)?;
        let (handles, prepared) = host::prepare(&config.sources)?;
        let journal = Journal::open(&data.journal(), config.journal.options())?;
        if journal.cut_bytes() > 0 {
            tracing::warn!(
                bytes = journal.cut_bytes(),
                "cut an epoch that was never finished from the journal's end"
            );
        }
        let snapshot = Snapshot::newest(&data.snapshots())?;
        let views = open_store(&config, &data, &journal, snapshot.as_ref())?;
        let found = Found {
            applied: views.applied(),
            first: journal.first(),
            last: journal.last(),
            snapshot: snapshot.as_ref().map(|snapshot| snapshot.manifest.epoch),
        };
        let decision = decide(found)?;
        tracing::info!(?found, ?decision, "recovery");
        let replay_from = match (decision, snapshot) {
            (Decision::Restore { replay_from, .. }, Some(snapshot)) => {
                restore(&views, &snapshot)?;
                replay_from
            }
            (Decision::Restore { replay_from, .. } | Decision::Resume { replay_from }, _) => replay_from,
        };
        views.switch_off(&config.views.off)?;
        let at = journal.last_commit().map_or_else(|| views.reader().clock(), |commit| commit.at);
        let (sealed, sealed_now) = watch::channel(Sealed { epoch: journal.last(), at });
        let labeler = Labeler::open(&config.labeler)?;
        let projects = Arc::new(Projects::new(&config.feedback)?);
        let agents = Agents::open(&config.agents)?;
        let (meet, asked) = acquaint::queue();
        let reader = views.reader();
        let intake = Intake::new(projects.clone(), reader.clone());
        let by_meaning = config.clusters.embedding == Embedding::Semantic;
        let asked_about = embedding.clone().filter(|_| by_meaning);
        let desks = Desks { metrics, labeler, intake, agents: agents.clone(), meet, embedding: asked_about };
        let control = ProcessControl::new(reader, handles, sealed_now, desks);
        Ok(Self {
            config,
            data,
            views,
            journal,
            replay_from,
            prepared,
            progress,
            control,
            sealed,
            asked,
            embedding,
            projects,
            agents,
        })
    }

    /// What queries read. Stored views are served while they catch up.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.views.reader()
    }

    /// What the server asks.
    #[must_use]
    pub fn control(&self) -> Arc<ProcessControl> {
        self.control.clone()
    }

    /// The stored views themselves.
    #[must_use]
    pub const fn views(&self) -> &Views {
        &self.views
    }

    /// Brings the views up to date and follows the sources until `stop`; then drains: what the sources have sent is
    /// sealed, applied and synced.
    ///
    /// # Errors
    /// Something broke that can't be waited out. What was acknowledged is in the journal.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RuntimeError> {
        let Self {
            config,
            data,
            views,
            journal,
            replay_from,
            prepared,
            progress,
            control,
            sealed,
            asked,
            embedding,
            projects,
            agents,
        } = self;
        let (reports, inbox) = mpsc::channel();
        let (applied_out, applied) = watch::channel(0u64);
        let committer = spawn_committer(views.clone(), inbox, applied_out);

        let booted = {
            let (views, reports, applied) = (views.clone(), reports.clone(), applied.clone());
            let (control, config, stop) = (control.clone(), config.clone(), stop.clone());
            tokio::task::spawn_blocking(move || {
                let boot = Boot { views, reports, applied, control, config, stop };
                boot.run(journal, replay_from)
            })
        };
        let (workers, journal) = booted.await.map_err(|_| RuntimeError::Panicked("the start"))??;
        if stop.is_cancelled() {
            // The start may have been left half-way: nothing may be sealed behind a gap.
            drop(reports);
            return end(workers, committer, views).await;
        }
        let journal = Arc::new(Mutex::new(journal));

        let execution = execution();
        let (out, mut inbox) = Outbox::channel(config.runtime.queued_batches.max(1));
        if let Some(stage) = embedding {
            let (enriched, next) = tokio::sync::mpsc::channel(config.runtime.queued_batches.max(1));
            tokio::spawn(stage.run(std::mem::replace(&mut inbox, next), enriched));
        }
        let sealer = Sealer {
            inbox,
            journal: journal.clone(),
            workers,
            reports: reports.clone(),
            applied,
            positions: views.positions(),
            execution,
            bounds: config.runtime.bounds(),
            sealed: sealed.clone(),
        };
        let mut sealing = tokio::spawn(sealer.run());

        control.open(out.clone());
        control.enter(Phase::Indexing);
        // The sources stop when asked to, or when nobody takes what they send.
        let sources_stop = stop.child_token();
        let identities = identities(&config.identity)?;
        let acquainting =
            tokio::spawn(acquaint::run(asked, identities.clone(), out.clone(), sources_stop.clone()));
        let shared = Shared {
            out: out.clone(),
            known: Arc::new(StoreKnown(views.clone())),
            identities,
            projects,
            stop: sources_stop.clone(),
            progress,
            data_dir: data.path().to_path_buf(),
        };
        let mut sources = host::start(prepared, &shared);
        drop(shared);
        // Jobs are given back after the process is told to stop; but not to a sealer that has failed.
        let nobody_hears = CancellationToken::new();
        let runners = Teller::new("runner", out.clone(), views.reader(), nobody_hears.clone());
        let runner =
            Runner::new(execution, agents, runners, views.reader(), &data.agents(), sources_stop.clone());
        // What an earlier process left behind is put in order before leases run out by themselves.
        let (began, has_begun) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            match runner {
                Ok(mut runner) => {
                    runner.begin().await;
                    drop(began);
                    runner.run().await;
                }
                Err(error) => tracing::error!(%error, "agents can't be set to work"),
            }
        });
        let steward = Steward {
            teller: Teller::new("steward", out, views.reader(), sources_stop.clone()),
            reader: views.reader(),
            retention: config.retention.clone(),
            stop: sources_stop.clone(),
        };
        let stewarding = tokio::spawn(async move {
            let _ = has_begun.await;
            steward.run().await;
        });
        let keeper = Keeper {
            views: views.clone(),
            journal,
            reports: reports.clone(),
            sealed: sealed.subscribe(),
            snapshots: data.snapshots(),
            config: config.journal.clone(),
            stop: sources_stop.clone(),
        };
        let keeping = tokio::spawn(keeper.run());
        drop(reports);
        let watching = tokio::spawn(watch_until_live(control.clone(), sources_stop.clone()));

        let early = tokio::select! {
            () = stop.cancelled() => None,
            ended = &mut sealing => Some(ended),
        };
        control.enter(Phase::Stopping);
        sources_stop.cancel();
        control.close();
        while sources.join_next().await.is_some() {}
        if early.is_some() {
            nobody_hears.cancel();
        }
        let _ = running.await;
        let _ = keeping.await;
        let _ = stewarding.await;
        let _ = acquainting.await;
        let _ = watching.await;
        let sealed = match early {
            Some(ended) => ended,
            None => sealing.await,
        };
        match sealed.map_err(|_| RuntimeError::Panicked("the sealer"))? {
            Ok(workers) => end(workers, committer, views).await,
            Err(error) => {
                // The committer's reason comes first: if it has failed, the sealer only saw that nobody applies.
                tokio::task::block_in_place(|| join(committer))?;
                Err(error.into())
            }
        }
    }
}

/// Lets workers and committer finish what they have, and makes it durable.
async fn end(
    workers: Workers,
    committer: JoinHandle<Result<(), ViewsError>>,
    views: Views,
) -> Result<(), RuntimeError> {
    let ended = tokio::task::spawn_blocking(move || {
        workers.finish()?;
        join(committer)?;
        views.sync()?;
        Ok(())
    });
    ended.await.map_err(|_| RuntimeError::Panicked("the end"))?
}

/// Opens the store. One that is broken is put aside if everything in it can be rebuilt.
fn open_store(
    config: &Config,
    data: &DataDir,
    journal: &Journal,
    snapshot: Option<&Snapshot>,
) -> Result<Views, RuntimeError> {
    let error = match Views::open(&config.store, &data.store()) {
        Ok(views) => return Ok(views),
        Err(error) => error,
    };
    let rebuildable = journal.first() == Epoch(1) || snapshot.is_some();
    if !error.is_corrupt() || !rebuildable {
        return Err(error.into());
    }
    let aside = data.path().join(format!("store.broken-{}", springline_model::Timestamp::now().as_secs()));
    tracing::error!(error = %chain(&error), aside = %aside.display(), "the store is broken: put aside, and rebuilt from the journal");
    std::fs::rename(data.store(), &aside).map_err(|error| DataDirError::Io(aside, error))?;
    Ok(Views::open(&config.store, &data.store())?)
}

/// Fills an emptied store with a snapshot's ledger; the views are computed from it.
fn restore(views: &Views, snapshot: &Snapshot) -> Result<(), RuntimeError> {
    let mut tables: BTreeMap<Table, Vec<(Vec<u8>, Vec<u8>)>> = BTreeMap::new();
    snapshot.read(|table, key, value| tables.entry(table).or_default().push((key, value)))?;
    let manifest = &snapshot.manifest;
    views.restore(manifest.epoch, manifest.at, manifest.positions.iter().cloned().collect(), tables)?;
    tracing::info!(epoch = manifest.epoch.0, rows = manifest.rows, "store filled from the snapshot");
    Ok(())
}

fn spawn_committer(
    views: Views,
    inbox: mpsc::Receiver<Report>,
    applied: watch::Sender<u64>,
) -> JoinHandle<Result<(), ViewsError>> {
    std::thread::spawn(move || {
        let ended = committer::run(&views, &inbox, &applied);
        if let Err(error) = &ended {
            tracing::error!(error = %chain(error), "the store refused an epoch");
        }
        ended
    })
}

fn join(committer: JoinHandle<Result<(), ViewsError>>) -> Result<(), RuntimeError> {
    Ok(committer.join().unwrap_or(Err(ViewsError::Stopped))?)
}

/// Who looks accounts up.
fn identities(config: &IdentityConfig) -> Result<Identities, SourceError> {
    if config.offline {
        return Ok(Identities::offline());
    }
    Resolver::new(config).map(Identities::by)
}

/// A number that tells this run of the process from others.
fn execution() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one((std::process::id(), Instant::now()))
}

async fn watch_until_live(control: Arc<ProcessControl>, stop: CancellationToken) {
    while !control.caught_up() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
    control.enter(Phase::Live);
}
