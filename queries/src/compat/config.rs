//! Which subreddits are read, as far as that was said while running.

use super::{known_project, project};
use crate::{
    answer::{self, Reading},
    params::Nothing,
    problem::{Kind, Problem},
    state::AppState,
    v1::{
        names,
        subreddits::{name, say},
        write::{Wait, WaitSecs},
    },
};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{Project, rows::SubredditRow};
use springline_sinks::{Scan, Snapshot};
use std::collections::BTreeSet;

/// The most subreddits that are named, or listed.
const MAX_SUBREDDITS: usize = 1_000;
/// The most subreddits of one list.
const MAX_NAMED: usize = 100;

/// The subreddits that were named while running; those of the configuration are not among them.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ListParams {
    /// Only of this project.
    project_id: Option<String>,
}

/// Has these subreddits read for a project, and of those that were named before no others.
///
/// 200 if the views show it, 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ReplaceParams {
    /// Which project; without it there must be only one.
    project_id: Option<String>,
}

/// Has a subreddit not read any more. What was read stays.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct LeaveParams {
    /// Its name.
    subreddit: String,
}

/// Which.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Chosen {
    /// Their names: 1 to 100; `r/` may stand before each.
    subreddits: Vec<String>,
}

/// Subreddits.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Subreddits {
    /// Their names, in lower case.
    subreddits: Vec<String>,
    /// The project that they are feedback for, if one is meant.
    project_id: Option<String>,
}

/// Those that are read for a project, or for any.
fn chosen(snapshot: &Snapshot<'_>, project: Option<&Project>) -> Result<Vec<String>, Problem> {
    let rows: Vec<SubredditRow> = snapshot.scan(&Scan { limit: MAX_SUBREDDITS, ..Scan::default() })?;
    let is_meant = |row: &SubredditRow| match project {
        Some(project) => row.project.as_ref() == Some(project),
        None => row.project.is_some(),
    };
    Ok(rows.into_iter().filter(is_meant).map(|row| row.name).collect())
}

pub(super) fn list(reading: &Reading<'_>, params: ListParams) -> Result<Subreddits, Problem> {
    let project = known_project(reading.state, params.project_id.as_deref())?;
    let subreddits = chosen(reading.snapshot, project.as_ref())?;
    Ok(Subreddits { subreddits, project_id: project.map(|project| project.to_string()) })
}

pub(super) async fn replace(
    state: AppState,
    params: ReplaceParams,
    body: Chosen,
) -> Result<(StatusCode, Subreddits), Problem> {
    let wrong = |detail: String| {
        Problem::new(Kind::MalformedBody, format!("`subreddits`: {detail}")).fault(
            Some("subreddits"),
            detail,
            None,
        )
    };
    if !(1..=MAX_NAMED).contains(&body.subreddits.len()) {
        return Err(wrong(format!("name 1 to {MAX_NAMED}")));
    }
    let named = |text: &String| {
        name(text).ok_or_else(|| wrong(format!("`{}` is no name of a subreddit", names::shown(text))))
    };
    let wanted: BTreeSet<String> = body.subreddits.iter().map(named).collect::<Result<_, _>>()?;
    let project = project(&state, params.project_id.as_deref())?;
    let of = project.clone();
    let before = answer::on_snapshot(&state, move |snapshot| chosen(snapshot, Some(&of))).await?;
    let gone = before.iter().filter(|name| !wanted.contains(*name)).map(|name| (name, None));
    let new = wanted.iter().filter(|name| !before.contains(name)).map(|name| (name, Some(project.clone())));
    let changes: Vec<_> = gone.chain(new).collect();
    let mut status = StatusCode::OK;
    for (at, (name, project)) in changes.iter().enumerate() {
        let wait = (at + 1 == changes.len()).then_some(Wait::Visible);
        (status, _) = say(&state, (*name).clone(), project.clone(), wait, WaitSecs::usual()).await?;
    }
    let project_id = Some(project.to_string());
    Ok((status, Subreddits { subreddits: wanted.into_iter().collect(), project_id }))
}

pub(super) async fn leave(
    state: AppState,
    params: LeaveParams,
    _: Nothing,
) -> Result<(StatusCode, Subreddits), Problem> {
    let name = name(&params.subreddit)
        .ok_or_else(|| Problem::parameter("subreddit", "is no name of a subreddit".to_owned()))?;
    let (status, _) = say(&state, name, None, Some(Wait::Visible), WaitSecs::usual()).await?;
    let subreddits = answer::on_snapshot(&state, |snapshot| chosen(snapshot, None)).await?;
    Ok((status, Subreddits { subreddits, project_id: None }))
}
