//! Every record, the newest first.

use super::{list::List, shape::Note};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::Problem,
    routes::Routes,
};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::rows::LatestRow;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Catalog");
    routes.view("/v1/latest", latest);
}

/// Every record, the newest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LatestParams {
    /// Only records of this kind: `note`, `image`.
    kind: Option<String>,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

fn latest(reading: &Reading<'_>, params: LatestParams) -> Result<Page<Note>, Problem> {
    let list = List {
        listing: Listing::Latest,
        scope: &[params.kind.as_deref().unwrap_or("")],
        prefix: Vec::new(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: LatestRow| {
        params.kind.as_ref().is_none_or(|kind| *kind == row.note.kind).then(|| Note::from(row.note))
    })
}
