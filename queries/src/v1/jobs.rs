//! Jobs: what agents were set to work on, and how they are.

use super::{
    fixes,
    list::{self, List},
    shape::Time,
};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use springline_model::{
    Job, JobId, JobState,
    job::LogFrom,
    rows::{ClusterJobRow, JobLogRow, JobRow, job_key},
};
use springline_sinks::{Scan, Snapshot};

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Jobs");
    routes.view("/v1/jobs", jobs);
    let operation = routes.command(Method::POST, "/v1/jobs", open);
    operation.may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);
    routes.view("/v1/jobs/{id}", job).may(Kind::NotFound);
}

/// Jobs, the newest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JobsParams {
    /// Only those about this cluster.
    cluster: Option<String>,
    /// Only those that stand so.
    state: Option<State>,
    /// Only those of this agent.
    agent: Option<String>,
    /// The most items. A page may hold fewer and still have a next one.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum State {
    Pending,
    Running,
    Success,
    Failed,
    Cancelled,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Running => Self::Running,
            State::Success => Self::Success,
            State::Failed => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

/// Sets an agent to work on a cluster.
///
/// As `/v1/clusters/{id}/start_fix`: 409 names the job that is pending or running for the cluster already.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OpenParams {}

/// Who, about what, and with what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    /// The agent, by its name in the configuration.
    agent: String,
    /// The cluster.
    cluster: String,
    /// What the agent is given to know: any JSON, at most 256 KiB.
    #[serde(default)]
    snapshot: Value,
}

/// A job, and what it was given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JobParams {
    /// Its name.
    id: String,
}

/// A job as it stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct JobView {
    /// Its name.
    pub id: String,
    /// What it is about.
    pub cluster: String,
    /// Who does it.
    pub agent: String,
    /// `pending`, `running`, `success`, `failed` or `cancelled`.
    pub state: &'static str,
    /// When it was ordered.
    pub created: Time,
    /// When it last changed.
    pub updated: Time,
    /// Which attempt it is at, or was; 0 before the first.
    pub attempt: u32,
    /// How often its runner was lost.
    pub lost: u32,
    /// Since when the agent is at it.
    pub started: Option<Time>,
    /// How far it is.
    pub progress: Option<String>,
    /// The branch that it works on.
    pub branch: Option<String>,
    /// The pull request that it has opened.
    pub pr_url: Option<String>,
    /// Why it has failed, was called off or waits again.
    pub reason: Option<String>,
    /// Bytes of its log.
    pub log_bytes: u64,
    /// Whether it has said more than was kept.
    pub truncated: bool,
}

impl From<&Job> for JobView {
    fn from(job: &Job) -> Self {
        Self {
            id: job.id.to_string(),
            cluster: job.cluster.to_string(),
            agent: job.agent.clone(),
            state: job.state.name(),
            created: Time(job.created),
            updated: Time(job.updated),
            attempt: job.attempt(),
            lost: job.lost,
            started: job.started.map(Time),
            progress: job.progress.clone(),
            branch: job.branch.clone(),
            pr_url: job.pr_url.clone(),
            reason: job.reason.clone(),
            log_bytes: job.log_bytes,
            truncated: job.truncated,
        }
    }
}

/// A job, and what it was given.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct JobDetail {
    /// The epoch that it is as of.
    epoch: u64,
    #[serde(flatten)]
    job: JobView,
    /// What it was given to know.
    snapshot: Value,
}

/// A job that was ordered.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Started {
    /// The epoch that the order is part of.
    pub epoch: u64,
    /// Whether the job is there. If not, it is durable, and `/v1/jobs/{id}` tells in a moment.
    pub visible: bool,
    /// The job.
    pub job: String,
}

/// A job by its name.
pub(crate) fn find(snapshot: &Snapshot<'_>, id: &str) -> Result<Job, Problem> {
    let id: JobId = id.parse().map_err(|error| Problem::parameter("id", format!("{error}")))?;
    let row = snapshot.get::<JobRow>(&job_key(id))?;
    row.map(|JobRow(job)| *job).ok_or_else(|| Problem::not_found(format!("there is no job {id}")))
}

fn jobs(reading: &Reading<'_>, params: JobsParams) -> Result<Page<JobView>, Problem> {
    let state = params.state.map(JobState::from);
    let agent = params.agent.as_deref();
    let cluster = params.cluster.as_deref().map(|name| fixes::cluster_id("cluster", name)).transpose()?;
    let of = cluster.as_ref().map_or("", |cluster| cluster.as_str());
    let scope = [of, state.map_or("", JobState::name), agent.unwrap_or("")];
    let prefix = if cluster.is_some() { list::key(&[of]) } else { Vec::new() };
    let (limit, cursor) = (params.limit, params.cursor.as_deref());
    let list = List { listing: Listing::Jobs, scope: &scope, prefix, limit, cursor };
    let is_asked_for = |job: &Job| {
        state.is_none_or(|state| job.state == state) && agent.is_none_or(|agent| job.agent == agent)
    };
    if cluster.is_none() {
        return list.page(reading, |JobRow(job)| is_asked_for(&job).then(|| JobView::from(&*job)));
    }
    let page = list.page(reading, |row: ClusterJobRow| Some(row.outcome.job))?;
    let mut items = Vec::with_capacity(page.items.len());
    for id in &page.items {
        let job = reading.snapshot.get::<JobRow>(&job_key(*id))?.map(|JobRow(job)| *job);
        items.extend(job.filter(|job| is_asked_for(job)).map(|job| JobView::from(&job)));
    }
    Ok(page.with(reading, items))
}

fn job(reading: &Reading<'_>, params: JobParams) -> Result<JobDetail, Problem> {
    let job = find(reading.snapshot, &params.id)?;
    let scan = Scan { prefix: job_key(job.id), limit: 1, ..Scan::default() };
    let given: Option<JobLogRow> = reading.snapshot.scan(&scan)?.into_iter().next();
    let given = given.filter(|row| row.from == LogFrom::Given);
    let snapshot = given.and_then(|row| serde_json::from_str(&row.text).ok()).unwrap_or_default();
    Ok(JobDetail { epoch: reading.snapshot.epoch().0, job: JobView::from(&job), snapshot })
}

async fn open(state: AppState, _: OpenParams, body: Order) -> Result<(StatusCode, Started), Problem> {
    let cluster = fixes::cluster_id("cluster", &body.cluster)?;
    fixes::start_fix(&state, cluster, body.agent, &body.snapshot).await
}
