//! What the operator hides: everything that an authority owns leaves every view in one epoch, and comes back whole.

use super::{
    list::List,
    names,
    shape::Time,
    write::{self, Wait, WaitSecs, Written},
};
use crate::{
    answer::{self, Reading},
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    AccountStatus, EventBody, Rev, SourceId, Timestamp, Uri, key::KeyWriter, rows::AccountRow,
};
use springline_sinks::Snapshot;

/// The source of the events that the operator makes.
const SOURCE: &str = "operator";

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Moderation");
    routes.view("/v1/moderation", hidden);
    let operation = routes.command(Method::POST, "/v1/moderation/{action}", moderate);
    operation.may(Kind::Unavailable).may(Kind::NotFound);
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
}

/// What is hidden, by authority.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HiddenParams {
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Hides everything that an authority owns from every view, or shows it again; or purges it for good.
///
/// `hide` and `unhide` lose nothing. `forbid` is for those who have opted out: what is here of them is purged, and what
/// comes is dropped; `allow` takes that back, but brings nothing back (see `/v1/backfill`).
///
/// 200 if the views follow already (with `wait=visible`: the answer waits for that), 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ModerateParams {
    /// What to do.
    action: Action,
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Action {
    Hide,
    Unhide,
    Forbid,
    Allow,
}

/// Whom it is about.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Subject {
    /// The authority: what the URIs of all it owns begin with, e.g. `garden://flancian/`, `at://alice.example/`;
    /// or an account's DID or handle.
    authority: String,
}

/// An authority that is hidden.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Hidden {
    /// What the URIs of all it owns begin with.
    #[schemars(with = "String")]
    pub authority: Uri,
    /// Since when.
    pub since: Time,
    /// Whether it was purged, and nothing of it is taken.
    pub forbidden: bool,
}

fn hidden(reading: &Reading<'_>, params: HiddenParams) -> Result<Page<Hidden>, Problem> {
    let list = List {
        listing: Listing::Moderation,
        scope: &[],
        prefix: Vec::new(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: AccountRow| {
        let since = Time(Timestamp((row.rev.0 / 1000).cast_signed()));
        let forbidden = row.status == AccountStatus::Forbidden;
        (row.status != AccountStatus::Active).then_some(Hidden { authority: row.authority, since, forbidden })
    })
}

async fn moderate(
    state: AppState,
    params: ModerateParams,
    body: Subject,
) -> Result<(StatusCode, Written), Problem> {
    let authority = answer::on_snapshot(&state, move |snapshot| authority(snapshot, &body.authority)).await?;
    let status = match params.action {
        Action::Hide => AccountStatus::Hidden,
        Action::Unhide | Action::Allow => AccountStatus::Active,
        Action::Forbid => AccountStatus::Forbidden,
    };
    let rev = next_rev(&state, authority.clone()).await?;
    let event = EventBody::Account { rev, authority, status };
    write::submit(&state, SourceId::new(SOURCE), event, params.wait, params.wait_secs).await
}

fn authority(snapshot: &Snapshot<'_>, text: &str) -> Result<Uri, Problem> {
    let wrong = |detail: String| {
        Problem::new(Kind::MalformedBody, format!("`authority`: {detail}")).fault(
            Some("authority"),
            detail,
            None,
        )
    };
    let named = |problem: Problem| match problem.kind() {
        Kind::MalformedQuery => wrong(problem.detail().trim_start_matches("`authority`: ").to_owned()),
        _ => problem,
    };
    let mut uri = names::uri(snapshot, "authority", text).map_err(named)?;
    // An account is its DID; what it owns begins so.
    if uri.scheme() == "did" {
        uri = Uri::new(format!("at://{uri}/"));
    }
    let Some((_, rest)) = uri.as_str().split_once("://") else {
        return Err(wrong(
            "it owns no records: write what their URIs begin with, e.g. `garden://name/`".into(),
        ));
    };
    // As people leave it out: without it, it would be another authority, which owns nothing.
    if !rest.contains('/') {
        uri = Uri::new(format!("{uri}/"));
    }
    if uri.authority() != uri.as_str() {
        return Err(wrong(format!(
            "that is one record; what owns it is `{}`",
            names::shown(uri.authority())
        )));
    }
    Ok(uri)
}

/// A version above the one that is known.
async fn next_rev(state: &AppState, authority: Uri) -> Result<Rev, Problem> {
    let known = answer::on_snapshot(state, move |snapshot| {
        let mut key = KeyWriter::new();
        key.text(authority.as_str());
        Ok(snapshot.get::<AccountRow>(&key.into_bytes())?)
    });
    Ok(write::next_rev(state, known.await?.map_or(Rev(0), |row| row.rev)))
}
