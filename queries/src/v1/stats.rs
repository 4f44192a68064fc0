//! How much feedback there is.

use super::{feedback::project, list};
use crate::{answer::Reading, page::Limit, problem::Problem, routes::Routes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    FeedbackSource, FeedbackStatus, Project,
    rows::{FeedbackDayRow, FeedbackTotalRow},
};
use springline_sinks::{Scan, Snapshot};
use std::collections::BTreeMap;

/// The most totals that are added up.
const MAX_TOTALS: usize = 10_000;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Feedback");
    routes.view("/v1/stats", stats);
}

/// How much feedback there is: by project, source and status, and by day.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StatsParams {
    /// Only of this project.
    project: Option<String>,
    /// For how many of the last days there are sums: those before the newest item's. At most 366.
    #[serde(default = "Limit::<366>::default")]
    days: Limit<366>,
}

/// How much feedback there is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Stats {
    /// The epoch that the answer is complete as of.
    epoch: u64,
    /// Items.
    items: u64,
    /// By project.
    projects: BTreeMap<String, u64>,
    /// By source.
    sources: BTreeMap<&'static str, u64>,
    /// By status.
    statuses: BTreeMap<&'static str, u64>,
    /// By day (`2026-08-19`) on which they were said.
    days: BTreeMap<String, u64>,
}

/// How many items there are, by project, source and status: of one project, or of all.
pub(crate) fn totals(
    snapshot: &Snapshot<'_>,
    project: Option<&Project>,
) -> Result<Vec<FeedbackTotalRow>, Problem> {
    let prefix = project.map(|project| list::key(&[project.as_str()])).unwrap_or_default();
    Ok(snapshot.scan(&Scan { prefix, limit: MAX_TOTALS, ..Scan::default() })?)
}

fn stats(reading: &Reading<'_>, params: StatsParams) -> Result<Stats, Problem> {
    let project = project(params.project.as_deref())?;
    let mut stats = Stats {
        epoch: reading.snapshot.epoch().0,
        items: 0,
        projects: BTreeMap::new(),
        sources: BTreeMap::new(),
        statuses: BTreeMap::new(),
        days: BTreeMap::new(),
    };
    for row in totals(reading.snapshot, project.as_ref())? {
        stats.items += row.items;
        *stats.projects.entry(row.project.to_string()).or_default() += row.items;
        *stats.sources.entry(row.source.name()).or_default() += row.items;
        *stats.statuses.entry(row.status.name()).or_default() += row.items;
    }
    for project in stats.projects.keys() {
        // A day has at most a row for each source and status.
        let rows = FeedbackSource::ALL.len() * FeedbackStatus::ALL.len() * params.days.get();
        let scan = Scan { prefix: list::key(&[project]), limit: rows, ..Scan::default() };
        for row in reading.snapshot.scan::<FeedbackDayRow>(&scan)? {
            *stats.days.entry(row.day.date()).or_default() += row.items;
        }
    }
    while stats.days.len() > params.days.get() {
        stats.days.pop_first();
    }
    Ok(stats)
}
