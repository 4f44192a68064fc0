//! Jobs: an agent set to work on a cluster of feedback, followed from the order to the pull request.
//!
//! ```text
//!             lease                    success
//!  pending ─────────► running ───────────────────► success
//!   │  ▲               │ │ │ └─────── failed ────► failed ◄── lapse, when that has happened too often
//!   │  └─ handed back ─┘ │ │
//!   │  └──── lapse ──────┘ │
//!   └──────── cancel ──────┴───────────────────── cancelled
//! ```
//!
//! A job is told of by [`JobEvent`]s, which all name the cluster: those of one cluster are taken in one order. What
//! an event does to a job is a pure function ([`Job::take`]), which the ledger applies and a route asks beforehand. What a
//! cluster's jobs make of the cluster ([`Fixing::of`]) is one, too.
//!
//! # Invariants
//! * A cluster has at most one job that is pending or running.
//! * A job has at most one lease; each lease is an *attempt* with a number and a token of its own, and what is said in
//!   the name of an earlier one is refused.
//!
//! # Limits
//! The constants here; a cluster keeps its last [`KEPT_JOBS`] jobs.

mod event;
mod fixing;
mod id;
mod rules;

pub use event::{Act, Ending, JobDeed, JobEvent, LogFrom, Opening, Report};
pub use fixing::{FixState, Fixing, Mark, Outcome};
pub use id::{JobId, ParseJobIdError, RunnerId, TokenHash};
pub use rules::Refusal;

use crate::{ClusterId, Timestamp};
use serde::{Deserialize, Serialize};

/// The longest name of an agent, in bytes.
pub const MAX_AGENT_BYTES: usize = 64;
/// The longest snapshot, as JSON in bytes.
pub const MAX_SNAPSHOT_BYTES: usize = 256 * 1024;
/// The longest piece of a log, in bytes.
pub const MAX_LOG_CHUNK_BYTES: usize = 16 * 1024;
/// The most that a job's log may be allowed to have, in bytes.
pub const MAX_LOG_BYTES: u64 = 8 * 1024 * 1024;
/// The longest word on progress, and the longest reason, in bytes.
pub const MAX_WORD_BYTES: usize = 2 * 1024;
/// The longest name of a branch, in bytes.
pub const MAX_BRANCH_BYTES: usize = 255;
/// The longest URL of a pull request, in bytes.
pub const MAX_PR_URL_BYTES: usize = 2 * 1024;
/// How many jobs of a cluster are kept, with their logs.
pub const KEPT_JOBS: usize = 100;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for a runner.
    Pending,
    /// A runner has it.
    Running,
    /// Its agent has done it.
    Success,
    /// Its agent has failed, or was lost too often.
    Failed,
    /// It was called off.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: &'static [Self] =
        &[Self::Pending, Self::Running, Self::Success, Self::Failed, Self::Cancelled];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more can become of it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }
}

/// A runner's hold on a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lease {
    /// Which attempt at the job it is, from 1.
    pub attempt: u32,
    /// Who has it.
    pub runner: RunnerId,
    /// Until when, unless it is renewed.
    pub until: Timestamp,
    /// Of the token that may report in its name.
    pub token: TokenHash,
}

/// A job as it stands. What it was given and what it said lie beside it ([`crate::rows::JobLogRow`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What it is about.
    pub cluster: ClusterId,
    /// Its place among the cluster's jobs, from 1.
    pub ordinal: u32,
    /// Who does it: a name in the catalogue of agents.
    pub agent: String,
    /// How it stands.
    pub state: JobState,
    /// When it was ordered.
    pub created: Timestamp,
    /// When it last changed, heartbeats and its log aside.
    pub updated: Timestamp,
    /// How often its runner may be lost before it has failed.
    pub retries: u32,
    /// How often its runner was lost.
    pub lost: u32,
    /// The lease that it has, or the last one that it had: its token still tells who speaks.
    pub lease: Option<Lease>,
    /// Since when the agent is at work on this attempt: the process runs, or the webhook has taken it.
    pub started: Option<Timestamp>,
    /// The agent's last word on how far it is.
    pub progress: Option<String>,
    /// The branch that it works on.
    pub branch: Option<String>,
    /// The pull request that it has opened.
    pub pr_url: Option<String>,
    /// Why it has failed or was called off, or was last lost.
    pub reason: Option<String>,
    /// How many bytes its log may have.
    pub max_log_bytes: u64,
    /// How many it has.
    pub log_bytes: u64,
    /// Pieces of its log.
    pub log_rows: u32,
    /// Whether more was said than was kept.
    pub truncated: bool,
}

#[cfg(test)]
mod tests;
