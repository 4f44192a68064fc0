//! What matters now: the best nodes by several orders.

use super::{list::List, names};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    NodeName,
    rows::{Order, TopRow},
};

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Rankings");
    routes.view("/v1/rankings/{order}", ranking).may(Kind::NotFound);
}

/// The best nodes by an order, best first.
///
/// Orders: `size` (notes of the node), `indegree` (distinct authors who link to it), `rank` (visits of random
/// walkers over the links), `trending` (touches, each worth half as much a half-life later), and `1h`, `24h`,
/// `7d`, `30d` (touches by notes of the last hour, day, week, month). The list ends after the best few hundred.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RankingParams {
    /// By what.
    order: String,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A node in a ranking.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Ranked {
    /// Which node.
    #[schemars(with = "String")]
    pub node: NodeName,
    /// How much. Comparable within one answer; for `trending` in no unit.
    pub score: u64,
}

fn ranking(reading: &Reading<'_>, params: RankingParams) -> Result<Page<Ranked>, Problem> {
    let Some(order) = Order::from_name(&params.order) else {
        let known: Vec<&str> = Order::ALL.iter().map(|order| order.name()).collect();
        let asked = names::shown(&params.order);
        return Err(Problem::not_found(format!(
            "there is no order `{asked}`; there are: {}",
            known.join(", ")
        )));
    };
    let list = List {
        listing: Listing::Rankings,
        scope: &[order.name()],
        prefix: vec![order as u8],
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: TopRow| Some(Ranked { node: row.node, score: row.score }))
}
