//! Feedback comes in: posted by clients, and delivered to webhooks.
//!
//! ```text
//!  POST /v1/ingest/{source}          the token      one item or a list ─┐
//!  POST /v1/hooks/{source}/{project} a signature    one delivery        ├─► Control::take_feedback ─► what became of each
//! ```
//!
//! One bad item of a list costs no other. An item that comes again is a duplicate; one that says something else under
//! the same name is an edit.

use super::write::{self, Wait, WaitSecs};
use crate::{
    control::{FeedbackError, Outcome, OutcomeStatus, Told, ToldBy},
    params::Given,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest as _, Request, State},
    http::{Method, StatusCode, header},
    response::IntoResponse,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use springline_model::FeedbackSource;
use std::borrow::Cow;

/// The most items of one request.
pub const MAX_ITEMS: usize = 256;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Feedback");
    let operation = routes.command(Method::POST, "/v1/ingest/{source}", ingest);
    operation.may(Kind::Unavailable).may(Kind::NotFound).may(Kind::MalformedBody);
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));

    let answer = routes.schema::<Ingested>();
    let operation = routes.plain(
        Method::POST,
        "/v1/hooks/{source}/{project}",
        "Takes a delivery of a webhook of Sentry or GitHub",
        (StatusCode::OK, "application/json", Some(answer)),
        hook,
    );
    operation.description = "The delivery is believed if its body is signed (HMAC-SHA256) with the secret of the \
        project's hook: `sentry-hook-signature`, or `X-Hub-Signature-256`. No token is needed. What is no feedback is \
        answered with 200 and `filtered`; a delivery that comes again is a `duplicate`."
        .into();
    operation.parameters = Some(schemars::schema_for!(HookParams));
    for kind in [
        Kind::Unauthorized,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::MalformedBody,
        Kind::TooLarge,
        Kind::Unavailable,
    ] {
        operation.may(kind);
    }
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
}

/// Takes feedback: one item, or a list of at most 256.
///
/// An item is what its source's own API gives (a submission or comment of Reddit, an issue of GitHub, an event of
/// Sentry), or for any source the plain shape: `external_id`, `title`, `body`, `author`, `created_at`, `updated_at`,
/// `url`, `status` (`open` or `closed`), `tags`, `langs`, `repo`, `github_issue_number`, `github_issue_url`. Without
/// `external_id` what it says names it.
///
/// What is answered is durable. Each item is `accepted` (news, also an edit), a `duplicate`, `filtered` (the project
/// does not want it) or `refused` (it makes no sense), with the reason; a single item that makes no sense is a 400.
/// 200 if the views follow already (with `wait=visible`: the answer waits for that), 202 if it is only durable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct IngestParams {
    /// Where the feedback was given.
    source: Source,
    /// The project that it is about. Without, each item says it (`project`), or there is only one.
    project: Option<String>,
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// A delivery.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct HookParams {
    /// Who delivers: `sentry` or `github`.
    source: HookSource,
    /// The project that it is about.
    project: String,
}

/// Where feedback is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Source {
    Reddit,
    Sentry,
    Manual,
    Github,
}

impl From<Source> for FeedbackSource {
    fn from(source: Source) -> Self {
        match source {
            Source::Reddit => Self::Reddit,
            Source::Sentry => Self::Sentry,
            Source::Manual => Self::Manual,
            Source::Github => Self::Github,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum HookSource {
    Sentry,
    Github,
}

/// One item, or a list.
#[derive(Debug)]
enum Items {
    One(Value),
    Many(Vec<Value>),
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Array(items) if items.is_empty() => Err(D::Error::custom("the list is empty")),
            Value::Array(items) if items.len() > MAX_ITEMS => {
                Err(D::Error::custom(format!("{} items; the most is {MAX_ITEMS}", items.len())))
            }
            Value::Array(items) => Ok(Self::Many(items)),
            item @ Value::Object(_) => Ok(Self::One(item)),
            _ => Err(D::Error::custom("send an item (an object) or a list of items")),
        }
    }
}

impl JsonSchema for Items {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Items".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An item, or a list of items.",
            "type": ["object", "array"],
            "properties": {
                "external_id": { "type": "string", "description": "What its source calls it." },
                "title": { "type": "string" },
                "body": { "type": "string" },
                "author": { "type": "string" },
                "created_at": { "type": "string", "format": "date-time" },
                "project": { "type": "string" },
            },
            "items": { "type": "object" },
            "maxItems": MAX_ITEMS,
        })
    }
}

/// What became of feedback.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Ingested {
    /// The epoch that all of it is durable in.
    epoch: u64,
    /// Whether every view shows it. If not, `/v1/epochs/{epoch}` tells when.
    visible: bool,
    /// Items that were news.
    accepted: usize,
    /// Items that were known.
    duplicates: usize,
    /// Items that the project does not want.
    filtered: usize,
    /// Items that make no sense.
    refused: usize,
    /// What became of each, in the order they came.
    pub(crate) items: Vec<Outcome>,
}

async fn ingest(
    state: AppState,
    params: IngestParams,
    body: Items,
) -> Result<(StatusCode, Ingested), Problem> {
    let (items, is_single) = match body {
        Items::One(item) => (vec![item], true),
        Items::Many(items) => (items, false),
    };
    let told = Told { source: params.source.into(), project: params.project, by: ToldBy::Client(items) };
    take(&state, told, is_single, params.wait, params.wait_secs).await
}

async fn hook(
    State(state): State<AppState>,
    given: Given,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let params: HookParams = given.params()?;
    let (source, kind, signature) = match params.source {
        HookSource::Sentry => (FeedbackSource::Sentry, "sentry-hook-resource", "sentry-hook-signature"),
        HookSource::Github => (FeedbackSource::Github, "x-github-event", "x-hub-signature-256"),
    };
    let header = |name: &str| Some(given.headers.get(name)?.to_str().ok()?.to_owned());
    let (kind, signature) = (header(kind), header(signature));
    let body = Bytes::from_request(request, &state).await.map_err(|error| {
        let is_long = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
        Problem::new(if is_long { Kind::TooLarge } else { Kind::MalformedBody }, error.body_text())
    })?;
    let by = ToldBy::Hook { kind, signature, body: body.to_vec() };
    let told = Told { source, project: Some(params.project), by };
    let (status, ingested) = take(&state, told, true, None, WaitSecs::usual()).await?;
    Ok((status, [(header::CACHE_CONTROL, "no-store")], Json(ingested)))
}

/// Has feedback taken in. A single item that makes no sense is a problem.
pub(crate) async fn take(
    state: &AppState,
    told: Told,
    is_single: bool,
    wait: Option<Wait>,
    at_most: WaitSecs,
) -> Result<(StatusCode, Ingested), Problem> {
    let taken = state.control.take_feedback(told).await?;
    if let [Outcome { status: OutcomeStatus::Refused, reason, .. }] = &taken.items[..]
        && is_single
    {
        return Err(Problem::new(Kind::MalformedBody, reason.clone().unwrap_or_default()));
    }
    let (status, written) = write::shown(state, taken.epoch, wait, at_most).await;
    let count = |status| taken.items.iter().filter(|item| item.status == status).count();
    let ingested = Ingested {
        epoch: written.epoch,
        visible: written.visible,
        accepted: count(OutcomeStatus::Accepted),
        duplicates: count(OutcomeStatus::Duplicate),
        filtered: count(OutcomeStatus::Filtered),
        refused: count(OutcomeStatus::Refused),
        items: taken.items,
    };
    // A webhook's sender looks at the status only: what changed nothing has nothing to wait for.
    let status = if ingested.accepted == 0 { StatusCode::OK } else { status };
    Ok((status, ingested))
}

impl From<FeedbackError> for Problem {
    fn from(error: FeedbackError) -> Self {
        let kind = match error {
            FeedbackError::Control(error) => return error.into(),
            FeedbackError::UnknownProject(_) => Kind::NotFound,
            FeedbackError::NoSecret(_) => Kind::Forbidden,
            FeedbackError::Signature(_) => Kind::Unauthorized,
            FeedbackError::Malformed(_) => Kind::MalformedBody,
        };
        Self::new(kind, error.to_string())
    }
}
