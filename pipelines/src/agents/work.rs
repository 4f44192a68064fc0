//! One attempt at a job, whatever the agent is: what it knows, and what it may tell.

use super::catalogue::{Agent, AtWork};
use crate::runtime::teller::Teller;
use springline_model::{
    EventBody, Job, JobEvent, Timestamp,
    job::{Act, Ending, JobDeed, Report, RunnerId},
    rows::{JobRow, job_key},
};
use springline_sinks::views::Reader;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How long a lease holds without a heartbeat.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// How often it is looked at most whether a job is still ours: epochs may come a hundred times a second.
pub(super) const PACE: Duration = Duration::from_millis(50);

/// One attempt at a job.
pub(super) struct Work {
    /// As it was leased.
    pub(super) job: Job,
    pub(super) attempt: u32,
    pub(super) runner: RunnerId,
    pub(super) agent: Arc<Agent>,
    pub(super) at_work: AtWork,
    pub(super) teller: Teller,
    pub(super) reader: Reader,
    /// The process stops.
    pub(super) stop: CancellationToken,
}

/// Why a job is no longer ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The agent has said so itself.
    Reported,
    /// It was called off, or somebody else has it.
    Lost,
}

/// When a lease taken or renewed now runs out.
pub(super) fn until() -> Timestamp {
    Timestamp(Timestamp::now().0.saturating_add(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX)))
}

/// What happens to a job now.
pub(super) fn event(job: &Job, act: Act) -> EventBody {
    let deed = JobDeed::Job(job.id, act);
    EventBody::Job(Box::new(JobEvent { cluster: job.cluster.clone(), at: Timestamp::now(), deed }))
}

impl Work {
    /// Tells what happens; done when it is durable.
    pub(super) async fn tell(&self, acts: Vec<Act>) {
        if !acts.is_empty() {
            let events = acts.into_iter().map(|act| event(&self.job, act)).collect();
            self.teller.tell("work", events).await;
        }
    }

    /// Tells how it ended, unless the agent has.
    pub(super) async fn finish(&self, ending: Ending) {
        if self.look().await.is_none() {
            let report = Report { ending: Some(ending), ..Report::default() };
            self.tell(vec![Act::Report { attempt: Some(self.attempt), report }]).await;
        }
    }

    pub(super) async fn fail(&self, reason: String) {
        self.finish(Ending::Failed { reason }).await;
    }

    /// Renews the lease until dropped.
    pub(super) async fn heartbeat(&self) {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            let (attempt, runner) = (self.attempt, self.runner);
            self.tell(vec![Act::Heartbeat { attempt, runner, until: until() }]).await;
        }
    }

    /// Waits until the job is no longer ours.
    pub(super) async fn over(&self) -> Over {
        let mut applied = self.reader.watch();
        loop {
            applied.borrow_and_update();
            if let Some(over) = self.look().await {
                return over;
            }
            if applied.changed().await.is_err() {
                return std::future::pending().await;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn look(&self) -> Option<Over> {
        let (reader, key) = (self.reader.clone(), job_key(self.job.id));
        let read = move || reader.read(|snapshot| snapshot.get::<JobRow>(&key));
        let job = match tokio::task::spawn_blocking(read).await {
            Ok(Ok(row)) => row.map(|JobRow(job)| *job),
            // A store that can't be read is everybody's trouble, and told elsewhere.
            _ => return None,
        };
        let Some(job) = job else { return Some(Over::Lost) };
        if job.held().is_some_and(|lease| lease.attempt == self.attempt && lease.runner == self.runner) {
            return None;
        }
        use springline_model::JobState::{Failed, Success};
        let reported = matches!(job.state, Success | Failed) && job.attempt() == self.attempt;
        Some(if reported { Over::Reported } else { Over::Lost })
    }
}
