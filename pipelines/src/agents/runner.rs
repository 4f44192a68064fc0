//! Takes jobs as their agents have room, and gives them back when the process stops.
//!
//! ```text
//!  begin: end what a killed process left ─► its leases lapse ─► webhooks that were told go on
//!  run:   an epoch, an agent that ends, a second ─► the first that wait, an agent at a time ─► lease ─► a task
//! ```

use super::{
    catalogue::{Agent, Agents, AtWork, Means},
    command,
    group::Records,
    webhook,
    work::{PACE, Work, event, until},
};
use crate::runtime::teller::Teller;
use springline_model::{
    Job, JobId, JobState, Row, Timestamp,
    job::{Act, Ending, Lease, LogFrom, Report, RunnerId, TokenHash},
    rows::{JobLogRow, JobQueueRow, JobRow, job_key},
};
use springline_sinks::{
    Scan, Snapshot,
    views::{ReadError, Reader},
};
use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The queue is looked at this often when nothing happens.
const EVERY: Duration = Duration::from_secs(1);
/// Rows that are read at a time.
const PAGE: usize = 256;

/// Sets agents to work.
pub(crate) struct Runner {
    parts: Arc<Parts>,
    tasks: JoinSet<()>,
}

struct Parts {
    id: RunnerId,
    agents: Agents,
    teller: Teller,
    reader: Reader,
    records: Records,
    /// What folders to work in are made in.
    work_dir: PathBuf,
    http: reqwest::Client,
    stop: CancellationToken,
}

impl Runner {
    /// In a folder of the data folder.
    ///
    /// # Errors
    /// The folder can't be made.
    pub(crate) fn new(
        id: u64,
        agents: Agents,
        teller: Teller,
        reader: Reader,
        dir: &Path,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let records = Records::open(&dir.join("groups"))?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(io::Error::other)?;
        let (id, work_dir) = (RunnerId(id), dir.join("work"));
        let parts = Parts { id, agents, teller, reader, records, work_dir, http, stop };
        Ok(Self { parts: Arc::new(parts), tasks: JoinSet::new() })
    }

    /// Puts in order what an earlier process has left behind: only then leases may run out by themselves.
    pub(crate) async fn begin(&mut self) {
        let parts = self.parts.clone();
        let clearing = tokio::task::spawn_blocking(move || parts.clear());
        let _ = clearing.await;
        let (mut events, mut told) = (Vec::new(), Vec::new());
        for job in self.parts.queue(JobQueueRow::prefix(true)).await {
            let Some(lease) = job.held().cloned() else { continue };
            let agent = self.parts.agents.get(&job.agent);
            let webhook = agent.filter(|agent| matches!(agent.means, Means::Webhook { .. }));
            let (attempt, runner) = (lease.attempt, self.parts.id);
            events.push(match webhook.filter(|_| job.started.is_some()) {
                Some(agent) => {
                    let goes_on = event(&job, Act::Heartbeat { attempt, runner, until: until() });
                    told.push((job, attempt, agent));
                    goes_on
                }
                None => event(&job, Act::Lapse { attempt, until: lease.until }),
            });
        }
        self.parts.teller.apply("leftovers", std::mem::take(&mut events)).await;
        for job in self.parts.queue(JobQueueRow::prefix(false)).await {
            if self.parts.agents.get(&job.agent).is_none() {
                let reason = format!("there is no agent `{}` any more", job.agent);
                let report = Report { ending: Some(Ending::Failed { reason }), ..Report::default() };
                events.push(event(&job, Act::Report { attempt: None, report }));
            }
        }
        self.parts.teller.apply("leftovers", events).await;
        for (job, attempt, agent) in told {
            let parts = self.parts.clone();
            self.tasks.spawn(async move { parts.go_on(job, attempt, agent).await });
        }
    }

    /// Takes jobs until stopped, then waits until all are given back.
    pub(crate) async fn run(mut self) {
        let mut applied = self.parts.reader.watch();
        while !self.parts.stop.is_cancelled() {
            applied.borrow_and_update();
            self.take().await;
            tokio::select! {
                () = self.parts.stop.cancelled() => {}
                changed = applied.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    tokio::time::sleep(PACE).await;
                }
                Some(_) = self.tasks.join_next() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Leases what there is room for.
    async fn take(&mut self) {
        if self.parts.agents.urls().is_none() {
            return;
        }
        for name in self.parts.agents.names() {
            let Some(agent) = self.parts.agents.get(&name) else { continue };
            let mut busy = self.parts.agents.busy(&name);
            let room = usize::from(agent.config.concurrency);
            if busy >= room {
                continue;
            }
            // Of clusters that the agents are at there are at most so many.
            let prefix = JobQueueRow::waiting_for(&name);
            let waiting = self.parts.read(move |snapshot| {
                jobs(snapshot, &Scan { prefix, limit: room + PAGE, ..Scan::default() })
            });
            for job in waiting.await.unwrap_or_default() {
                if busy >= room || self.parts.stop.is_cancelled() {
                    break;
                }
                // Also if an earlier job of it was called off and has not ended yet.
                if self.parts.agents.is_at(&job.cluster) {
                    continue;
                }
                busy += 1;
                let (parts, agent) = (self.parts.clone(), agent.clone());
                let at_work = parts.agents.begin(&job, job.attempt() + 1);
                self.tasks.spawn(async move { parts.attempt(job, agent, at_work).await });
            }
        }
    }
}

impl Parts {
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Snapshot<'_>) -> Result<T, ReadError> + Send + 'static,
    ) -> Option<T> {
        let reader = self.reader.clone();
        match tokio::task::spawn_blocking(move || reader.read(work)).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store can't be read");
                None
            }
            Err(_) => None,
        }
    }

    /// All jobs of a part of the queue.
    async fn queue(&self, prefix: Vec<u8>) -> Vec<Job> {
        self.read(move |snapshot| {
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let scan = Scan { prefix: prefix.clone(), after, reverse: false, limit: PAGE };
                let rows: Vec<JobQueueRow> = snapshot.scan(&scan)?;
                after = rows.last().map(Row::key_bytes);
                for row in &rows {
                    all.extend(snapshot.get::<JobRow>(&job_key(row.job))?.map(|JobRow(job)| *job));
                }
                if rows.len() < PAGE {
                    return Ok(all);
                }
            }
        })
        .await
        .unwrap_or_default()
    }

    /// Ends every process, and removes every folder, that an earlier Springline has left.
    fn clear(&self) {
        match self.records.jobs() {
            Ok(jobs) => {
                for job in jobs {
                    if let Err(error) = self.records.clear(job) {
                        tracing::error!(%error, %job, "what an agent has left behind can't be ended");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the records of agents' processes can't be read"),
        }
        let configured = self.agents.names().into_iter().filter_map(|name| self.agents.get(&name));
        let dirs = configured.filter_map(|agent| agent.config.work_dir.clone());
        for dir in dirs.chain([self.work_dir.clone()]) {
            command::remove_folders(&dir);
        }
    }

    /// One attempt at a job that waits.
    async fn attempt(self: Arc<Self>, job: Job, agent: Arc<Agent>, at_work: AtWork) {
        let Some(token) = token() else {
            tracing::error!("the system has no random numbers");
            return;
        };
        let attempt = job.attempt() + 1;
        let lease = Lease { attempt, runner: self.id, until: until(), token: TokenHash::of(&token) };
        if !self.teller.apply("work", vec![event(&job, Act::Lease(lease.clone()))]).await {
            return;
        }
        let id = job.id;
        let found = self.read(move |snapshot| {
            let job = snapshot.get::<JobRow>(&job_key(id))?.map(|JobRow(job)| *job);
            Ok((job, given(snapshot, id)?))
        });
        let Some((Some(job), snapshot)) = found.await else { return };
        // Called off, or somebody else was faster.
        if job.state != JobState::Running || job.lease.as_ref() != Some(&lease) {
            return;
        }
        let Some((local, public)) = self.agents.urls() else { return };
        let work = self.work(job, attempt, agent.clone(), at_work);
        tracing::info!(job = %id, agent = work.job.agent, attempt, "an agent is set to work");
        metrics::counter!("springline_agent_attempts_total", "agent" => work.job.agent.clone()).increment(1);
        match &agent.means {
            Means::Command(command) => {
                let dir = agent.config.work_dir.as_ref().unwrap_or(&self.work_dir);
                let given =
                    command::Given { command, snapshot, token, url: local, dir, records: &self.records };
                command::run(&work, given).await;
            }
            Means::Webhook { url: target, secret } => {
                let (target, http) = (target.clone(), &self.http);
                let (snapshot, token) = (&snapshot, &token);
                webhook::run(&work, webhook::Given { target, secret, snapshot, token, url: public, http })
                    .await;
            }
        }
        tracing::info!(job = %id, attempt, "an agent has ended");
    }

    /// An attempt that another machine has been told of by an earlier process.
    async fn go_on(self: Arc<Self>, job: Job, attempt: u32, agent: Arc<Agent>) {
        let at_work = self.agents.begin(&job, attempt);
        let since = job.started.map_or(0, |since| Timestamp::now().0.saturating_sub(since.0));
        let spent = Duration::from_millis(u64::try_from(since).unwrap_or(0));
        let left = agent.timeout().saturating_sub(spent);
        let work = self.work(job, attempt, agent, at_work);
        webhook::wait(&work, left).await;
    }

    fn work(&self, job: Job, attempt: u32, agent: Arc<Agent>, at_work: AtWork) -> Work {
        Work {
            job,
            attempt,
            runner: self.id,
            agent,
            at_work,
            teller: self.teller.clone(),
            reader: self.reader.clone(),
            stop: self.stop.clone(),
        }
    }
}

fn jobs(snapshot: &Snapshot<'_>, scan: &Scan) -> Result<Vec<Job>, ReadError> {
    let mut jobs = Vec::new();
    for row in snapshot.scan::<JobQueueRow>(scan)? {
        jobs.extend(snapshot.get::<JobRow>(&job_key(row.job))?.map(|JobRow(job)| *job));
    }
    Ok(jobs)
}

/// What a job is given to know.
fn given(snapshot: &Snapshot<'_>, job: JobId) -> Result<String, ReadError> {
    let scan = Scan { prefix: job_key(job), limit: 1, ..Scan::default() };
    let first: Option<JobLogRow> = snapshot.scan(&scan)?.into_iter().next();
    Ok(first.filter(|row| row.from == LogFrom::Given).map(|row| row.text).unwrap_or_default())
}

/// A secret of 256 random bits.
fn token() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    let mut token = String::from("job_");
    for byte in bytes {
        let _ = write!(token, "{byte:02x}");
    }
    Some(token)
}

/// A job's name.
pub(crate) fn new_id() -> Option<JobId> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    Some(JobId::new(Timestamp::now(), u128::from_le_bytes(random)))
}
