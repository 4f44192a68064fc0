//! What people say of their notifications: how far they have seen them, and what they do not want to be told.

use super::{
    names,
    write::{self, Wait, WaitSecs, Written},
};
use crate::{
    answer,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::{
    EventBody, Rev, SourceId, Timestamp, Uri,
    key::KeyWriter,
    rows::{InboxRow, Reason},
};

/// The source of these events.
const SOURCE: &str = "inbox";

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Notifications");
    for (path, command) in [("/v1/notifications/seen", 0), ("/v1/notifications/preferences", 1)] {
        let operation = match command {
            0 => routes.command(Method::POST, path, seen),
            _ => routes.command(Method::POST, path, prefer),
        };
        operation.may(Kind::Unavailable);
        operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
    }
}

/// Says that somebody has seen their notifications.
///
/// An event like any other: it is journalled, and a replay comes to the same unread count. Never goes back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SeenParams {
    /// `visible`: wait until the unread count follows.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// Who has seen what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Seen {
    /// Who: a user's name or a whole URI (`did:…`).
    recipient: String,
    /// Up to when: an RFC 3339 time. Now, without.
    until: Option<String>,
}

/// Says what somebody does not want to be told.
///
/// What is muted is left out of their notifications and of the unread count; it is there again when it is not muted
/// any more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PreferParams {
    /// `visible`: wait until the notifications follow.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// Who wants what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Preferences {
    /// Who: a user's name or a whole URI (`did:…`).
    recipient: String,
    /// All the reasons that they do not want to be told for: `like`, `repost`, `follow`, …. None to be told of all.
    muted: Vec<String>,
}

async fn seen(state: AppState, params: SeenParams, body: Seen) -> Result<(StatusCode, Written), Problem> {
    let until = match body.until.as_deref().map(Timestamp::parse) {
        None => Timestamp::now(),
        Some(Ok(until)) => until,
        Some(Err(error)) => return Err(wrong("until", &error.to_string())),
    };
    let (actor, rev) = next_rev(&state, body.recipient, |row| row.seen_rev).await?;
    let event = EventBody::Seen { actor, rev, until };
    write::submit(&state, SourceId::new(SOURCE), event, params.wait, params.wait_secs).await
}

async fn prefer(
    state: AppState,
    params: PreferParams,
    body: Preferences,
) -> Result<(StatusCode, Written), Problem> {
    let mut muted = 0;
    for name in &body.muted {
        let reason = Reason::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
            wrong("muted", &format!("`{}` is no reason; there are: {}", names::shown(name), known.join(", ")))
        })?;
        muted |= reason.bit();
    }
    let (actor, rev) = next_rev(&state, body.recipient, |row| row.muted_rev).await?;
    let event = EventBody::Mute { actor, rev, muted };
    write::submit(&state, SourceId::new(SOURCE), event, params.wait, params.wait_secs).await
}

fn wrong(field: &str, detail: &str) -> Problem {
    Problem::new(Kind::MalformedBody, format!("`{field}`: {detail}")).fault(Some(field), detail, None)
}

/// Who is meant; and microseconds of now, above the version that is known.
async fn next_rev(
    state: &AppState,
    recipient: String,
    of: fn(&InboxRow) -> Rev,
) -> Result<(Uri, Rev), Problem> {
    let known = answer::on_snapshot(state, move |snapshot| {
        let actor = names::person(snapshot, "recipient", &recipient)?;
        let mut key = KeyWriter::new();
        key.text(actor.as_str());
        let row = snapshot.get::<InboxRow>(&key.into_bytes())?;
        Ok((actor, row))
    });
    let (actor, row) = known.await?;
    let known = row.map_or(0, |row| of(&row).0);
    let now = Timestamp::now().0.max(0).cast_unsigned().saturating_mul(1000);
    Ok((actor, Rev(now.max(known.saturating_add(1)))))
}
