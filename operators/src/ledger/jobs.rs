//! Jobs: what happens to them, and what they make of their clusters.
//!
//! ```text
//!  event ─► may it happen? ─┬─ no ──► cluster_states.refused + 1
//!                           └─ yes ─► jobs · job_logs · job_queue · cluster_jobs ─► cluster_states.fixing
//! ```
//!
//! Each event is applied alone, in order of arrival: all of a cluster come through one worker. How a cluster stands is
//! computed from the rows of its jobs, of which [`KEPT_JOBS`] are kept, each time one of them ends or begins.

use super::{LookupError, books::Books};
use springline_model::{
    Job, JobEvent, JobId, Timestamp,
    job::{Act, Fixing, JobDeed, KEPT_JOBS, LogFrom, Mark, Opening, Outcome, Refusal},
    key::text_key,
    rows::{ClusterJobRow, ClusterStateRow, JobLogRow, JobQueueRow, JobRow, job_key},
};

/// Applies an event, or counts that it could not happen.
pub(super) fn apply(books: &mut Books, event: JobEvent) -> Result<(), LookupError> {
    let JobEvent { cluster, at, deed } = event;
    let before = books.get::<ClusterStateRow>(text_key(cluster.as_str()))?;
    let mut cluster =
        Cluster { state: before.clone().unwrap_or_else(|| ClusterStateRow::new(cluster)), books, at };
    let taken = match deed {
        JobDeed::Job(id, Act::Open(order)) => cluster.open(id, &order)?,
        JobDeed::Job(id, act) => cluster.act(id, act)?,
        JobDeed::Mark(mark) => cluster.mark(mark)?,
    };
    if taken.is_err() {
        cluster.state.refused += 1;
    }
    let state = cluster.state;
    books.set(before, Some(state));
    Ok(())
}

/// What was done, or why not; or the books can't be read.
type Taken = Result<Result<(), Refusal>, LookupError>;

/// A cluster while an event is applied to it.
struct Cluster<'a> {
    books: &'a mut Books,
    state: ClusterStateRow,
    at: Timestamp,
}

impl Cluster<'_> {
    fn open(&mut self, id: JobId, order: &Opening) -> Taken {
        if let Some(busy) = self.busy() {
            return Ok(Err(Refusal::Busy(busy)));
        }
        if self.books.get::<JobRow>(job_key(id))?.is_some() {
            return Ok(Err(Refusal::Exists));
        }
        self.state.jobs = self.state.jobs.saturating_add(1);
        let job = Job::open(id, self.state.cluster.clone(), self.state.jobs, self.at, order);
        let given =
            JobLogRow { job: id, seq: 0, at: self.at, from: LogFrom::Given, text: order.snapshot.clone() };
        self.books.set(None, Some(given));
        self.put(None, job)?;
        self.prune()?;
        Ok(Ok(()))
    }

    fn act(&mut self, id: JobId, act: Act) -> Taken {
        let old = self.books.get::<JobRow>(job_key(id))?.map(|JobRow(job)| *job);
        let Some(old) = old.filter(|job| job.cluster == self.state.cluster) else {
            return Ok(Err(Refusal::Unknown));
        };
        let new = match old.take(self.at, &act) {
            Ok(new) => new,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Act::Log { from, text, .. } = act
            && new.log_rows > old.log_rows
        {
            let text = old.fitting(&text).to_owned();
            let row = JobLogRow { job: id, seq: new.log_rows, at: self.at, from, text };
            self.books.set(None, Some(row));
        }
        self.put(Some(old), new)?;
        Ok(Ok(()))
    }

    fn mark(&mut self, mark: Mark) -> Taken {
        if let Some(busy) = self.busy() {
            return Ok(Err(Refusal::Busy(busy)));
        }
        self.state.mark = Some((mark, self.state.jobs));
        self.stand()?;
        Ok(Ok(()))
    }

    fn busy(&self) -> Option<JobId> {
        let Fixing { state, job } = self.state.fixing;
        job.filter(|_| state == springline_model::job::FixState::Fixing)
    }

    /// Replaces a job by its next state, and all that follows from it.
    fn put(&mut self, old: Option<Job>, new: Job) -> Result<(), LookupError> {
        let of = |job: &Job| ClusterJobRow { cluster: job.cluster.clone(), outcome: Outcome::of(job) };
        let (was, is) = (old.as_ref().map(of), of(&new));
        let (waited, waits) = (old.as_ref().and_then(JobQueueRow::of), JobQueueRow::of(&new));
        if waited != waits {
            // Not the same key: it begins with a time.
            self.books.set(waited, None);
            self.books.set(None, waits);
        }
        self.books.set(old.map(|old| JobRow(Box::new(old))), Some(JobRow(Box::new(new))));
        if was.as_ref() != Some(&is) {
            self.books.set(was, Some(is));
            self.stand()?;
        }
        Ok(())
    }

    fn jobs(&self) -> Result<Vec<Outcome>, LookupError> {
        let rows = self.books.under::<ClusterJobRow>(&text_key(self.state.cluster.as_str()))?;
        Ok(rows.into_iter().map(|row| row.outcome).collect())
    }

    fn stand(&mut self) -> Result<(), LookupError> {
        self.state.fixing = Fixing::of(&self.jobs()?, self.state.mark);
        Ok(())
    }

    /// Forgets the oldest jobs with all that they said.
    fn prune(&mut self) -> Result<(), LookupError> {
        let mut jobs = self.jobs()?;
        jobs.sort_by_key(|job| std::cmp::Reverse(job.ordinal));
        for outcome in jobs.split_off(KEPT_JOBS.min(jobs.len())) {
            let key = job_key(outcome.job);
            for row in self.books.under::<JobLogRow>(&key)? {
                self.books.set(Some(row), None);
            }
            let job = self.books.get::<JobRow>(key)?;
            self.books.set(job, None);
            let cluster = self.state.cluster.clone();
            self.books.set(Some(ClusterJobRow { cluster, outcome }), None);
        }
        Ok(())
    }
}
