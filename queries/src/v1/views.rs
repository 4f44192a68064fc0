//! The views themselves: which there are, and a fingerprint of what they hold.

use crate::{answer::Reading, problem::Problem, routes::Routes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::View;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Operation");
    routes.live("/v1/views", views);
}

/// The views: their rows, versions and fingerprints.
///
/// A fingerprint is the count of the rows and an order-free sum of their hashes: two servers that were told the
/// same, in whatever order, have the same.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ViewsParams {}

/// The views.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Views {
    /// The epoch that the fingerprints are of.
    pub epoch: u64,
    /// Each of them.
    pub views: Vec<ViewState>,
    /// How far each process is, if there are several: the views are those of all that answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessState>,
}

/// One of several processes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ProcessState {
    /// Its number, from 0.
    pub process: usize,
    /// Whether it answers.
    pub answers: bool,
    /// The last epoch that it has applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<u64>,
}

/// A view.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ViewState {
    /// Its name.
    pub name: String,
    /// The version of its definition in this program.
    pub version: u16,
    /// The version that the stored rows were made by; another one is recomputed at the start.
    pub stored_version: Option<u16>,
    /// The epoch that the stored rows are of.
    pub applied: u64,
    /// Whether it is not kept here: neither computed nor served.
    pub off: bool,
    /// How many rows it has.
    pub rows: u64,
    /// The sum of their hashes, hexadecimal.
    pub sum: String,
}

fn views(reading: &Reading<'_>, _: ViewsParams) -> Result<Views, Problem> {
    let views = View::ALL.iter().map(|view| {
        let status = reading.snapshot.status(*view);
        ViewState {
            name: view.name().to_owned(),
            version: view.version(),
            stored_version: status.version,
            applied: status.applied.0,
            off: reading.snapshot.is_off(*view),
            rows: status.fingerprint.rows,
            sum: format!("{:032x}", status.fingerprint.sum),
        }
    });
    let views = views.collect();
    let processes = reading.snapshot.processes().iter().enumerate().map(|(process, status)| ProcessState {
        process,
        answers: status.is_some(),
        applied: status.as_ref().map(|status| status.epoch.0),
    });
    Ok(Views { epoch: reading.snapshot.epoch().0, views, processes: processes.collect() })
}
