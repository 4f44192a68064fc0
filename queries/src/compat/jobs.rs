//! Jobs, and how they go.

use super::{
    clusters::{self, StartedFix},
    paging::{self, Limit, Offset, whole},
};
use crate::{
    answer::Reading,
    auth::Principal,
    problem::Problem,
    state::AppState,
    v1::{
        clusters::{named, standing::Standing},
        job_logs,
        job_reports::{self, Ended, ReportParams, Told},
        jobs::{self, JobView},
        shape::Time,
    },
};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{JobState, rows::JobRow};

/// How much of the end of a job's log stands in the job itself.
pub(super) const SHOWN_LOG_BYTES: usize = 64 * 1024;

/// Jobs, the newest first, without their logs.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ListParams {
    /// The most jobs.
    #[serde(default = "whole")]
    limit: Limit,
    /// How many are passed over.
    #[serde(default)]
    offset: Offset,
}

/// The jobs of a cluster, whatever it was called when they were ordered: the newest first, without their logs.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ClusterJobsParams {
    /// The cluster's id.
    id: String,
    /// The most jobs.
    #[serde(default = "whole")]
    limit: Limit,
}

/// A job, with the end of its log.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct JobParams {
    /// Its id.
    id: String,
}

/// Tells how a job goes: its agent, with the job's own token, or the operator; as `PATCH /v1/jobs/{id}` does.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PatchParams {
    /// Its id.
    id: String,
}

/// Sets an agent to work on a cluster, as `/v1/clusters/{id}/start_fix` does.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct OpenParams {
    /// Which agent; without it the body says it, or there must be only one.
    agent: Option<String>,
}

/// What is to be done.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Order {
    /// The cluster.
    cluster_id: String,
    /// Which agent. `runner` means the same.
    #[serde(alias = "runner")]
    agent: Option<String>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Status {
    Pending,
    Running,
    Success,
    Failed,
}

/// How it goes.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Patch {
    /// `success` or `failed`: it is over. `pending` and `running`: it is not.
    status: Option<Status>,
    /// To be added to its log: at most 64 KiB.
    logs: Option<String>,
    /// The pull request that it has opened.
    pr_url: Option<String>,
    /// The branch that it works on.
    github_branch: Option<String>,
    /// For `failed`: why, in at most 2,048 bytes.
    error_message: Option<String>,
}

/// A job.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AgentJob {
    /// Its id.
    id: String,
    /// What it is about.
    cluster_id: String,
    /// Always null: a plan is a job of its own.
    plan_id: Option<String>,
    /// The agent that does it.
    runner: String,
    /// `pending`, `running`, `success` or `failed` (also when it was called off).
    status: &'static str,
    /// The end of what it has said: at most about 64 KiB. Null in lists; `/jobs/{id}/logs` has all of it.
    logs: Option<String>,
    /// The pull request that it has opened.
    pr_url: Option<String>,
    /// When it was ordered.
    created_at: Time,
    /// When it last changed.
    updated_at: Time,
}

/// What became of a report.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Patched {
    /// `ok`.
    status: &'static str,
    /// The job as it stands, without its log.
    job: AgentJob,
}

impl AgentJob {
    fn of(job: JobView, logs: Option<String>) -> Self {
        let is_cancelled = job.state == JobState::Cancelled.name();
        Self {
            id: job.id,
            cluster_id: job.cluster,
            plan_id: None,
            runner: job.agent,
            status: if is_cancelled { JobState::Failed.name() } else { job.state },
            logs,
            pr_url: job.pr_url,
            created_at: job.created,
            updated_at: job.updated,
        }
    }
}

pub(super) fn list(reading: &Reading<'_>, params: ListParams) -> Result<Vec<AgentJob>, Problem> {
    let place = (params.offset, params.limit);
    let rows: Vec<JobRow> = paging::page(reading.snapshot, &[], place, u64::MAX, |_| true)?;
    Ok(rows.into_iter().map(|JobRow(job)| AgentJob::of(JobView::from(&*job), None)).collect())
}

pub(super) fn of_cluster(reading: &Reading<'_>, params: ClusterJobsParams) -> Result<Vec<AgentJob>, Problem> {
    let named = named(reading.snapshot, &params.id, None)?;
    let standing = Standing::read(reading.snapshot)?;
    let jobs = standing.jobs(reading.snapshot, &named.space, named.cluster, params.limit.get())?;
    Ok(jobs.into_iter().map(|job| AgentJob::of(job, None)).collect())
}

pub(super) fn one(reading: &Reading<'_>, params: JobParams) -> Result<AgentJob, Problem> {
    let job = jobs::find(reading.snapshot, &params.id)?;
    let logs = job_logs::tail(reading.snapshot, &job, SHOWN_LOG_BYTES)?;
    Ok(AgentJob::of(JobView::from(&job), (!logs.is_empty()).then_some(logs)))
}

pub(super) async fn open(
    state: AppState,
    params: OpenParams,
    body: Order,
) -> Result<(StatusCode, StartedFix), Problem> {
    clusters::start_by(&state, body.cluster_id, params.agent.or(body.agent)).await
}

pub(super) async fn report(
    state: AppState,
    principal: Principal,
    params: PatchParams,
    body: Patch,
) -> Result<(StatusCode, Patched), Problem> {
    let told = Told {
        progress: None,
        log: body.logs,
        branch: body.github_branch,
        pr_url: body.pr_url,
        state: body.status.map(|status| match status {
            Status::Pending | Status::Running => Ended::Running,
            Status::Success => Ended::Success,
            Status::Failed => Ended::Failed,
        }),
        reason: body.error_message,
    };
    let (status, reported) =
        job_reports::report(state, principal, ReportParams { id: params.id }, told).await?;
    Ok((status, Patched { status: "ok", job: AgentJob::of(reported.job, None) }))
}
