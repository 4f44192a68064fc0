//! What may happen to a job, and what that makes of it.

use super::{Act, Ending, Job, JobId, JobState, Lease, MAX_LOG_BYTES, Opening, Report};
use crate::{ClusterId, Timestamp};
use thiserror::Error;

/// Why something can't happen to a job, for people.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The cluster has one already.
    #[error("job {0} of this cluster is pending or running: wait for it, or cancel it")]
    Busy(JobId),
    /// The name is taken.
    #[error("there is a job of this name already")]
    Exists,
    /// Nothing goes by that name, in this cluster.
    #[error("there is no such job")]
    Unknown,
    /// It is over.
    #[error("the job is {}: nothing can become of it any more", .0.name())]
    Over(JobState),
    /// That happens only to a job that runs.
    #[error("the job is {}, not running", .0.name())]
    NotRunning(JobState),
    /// That happens only to a job that waits.
    #[error("the job is {}, not pending", .0.name())]
    NotPending(JobState),
    /// Said in the name of another attempt.
    #[error("attempt {said} is not the one at work, which is {is}")]
    OtherAttempt {
        /// The one that was named.
        said: u32,
        /// The one that counts.
        is: u32,
    },
    /// The lease has not run out.
    #[error("the lease was renewed meanwhile")]
    Renewed,
}

impl Job {
    /// A job that was just ordered, the `ordinal`th of its cluster.
    #[must_use]
    pub fn open(id: JobId, cluster: ClusterId, ordinal: u32, at: Timestamp, order: &Opening) -> Self {
        Self {
            id,
            cluster,
            ordinal,
            agent: order.agent.clone(),
            state: JobState::Pending,
            created: at,
            updated: at,
            retries: order.retries,
            lost: 0,
            lease: None,
            started: None,
            progress: None,
            branch: None,
            pr_url: None,
            reason: None,
            max_log_bytes: order.max_log_bytes.min(MAX_LOG_BYTES),
            log_bytes: 0,
            log_rows: 0,
            truncated: false,
        }
    }

    /// The number of its last attempt; 0 before the first.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.lease.as_ref().map_or(0, |lease| lease.attempt)
    }

    /// The lease, while it is held.
    #[must_use]
    pub fn held(&self) -> Option<&Lease> {
        self.lease.as_ref().filter(|_| self.state == JobState::Running)
    }

    /// What it is after something has happened to it.
    ///
    /// # Errors
    /// That can't happen to it now: it stays as it is.
    pub fn take(&self, at: Timestamp, act: &Act) -> Result<Self, Refusal> {
        let mut job = self.clone();
        match act {
            Act::Open(_) => return Err(Refusal::Exists),
            Act::Lease(lease) => {
                self.must_wait()?;
                let next = self.attempt().saturating_add(1);
                if lease.attempt != next {
                    return Err(Refusal::OtherAttempt { said: lease.attempt, is: next });
                }
                job.state = JobState::Running;
                job.lease = Some(lease.clone());
                (job.started, job.progress) = (None, None);
            }
            Act::Start { attempt } => {
                self.must_run(*attempt)?;
                job.started = Some(at);
            }
            Act::Heartbeat { attempt, runner, until } => {
                self.must_run(*attempt)?;
                if let Some(lease) = &mut job.lease {
                    (lease.runner, lease.until) = (*runner, lease.until.max(*until));
                }
                return Ok(job);
            }
            Act::Log { attempt, text, .. } => {
                self.may_speak(*attempt)?;
                let kept = self.fitting(text);
                job.truncated |= kept.len() < text.len();
                job.log_bytes += kept.len() as u64;
                job.log_rows += u32::from(!kept.is_empty());
                return Ok(job);
            }
            Act::Report { attempt, report } => {
                if self.state.is_over() {
                    return Err(Refusal::Over(self.state));
                }
                if let Some(attempt) = attempt {
                    self.must_run(*attempt)?;
                }
                job.tell(report);
            }
            Act::HandBack { attempt } => {
                self.must_run(*attempt)?;
                job.wait_again("its runner stopped");
            }
            Act::Lapse { attempt, until } => {
                self.must_run(*attempt)?;
                if self.lease.as_ref().is_some_and(|lease| lease.until != *until) {
                    return Err(Refusal::Renewed);
                }
                job.lost = self.lost.saturating_add(1);
                job.wait_again("its runner was lost");
                if job.lost > self.retries {
                    job.state = JobState::Failed;
                    job.reason = Some(format!("its runner was lost, {} in all", times(job.lost)));
                }
            }
            Act::Cancel { reason } => {
                if self.state.is_over() {
                    return Err(Refusal::Over(self.state));
                }
                (job.state, job.reason) = (JobState::Cancelled, Some(reason.clone()));
            }
        }
        job.updated = at;
        Ok(job)
    }

    /// As much of a piece of log as there is room for.
    #[must_use]
    pub fn fitting<'a>(&self, text: &'a str) -> &'a str {
        let room = self.max_log_bytes.saturating_sub(self.log_bytes);
        &text[..text.floor_char_boundary(usize::try_from(room).unwrap_or(usize::MAX))]
    }

    fn tell(&mut self, report: &Report) {
        let Report { progress, branch, pr_url, ending } = report.clone();
        self.progress = progress.or(self.progress.take());
        self.branch = branch.or(self.branch.take());
        self.pr_url = pr_url.or(self.pr_url.take());
        match ending {
            None => {}
            Some(Ending::Success) => (self.state, self.reason) = (JobState::Success, None),
            Some(Ending::Failed { reason }) => (self.state, self.reason) = (JobState::Failed, Some(reason)),
        }
    }

    fn wait_again(&mut self, why: &str) {
        (self.state, self.started, self.reason) = (JobState::Pending, None, Some(why.to_owned()));
    }

    const fn must_wait(&self) -> Result<(), Refusal> {
        match self.state {
            JobState::Pending => Ok(()),
            state if state.is_over() => Err(Refusal::Over(state)),
            state => Err(Refusal::NotPending(state)),
        }
    }

    fn must_run(&self, attempt: u32) -> Result<(), Refusal> {
        match self.state {
            JobState::Running => self.must_be(attempt),
            state if state.is_over() => Err(Refusal::Over(state)),
            state => Err(Refusal::NotRunning(state)),
        }
    }

    /// An agent's last words may come after its report: they are taken unless the job was called off.
    fn may_speak(&self, attempt: Option<u32>) -> Result<(), Refusal> {
        match (self.state, attempt) {
            (JobState::Cancelled, _) => Err(Refusal::Over(self.state)),
            (JobState::Pending, Some(_)) => Err(Refusal::NotRunning(self.state)),
            (_, Some(attempt)) => self.must_be(attempt),
            (_, None) => Ok(()),
        }
    }

    fn must_be(&self, said: u32) -> Result<(), Refusal> {
        let is = self.attempt();
        if said == is { Ok(()) } else { Err(Refusal::OtherAttempt { said, is }) }
    }
}

fn times(number: u32) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}
