//! Who can be set to work, and what they are at.

use crate::{answer::Reading, control::AgentStatus, problem::Problem, routes::Routes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Jobs");
    routes.live("/v1/agents", agents);
}

/// The agents of the configuration, and what each is at now.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AgentsParams {}

/// The agents.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Agents {
    /// Each of them.
    pub agents: Vec<AgentStatus>,
}

#[expect(clippy::unnecessary_wraps, reason = "a view may fail")]
fn agents(reading: &Reading<'_>, _: AgentsParams) -> Result<Agents, Problem> {
    Ok(Agents { agents: reading.state.control.agents() })
}
