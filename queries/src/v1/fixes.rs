//! Clusters and the jobs about them: an agent is set to work with one call, and the operator has the last word.

use super::{
    clusters,
    jobs::{JobView, Started},
    write::{self, WaitSecs},
};
use crate::{
    answer::{self, Reading},
    params::Nothing,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use springline_model::{
    ClusterId, Event, EventBody, JobEvent, SourceId, Timestamp,
    job::{FixState, Fixing, JobDeed, MAX_SNAPSHOT_BYTES, Mark, Refusal},
    key::text_key,
    rows::{ClusterStateRow, JobRow, job_key},
};
use springline_sinks::Snapshot;

/// How many items of a cluster an agent is given: with their texts no more than fits.
const MEMBERS: usize = 40;
/// The longest name of a cluster.
const MAX_CLUSTER_BYTES: usize = 256;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Jobs");
    routes.view("/v1/clusters/{id}/state", state);
    let operation = routes.command(Method::POST, "/v1/clusters/{id}/start_fix", start);
    operation.may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);
    for (path, command) in
        [("/v1/clusters/{id}/resolve", Mark::Resolved), ("/v1/clusters/{id}/reopen", Mark::Reopened)]
    {
        let operation = match command {
            Mark::Resolved => routes.command(Method::POST, path, resolve),
            Mark::Reopened => routes.command(Method::POST, path, reopen),
        };
        operation.may(Kind::Conflict).may(Kind::Unavailable);
    }
}

/// How a cluster stands: what its jobs, and what the operator last said of it, make of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StateParams {
    /// The cluster.
    id: String,
}

/// Sets an agent to work on a cluster.
///
/// 409 names the job that is pending or running for the cluster already. 200 if the job is there, 202 if the order is
/// durable and it does not show yet whether it is taken.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StartParams {
    /// The cluster.
    id: String,
}

/// Says that a cluster is done.
///
/// It stays so until there is another job about it. 409 while one is pending or running.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResolveParams {
    /// The cluster.
    id: String,
}

/// Says that a cluster is not done: it is new again, whatever its jobs were.
///
/// 409 while one is pending or running.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReopenParams {
    /// The cluster.
    id: String,
}

/// Who, and with what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Start {
    /// The agent, by its name in the configuration.
    agent: String,
    /// What it is given to know: any JSON, at most 256 KiB. Without it the cluster as it is now: title, summary,
    /// keywords, and the first items with their texts.
    #[serde(default)]
    snapshot: Value,
}

/// How a cluster stands.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ClusterState {
    /// The cluster.
    pub cluster: String,
    /// `new`, `fixing`, `pr_opened`, `failed` or `resolved`.
    pub state: &'static str,
    /// The job that it stands so for: the last that was not cancelled.
    pub job: Option<JobView>,
    /// How many jobs there were.
    pub jobs: u32,
    /// How often something was told of its jobs that could not happen.
    pub refused: u64,
}

/// How a cluster stands.
///
/// # Errors
/// The views can't be read.
pub fn cluster_state(snapshot: &Snapshot<'_>, cluster: &ClusterId) -> Result<ClusterState, Problem> {
    let row = state_row(snapshot, cluster)?;
    let job = match row.fixing.job {
        Some(id) => snapshot.get::<JobRow>(&job_key(id))?.map(|JobRow(job)| JobView::from(&*job)),
        None => None,
    };
    let (state, jobs, refused) = (row.fixing.state.name(), row.jobs, row.refused);
    Ok(ClusterState { cluster: cluster.to_string(), state, job, jobs, refused })
}

fn state_row(snapshot: &Snapshot<'_>, cluster: &ClusterId) -> Result<ClusterStateRow, Problem> {
    let row = snapshot.get(&text_key(cluster.as_str()))?;
    Ok(row.unwrap_or_else(|| ClusterStateRow::new(cluster.clone())))
}

/// Nothing, unless a job is pending or running for the cluster.
fn must_be_free(fixing: &Fixing) -> Result<(), Problem> {
    match fixing.job {
        Some(job) if fixing.state == FixState::Fixing => {
            Err(Problem::new(Kind::Conflict, Refusal::Busy(job).to_string()))
        }
        _ => Ok(()),
    }
}

/// Sets an agent to work on a cluster, with what it is given to know of it.
///
/// # Errors
/// There is no such agent; a job is pending or running for the cluster (409, naming it); the snapshot is too long;
/// the process is starting or stopping.
pub async fn start_fix(
    state: &AppState,
    cluster: ClusterId,
    agent: String,
    snapshot: &Value,
) -> Result<(StatusCode, Started), Problem> {
    let snapshot = snapshot.to_string();
    if snapshot.len() > MAX_SNAPSHOT_BYTES {
        let detail = format!("`snapshot` has more than {MAX_SNAPSHOT_BYTES} bytes");
        return Err(Problem::new(Kind::TooLarge, detail));
    }
    let of = cluster.clone();
    answer::on_snapshot(state, move |snapshot| must_be_free(&state_row(snapshot, &of)?.fixing)).await?;
    let order = crate::control::JobOrder { cluster: cluster.clone(), agent, snapshot };
    let (job, epoch) = state.control.order_job(order).await?;
    let visible = state.visible(epoch, WaitSecs::usual().bounded(state)).await;
    let started = Started { epoch: epoch.0, visible, job: job.to_string() };
    if !visible {
        return Ok((StatusCode::ACCEPTED, started));
    }
    // Of two orders at the same time the first is taken.
    let taken = answer::on_snapshot(state, move |snapshot| match snapshot.get::<JobRow>(&job_key(job))? {
        Some(_) => Ok(()),
        None => must_be_free(&state_row(snapshot, &cluster)?.fixing)
            .and(Err(Problem::new(Kind::Conflict, "another job was faster, and is over"))),
    });
    taken.await?;
    Ok((StatusCode::OK, started))
}

/// A cluster by its name.
pub(crate) fn cluster_id(parameter: &str, name: &str) -> Result<ClusterId, Problem> {
    if name.is_empty() || name.len() > MAX_CLUSTER_BYTES || name.chars().any(char::is_control) {
        let detail =
            format!("a cluster's name has 1 to {MAX_CLUSTER_BYTES} bytes, and no control characters");
        return Err(Problem::parameter(parameter, detail));
    }
    Ok(ClusterId::new(name))
}

fn state(reading: &Reading<'_>, params: StateParams) -> Result<ClusterState, Problem> {
    cluster_state(reading.snapshot, &cluster_id("id", &params.id)?)
}

async fn start(state: AppState, params: StartParams, body: Start) -> Result<(StatusCode, Started), Problem> {
    let asked = cluster_id("id", &params.id)?;
    if !body.snapshot.is_null() {
        return start_fix(&state, asked, body.agent, &body.snapshot).await;
    }
    start_on(&state, asked, body.agent).await
}

/// Sets an agent to work on a cluster, by its name or that of any member, with the cluster as it is now.
///
/// # Errors
/// There is no such cluster; else as [`start_fix`].
pub(crate) async fn start_on(
    state: &AppState,
    asked: ClusterId,
    agent: String,
) -> Result<(StatusCode, Started), Problem> {
    let found = answer::on_snapshot(state, move |snapshot| {
        let (cluster, fixing) = clusters::standing(snapshot, &asked)?;
        must_be_free(&fixing)?;
        Ok((clusters::snapshot(snapshot, cluster.as_str(), None, MEMBERS)?, cluster))
    });
    let (known, cluster) = found.await?;
    let known = serde_json::to_value(known).map_err(|error| Problem::internal("a snapshot", &error))?;
    start_fix(state, cluster, agent, &known).await
}

async fn resolve(
    state: AppState,
    params: ResolveParams,
    _: Nothing,
) -> Result<(StatusCode, write::Written), Problem> {
    mark(&state, cluster_id("id", &params.id)?, Mark::Resolved).await
}

async fn reopen(
    state: AppState,
    params: ReopenParams,
    _: Nothing,
) -> Result<(StatusCode, write::Written), Problem> {
    mark(&state, cluster_id("id", &params.id)?, Mark::Reopened).await
}

async fn mark(
    state: &AppState,
    cluster: ClusterId,
    mark: Mark,
) -> Result<(StatusCode, write::Written), Problem> {
    let of = cluster.clone();
    answer::on_snapshot(state, move |snapshot| must_be_free(&state_row(snapshot, &of)?.fixing)).await?;
    let at = Timestamp::now();
    let body = EventBody::Job(Box::new(JobEvent { cluster: cluster.clone(), at, deed: JobDeed::Mark(mark) }));
    let event = Event { source: SourceId::new("operator"), observed: at, body };
    let epoch = state.control.submit(vec![event]).await?;
    let (status, written) = write::shown(state, epoch, Some(write::Wait::Visible), WaitSecs::usual()).await;
    if written.visible {
        // A job may have been ordered in between.
        answer::on_snapshot(state, move |snapshot| must_be_free(&state_row(snapshot, &cluster)?.fixing))
            .await?;
    }
    Ok((status, written))
}
