//! Runs the sources: a task each, told what to do through a channel, started again when it fails.

use springline_model::SourceId;
pub use springline_sources::chain;
use springline_sources::{
    Command, Known, Outbox, ProgressBars, SourceConfig, SourceContext, SourceError, SourceState,
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
    /// What the ledger has.
    pub known: Arc<dyn Known>,
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
pub fn prepare(configs: &BTreeMap<String, SourceConfig>) -> Result<(Handles, Vec<Prepared>), SourceError> {
    let mut handles = Handles::new();
    let mut prepared = Vec::new();
    let configs = with_backfill(configs);
    for (name, config) in &configs {
        let id = SourceId::new(name.as_str());
        build(id.clone(), config)?;
        let status = Arc::new(SourceStatus::new(id.clone(), config.kind()));
        let (commands, inbox) = mpsc::channel(QUEUED_COMMANDS);
        handles.insert(name.clone(), Handle { status: status.clone(), commands });
        prepared.push(Prepared { id, config: config.clone(), status, inbox });
    }
    Ok((handles, prepared))
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

/// A source that is ready to be started.
pub struct Prepared {
    id: SourceId,
    config: SourceConfig,
    status: Arc<SourceStatus>,
    inbox: mpsc::Receiver<Command>,
}

/// Starts the sources. The set is empty when all have ended; dropping it aborts them.
pub fn start(prepared: Vec<Prepared>, shared: &Shared) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for source in prepared {
        tasks.spawn(supervise(source, shared.clone()));
    }
    tasks
}

/// Runs a source until it is told to stop. One that fails is started again, later and later.
async fn supervise(mut source: Prepared, shared: Shared) {
    let mut wait = BACKOFF.0;
    loop {
        let error = match run_once(&mut source, &shared).await {
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

async fn run_once(source: &mut Prepared, shared: &Shared) -> Result<(), SourceError> {
    let (forward, commands) = mpsc::channel(QUEUED_COMMANDS);
    let context = SourceContext {
        out: shared.out.clone(),
        known: shared.known.clone(),
        identities: shared.identities.clone(),
        projects: shared.projects.clone(),
        commands,
        stop: shared.stop.clone(),
        status: source.status.clone(),
        progress: shared.progress.clone(),
        data_dir: folder(&shared.data_dir, &source.id),
    };
    let running = build(source.id.clone(), &source.config)?.run(context);
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
