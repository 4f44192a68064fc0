//! Which subreddits are read, changed while running: journalled like all that happens, and followed by the source with
//! its next round.

use super::{
    list::{self, List},
    names,
    shape::Time,
    write::{self, Wait, WaitSecs, Written},
};
use crate::{
    answer::{self, Reading},
    page::{Limit, Listing, Page},
    params::Nothing,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    EventBody, Project, Rev, SourceId, Timestamp, feedback::is_subreddit, rows::SubredditRow,
};

const PATH: &str = "/v1/config/reddit/subreddits";

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Feedback");
    routes.view(PATH, subreddits);
    let operation = routes.command(Method::POST, PATH, choose);
    operation.may(Kind::NotFound).may(Kind::Unavailable);
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
    for path in [PATH, "/v1/config/reddit/subreddits/{subreddit}"] {
        let operation = routes.command(Method::DELETE, path, leave);
        operation.may(Kind::Unavailable);
        operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
    }
}

/// What was said of subreddits while running. It wins over the configuration, whose subreddits `/v1/sources` shows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SubredditsParams {
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Has a subreddit read for a project, from the next round of the source on.
///
/// 200 if the views show it already, 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChooseParams {
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// Which.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chosen {
    /// Its name; `r/` may stand before it.
    subreddit: String,
    /// The project that it is feedback for.
    project: String,
}

/// Has a subreddit not read any more, also if the configuration names it. What was read stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LeaveParams {
    /// Its name.
    subreddit: String,
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// What was said of a subreddit.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Subreddit {
    /// Its name, in lower case.
    subreddit: String,
    /// The project that it is feedback for; none if it is not to be read.
    project: Option<String>,
    /// Since when.
    since: Time,
}

fn subreddits(reading: &Reading<'_>, params: SubredditsParams) -> Result<Page<Subreddit>, Problem> {
    let (limit, cursor) = (params.limit, params.cursor.as_deref());
    let list = List { listing: Listing::Subreddits, scope: &[], prefix: Vec::new(), limit, cursor };
    list.page(reading, |row: SubredditRow| {
        let since = Time(Timestamp((row.rev.0 / 1000).cast_signed()));
        Some(Subreddit {
            subreddit: row.name,
            project: row.project.map(|project| project.to_string()),
            since,
        })
    })
}

/// A name, in lower case.
pub(crate) fn name(text: &str) -> Option<String> {
    let name = text.trim().trim_start_matches('/');
    let name = name.strip_prefix("r/").unwrap_or(name);
    is_subreddit(name).then(|| name.to_ascii_lowercase())
}

async fn choose(
    state: AppState,
    params: ChooseParams,
    body: Chosen,
) -> Result<(StatusCode, Written), Problem> {
    let wrong = |field: &str, detail: String| {
        Problem::new(Kind::MalformedBody, format!("`{field}`: {detail}")).fault(Some(field), detail, None)
    };
    let name = name(&body.subreddit).ok_or_else(|| {
        wrong("subreddit", format!("`{}` is no name of a subreddit", names::shown(&body.subreddit)))
    })?;
    let project = Project::new(body.project.trim()).map_err(|error| wrong("project", error.to_string()))?;
    if !state.control.has_project(&project) {
        return Err(Problem::not_found(format!("there is no project `{project}`")));
    }
    say(&state, name, Some(project), params.wait, params.wait_secs).await
}

async fn leave(state: AppState, params: LeaveParams, _: Nothing) -> Result<(StatusCode, Written), Problem> {
    let name = name(&params.subreddit)
        .ok_or_else(|| Problem::parameter("subreddit", "is no name of a subreddit".to_owned()))?;
    say(&state, name, None, params.wait, params.wait_secs).await
}

/// Has it journalled that a subreddit is to be read for a project, or for none.
pub(crate) async fn say(
    state: &AppState,
    name: String,
    project: Option<Project>,
    wait: Option<Wait>,
    at_most: WaitSecs,
) -> Result<(StatusCode, Written), Problem> {
    let key = list::key(&[&name]);
    let known = answer::on_snapshot(state, move |snapshot| Ok(snapshot.get::<SubredditRow>(&key)?)).await?;
    let rev = write::next_rev(state, known.map_or(Rev(0), |row| row.rev));
    let body = EventBody::Subreddit { rev, name, project };
    write::submit(state, SourceId::new("operator"), body, wait, at_most).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        assert_eq!(name(" /r/Rust ").as_deref(), Some("rust"));
        assert_eq!(name("learn_rust").as_deref(), Some("learn_rust"));
        for wrong in ["", "r/", "a", "a/b", "rust?x", "../x", "r/r/rust"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
