//! Runs the sources: a task each, told what to do through a channel, started again when it fails.

use crate::{
    config::Config,
    replay::{self, HistorySource},
};
use springline_model::SourceId;
pub use springline_sources::chain;
use springline_sources::{
    Command, Known, Outbox, ProgressBars, Source, SourceConfig, SourceContext, SourceError, SourceState,
    SourceStatus,
    atproto::{repos::BackfillConfig, who::Identities},
    build,
    feedback::Projects,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Requests that may wait for a source.
const QUEUED_COMMANDS: usize = 16;
/// First and longest wait before a failed source is started again.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// A source as others see it.
#[derive(Clone)]
pub struct Handle {
    /// What it says of itself.
    pub status: Arc<SourceStatus>,
    /// Requests to it.
    pub commands: mpsc::Sender<Command>,
}

/// The sources of this process, by name.
pub type Handles = BTreeMap<String, Handle>;

/// What every source gets.
#[derive(Clone)]
pub struct Shared {
    /// Where events go.
    pub out: Outbox,
    /// Who accounts are.
    pub identities: Identities,
    /// What feedback is wanted.
    pub projects: Arc<Projects>,
    /// Cancelled at shutdown.
    pub stop: CancellationToken,
    /// Bars for a first index.
    pub progress: ProgressBars,
    /// Where sources keep what they can fetch again: `sources/<name>` under it.
    pub data_dir: PathBuf,
}

/// Makes the handles of all sources without starting them, so that status and requests can be answered from the
/// first moment on.
///
/// # Errors
/// A source's settings make no sense.
pub fn prepare(config: &Config) -> Result<(Handles, Vec<Prepared>), SourceError> {
    let mut handles = Handles::new();
    let mut prepared = Vec::new();
    let mut prepare = |id: SourceId, kind: &'static str, make: Make| {
        make()?;
        let status = Arc::new(SourceStatus::new(id.clone(), kind));
        let (commands, inbox) = mpsc::channel(QUEUED_COMMANDS);
        handles.insert(id.to_string(), Handle { status: status.clone(), commands });
        prepared.push(Prepared { id, make, status, inbox });
        Ok::<(), SourceError>(())
    };
    for (name, source) in with_backfill(&config.sources) {
        let (id, kind) = (SourceId::new(name), source.kind());
        prepare(id.clone(), kind, Box::new(move || build(id.clone(), &source)))?;
    }
    if let Some(history) = config.history.clone() {
        let make = move || Ok(Box::new(HistorySource::new(history.clone())) as Box<dyn Source>);
        prepare(SourceId::new(replay::SOURCE), replay::SOURCE, Box::new(make))?;
    }
    Ok((handles, prepared))
}

/// Whether every source has caught up once.
pub fn caught_up(handles: &Handles) -> bool {
    let mut states = handles.values().map(|handle| handle.status.snapshot().state);
    states.all(|state| !matches!(state, SourceState::Starting | SourceState::Indexing))
}

/// Sources that have failed, and why.
pub fn failures(handles: &Handles) -> Vec<String> {
    let snapshots = handles.values().map(|handle| handle.status.snapshot());
    let failed = snapshots.filter(|status| status.state == SourceState::Failed);
    failed.map(|status| format!("{}: {}", status.id, status.reason.unwrap_or_default())).collect()
}

/// Who follows repositories by their changes needs somebody who fetches them when one was missed.
fn with_backfill(configs: &BTreeMap<String, SourceConfig>) -> BTreeMap<String, SourceConfig> {
    let mut configs = configs.clone();
    let follows = configs.values().find_map(|config| match config {
        SourceConfig::Relay(relay) => Some(&relay.records),
        SourceConfig::Jetstream(jetstream) => Some(&jetstream.records),
        _ => None,
    });
    let fetches = configs.values().any(|config| matches!(config, SourceConfig::Backfill(_)));
    if let Some(records) = follows.cloned().filter(|_| !fetches) {
        let backfill = BackfillConfig { records, ..BackfillConfig::default() };
        configs.entry("backfill".into()).or_insert(SourceConfig::Backfill(backfill));
    }
    configs
}

/// Makes a source, at the start and after it has failed.
type Make = Box<dyn Fn() -> Result<Box<dyn Source>, SourceError> + Send>;

/// A source that is ready to be started.
pub struct Prepared {
    id: SourceId,
    make: Make,
    status: Arc<SourceStatus>,
    inbox: mpsc::Receiver<Command>,
}

/// Starts the sources. The set is empty when all have ended; dropping it aborts them.
pub fn start(prepared: Vec<Prepared>, shared: &Shared, known: &Arc<dyn Known>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for source in prepared {
        tasks.spawn(supervise(source, shared.clone(), known.clone()));
    }
    tasks
}

/// Runs a source until it is told to stop. One that fails is started again, later and later.
async fn supervise(mut source: Prepared, shared: Shared, known: Arc<dyn Known>) {
    let mut wait = BACKOFF.0;
    loop {
        let error = match run_once(&mut source, &shared, &known).await {
            Ok(()) | Err(SourceError::Closed) => return,
            Err(error) => error,
        };
        let why = chain(&error);
        tracing::error!(source = %source.id, error = %why, retry_secs = wait.as_secs(), "source failed");
        metrics::counter!("springline_source_failures_total", "source" => source.id.to_string()).increment(1);
        source.status.set(SourceState::Failed, Some(why));
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(BACKOFF.1);
    }
}

async fn run_once(source: &mut Prepared, shared: &Shared, known: &Arc<dyn Known>) -> Result<(), SourceError> {
    let (forward, commands) = mpsc::channel(QUEUED_COMMANDS);
    let context = SourceContext {
        out: shared.out.clone(),
        known: known.clone(),
        identities: shared.identities.clone(),
        projects: shared.projects.clone(),
        commands,
        stop: shared.stop.clone(),
        status: source.status.clone(),
        progress: shared.progress.clone(),
        data_dir: folder(&shared.data_dir, &source.id),
    };
    let running = (source.make)()?.run(context);
    tokio::pin!(running);
    loop {
        // Requests outlive a failed run, so they come through here and not by the source's own channel.
        tokio::select! {
            ended = &mut running => return ended,
            Some(command) = source.inbox.recv() => {
                tokio::select! {
                    ended = &mut running => return ended,
                    _ = forward.send(command) => {}
                }
            }
        }
    }
}

fn folder(data_dir: &Path, id: &SourceId) -> PathBuf {
    data_dir.join("sources").join(id.as_str())
}
