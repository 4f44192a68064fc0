//! The paths of soulcaster's dashboard, in its shapes, so that the dashboard and its agents keep working: only with
//! `server.compat`, and nothing but translations of what `/v1` does.
//!
//! ```text
//!  ingest    POST /ingest/{source}  /ingest/github/sync/{repo}      ─► v1::ingest, a source's `pull`
//!  feedback  /feedback  /feedback/{id}  /stats                      ─► rows of feedback, its totals
//!  clusters  /clusters  /clusters/{id}  …/start_fix  …/plan         ─► rows of clusters, v1::fixes
//!  jobs      /jobs  /jobs/{id}  /jobs/{id}/logs  /clusters/{id}/jobs ─► rows of jobs, v1::job_reports, v1::job_logs
//!  config    /config/reddit/subreddits                              ─► v1::subreddits
//! ```
//!
//! Where that system and `/v1` differ: an id is ours (opaque, fit for a path); a `cancelled` job shows as `failed`, a
//! `resolved` cluster as `pr_opened` (nothing is left to do); logs that are told are added to those that are there; a
//! plan is what the agent named `plan` makes. Fields and parameters that are not known are passed over.
//!
//! Limits: pages by number are bounded ([`paging`]); lists show the first [`feedback::LISTED_TEXT_BYTES`] of a text and
//! no logs, the end of which ([`jobs::SHOWN_LOG_BYTES`]) stands in the job itself.

mod clusters;
mod config;
mod feedback;
mod ingest;
mod jobs;
mod paging;

use crate::{
    problem::{Kind, Problem},
    routes::{Operation, Routes},
    state::AppState,
    v1::{feedback::project as named_project, job_logs},
};
use axum::http::{Method, StatusCode};
use springline_model::Project;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Soulcaster");
    let operation = routes.command(Method::POST, "/ingest/{source}", ingest::ingest);
    operation.may(Kind::NotFound).may(Kind::Unavailable).may(Kind::MalformedBody);
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
    let operation = routes.command(Method::POST, "/ingest/github/sync/{*repo}", ingest::sync);
    operation.may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);

    routes.view("/feedback", feedback::list).may(Kind::NotFound);
    routes.view("/feedback/{*id}", feedback::one).may(Kind::NotFound);
    routes.view("/stats", feedback::stats).may(Kind::NotFound);

    routes.view("/clusters", clusters::list).may(Kind::NotFound);
    routes.view("/clusters/{id}", clusters::one).may(Kind::NotFound);
    routes.view("/clusters/{id}/jobs", jobs::of_cluster).may(Kind::NotFound);
    starts(routes.command(Method::POST, "/clusters/{id}/start_fix", clusters::start_fix));
    starts(routes.command(Method::POST, "/clusters/{id}/plan", clusters::plan));
    starts(routes.command(Method::POST, "/jobs", jobs::open));
    routes.view("/jobs", jobs::list);
    routes.view("/jobs/{id}", jobs::one).may(Kind::NotFound);
    let operation = routes.command_by(Method::PATCH, "/jobs/{id}", jobs::report);
    operation.may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
    let answer = (StatusCode::OK, "text/plain", None);
    routes
        .plain_with::<job_logs::LogsParams, _, _>(Method::GET, "/jobs/{id}/logs", answer, job_logs::logs)
        .may(Kind::NotFound);

    let path = "/config/reddit/subreddits";
    routes.view(path, config::list).may(Kind::NotFound);
    for method in [Method::POST, Method::DELETE] {
        let operation = match method {
            Method::POST => routes.command(method, path, config::replace),
            _ => routes.command(method, path, config::leave),
        };
        operation.may(Kind::NotFound).may(Kind::Unavailable);
        operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
    }
}

/// Describes what sets an agent to work.
fn starts(operation: &mut Operation) {
    operation.may(Kind::MalformedQuery).may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
}

/// The project that is meant: the one named, else the only one.
fn project(state: &AppState, named: Option<&str>) -> Result<Project, Problem> {
    if let Some(project) = known_project(state, named)? {
        return Ok(project);
    }
    let mut projects = state.control.projects();
    match projects.pop() {
        Some(only) if projects.is_empty() => Ok(only),
        Some(_) => Err(Problem::parameter("project_id", "there are several projects: name one")),
        None => Err(Problem::not_found("no project is configured")),
    }
}

/// The project named, if one is; it must be configured.
fn known_project(state: &AppState, named: Option<&str>) -> Result<Option<Project>, Problem> {
    let project =
        named_project(named).map_err(|problem| Problem::parameter("project_id", problem.detail()))?;
    match project {
        Some(project) if !state.control.has_project(&project) => {
            Err(Problem::not_found(format!("there is no project `{project}`")))
        }
        project => Ok(project),
    }
}
