//! What the server asks of the running process: the one seam to everything that is not a read of a view.
//!
//! `pipelines` implements it, tests fake it; this crate knows neither sources nor dataflow nor journal.

mod agents;

pub use agents::{AgentKind, AgentStatus, Instance, InstancePhase, JobOrder};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use springline_model::{
    Epoch, Event, FeedbackSource, ItemName, JobId, Label, Project, Timestamp, Uri, Vector,
};
use springline_sinks::follow::SinkStatus;
use thiserror::Error;

/// The running process, as the server sees it.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Where the process stands. Cheap: called for every probe.
    fn status(&self) -> RuntimeStatus;

    /// Whether the views are complete as of their epoch. Called for every request.
    fn ready(&self) -> bool {
        self.status().ready
    }

    /// The metrics in Prometheus' text format.
    fn metrics(&self) -> String;

    /// Has the events journalled as part of an epoch and answers with it once that is durable. The views show
    /// them when [`springline_sinks::Reader::applied`] has reached the epoch.
    ///
    /// # Errors
    /// The process is stopping, or the journal can't be written.
    async fn submit(&self, events: Vec<Event>) -> Result<Epoch, ControlError>;

    /// Signs a label of the operator's and has it journalled.
    ///
    /// # Errors
    /// No labeler is configured, or as [`Self::submit`].
    async fn issue_label(&self, draft: LabelDraft) -> Result<(Label, Epoch), ControlError>;

    /// Takes feedback in: what is news is journalled, and durable when this answers.
    ///
    /// # Errors
    /// The project is not known, or as [`Self::submit`].
    async fn take_feedback(&self, _told: Told) -> Result<Taken, FeedbackError> {
        Err(FeedbackError::UnknownProject("none is configured".into()))
    }

    /// Deletes an item; nothing if there is no such item.
    ///
    /// # Errors
    /// As [`Self::submit`].
    async fn delete_feedback(&self, _item: ItemName) -> Result<Option<Epoch>, ControlError> {
        Ok(None)
    }

    /// Whether feedback of a project is taken.
    fn has_project(&self, _project: &Project) -> bool {
        true
    }

    /// The projects that feedback is taken of.
    fn projects(&self) -> Vec<Project> {
        Vec::new()
    }

    /// A message of the stream of the operator's labels.
    fn label_frame(&self, notice: &LabelNotice) -> Vec<u8>;

    /// Somebody looks at an account of which it is not known who it is: it may be looked up, for the next time.
    fn meet(&self, _did: &Uri) {}

    /// What a text with a title means, where texts are compared by that; without a model, nothing.
    async fn embed(&self, _title: &str, _text: &str) -> Option<Vector> {
        None
    }

    /// The agents that can be set to work, and what they are at.
    fn agents(&self) -> Vec<AgentStatus> {
        Vec::new()
    }

    /// Names a job and has the order for it journalled. Whether it is taken shows when the views show the epoch: the
    /// job is there, or its cluster has another one.
    ///
    /// # Errors
    /// There is no such agent, or as [`Self::submit`].
    async fn order_job(&self, order: JobOrder) -> Result<(JobId, Epoch), ControlError> {
        Err(ControlError::UnknownAgent { name: order.agent, known: Vec::new() })
    }

    /// The sinks that follow views, and how they are.
    fn sinks(&self) -> Vec<SinkStatus> {
        Vec::new()
    }

    /// Tells a sink to do something and answers with how it is.
    ///
    /// # Errors
    /// There is no such sink, or the store fails.
    async fn sink_command(&self, sink: &str, _command: SinkCommand) -> Result<SinkStatus, ControlError> {
        Err(ControlError::UnknownSink { name: sink.chars().take(64).collect(), known: Vec::new() })
    }

    /// Tells a source to do something and answers with what it has to say about it.
    ///
    /// # Errors
    /// There is no such source, or it can't do that.
    async fn source_command(&self, source: &str, command: SourceCommand) -> Result<Value, ControlError>;
}

/// A label before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelDraft {
    /// What it is said of.
    pub uri: Uri,
    /// What is said.
    pub val: String,
    /// Of which version; of all without.
    pub cid: Option<String>,
    /// It takes back what was said before.
    pub neg: bool,
    /// Until when it counts.
    pub exp: Option<Timestamp>,
}

/// Feedback that somebody tells of.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Where it was given.
    pub source: FeedbackSource,
    /// The project it is about; without, each item says it, or there is only one.
    pub project: Option<String>,
    /// How it came.
    pub by: ToldBy,
}

/// How feedback came.
#[derive(Clone, Debug, PartialEq)]
pub enum ToldBy {
    /// Posted by a client that holds the token: items.
    Client(Vec<Value>),
    /// Delivered to a webhook.
    Hook {
        /// What the sender calls it: `issues`.
        kind: Option<String>,
        /// The signature, as the sender's header has it.
        signature: Option<String>,
        /// The body, as it came: it is what is signed.
        body: Vec<u8>,
    },
}

/// What became of feedback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The epoch that all of it is durable in.
    pub epoch: Epoch,
    /// What became of each item, in order.
    pub items: Vec<Outcome>,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Outcome {
    /// What became of it.
    pub status: OutcomeStatus,
    /// Its identity, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub uri: Option<Uri>,
    /// Why it was not accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeStatus {
    /// It is news (an item, an edit, a deletion), and journalled.
    Accepted,
    /// It says what is here already.
    Duplicate,
    /// It is not wanted, or no feedback.
    Filtered,
    /// It makes no sense.
    Refused,
}

/// Why feedback was not taken.
#[derive(Debug, Error)]
pub enum FeedbackError {
    /// There is no such project.
    #[error("there is no such project: {0}")]
    UnknownProject(String),
    /// The project's hook has no secret, so nobody can be believed.
    #[error("the project has no secret for this hook: set `{0}_secret_file` or `{0}_secret_env`")]
    NoSecret(FeedbackSource),
    /// A delivery whose signature is missing or wrong.
    #[error("{0}")]
    Signature(String),
    /// It can't be read at all.
    #[error("{0}")]
    Malformed(String),
    /// As for any write.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// What those who follow the operator's labels are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelNotice {
    /// A label.
    Label {
        /// Its number.
        seq: u64,
        /// What it says.
        label: Box<Label>,
    },
    /// The stream ends.
    Error {
        /// A name: `FutureCursor`.
        error: String,
        /// For people.
        message: String,
    },
}

/// What a source can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceCommand {
    /// Look upstream now.
    Pull {
        /// Only this partition (a garden of a git source).
        partition: Option<String>,
    },
    /// Stop reading, keep what is there.
    Pause,
    /// Go on.
    Resume,
    /// Forget the positions and read everything again.
    Reset,
    /// Read a quarantined piece again.
    Retry {
        /// Its URI.
        uri: Uri,
    },
    /// Fetch all repositories of a host.
    Fetch {
        /// `https://pds.example`.
        host: String,
    },
}

/// What a sink can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkCommand {
    /// Rest; what changes meanwhile is kept for it.
    Pause,
    /// Go on.
    Resume,
    /// Begin again, with the rows as they are.
    Reset,
}

/// Why the process did not do what it was asked.
#[derive(Debug, Error)]
pub enum ControlError {
    /// No source goes by this name.
    #[error("there is no source `{name}`; there are: {}", known.join(", "))]
    UnknownSource {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// No sink goes by this name.
    #[error("there is no sink `{name}`; there are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    UnknownSink {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// No agent goes by this name.
    #[error("there is no agent `{name}`; there are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    UnknownAgent {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// It makes no sense now or for this source; the text says why.
    #[error("{0}")]
    Refused(String),
    /// Not now (stopping, not yet started); trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// It was tried and failed; the text is for the log, not for the client.
    #[error("{0}")]
    Failed(String),
}

/// Where the process stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RuntimeStatus {
    /// Whether the views are complete as of `applied`. While false, what is served is what the store had.
    pub ready: bool,
    /// What it is doing.
    pub phase: Phase,
    /// What is still to be done before it is ready.
    pub progress: Vec<Progress>,
    /// The newest epoch in the journal.
    #[schemars(with = "u64")]
    pub sealed: Epoch,
    /// The newest epoch that every view shows.
    #[schemars(with = "u64")]
    pub applied: Epoch,
    /// When the process started, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// Its sources.
    pub sources: Vec<SourceStatus>,
}

/// What the process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Opening the journal and the store.
    Starting,
    /// Of several processes: waiting for the others.
    Forming,
    /// Rebuilding in memory what the views need.
    Hydrating,
    /// Reading its sources for the first time.
    Indexing,
    /// Following its sources.
    Live,
    /// Sealing what is open and ending.
    Stopping,
}

/// How far one piece of work has got.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// What is being done.
    pub name: String,
    /// Pieces done.
    pub done: u64,
    /// Pieces in all, if that is known.
    pub total: Option<u64>,
}

/// How a source is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SourceStatus {
    /// Its name in the configuration.
    pub name: String,
    /// What the source says of itself: `state`, `error`, counters, `partitions` with position and lag.
    #[serde(flatten)]
    pub detail: Map<String, Value>,
}

fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}
