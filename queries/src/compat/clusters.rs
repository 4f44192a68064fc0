//! Clusters, and setting agents to work on them.

use super::{
    feedback::{FeedbackItem, later, newest_clusters},
    paging::{self, Limit, Offset, whole},
    project,
};
use crate::{
    answer::Reading,
    params::Nothing,
    problem::Problem,
    state::AppState,
    v1::{
        clusters::{self, Level, items, standing::Standing},
        fixes,
        jobs::Started,
        shape::Time,
    },
};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Job, Space,
    feedback::attr,
    job::{FixState, JobState},
    rows::{ClusterLevel, ClusterRankRow, ClusterRow, JobRow, job_key},
    text::display,
};
use springline_sinks::Snapshot;

/// The most characters of a title.
const TITLE_CHARS: usize = 80;
/// The most characters of a summary.
const SUMMARY_CHARS: usize = 300;
/// The agent that makes plans.
const PLANNER: &str = "plan";

/// The clusters of a project, those with the newest items first.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ListParams {
    /// Of which project; without it there must be only one.
    project_id: Option<String>,
    /// The most clusters.
    #[serde(default = "whole")]
    limit: Limit,
    /// How many are passed over.
    #[serde(default)]
    offset: Offset,
}

/// A cluster with its items.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ClusterParams {
    /// Its id, or that of any cluster that became part of it.
    id: String,
    /// The most items.
    #[serde(default = "whole")]
    limit: Limit,
}

/// Sets an agent to work on a cluster, as `/v1/clusters/{id}/start_fix` does.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct StartParams {
    /// Its id.
    id: String,
    /// Which agent; without it the body says it, or there must be only one.
    agent: Option<String>,
}

/// Sets the agent named `plan` to work on a cluster.
///
/// What a plan is, is the agent's matter: it is a job like any other. Without such an agent it is a 404.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PlanParams {
    /// Its id.
    id: String,
}

/// Who is to do it.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Start {
    /// Which agent.
    agent: Option<String>,
}

/// A cluster.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct IssueCluster {
    /// Its id.
    id: String,
    /// Of which project.
    project_id: String,
    /// The title of the item that stands for it: at most 80 characters.
    title: String,
    /// The beginning of that item's text: at most 300 characters.
    summary: String,
    /// How many items.
    count: u64,
    /// `new`, `fixing`, `pr_opened` (also when the operator has said that it is done) or `failed`.
    status: &'static str,
    /// The time of its oldest item.
    created_at: Time,
    /// When an item or a job last changed it.
    updated_at: Time,
    /// The branch that its job works on.
    github_branch: Option<String>,
    /// The pull request that its job has opened.
    github_pr_url: Option<String>,
    /// Why its job has failed.
    error_message: Option<String>,
    /// As `title`.
    issue_title: String,
    /// As `summary`.
    issue_description: String,
    /// The repository of the item that stands for it.
    github_repo_url: Option<String>,
    /// Where its items come from.
    sources: Vec<String>,
}

/// A cluster with its items.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ClusterDetail {
    #[serde(flatten)]
    cluster: IssueCluster,
    /// Its items: near-duplicates beside each other.
    feedback_items: Vec<FeedbackItem>,
}

/// A job that was ordered.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StartedFix {
    /// `ok`.
    status: &'static str,
    /// The cluster that was asked for.
    cluster_id: String,
    /// The job.
    job_id: String,
}

fn clip(text: &str, chars: usize) -> String {
    display::shown(text).chars().take(chars).collect()
}

impl IssueCluster {
    fn of(snapshot: &Snapshot<'_>, row: ClusterRow, standing: &Standing) -> Result<Self, Problem> {
        let fixing = standing.of(&row.space, row.root);
        let job: Option<Job> = match fixing.job {
            Some(id) => snapshot.get::<JobRow>(&job_key(id))?.map(|JobRow(job)| *job),
            None => None,
        };
        let status = match fixing.state {
            FixState::Resolved => FixState::PrOpened,
            state => state,
        };
        let facts = row.facts;
        // It may be seen: it comes from a view.
        let representative = snapshot.record(&facts.representative)?;
        let issue = representative.and_then(|row| row.record.attrs.get(attr::ISSUE_URL).cloned());
        let (title, summary) = (clip(&facts.title, TITLE_CHARS), clip(&facts.summary, SUMMARY_CHARS));
        let failed = job.as_ref().filter(|job| job.state == JobState::Failed);
        Ok(Self {
            id: row.id.as_str().to_owned(),
            project_id: row.space.as_str().to_owned(),
            count: facts.items,
            status: status.name(),
            created_at: Time(facts.first_seen),
            updated_at: later(facts.last_seen, job.as_ref().map(|job| job.updated)),
            github_branch: job.as_ref().and_then(|job| job.branch.clone()),
            github_pr_url: job.as_ref().and_then(|job| job.pr_url.clone()),
            error_message: failed.and_then(|job| job.reason.clone()),
            issue_title: title.clone(),
            issue_description: summary.clone(),
            github_repo_url: issue.and_then(|url| Some(url.split_once("/issues/")?.0.to_owned())),
            sources: facts.sources.into_iter().map(|(source, _)| source).collect(),
            title,
            summary,
        })
    }
}

pub(super) fn list(reading: &Reading<'_>, params: ListParams) -> Result<Vec<IssueCluster>, Problem> {
    let project = project(reading.state, params.project_id.as_deref())?;
    let (snapshot, space) = (reading.snapshot, Space::new(project.as_str()));
    let place = (params.offset, params.limit);
    let ranks: Vec<ClusterRankRow> =
        paging::page(snapshot, &newest_clusters(&project), place, u64::MAX, |_| true)?;
    let standing = Standing::read(snapshot)?;
    let mut all = Vec::with_capacity(ranks.len());
    for rank in ranks {
        if let Some(row) = clusters::row(snapshot, &space, ClusterLevel::Cluster, rank.root)? {
            all.push(IssueCluster::of(snapshot, row, &standing)?);
        }
    }
    Ok(all)
}

pub(super) fn one(reading: &Reading<'_>, params: ClusterParams) -> Result<ClusterDetail, Problem> {
    let snapshot = reading.snapshot;
    let named = clusters::named(snapshot, &params.id, None)?;
    let row = named.row(snapshot, Level::Cluster)?;
    let cluster = IssueCluster::of(snapshot, row, &Standing::read(snapshot)?)?;
    let members = items::first(snapshot, &named, Level::Cluster, params.limit.get())?;
    let feedback_items = FeedbackItem::listed(snapshot, members.iter().map(|member| &member.uri))?;
    Ok(ClusterDetail { cluster, feedback_items })
}

pub(super) async fn start_fix(
    state: AppState,
    params: StartParams,
    body: Start,
) -> Result<(StatusCode, StartedFix), Problem> {
    start_by(&state, params.id, params.agent.or(body.agent)).await
}

pub(super) async fn plan(
    state: AppState,
    params: PlanParams,
    _: Nothing,
) -> Result<(StatusCode, StartedFix), Problem> {
    start(&state, params.id, PLANNER.to_owned()).await
}

/// The agent that is meant: the one named, else the only one.
fn agent(state: &AppState, named: Option<String>) -> Result<String, Problem> {
    if let Some(name) = named {
        return Ok(name);
    }
    let mut agents = state.control.agents();
    match agents.pop() {
        Some(only) if agents.is_empty() => Ok(only.name),
        Some(_) => Err(Problem::parameter("agent", "there are several agents: name one")),
        None => Err(Problem::not_found("no agent is configured")),
    }
}

/// Sets an agent to work on a cluster.
async fn start(
    state: &AppState,
    cluster: String,
    agent: String,
) -> Result<(StatusCode, StartedFix), Problem> {
    let asked = fixes::cluster_id("id", &cluster)?;
    let (status, Started { job, .. }) = fixes::start_on(state, asked, agent).await?;
    Ok((status, StartedFix { status: "ok", cluster_id: cluster, job_id: job }))
}

/// As [`start`], by whoever is named, else the only agent.
pub(super) async fn start_by(
    state: &AppState,
    cluster: String,
    named: Option<String>,
) -> Result<(StatusCode, StartedFix), Problem> {
    let agent = agent(state, named)?;
    start(state, cluster, agent).await
}
