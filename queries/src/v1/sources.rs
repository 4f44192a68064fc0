//! Where everything comes from: how the sources are, what they brought, and telling them what to do.

use crate::{
    answer::Reading,
    control::{SourceCommand, SourceStatus},
    params::Nothing,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use springline_model::rows::SourceRow;
use springline_sinks::{ReadError, Scan};
use std::collections::BTreeMap;

/// The most (source, kind) pairs that one answer counts.
const MAX_COUNTED: usize = 10_000;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Sources");
    routes.live("/v1/sources", sources);
    let command = routes.command(Method::POST, "/v1/sources/{source}/{action}", command);
    command.may(Kind::NotFound).may(Kind::Conflict).may(Kind::Unavailable);
}

/// The sources: their state, positions and lag, and what they have brought.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SourcesParams {}

/// Tells a source what to do.
///
/// `pull`: look upstream now. `pause`: stop reading, keep what is there. `resume`: go on. `reset`: forget the
/// positions and read everything again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CommandParams {
    /// The source, by its name in the configuration.
    source: String,
    /// What to do.
    action: Action,
    /// For `pull`: only this partition, e.g. `garden/flancian`.
    partition: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Action {
    Pull,
    Pause,
    Resume,
    Reset,
}

/// The sources.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Sources {
    /// The epoch that the counts are complete as of.
    pub epoch: u64,
    /// Each of them.
    pub sources: Vec<Source>,
}

/// A source.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Source {
    /// How it is, in its own words.
    #[serde(flatten)]
    pub status: SourceStatus,
    /// What it has brought and can be seen, by kind of record.
    pub brought: Vec<Brought>,
}

/// What a source has brought of a kind.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Brought {
    /// The kind of record.
    pub kind: String,
    /// Records.
    pub records: u64,
    /// Links in them.
    pub links: u64,
    /// Bytes, as the source has them.
    pub bytes: u64,
}

/// What a source has to say about a command.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Commanded {
    /// The source.
    pub source: String,
    /// In its own words; for a pull, what was found.
    pub result: Value,
}

fn sources(reading: &Reading<'_>, _: SourcesParams) -> Result<Sources, Problem> {
    let scan = Scan { prefix: Vec::new(), after: None, reverse: false, limit: MAX_COUNTED };
    let mut brought: BTreeMap<String, Vec<Brought>> = BTreeMap::new();
    // Who only ingests counts nothing.
    let counted = match reading.snapshot.scan::<SourceRow>(&scan) {
        Err(ReadError::Off(_)) => Vec::new(),
        rows => rows?,
    };
    for row in counted {
        let SourceRow { source, kind, records, links, bytes } = row;
        brought.entry(source.to_string()).or_default().push(Brought { kind, records, links, bytes });
    }
    let running = reading.state.control.status().sources.into_iter().map(|status| {
        let brought = brought.remove(&status.name).unwrap_or_default();
        Source { status, brought }
    });
    let mut sources: Vec<Source> = running.collect();
    // Those that are no longer configured and whose records are still there.
    sources.extend(brought.into_iter().map(|(name, brought)| {
        let detail = [("state".to_owned(), Value::from("gone"))].into_iter().collect();
        Source { status: SourceStatus { name, detail }, brought }
    }));
    Ok(Sources { epoch: reading.snapshot.epoch().0, sources })
}

async fn command(
    state: AppState,
    params: CommandParams,
    _: Nothing,
) -> Result<(StatusCode, Commanded), Problem> {
    let CommandParams { source, action, partition } = params;
    if partition.is_some() && action != Action::Pull {
        return Err(Problem::parameter("partition", "only `pull` takes one"));
    }
    let command = match action {
        Action::Pull => SourceCommand::Pull { partition },
        Action::Pause => SourceCommand::Pause,
        Action::Resume => SourceCommand::Resume,
        Action::Reset => SourceCommand::Reset,
    };
    let result = state.control.source_command(&source, command).await?;
    Ok((StatusCode::OK, Commanded { source, result }))
}
