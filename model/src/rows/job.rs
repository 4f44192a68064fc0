//! Jobs, their logs, and what they make of their clusters.

use super::{Row, get, put};
use crate::{
    ClusterId, Table, Timestamp,
    job::{Fixing, Job, JobId, JobState, LogFrom, Mark, Outcome},
    key::{DecodeError, KeyReader, KeyWriter},
};
use serde::{Deserialize, Serialize};

/// The newest first.
fn id_key(id: JobId, key: &mut KeyWriter) {
    let number = id.to_u128();
    key.descending((number >> 64) as u64).descending(number as u64);
}

/// What the keys of a job begin with: its own, and those of its log.
#[must_use]
pub fn job_key(id: JobId) -> Vec<u8> {
    let mut key = KeyWriter::new();
    id_key(id, &mut key);
    key.into_bytes()
}

/// `jobs`: a job as it stands. Key: its name, the newest first. Boxed: far larger than the ledger's other rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobRow(pub Box<Job>);

impl Row for JobRow {
    const TABLE: Table = Table::Jobs;

    fn key(&self, key: &mut KeyWriter) {
        id_key(self.0.id, key);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.0, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value).map(Self)
    }
}

/// `job_logs`: what a job was given (piece 0), and what was said since. Key: (job, piece).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobLogRow {
    /// Whose.
    pub job: JobId,
    /// Which piece.
    pub seq: u32,
    /// When it was said.
    pub at: Timestamp,
    /// Where.
    pub from: LogFrom,
    /// What.
    pub text: String,
}

impl Row for JobLogRow {
    const TABLE: Table = Table::JobLogs;

    fn key(&self, key: &mut KeyWriter) {
        id_key(self.job, key);
        key.u32(self.seq);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.job, self.seq, self.at, self.from, &self.text), value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (job, seq, at, from, text) = get(Self::TABLE, value)?;
        Ok(Self { job, seq, at, from, text })
    }
}

/// `cluster_jobs`: a job of a cluster. Key: (cluster, the newest first).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterJobRow {
    /// The cluster.
    pub cluster: ClusterId,
    /// As much of the job as decides how the cluster stands.
    pub outcome: Outcome,
}

impl Row for ClusterJobRow {
    const TABLE: Table = Table::ClusterJobs;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.cluster.as_str()).descending(self.outcome.ordinal.into());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.outcome, value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let cluster = ClusterId::new(KeyReader::new(key).text()?);
        Ok(Self { cluster, outcome: get(Self::TABLE, value)? })
    }
}

/// `cluster_states`: how a cluster stands. Key: the cluster. One that nothing was ever said of has none, and is new.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterStateRow {
    /// The cluster.
    pub cluster: ClusterId,
    /// How many jobs it has had.
    pub jobs: u32,
    /// What the operator last said of it, and how many jobs it had had then.
    pub mark: Option<(Mark, u32)>,
    /// Events that came when they could not happen: each changed nothing but this.
    pub refused: u64,
    /// What its jobs and the mark make of it.
    pub fixing: Fixing,
}

impl ClusterStateRow {
    /// Of a cluster that nothing was ever said of.
    #[must_use]
    pub fn new(cluster: ClusterId) -> Self {
        Self { cluster, jobs: 0, mark: None, refused: 0, fixing: Fixing::default() }
    }
}

impl Row for ClusterStateRow {
    const TABLE: Table = Table::ClusterStates;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.cluster.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.jobs, self.mark, self.refused, self.fixing), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let cluster = ClusterId::new(KeyReader::new(key).text()?);
        let (jobs, mark, refused, fixing) = get(Self::TABLE, value)?;
        Ok(Self { cluster, jobs, mark, refused, fixing })
    }
}

/// `job_queue`: a job that is not over. Key: of those that wait (agent, since when, job), the first come first; then of
/// those that run (until when they are leased, job).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobQueueRow {
    /// Whether a runner has it.
    pub runs: bool,
    /// Who does it.
    pub agent: String,
    /// When it was ordered; or until when it is leased.
    pub at: Timestamp,
    /// Which job.
    pub job: JobId,
    /// Of which cluster.
    pub cluster: ClusterId,
    /// The attempt that is leased, or was last; 0 before the first.
    pub attempt: u32,
}

impl JobQueueRow {
    /// Of a job, unless it is over.
    #[must_use]
    pub fn of(job: &Job) -> Option<Self> {
        let until = job.held().map(|lease| lease.until);
        let row = Self {
            runs: until.is_some(),
            agent: job.agent.clone(),
            at: until.unwrap_or(job.created),
            job: job.id,
            cluster: job.cluster.clone(),
            attempt: job.attempt(),
        };
        matches!(job.state, JobState::Pending | JobState::Running).then_some(row)
    }

    /// What the keys begin with of those that wait, or of those that run.
    #[must_use]
    pub fn prefix(runs: bool) -> Vec<u8> {
        vec![u8::from(runs)]
    }

    /// What the keys begin with of those that wait for an agent.
    #[must_use]
    pub fn waiting_for(agent: &str) -> Vec<u8> {
        KeyWriter::new().byte(0).text(agent).take()
    }
}

impl Row for JobQueueRow {
    const TABLE: Table = Table::JobQueue;

    fn key(&self, key: &mut KeyWriter) {
        key.byte(u8::from(self.runs));
        if !self.runs {
            key.text(&self.agent);
        }
        key.u64(self.at.0.cast_unsigned() ^ (1 << 63));
        id_key(self.job, key);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.runs, &self.agent, self.at, self.job, &self.cluster, self.attempt), value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (runs, agent, at, job, cluster, attempt) = get(Self::TABLE, value)?;
        Ok(Self { runs, agent, at, job, cluster, attempt })
    }
}
