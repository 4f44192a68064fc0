//! Repositories of the network, and what of it was missed.

use super::{
    list::{self, List},
    shape::{Tid, Time},
};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::Problem,
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Uri,
    rows::{GapRow, RepoRow, ResyncRow},
};

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Network");
    routes.view("/v1/repos", repos);
    routes.view("/v1/gaps", gaps);
}

/// Repositories of which anything was ever heard, by DID.
///
/// Hidden ones, too: not what is in them. A page may hold fewer than asked for and still have a next one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReposParams {
    /// Only those in this state.
    state: Option<State>,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A state of repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum State {
    /// Versions were missed: it has to be fetched as a whole.
    Desynchronized,
    /// Its host, or a label, hides it.
    Hidden,
}

/// Stretches of upstreams that were never seen and can't be had any more, the newest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GapsParams {
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A repository.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Repo {
    /// Whose.
    pub did: String,
    /// The newest version that was seen.
    pub rev: Option<Tid>,
    /// Whether its host shows it: `active`, `deactivated`, `suspended`, `takendown`, `deleted`, `inactive`.
    pub hosting: String,
    /// Whether a label takes the whole account down.
    pub labelled: bool,
    /// Since which version others are missing: it has to be fetched as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desynchronized: Option<Tid>,
}

impl From<RepoRow> for Repo {
    fn from(row: RepoRow) -> Self {
        Self {
            did: row.authority.rest().trim_end_matches('/').to_owned(),
            rev: (row.rev.0 > 0).then_some(Tid(row.rev)),
            hosting: row.hosting.name().to_owned(),
            labelled: row.hidden_by > 0,
            desynchronized: row.desynchronized.map(Tid),
        }
    }
}

/// A stretch of an upstream that was never seen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Gap {
    /// When it was noticed.
    pub at: Time,
    /// The source.
    pub source: String,
    /// Of what: a relay's host.
    pub partition: String,
    /// The last position that was seen.
    pub from: String,
    /// The first one after it.
    pub to: String,
    /// How it came about.
    pub reason: String,
}

impl From<GapRow> for Gap {
    fn from(GapRow { source, gap }: GapRow) -> Self {
        let springline_model::Gap { partition, from, to, at, reason } = gap;
        Self { at: Time(at), source: source.to_string(), partition, from, to, reason }
    }
}

fn repos(reading: &Reading<'_>, params: ReposParams) -> Result<Page<Repo>, Problem> {
    let state = params.state.map(|state| format!("{state:?}")).unwrap_or_default();
    let scope = [state.as_str()];
    let (limit, cursor) = (params.limit, params.cursor.as_deref());
    let list = List { listing: Listing::Repos, scope: &scope, prefix: Vec::new(), limit, cursor };
    if params.state != Some(State::Desynchronized) {
        let is_asked_for = |row: &RepoRow| params.state.is_none() || !row.is_visible();
        return list.page(reading, |row: RepoRow| is_asked_for(&row).then(|| row.into()));
    }
    // These have a list of their own.
    let page: Page<Uri> = list.page(reading, |row: ResyncRow| Some(row.authority))?;
    let mut items = Vec::with_capacity(page.items.len());
    for authority in &page.items {
        let row: Option<RepoRow> = reading.snapshot.get(&list::key(&[authority.as_str()]))?;
        items.extend(row.map(Repo::from));
    }
    Ok(page.with(reading, items))
}

fn gaps(reading: &Reading<'_>, params: GapsParams) -> Result<Page<Gap>, Problem> {
    let (limit, cursor) = (params.limit, params.cursor.as_deref());
    let list = List { listing: Listing::Gaps, scope: &[], prefix: Vec::new(), limit, cursor };
    list.page(reading, |row: GapRow| Some(row.into()))
}
