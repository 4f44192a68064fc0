//! How jobs go: told by their agents, with a token of the job's own, or by the operator.
//!
//! ```text
//!  may it happen, as the views stand? ── no ──► 409 with the reason
//!    └─ yes ─► journal ─► the views show it ─► is it as was said? ── no ──► 409: something else came first
//! ```

use super::{
    jobs::{JobView, find},
    write::WaitSecs,
};
use crate::{
    answer,
    auth::Principal,
    params::Nothing,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Event, EventBody, Job, JobEvent, JobState, SourceId, Timestamp,
    job::{
        Act, Ending, JobDeed, LogFrom, MAX_BRANCH_BYTES, MAX_LOG_CHUNK_BYTES, MAX_PR_URL_BYTES,
        MAX_WORD_BYTES, Refusal, Report,
    },
};
use subtle::ConstantTimeEq as _;

/// The longest piece of log in one report.
const MAX_SAID_BYTES: usize = 64 * 1024;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Jobs");
    let operation = routes.command_by(Method::PATCH, "/v1/jobs/{id}", report);
    operation.may(Kind::NotFound).may(Kind::Forbidden).may(Kind::Conflict).may(Kind::Unavailable);
    let operation = routes.command(Method::POST, "/v1/jobs/{id}/cancel", cancel);
    operation.may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);
}

/// Tells how a job goes: its agent, with the job's own token, or the operator.
///
/// What is not named stays as it was. With `state` the job is over. 409 says why something can't be: it is over
/// already, it was called off, another attempt is at it. 200 if the views show it, 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportParams {
    /// Its name.
    pub(crate) id: String,
}

/// How it goes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    /// How far it is, in at most 2,048 bytes.
    pub(crate) progress: Option<String>,
    /// To be added to its log: at most 64 KiB.
    pub(crate) log: Option<String>,
    /// The branch that it works on.
    pub(crate) branch: Option<String>,
    /// The pull request that it has opened: an http or https URL.
    pub(crate) pr_url: Option<String>,
    /// `success` or `failed`: it is over. `running`: it is not.
    pub(crate) state: Option<Ended>,
    /// For `failed`: why, in at most 2,048 bytes.
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Ended {
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

/// What became of a report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Reported {
    /// The epoch that it is part of.
    epoch: u64,
    /// Whether every view shows it.
    visible: bool,
    /// The job as it stands.
    pub(crate) job: JobView,
}

/// Has a report of a job taken, if who tells may and it can be.
pub(crate) async fn report(
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
        Principal::Reader | Principal::Peer => {
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
    let refused = |refusal: Refusal| Problem::new(Kind::Conflict, refusal.to_string());
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
        return Err(refused(Refusal::Over(now.state)));
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
