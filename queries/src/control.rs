//! What the server asks of the running process: the one seam to everything that is not a read of a view.
//!
//! `pipelines` implements it, tests fake it; this crate knows neither sources nor dataflow nor journal.

mod agents;

pub use agents::{AgentKind, AgentStatus, Instance, InstancePhase, JobOrder};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use springline_model::{Epoch, Event, JobId, Label, Timestamp, Uri};
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

    /// A message of the stream of the operator's labels.
    fn label_frame(&self, notice: &LabelNotice) -> Vec<u8>;

    /// Somebody looks at an account of which it is not known who it is: it may be looked up, for the next time.
    fn meet(&self, _did: &Uri) {}

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
