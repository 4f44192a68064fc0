//! Whole repositories that are to be fetched.

use super::write::{self, Wait, WaitSecs};
use crate::{
    answer::Reading,
    control::SourceCommand,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{Event, EventBody, RepoNews, Rev, SourceId, Timestamp, Uri, rows::ResyncRow};
use springline_sinks::Scan;

/// Accounts that one request may name.
const MAX_DIDS: usize = 1_000;
/// How many that wait are counted.
const MAX_COUNTED: usize = 10_000;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Sources");
    routes.view("/v1/backfill", waiting);
    let operation = routes.command(Method::POST, "/v1/backfill", ask);
    operation.may(Kind::Unavailable).may(Kind::NotFound).may(Kind::Conflict);
}

/// How many repositories wait to be fetched as a whole, because something of them was missed or somebody asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WaitingParams {}

/// Asks for whole repositories: of accounts, or of all accounts of a host.
///
/// They are fetched one by one by the source of type `backfill`; what is here already is compared, and only what
/// differs changes. `GET /v1/backfill` tells how many are left.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskParams {
    /// `visible`: wait until the request itself shows (not until all is fetched).
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// Whose.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Accounts, by DID; at most 1,000.
    #[serde(default)]
    dids: Vec<String>,
    /// All accounts of this host: `https://pds.example`.
    pds: Option<String>,
}

/// What waits.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct Waiting {
    /// The epoch that this is as of.
    epoch: u64,
    /// Repositories to fetch.
    waiting: usize,
    /// Whether there are more than were counted.
    more: bool,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct Answered {
    /// Accounts named.
    asked: usize,
    /// The epoch of the request; none if only a host was named.
    epoch: Option<u64>,
    /// Whether the views show it.
    visible: bool,
}

fn waiting(reading: &Reading<'_>, _: WaitingParams) -> Result<Waiting, Problem> {
    let scan = Scan { limit: MAX_COUNTED + 1, ..Scan::default() };
    let waiting = reading.snapshot.scan::<ResyncRow>(&scan)?.len();
    Ok(Waiting {
        epoch: reading.snapshot.epoch().0,
        waiting: waiting.min(MAX_COUNTED),
        more: waiting > MAX_COUNTED,
    })
}

async fn ask(state: AppState, params: AskParams, body: Asked) -> Result<(StatusCode, Answered), Problem> {
    let wrong = |field: &str, detail: String| {
        Problem::new(Kind::MalformedBody, format!("`{field}`: {detail}")).fault(Some(field), detail, None)
    };
    if body.dids.len() > MAX_DIDS {
        return Err(wrong("dids", format!("{} are too many; the most is {MAX_DIDS}", body.dids.len())));
    }
    if body.dids.is_empty() && body.pds.is_none() {
        return Err(wrong("dids", "names nobody, and there is no `pds`".into()));
    }
    if let Some(did) = body.dids.iter().find(|did| !is_did(did)) {
        return Err(wrong("dids", format!("`{}` is no DID", super::names::shown(did))));
    }
    if let Some(host) = body.pds {
        state.control.source_command("backfill", SourceCommand::Fetch { host }).await?;
    }
    let mut answered = Answered { asked: body.dids.len(), epoch: None, visible: true };
    if body.dids.is_empty() {
        return Ok((StatusCode::ACCEPTED, answered));
    }
    let (source, observed) = (SourceId::new("operator"), Timestamp::now());
    let event = |did: &String| {
        let authority = Uri::new(format!("at://{did}/"));
        let body = EventBody::Repo { authority, rev: Rev(0), data: [0; 32], news: RepoNews::Fetching };
        Event { source: source.clone(), observed, body }
    };
    let epoch = state.control.submit(body.dids.iter().map(event).collect()).await?;
    let (_, written) = write::shown(&state, epoch, params.wait, params.wait_secs).await;
    (answered.epoch, answered.visible) = (Some(written.epoch), written.visible);
    Ok((StatusCode::ACCEPTED, answered))
}

/// `did:method:id`, without anything that could lead elsewhere.
pub(crate) fn is_did(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    parts.next() == Some("did")
        && parts
            .next()
            .is_some_and(|method| !method.is_empty() && method.bytes().all(|b| b.is_ascii_lowercase()))
        && parts.next().is_some_and(|id| !id.is_empty())
        && text.len() <= 2048
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'.' | b'-' | b'_' | b'%'))
}
