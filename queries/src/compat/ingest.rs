//! Feedback comes in, one item at a time.

use super::feedback;
use crate::{
    control::{OutcomeStatus, SourceCommand, Told, ToldBy},
    params::Nothing,
    problem::Problem,
    state::AppState,
    v1::{ingest, names, write::WaitSecs},
};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Takes one feedback item, as `/v1/ingest/{source}` does.
///
/// 200 if the views show it already, 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct IngestParams {
    /// Where it was given.
    source: ingest::Source,
    /// The project that it is about; without it the body says it, or there is only one.
    project_id: Option<String>,
}

/// An item.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Posted {
    /// What its source calls it.
    external_id: Option<Value>,
    /// Whatever else is told of it.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What became of an item.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Ingested {
    /// `ok` (news, also an edit), `duplicate` or `filtered`.
    status: &'static str,
    /// Its id for `/feedback/{id}`.
    id: Option<String>,
    /// Why it is not wanted, or no news.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(super) async fn ingest(
    state: AppState,
    params: IngestParams,
    body: Posted,
) -> Result<(StatusCode, Ingested), Problem> {
    let Posted { external_id, rest: mut item } = body;
    item.extend(external_id.map(|id| ("external_id".to_owned(), id)));
    let by = ToldBy::Client(vec![Value::Object(item)]);
    let told = Told { source: params.source.into(), project: params.project_id, by };
    let (status, mut ingested) = ingest::take(&state, told, true, None, WaitSecs::usual()).await?;
    let outcome = ingested
        .items
        .pop()
        .ok_or_else(|| Problem::internal("taking feedback", &"nothing is known of the item"))?;
    let name = match outcome.status {
        OutcomeStatus::Accepted => "ok",
        OutcomeStatus::Duplicate => "duplicate",
        OutcomeStatus::Filtered | OutcomeStatus::Refused => "filtered",
    };
    let id = outcome.uri.as_ref().map(feedback::id_of);
    Ok((status, Ingested { status: name, id, reason: outcome.reason }))
}

/// Has the issues of a repository looked at now, by the source that follows it.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SyncParams {
    /// The repository: `owner/name`.
    repo: String,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Synced {
    /// `ok`.
    status: &'static str,
    /// The repository.
    repo: String,
    /// The source that follows it.
    source: String,
    /// What it found, in its own words.
    result: Value,
}

pub(super) async fn sync(
    state: AppState,
    params: SyncParams,
    _: Nothing,
) -> Result<(StatusCode, Synced), Problem> {
    let asked = params.repo.trim_matches('/');
    let follows = |detail: &Map<String, Value>| {
        let partitions = detail.get("partitions")?.as_object()?;
        let is_github = detail.get("kind").and_then(Value::as_str) == Some("github");
        partitions.keys().find(|name| is_github && name.eq_ignore_ascii_case(asked)).cloned()
    };
    let sources = state.control.status().sources;
    let found = sources.into_iter().find_map(|source| Some((follows(&source.detail)?, source.name)));
    let (repo, source) = found.ok_or_else(|| {
        let asked = names::shown(asked);
        Problem::not_found(format!("no source of type `github` follows `{asked}` (or has begun to)"))
    })?;
    let pull = SourceCommand::Pull { partition: Some(repo.clone()) };
    let result = state.control.source_command(&source, pull).await?;
    Ok((StatusCode::OK, Synced { status: "ok", repo, source, result }))
}
