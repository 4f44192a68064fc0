//! What the query server may ask of the process.

use super::{
    acquaint::Meet,
    feeds::Feeds,
    host::{self, Handles},
    intake::Intake,
    kafka,
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
    RuntimeStatus, SinkCommand, SourceCommand, SourceStatus, Taken, Told,
};
use springline_sinks::{follow::SinkStatus, views::Reader};
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
    /// The journal is a log elsewhere, and shown among the sources.
    has_log: bool,
    /// It is one of several processes, and sees a share of the records.
    is_shard: bool,
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
    pub(super) feeds: Feeds,
}

struct State {
    phase: Phase,
    progress: BTreeMap<&'static str, (u64, Option<u64>)>,
    /// Gone when the process stops, so that the sealer can end.
    out: Option<Outbox>,
    is_closed: bool,
}

impl ProcessControl {
    pub(super) fn new(
        reader: Reader,
        handles: Handles,
        sealed: watch::Receiver<Sealed>,
        desks: Desks,
        (has_log, is_shard): (bool, bool),
    ) -> Arc<Self> {
        let state = State { phase: Phase::Starting, progress: BTreeMap::new(), out: None, is_closed: false };
        Arc::new(Self {
            reader,
            handles,
            sealed,
            desks,
            has_log,
            is_shard,
            started: Timestamp::now(),
            state: Mutex::new(state),
        })
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

    /// Takes what is sent from now on, unless it was closed before.
    pub(super) fn open(&self, out: Outbox) {
        let mut state = self.state.lock();
        state.out = Some(out).filter(|_| !state.is_closed);
    }

    /// Waits for other processes, and takes nothing meanwhile.
    pub(super) fn await_peers(&self) {
        self.enter(Phase::Forming);
        self.state.lock().is_closed = false;
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        (state.out, state.is_closed) = (None, true);
    }

    /// The way to the journal, while there is one.
    fn outbox(&self) -> Result<Outbox, ControlError> {
        let log = [kafka::NAME, kafka::WRITER].into_iter().filter_map(|name| self.handles.get(name));
        let trouble = log.map(|handle| handle.status.snapshot()).find_map(|status| {
            matches!(status.state, SourceState::Paused | SourceState::Failed).then_some(status.reason)
        });
        if let Some(reason) = trouble.filter(|_| self.has_log) {
            return Err(ControlError::Unavailable(reason.unwrap_or_default()));
        }
        self.state.lock().out.clone().ok_or_else(stopping)
    }

    /// What is decided by all records can't be taken by who has a share of them.
    fn whole(&self) -> Result<(), ControlError> {
        let why = "this is one of several processes, and has a share of the records: tell the process that reads the \
                   sources (`springline ingest --listen`)";
        if self.is_shard { Err(ControlError::Unavailable(why.into())) } else { Ok(()) }
    }

    /// Says where the server answers, and as what others know it: agents report there.
    pub fn serve_at(&self, address: SocketAddr, public_url: Option<&str>) {
        self.desks.agents.serve_at(address, public_url);
    }

    /// Whether every source has caught up once.
    pub(super) fn caught_up(&self) -> bool {
        self.state.lock().out.is_some() && host::caught_up(&self.handles)
    }

    /// Waits until what sources have sent by now is in the journal and in the views.
    pub(super) async fn until_shown(&self) {
        if let Ok(epoch) = self.submit(Vec::new()).await {
            // It ends with the views.
            let _ = self.reader.watch().wait_for(|applied| *applied >= epoch).await;
        }
    }

    /// Sources that have failed, and why.
    pub fn failures(&self) -> Vec<String> {
        host::failures(&self.handles)
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
            ready: self.ready(),
            phase,
            progress,
            sealed: self.sealed.borrow().epoch,
            applied: self.reader.applied(),
            started: self.started,
            sources,
        }
    }

    fn ready(&self) -> bool {
        // Views whose log must not be read on are not what they should be, and won't be by themselves.
        let log = self.handles.get(kafka::NAME).filter(|_| self.has_log);
        let has_lost = log.is_some_and(|log| log.status.state() == SourceState::Failed);
        self.state.lock().phase == Phase::Live && !has_lost
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
        self.whole()?;
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
        self.whole()?;
        self.desks.intake.take(told, self.outbox()?).await
    }

    async fn delete_feedback(&self, item: ItemName) -> Result<Option<Epoch>, ControlError> {
        self.whole()?;
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

    fn sinks(&self) -> Vec<SinkStatus> {
        self.desks.feeds.status()
    }

    async fn sink_command(&self, sink: &str, command: SinkCommand) -> Result<SinkStatus, ControlError> {
        let (feeds, sink) = (self.desks.feeds.clone(), sink.to_owned());
        let done = tokio::task::spawn_blocking(move || feeds.command(&sink, command)).await;
        done.map_err(|error| ControlError::Failed(error.to_string()))?
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
