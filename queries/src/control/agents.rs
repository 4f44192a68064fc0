//! What the server asks of the part of the process that sets agents to work.

use schemars::JsonSchema;
use serde::Serialize;
use springline_model::{ClusterId, JobId, Timestamp};

/// A job before it has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOrder {
    /// What it is about.
    pub cluster: ClusterId,
    /// Who does it.
    pub agent: String,
    /// What the agent is given to know, as JSON.
    pub snapshot: String,
}

/// An agent of the catalogue.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AgentStatus {
    /// Its name.
    pub name: String,
    /// How it is set to work.
    pub kind: AgentKind,
    /// How many jobs it may be at at one time.
    pub concurrency: u16,
    /// An attempt that takes longer has failed.
    pub timeout_secs: u64,
    /// How often its runner may be lost before a job has failed.
    pub retries: u32,
    /// What it is at.
    pub instances: Vec<Instance>,
}

/// How an agent is set to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AgentKind {
    /// A command on this machine.
    Command,
    /// A request to another one.
    Webhook,
}

/// An agent at work on a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Instance {
    /// The job.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    pub job: JobId,
    /// What it is about.
    #[serde(serialize_with = "text")]
    #[schemars(with = "String")]
    pub cluster: ClusterId,
    /// Which attempt it is.
    pub attempt: u32,
    /// What is happening.
    pub phase: InstancePhase,
    /// Since when it is at it, RFC 3339.
    #[serde(serialize_with = "super::rfc3339")]
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// The process, for a command.
    pub pid: Option<u32>,
    /// Bytes that it has said so far, kept or not.
    pub said_bytes: u64,
}

/// What is happening with an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum InstancePhase {
    /// It is being started.
    Starting,
    /// It is at work.
    Working,
    /// It is being ended.
    Stopping,
}

fn text<T: ToString, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}
