//! How a cluster stands: a function of its jobs and of what the operator last said of it.
//!
//! ```text
//!  a job is pending or running                          fixing
//!  the operator has spoken since the last job (*)       resolved, or new
//!  the last job (*) succeeded with a pull request       pr_opened
//!  … succeeded without one                              new
//!  … failed                                             failed
//!  there is none                                        new              (*) that was not cancelled
//! ```

use super::{Job, JobId, JobState};
use serde::{Deserialize, Serialize};

/// How a cluster stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixState {
    /// Nobody is at it.
    #[default]
    New,
    /// An agent is, or will be.
    Fixing,
    /// A pull request is open.
    PrOpened,
    /// The agent has failed.
    Failed,
    /// The operator says that it is done.
    Resolved,
}

impl FixState {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Fixing => "fixing",
            Self::PrOpened => "pr_opened",
            Self::Failed => "failed",
            Self::Resolved => "resolved",
        }
    }
}

/// What the operator says of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It is done.
    Resolved,
    /// It is not: all is as if no job had been.
    Reopened,
}

/// As much of a job as its cluster's state depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Outcome {
    /// [`Job::ordinal`]
    pub ordinal: u32,
    /// Which job.
    pub job: JobId,
    /// How it stands.
    pub state: JobState,
    /// Whether it has opened a pull request.
    pub has_pr: bool,
}

impl Outcome {
    /// Of a job.
    #[must_use]
    pub const fn of(job: &Job) -> Self {
        Self { ordinal: job.ordinal, job: job.id, state: job.state, has_pr: job.pr_url.is_some() }
    }
}

/// How a cluster stands, and the job that it stands so for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fixing {
    /// How it stands.
    pub state: FixState,
    /// The last of its jobs that was not cancelled.
    pub job: Option<JobId>,
}

impl Fixing {
    /// Of a cluster's jobs in any order, and what was last said of it when it had had so many.
    #[must_use]
    pub fn of(jobs: &[Outcome], mark: Option<(Mark, u32)>) -> Self {
        let counted = jobs.iter().filter(|job| job.state != JobState::Cancelled);
        let last = counted.max_by_key(|job| job.ordinal);
        let since = mark.filter(|(_, count)| last.is_none_or(|job| job.ordinal <= *count));
        let state = match (last, since) {
            (Some(job), _) if !job.state.is_over() => FixState::Fixing,
            (_, Some((Mark::Resolved, _))) => FixState::Resolved,
            (_, Some((Mark::Reopened, _))) | (None, None) => FixState::New,
            (Some(job), None) => match job.state {
                JobState::Success if job.has_pr => FixState::PrOpened,
                JobState::Failed => FixState::Failed,
                _ => FixState::New,
            },
        };
        Self { state, job: last.map(|job| job.job) }
    }
}
