//! What happens to jobs.

use super::{JobId, Lease, Mark, RunnerId};
use crate::{ClusterId, Timestamp};
use serde::{Deserialize, Serialize};

/// Something that happens to a cluster's jobs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobEvent {
    /// The cluster: decides which worker keeps its jobs.
    pub cluster: ClusterId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub deed: JobDeed,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobDeed {
    /// To a job.
    Job(JobId, Act),
    /// To the cluster itself: somebody says how it stands.
    Mark(Mark),
}

/// What happens to a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// It is ordered.
    Open(Opening),
    /// A runner takes it.
    Lease(Lease),
    /// Its agent is at work.
    Start {
        /// On which attempt.
        attempt: u32,
    },
    /// A runner still has it, or takes over from the one that had.
    Heartbeat {
        /// Which attempt.
        attempt: u32,
        /// Who has it now.
        runner: RunnerId,
        /// Until when.
        until: Timestamp,
    },
    /// Something was said.
    Log {
        /// In whose name; the operator's without.
        attempt: Option<u32>,
        /// Where it was said.
        from: LogFrom,
        /// What: at most [`super::MAX_LOG_CHUNK_BYTES`].
        text: String,
    },
    /// The agent, its runner or the operator tells how it goes.
    Report {
        /// In whose name; the operator's without.
        attempt: Option<u32>,
        /// What is told.
        report: Report,
    },
    /// A runner that stops gives it back, undone: that does not count as lost.
    HandBack {
        /// Which attempt.
        attempt: u32,
    },
    /// The runner was lost.
    Lapse {
        /// Which attempt.
        attempt: u32,
        /// The end of the lease that ran out: one that was renewed meanwhile has not.
        until: Timestamp,
    },
    /// It is called off.
    Cancel {
        /// Why, for people.
        reason: String,
    },
}

/// The order for a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Opening {
    /// Who does it.
    pub agent: String,
    /// What the agent is given to know, as JSON.
    pub snapshot: String,
    /// How often its runner may be lost before it has failed.
    pub retries: u32,
    /// How many bytes its log may have: at most [`super::MAX_LOG_BYTES`].
    pub max_log_bytes: u64,
}

/// What is told of a job. What is not said stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Report {
    /// How far it is, in words.
    pub progress: Option<String>,
    /// The branch that it works on.
    pub branch: Option<String>,
    /// The pull request that it has opened.
    pub pr_url: Option<String>,
    /// It is over.
    pub ending: Option<Ending>,
}

/// How a job ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Done.
    Success,
    /// Not done.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// Where a piece of a job's log was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFrom {
    /// To the job: its snapshot. Always the first piece, and only that.
    Given,
    /// On its standard output.
    Stdout,
    /// On its standard error.
    Stderr,
    /// By a report.
    Report,
    /// By its runner.
    Runner,
}

impl LogFrom {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Report => "report",
            Self::Runner => "runner",
        }
    }
}
