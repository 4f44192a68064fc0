//! Jobs: what agents were set to work on, how they are, and what they report.

use super::{
    fixes,
    list::{self, List},
    shape::Time,
    write::WaitSecs,
};
use crate::{
    answer::{self, Reading},
    auth::Principal,
    page::{Limit, Listing, Page},
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
    Event, EventBody, Job, JobEvent, JobId, JobState, SourceId, Timestamp,
    job::{
        Act, Ending, JobDeed, LogFrom, MAX_BRANCH_BYTES, MAX_LOG_CHUNK_BYTES, MAX_PR_URL_BYTES,
        MAX_WORD_BYTES, Report,
    },
    rows::{ClusterJobRow, JobLogRow, JobRow, job_key},
};
use springline_sinks::{Scan, Snapshot};
use subtle::ConstantTimeEq as _;

/// The longest piece of log in one report.
const MAX_SAID_BYTES: usize = 64 * 1024;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Jobs");
    routes.view("/v1/jobs", jobs);
    let operation = routes.command(Method::POST, "/v1/jobs", open);
    operation.may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);
    routes.view("/v1/jobs/{id}", job).may(Kind::NotFound);
    let operation = routes.command_by(Method::PATCH, "/v1/jobs/{id}", report);
    operation.may(Kind::NotFound).may(Kind::Forbidden).may(Kind::Conflict).may(Kind::Unavailable);
    let operation = routes.command(Method::POST, "/v1/jobs/{id}/cancel", cancel);
    operation.may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);
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

/// Tells how a job goes: its agent, with the job's own token, or the operator.
///
/// What is not named stays as it was. With `state` the job is over. 409 says why something can't be: it is over
/// already, it was called off, another attempt is at it. 200 if the views show it, 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReportParams {
    /// Its name.
    id: String,
}

/// How it goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Told {
    /// How far it is, in at most 2,048 bytes.
    progress: Option<String>,
    /// To be added to its log: at most 64 KiB.
    log: Option<String>,
    /// The branch that it works on.
    branch: Option<String>,
    /// The pull request that it has opened: an http or https URL.
    pr_url: Option<String>,
    /// `success` or `failed`: it is over. `running`: it is not.
    state: Option<Ended>,
    /// For `failed`: why, in at most 2,048 bytes.
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Ended {
    Running,
    Success,
    Failed,
}

/// Calls a job off.
///
/// Its agent is ended, and reports of it are refused from now on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CancelParams {
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

/// What became of a report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Reported {
    /// The epoch that it is part of.
    epoch: u64,
    /// Whether every view shows it.
    visible: bool,
    /// The job as it stands.
    job: JobView,
}

/// A job by its name.
pub(super) fn find(snapshot: &Snapshot<'_>, id: &str) -> Result<Job, Problem> {
    let id: JobId = id.parse().map_err(|error| Problem::parameter("id", format!("{error}")))?;
    let row = snapshot.get::<JobRow>(&job_key(id))?;
    row.map(|JobRow(job)| job).ok_or_else(|| Problem::not_found(format!("there is no job {id}")))
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
        return list.page(reading, |JobRow(job)| is_asked_for(&job).then(|| JobView::from(&job)));
    }
    let page = list.page(reading, |row: ClusterJobRow| Some(row.outcome.job))?;
    let mut items = Vec::with_capacity(page.items.len());
    for id in page.items {
        let job = reading.snapshot.get::<JobRow>(&job_key(id))?.map(|JobRow(job)| job);
        items.extend(job.filter(|job| is_asked_for(job)).map(|job| JobView::from(&job)));
    }
    Ok(Page { epoch: page.epoch, items, next: page.next })
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

async fn report(
    state: AppState,
    principal: Principal,
    params: ReportParams,
    body: Told,
) -> Result<(StatusCode, Reported), Problem> {
    let acts = body.acts()?;
    let job = answer::on_snapshot(&state, move |snapshot| find(snapshot, &params.id)).await?;
    let attempt = match principal {
        Principal::Operator => None,
        Principal::Job(hash) => {
            let lease = job.lease.as_ref().filter(|lease| bool::from(lease.token.0.ct_eq(&hash.0)));
            let lease = lease.ok_or_else(|| {
                Problem::new(Kind::Forbidden, "this is not the token of the job's present attempt")
            })?;
            Some(lease.attempt)
        }
        Principal::Reader => {
            return Err(Problem::new(Kind::Forbidden, "only the operator and the job's agent may report"));
        }
    };
    let acts = acts.into_iter().map(|mut act| {
        if let Act::Log { attempt: by, .. } | Act::Report { attempt: by, .. } = &mut act {
            *by = attempt;
        }
        act
    });
    apply(&state, job, acts.collect()).await
}

async fn cancel(
    state: AppState,
    params: CancelParams,
    _: Nothing,
) -> Result<(StatusCode, Reported), Problem> {
    let job = answer::on_snapshot(&state, move |snapshot| find(snapshot, &params.id)).await?;
    apply(&state, job, vec![Act::Cancel { reason: "the operator has called it off".into() }]).await
}

/// Has something happen to a job, if it can, and waits until the views show what became of it.
async fn apply(state: &AppState, job: Job, acts: Vec<Act>) -> Result<(StatusCode, Reported), Problem> {
    let at = Timestamp::now();
    let refused = |refusal: springline_model::job::Refusal| Problem::new(Kind::Conflict, refusal.to_string());
    let expected = acts.iter().try_fold(job.clone(), |job, act| job.take(at, act)).map_err(refused)?;
    let source = SourceId::new("jobs");
    let events = acts.into_iter().map(|act| {
        let (cluster, deed) = (job.cluster.clone(), JobDeed::Job(job.id, act));
        let body = EventBody::Job(Box::new(JobEvent { cluster, at, deed }));
        Event { source: source.clone(), observed: at, body }
    });
    let epoch = state.control.submit(events.collect()).await?;
    if !state.visible(epoch, WaitSecs::usual().bounded(state)).await {
        let reported = Reported { epoch: epoch.0, visible: false, job: JobView::from(&expected) };
        return Ok((StatusCode::ACCEPTED, reported));
    }
    let id = job.id.to_string();
    let now = answer::on_snapshot(state, move |snapshot| find(snapshot, &id)).await?;
    // Something else may have come first: whoever asked must not be told that it is as they said.
    if now.attempt() != expected.attempt() || (now.state != expected.state && expected.state.is_over()) {
        let detail = format!("the job has changed meanwhile: it is {}", now.state.name());
        return Err(Problem::new(Kind::Conflict, detail));
    }
    if now.state == JobState::Cancelled && expected.state != JobState::Cancelled {
        return Err(refused(springline_model::job::Refusal::Over(now.state)));
    }
    Ok((StatusCode::OK, Reported { epoch: epoch.0, visible: true, job: JobView::from(&now) }))
}

impl Told {
    /// What it tells, in the operator's name.
    fn acts(self) -> Result<Vec<Act>, Problem> {
        let Self { progress, log, branch, pr_url, state, reason } = self;
        check("progress", progress.as_deref(), MAX_WORD_BYTES, |_| true)?;
        check("reason", reason.as_deref(), MAX_WORD_BYTES, |_| true)?;
        check("log", log.as_deref(), MAX_SAID_BYTES, |_| true)?;
        let is_branch = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_control() || c == ' ');
        check("branch", branch.as_deref(), MAX_BRANCH_BYTES, is_branch)?;
        let is_url = |text: &str| {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            rest.is_some_and(|rest| !rest.is_empty())
                && !text.contains(|c: char| c.is_control() || c.is_whitespace())
        };
        check("pr_url", pr_url.as_deref(), MAX_PR_URL_BYTES, is_url)?;
        if reason.is_some() && state != Some(Ended::Failed) {
            return Err(wrong("reason", "goes with the state `failed`"));
        }
        let mut acts = Vec::new();
        let mut rest = log.as_deref().unwrap_or("");
        while !rest.is_empty() {
            let (text, more) = rest.split_at(rest.floor_char_boundary(MAX_LOG_CHUNK_BYTES));
            acts.push(Act::Log { attempt: None, from: LogFrom::Report, text: text.to_owned() });
            rest = more;
        }
        let ending = match state {
            Some(Ended::Success) => Some(Ending::Success),
            Some(Ended::Failed) => {
                Some(Ending::Failed { reason: reason.unwrap_or_else(|| "the agent says so".to_owned()) })
            }
            Some(Ended::Running) | None => None,
        };
        let report = Report { progress, branch, pr_url, ending };
        if acts.is_empty() || report != Report::default() {
            acts.push(Act::Report { attempt: None, report });
        }
        Ok(acts)
    }
}

fn check(field: &str, text: Option<&str>, most: usize, is_one: impl Fn(&str) -> bool) -> Result<(), Problem> {
    match text {
        Some(text) if text.len() > most => Err(wrong(field, &format!("has more than {most} bytes"))),
        Some(text) if !is_one(text) => Err(wrong(field, "is none")),
        _ => Ok(()),
    }
}

fn wrong(field: &str, detail: &str) -> Problem {
    Problem::new(Kind::MalformedBody, format!("`{field}`: {detail}")).fault(Some(field), detail, None)
}
