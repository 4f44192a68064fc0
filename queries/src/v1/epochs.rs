//! Whether, and until, the views show an epoch.

use super::write::{self, Wait, WaitSecs, Written};
use crate::{params::Nothing, problem::Problem, routes::Routes, state::AppState};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::Epoch;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Operation");
    let operation = routes.command(Method::GET, "/v1/epochs/{epoch}", epoch);
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
}

/// Whether every view shows an epoch (200) or not yet (202).
///
/// With `wait=visible` the answer comes when they do, or when the time is up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EpochParams {
    /// The epoch, as a write gave it.
    epoch: u64,
    /// `visible`: wait until every view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

async fn epoch(state: AppState, params: EpochParams, _: Nothing) -> Result<(StatusCode, Written), Problem> {
    Ok(write::shown(&state, Epoch(params.epoch), params.wait, params.wait_secs).await)
}
