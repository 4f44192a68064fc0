//! Input that could not be taken: what it was, why, and what to do about it.

use super::{
    list::List,
    names,
    shape::Time,
    write::{self, Wait, WaitSecs, Written},
};
use crate::{
    answer::{self, Reading},
    control::SourceCommand,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use springline_model::{EventBody, Quarantined, Uri, key::KeyWriter, rows::QuarantineRow};

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Quarantine");
    routes.view("/v1/quarantine", quarantine);
    let retry = routes.command(Method::POST, "/v1/quarantine/retry", retry);
    retry.may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);
    let discard = routes.command(Method::POST, "/v1/quarantine/discard", discard);
    discard.may(Kind::NotFound).may(Kind::Unavailable);
    discard.answers.push((StatusCode::ACCEPTED, "application/json", discard.answers[0].2.clone()));
}

/// Input that could not be taken, by the URI it would have had.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QuarantineParams {
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Has the source read a quarantined piece again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RetryParams {}

/// Gives a quarantined piece up: it leaves the list.
///
/// 200 if the views follow already (with `wait=visible`: the answer waits for that), 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DiscardParams {
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// Which piece.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Piece {
    /// The URI that the list gives it.
    uri: String,
}

/// Input that could not be taken.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Refused {
    /// What the record would have been called.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// Who read it.
    pub source: String,
    /// Where it was: a path, a commit and path.
    pub origin: String,
    /// Why it could not be taken.
    pub reason: String,
    /// When.
    pub at: Time,
    /// Its size in bytes.
    pub bytes: u64,
    /// The beginning of it, with `�` for what is not UTF-8.
    pub sample: String,
}

impl From<QuarantineRow> for Refused {
    fn from(QuarantineRow(piece): QuarantineRow) -> Self {
        let Quarantined { uri, source, origin, reason, at, bytes, sample } = piece;
        let sample = String::from_utf8_lossy(&sample).into_owned();
        Self { uri, source: source.to_string(), origin, reason, at: Time(at), bytes, sample }
    }
}

/// What a source has to say about a retry.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Retried {
    /// Which piece.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// In the source's own words.
    pub result: Value,
}

fn quarantine(reading: &Reading<'_>, params: QuarantineParams) -> Result<Page<Refused>, Problem> {
    let list = List {
        listing: Listing::Quarantine,
        scope: &[],
        prefix: Vec::new(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: QuarantineRow| Some(row.into()))
}

async fn retry(state: AppState, _: RetryParams, piece: Piece) -> Result<(StatusCode, Retried), Problem> {
    let Quarantined { uri, source, .. } = known(&state, piece.uri).await?;
    let command = SourceCommand::Retry { uri: uri.clone() };
    let result = state.control.source_command(source.as_str(), command).await?;
    Ok((StatusCode::OK, Retried { uri, result }))
}

async fn discard(
    state: AppState,
    params: DiscardParams,
    piece: Piece,
) -> Result<(StatusCode, Written), Problem> {
    let Quarantined { uri, source, .. } = known(&state, piece.uri).await?;
    write::submit(&state, source, EventBody::Release { uri }, params.wait, params.wait_secs).await
}

async fn known(state: &AppState, uri: String) -> Result<Quarantined, Problem> {
    let mut key = KeyWriter::new();
    key.text(&uri);
    let key = key.into_bytes();
    let row = answer::on_snapshot(state, move |snapshot| Ok(snapshot.get::<QuarantineRow>(&key)?)).await?;
    let row = row.ok_or_else(|| {
        Problem::not_found(format!(
            "`{}` is not in quarantine; /v1/quarantine lists what is",
            names::shown(&uri)
        ))
    })?;
    Ok(row.0)
}
