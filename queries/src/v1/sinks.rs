//! Whom what changes in the views is told: how those sinks are, and telling them what to do.

use crate::{
    control::SinkCommand,
    params::Nothing,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_sinks::follow::SinkStatus;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Sources");
    // Not a read of the views: a sink's state is asked of their writer.
    routes.command(Method::GET, "/v1/sinks", sinks);
    let command = routes.command(Method::POST, "/v1/sinks/{sink}/{action}", command);
    command.may(Kind::NotFound).may(Kind::Unavailable);
}

/// The sinks that follow views: what they are at, and how far behind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SinksParams {}

/// Tells a sink what to do.
///
/// `pause`: rest; what changes meanwhile is kept for it, up to `changes.hold_bytes`. `resume`: go on. `reset`: begin
/// again, with the rows as they are; the way on for a sink that is lost.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CommandParams {
    /// The sink, by its name in the configuration.
    sink: String,
    /// What to do.
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Action {
    Pause,
    Resume,
    Reset,
}

/// The sinks.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Sinks {
    /// The last epoch that the views show.
    pub epoch: u64,
    /// Each of them.
    pub sinks: Vec<SinkStatus>,
}

async fn sinks(state: AppState, _: SinksParams, _: Nothing) -> Result<(StatusCode, Sinks), Problem> {
    Ok((StatusCode::OK, Sinks { epoch: state.reader.applied().0, sinks: state.control.sinks() }))
}

async fn command(
    state: AppState,
    params: CommandParams,
    _: Nothing,
) -> Result<(StatusCode, SinkStatus), Problem> {
    let command = match params.action {
        Action::Pause => SinkCommand::Pause,
        Action::Resume => SinkCommand::Resume,
        Action::Reset => SinkCommand::Reset,
    };
    Ok((StatusCode::OK, state.control.sink_command(&params.sink, command).await?))
}
