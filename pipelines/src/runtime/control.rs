//! What the query server may ask of the process.

use super::{
    acquaint::Meet,
    host::Handles,
    intake::Intake,
    labeler::{Labeler, label_frame},
    sealer::Sealed,
};
use crate::{
    agents::{self, Agents},
    embedding::Stage,
};
use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use serde_json::Value;
use springline_model::{
    Epoch, Event, EventBody, ItemName, JobEvent, JobId, Label, Partition, Project, SourceId, Timestamp, Uri,
    Vector,
    job::{Act, JobDeed},
};
use springline_queries::control::{
    AgentStatus, Control, ControlError, FeedbackError, JobOrder, LabelDraft, LabelNotice, Phase, Progress,
    RuntimeStatus, SourceCommand, SourceStatus, Taken, Told,
};
use springline_sinks::views::Reader;
use springline_sources::{Batch, Command, Outbox, SourceState};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};

/// How long a source may take to answer a request.
const ANSWER: Duration = Duration::from_secs(120);

/// The process' own state, as [`Control`] shows it.
pub struct ProcessControl {
    reader: Reader,
    handles: Handles,
    sealed: watch::Receiver<Sealed>,
    desks: Desks,
    started: Timestamp,
    state: Mutex<State>,
}

/// Who does what the server asks for.
pub(super) struct Desks {
    pub(super) metrics: Option<PrometheusHandle>,
    pub(super) labeler: Option<Labeler>,
    pub(super) intake: Arc<Intake>,
    pub(super) agents: Agents,
    pub(super) meet: Meet,
    /// Where texts are compared by what they mean.
    pub(super) embedding: Option<Stage>,
}

struct State {
    phase: Phase,
    progress: BTreeMap<&'static str, (u64, Option<u64>)>,
    /// Gone when the process stops, so that the sealer can end.
    out: Option<Outbox>,
}

impl ProcessControl {
    pub(super) fn new(
        reader: Reader,
        handles: Handles,
        sealed: watch::Receiver<Sealed>,
        desks: Desks,
    ) -> Arc<Self> {
        let state = State { phase: Phase::Starting, progress: BTreeMap::new(), out: None };
        Arc::new(Self { reader, handles, sealed, desks, started: Timestamp::now(), state: Mutex::new(state) })
    }

    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state.lock();
        state.phase = phase;
        state.progress.clear();
        tracing::info!(?phase, "phase");
    }

    pub(super) fn progress(&self, name: &'static str, done: u64, total: Option<u64>) {
        self.state.lock().progress.insert(name, (done, total));
    }

    pub(super) fn open(&self, out: Outbox) {
        self.state.lock().out = Some(out);
    }

    pub(super) fn close(&self) {
        self.state.lock().out = None;
    }

    /// The way to the sealer, while there is one.
    fn outbox(&self) -> Result<Outbox, ControlError> {
        self.state.lock().out.clone().ok_or_else(stopping)
    }

    /// Says where the server answers, and as what others know it: agents report there.
    pub fn serve_at(&self, address: SocketAddr, public_url: Option<&str>) {
        self.desks.agents.serve_at(address, public_url);
    }

    /// Whether every source has caught up once.
    pub(super) fn caught_up(&self) -> bool {
        self.handles.values().all(|handle| {
            !matches!(handle.status.snapshot().state, SourceState::Starting | SourceState::Indexing)
        })
    }

    /// Sources that have failed, and why.
    pub fn failures(&self) -> Vec<String> {
        let snapshots = self.handles.values().map(|handle| handle.status.snapshot());
        let failed = snapshots.filter(|status| status.state == SourceState::Failed);
        failed.map(|status| format!("{}: {}", status.id, status.reason.unwrap_or_default())).collect()
    }

    /// Waits until every source has caught up once.
    pub async fn until_live(&self) {
        while self.state.lock().phase != Phase::Live {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn handle(&self, name: &str) -> Result<&super::host::Handle, ControlError> {
        self.handles.get(name).ok_or_else(|| ControlError::UnknownSource {
            name: name.chars().take(64).collect(),
            known: self.handles.keys().cloned().collect(),
        })
    }
}

fn stopping() -> ControlError {
    ControlError::Unavailable("the process is starting or stopping".into())
}

#[async_trait]
impl Control for ProcessControl {
    fn status(&self) -> RuntimeStatus {
        let (phase, progress) = {
            let state = self.state.lock();
            (state.phase, state.progress.clone())
        };
        let mut progress: Vec<Progress> = progress
            .into_iter()
            .map(|(name, (done, total))| Progress { name: name.to_owned(), done, total })
            .collect();
        let mut sources = Vec::new();
        for (name, handle) in &self.handles {
            let snapshot = handle.status.snapshot();
            if phase == Phase::Indexing {
                progress.push(Progress { name: format!("index {name}"), done: snapshot.events, total: None });
            }
            let detail = match serde_json::to_value(&snapshot) {
                Ok(Value::Object(detail)) => detail,
                _ => serde_json::Map::new(),
            };
            sources.push(SourceStatus { name: name.clone(), detail });
        }
        RuntimeStatus {
            ready: phase == Phase::Live,
            phase,
            progress,
            sealed: self.sealed.borrow().epoch,
            applied: self.reader.applied(),
            started: self.started,
            sources,
        }
    }

    fn ready(&self) -> bool {
        self.state.lock().phase == Phase::Live
    }

    fn metrics(&self) -> String {
        self.desks.metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }

    async fn submit(&self, events: Vec<Event>) -> Result<Epoch, ControlError> {
        let out = self.outbox()?;
        let (sealed, epoch) = oneshot::channel();
        let partition = Partition { source: SourceId::new("api"), name: "requests".into() };
        out.send(Batch { partition, events, position: None, sealed: Some(sealed) })
            .await
            .map_err(|_| stopping())?;
        drop(out);
        epoch.await.map_err(|_| stopping())
    }

    async fn issue_label(&self, draft: LabelDraft) -> Result<(Label, Epoch), ControlError> {
        let labeler = self.desks.labeler.as_ref().ok_or_else(|| {
            ControlError::Refused("no labeler is configured: set `labeler.did` and `labeler.key_file`".into())
        })?;
        let submit = |body| {
            let event = Event { source: SourceId::new("operator"), observed: Timestamp::now(), body };
            self.submit(vec![event])
        };
        labeler.issue(draft, &self.reader, submit).await
    }

    async fn take_feedback(&self, told: Told) -> Result<Taken, FeedbackError> {
        self.desks.intake.take(told, self.outbox()?).await
    }

    async fn delete_feedback(&self, item: ItemName) -> Result<Option<Epoch>, ControlError> {
        self.desks.intake.delete(&item, self.outbox()?).await
    }

    async fn embed(&self, title: &str, text: &str) -> Option<Vector> {
        self.desks.embedding.as_ref()?.ask(title, text).await
    }

    fn agents(&self) -> Vec<AgentStatus> {
        self.desks.agents.status()
    }

    async fn order_job(&self, order: JobOrder) -> Result<(JobId, Epoch), ControlError> {
        let cluster = order.cluster.clone();
        let opening = self.desks.agents.opening(order)?;
        let job = agents::new_id()
            .ok_or_else(|| ControlError::Failed("the system has no random numbers".into()))?;
        let at = Timestamp::now();
        let deed = JobDeed::Job(job, Act::Open(opening));
        let body = EventBody::Job(Box::new(JobEvent { cluster, at, deed }));
        let event = Event { source: SourceId::new("operator"), observed: at, body };
        Ok((job, self.submit(vec![event]).await?))
    }

    fn has_project(&self, project: &Project) -> bool {
        self.desks.intake.has(project)
    }

    fn projects(&self) -> Vec<Project> {
        self.desks.intake.projects()
    }

    fn meet(&self, did: &Uri) {
        self.desks.meet.meet(did);
    }

    fn label_frame(&self, notice: &LabelNotice) -> Vec<u8> {
        label_frame(notice)
    }

    async fn source_command(&self, source: &str, command: SourceCommand) -> Result<Value, ControlError> {
        let commands = &self.handle(source)?.commands;
        match command {
            SourceCommand::Pull { partition } => {
                let (done, report) = oneshot::channel();
                send(commands, Command::Pull { partition, done }).await?;
                let report = answer(report).await?.map_err(ControlError::Refused)?;
                serde_json::to_value(report).map_err(|error| ControlError::Failed(error.to_string()))
            }
            SourceCommand::Pause => told(commands, Command::Pause).await,
            SourceCommand::Resume => told(commands, Command::Resume).await,
            SourceCommand::Reset => told(commands, Command::Reset).await,
            SourceCommand::Fetch { host } => {
                let (done, result) = oneshot::channel();
                send(commands, Command::Fetch { host, done }).await?;
                answer(result).await?.map_err(ControlError::Refused)?;
                Ok(serde_json::json!({ "accepted": true }))
            }
            SourceCommand::Retry { uri } => {
                let (done, result) = oneshot::channel();
                send(commands, Command::Retry { uri, done }).await?;
                answer(result).await?.map_err(ControlError::Refused)?;
                Ok(serde_json::json!({ "retried": true }))
            }
        }
    }
}

async fn told(commands: &mpsc::Sender<Command>, command: Command) -> Result<Value, ControlError> {
    send(commands, command).await?;
    Ok(serde_json::json!({ "accepted": true }))
}

async fn send(commands: &mpsc::Sender<Command>, command: Command) -> Result<(), ControlError> {
    let sent = tokio::time::timeout(ANSWER, commands.send(command)).await;
    sent.map_err(|_| ControlError::Unavailable("the source is busy".into()))?.map_err(|_| stopping())
}

async fn answer<T>(receiver: oneshot::Receiver<T>) -> Result<T, ControlError> {
    let answered = tokio::time::timeout(ANSWER, receiver).await;
    answered
        .map_err(|_| ControlError::Unavailable("the source is still at it".into()))?
        .map_err(|_| stopping())
}
