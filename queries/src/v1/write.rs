//! What all writes share: an event goes to the journal, and the answer may wait until the views show it.

use crate::{problem::Problem, state::AppState};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::Error as _};
use springline_model::{Epoch, Event, EventBody, Rev, SourceId, Timestamp};
use std::{sync::atomic::Ordering, time::Duration};

/// Who says what is written here.
const OPERATOR: &str = "operator";

/// What a write waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Wait {
    /// Until every view shows it.
    Visible,
}

/// How long to wait at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, transparent)]
pub(crate) struct WaitSecs(#[schemars(range(min = 0, max = 60))] u8);

impl WaitSecs {
    /// When nothing is said.
    pub(crate) const fn usual() -> Self {
        Self(10)
    }

    /// At most a second less than a request may take: the answer "not yet" must still get out.
    pub(crate) fn bounded(self, state: &AppState) -> Duration {
        let most = state.config.request_timeout().saturating_sub(Duration::from_secs(1));
        Duration::from_secs(self.0.into()).min(most)
    }
}

impl<'de> Deserialize<'de> for WaitSecs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        let fits = u8::try_from(number).ok().filter(|number| *number <= 60);
        fits.map(Self).ok_or_else(|| D::Error::custom(format!("{number} is not between 0 and 60")))
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Written {
    /// The epoch that it is part of: durable in the journal.
    pub epoch: u64,
    /// Whether every view shows it. If not, `/v1/epochs/{epoch}` tells when.
    pub visible: bool,
}

/// Journals an event by the operator.
///
/// 200 if the views show it, 202 if it is only durable.
pub(crate) async fn submit(
    state: &AppState,
    source: SourceId,
    body: EventBody,
    wait: Option<Wait>,
    at_most: WaitSecs,
) -> Result<(StatusCode, Written), Problem> {
    let event = Event { source, observed: Timestamp::now(), body };
    let epoch = state.control.submit(vec![event]).await?;
    Ok(shown(state, epoch, wait, at_most).await)
}

/// Journals events by the operator, all in one epoch; as [`submit`]. Nothing is journalled if there are none.
pub(crate) async fn submit_all(
    state: &AppState,
    bodies: Vec<EventBody>,
    wait: Option<Wait>,
    at_most: WaitSecs,
) -> Result<(StatusCode, Written), Problem> {
    if bodies.is_empty() {
        return Ok(shown(state, state.reader.applied(), wait, at_most).await);
    }
    let (source, observed) = (SourceId::new(OPERATOR), Timestamp::now());
    let event = |body| Event { source: source.clone(), observed, body };
    let epoch = state.control.submit(bodies.into_iter().map(event).collect()).await?;
    Ok(shown(state, epoch, wait, at_most).await)
}

/// Microseconds of now, and above the version that is known and all that were given here before: what is said later
/// must not lose against what was said before it, because a clock went back or the views do not show that yet.
pub(crate) fn next_rev(state: &AppState, known: Rev) -> Rev {
    let now = Timestamp::now().0.max(0).cast_unsigned().saturating_mul(1000);
    let above = |last: u64| now.max(known.0.saturating_add(1)).max(last.saturating_add(1));
    let last = state.last_rev.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(above(last)));
    Rev(above(last.unwrap_or_else(|last| last)))
}

/// When a version of [`next_rev`]'s was given: as good as now, and in the order of the versions.
pub(crate) fn said_at(rev: Rev) -> Timestamp {
    Timestamp((rev.0 / 1000).cast_signed())
}

/// Whether the views show an epoch, after waiting for it if that is wanted.
pub(crate) async fn shown(
    state: &AppState,
    epoch: Epoch,
    wait: Option<Wait>,
    at_most: WaitSecs,
) -> (StatusCode, Written) {
    let visible = match wait {
        Some(Wait::Visible) => state.visible(epoch, at_most.bounded(state)).await,
        None => state.reader.applied() >= epoch,
    };
    let status = if visible { StatusCode::OK } else { StatusCode::ACCEPTED };
    (status, Written { epoch: epoch.0, visible })
}
