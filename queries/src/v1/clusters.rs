//! Who says the same: clusters of a space, what is in them, and what is like a text.
//!
//! ```text
//!  name ─► item ─► its text ─► root of the cluster ─► its theme      an old name leads to where its item is now
//! ```
//!
//! A cluster goes by the name of its oldest member. So a name never dangles while that item is there: asked for by
//! another member's name, a cluster answers under its own and says so (`redirected_from`).

mod hand;
pub mod items;
mod lookup;
pub mod orders;
pub mod similar;
mod snapshot;
pub(crate) mod standing;

use lookup::theme_of;
pub(crate) use lookup::{Named, named, row};
pub use snapshot::{ClusterSnapshot, SnapshotMember, snapshot};

pub(super) use standing::standing;

use super::{jobs::JobView, list::List, shape::Time};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::{Operation, Routes},
};
use axum::http::{Method, StatusCode};
use items::Item;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Uri,
    job::FixState,
    key::KeyWriter,
    rows::{ClusterLevel, ClusterOrder, ClusterRankRow, ClusterRow},
};
use standing::Standing;

/// The most jobs that are shown with a cluster.
const MAX_JOBS: usize = 20;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Clusters");
    routes.view("/v1/clusters", clusters);
    routes.view("/v1/clusters/{id}", cluster).may(Kind::NotFound);
    let operation = routes.view::<ClusterParams, Page<Item>>("/v1/clusters/{id}/items", items::items);
    operation.says("The items of a cluster").may(Kind::NotFound);
    routes.command(Method::POST, "/v1/similar", similar::similar);
    by_hand(routes);
}

/// Adds what changes clusters, and tells how they were changed.
fn by_hand(routes: &mut Routes) {
    type Lists = Page<orders::ClusterOrderView>;
    routes.view::<_, Lists>("/v1/clusters/{id}/orders", orders::of_cluster).may(Kind::NotFound);
    routes.view::<_, Lists>("/v1/orders", orders::orders);
    let may_wait = |operation: &mut Operation| {
        operation.may(Kind::Unavailable).may(Kind::NotFound);
        operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
    };
    let on = |operation: &mut Operation, summary: &str| may_wait(operation.says(summary));
    on(
        routes
            .command(Method::POST, "/v1/clusters/{id}/pin", hand::pin)
            .may(Kind::Mismatch)
            .may(Kind::Conflict),
        "Keeps items in their cluster, with its oldest members, wherever the algorithm would put them",
    );
    on(
        routes
            .command(Method::POST, "/v1/clusters/{id}/move", hand::move_)
            .may(Kind::Mismatch)
            .may(Kind::Conflict),
        "Moves items from their cluster into another one of the space",
    );
    on(
        routes.command(Method::POST, "/v1/clusters/{id}/split", hand::split).may(Kind::Mismatch),
        "Makes a cluster of their own of items of a cluster",
    );
    on(
        routes
            .command(Method::POST, "/v1/clusters/{id}/merge", hand::merge)
            .may(Kind::Mismatch)
            .may(Kind::Conflict),
        "Makes one of two clusters of a space, and of whatever becomes part of them",
    );
    may_wait(routes.command(Method::DELETE, "/v1/clusters/{id}/orders", orders::undo_cluster));
    may_wait(routes.command(Method::DELETE, "/v1/orders/{*order}", orders::undo));
}

/// The clusters of a space.
///
/// By size, by growth (items, each worth half as much a half-life later), or by the time of the newest item; the
/// greatest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClustersParams {
    /// Where: a feedback project, or a space of the configuration. `project` means the same.
    #[serde(alias = "project")]
    pub(crate) space: String,
    /// Clusters, near-duplicates alone, or themes.
    #[serde(default)]
    pub(crate) level: Level,
    /// In which order.
    #[serde(default)]
    pub(crate) sort: Sort,
    /// Only those with so many items.
    #[serde(default)]
    pub(crate) min_items: u64,
    /// Only those with items of this source (of the eight most common ones of each).
    pub(crate) source: Option<String>,
    /// Only those that stand so: of clusters alone.
    pub(crate) status: Option<Status>,
    /// Only the clusters of this theme, by its name or that of any item in it.
    pub(crate) theme: Option<String>,
    /// The most items.
    #[serde(default)]
    pub(crate) limit: Limit,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// A cluster, and its items.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterParams {
    /// The cluster's name, or that of any of its members.
    pub(crate) id: String,
    /// Where, if the item is in several spaces.
    #[serde(alias = "project")]
    pub(crate) space: Option<String>,
    /// The cluster, those near-duplicates alone, or the theme that the cluster belongs to.
    #[serde(default)]
    pub(crate) level: Level,
    /// The most items on the page.
    #[serde(default)]
    pub(crate) limit: Limit,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// How a cluster stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Status {
    New,
    Fixing,
    PrOpened,
    Failed,
    Resolved,
}

impl From<Status> for FixState {
    fn from(status: Status) -> Self {
        match status {
            Status::New => Self::New,
            Status::Fixing => Self::Fixing,
            Status::PrOpened => Self::PrOpened,
            Status::Failed => Self::Failed,
            Status::Resolved => Self::Resolved,
        }
    }
}

/// How much the members have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Level {
    /// They are about the same.
    #[default]
    Cluster,
    /// They say the same in nearly the same words.
    Duplicates,
    /// Clusters about the same sort of thing.
    Theme,
}

impl From<Level> for ClusterLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Cluster => Self::Cluster,
            Level::Duplicates => Self::Duplicates,
            Level::Theme => Self::Theme,
        }
    }
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Sort {
    /// The most items first.
    #[default]
    Size,
    /// What grows most first.
    Growth,
    /// The newest first.
    LastSeen,
}

impl From<Sort> for ClusterOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Size => Self::Size,
            Sort::Growth => Self::Growth,
            Sort::LastSeen => Self::LastSeen,
        }
    }
}

/// A cluster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Cluster {
    /// Its name.
    pub id: String,
    /// Where it is.
    pub space: String,
    /// A cluster, near-duplicates or a theme.
    pub level: String,
    /// How many items.
    pub items: u64,
    /// How many distinct texts.
    pub texts: u64,
    /// How many items are in it because somebody said so: they were pinned, moved or split off.
    pub by_hand: u64,
    /// The title of the item that stands for it, at most 80 bytes.
    pub title: String,
    /// The beginning of that item's text, at most 300 bytes.
    pub summary: String,
    /// Words of both that most of the cluster shares, the commonest first.
    pub keywords: Vec<String>,
    /// The item that stands for it.
    #[schemars(with = "String")]
    pub representative: Uri,
    /// Where its items come from: the eight most common sources.
    pub sources: Vec<SourceCount>,
    /// The time of the oldest item.
    pub first_seen: Time,
    /// The time of the newest item.
    pub last_seen: Time,
    /// How many items are new.
    pub growth: Growth,
    /// Of a cluster, what its jobs make of it: `new`, `fixing`, `pr_opened`, `failed` or `resolved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
}

/// Items of a source.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SourceCount {
    /// Its name.
    pub source: String,
    /// How many.
    pub items: u64,
}

/// New items, by the epoch's clock.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Growth {
    /// In the last hour.
    pub hour: u64,
    /// In the last 24 hours.
    pub day: u64,
    /// In the last 7 days.
    pub week: u64,
    /// All, each worth half as much a half-life later. Comparable within one answer.
    pub trend: u64,
}

impl Cluster {
    fn of(row: ClusterRow, standing: &Standing) -> Self {
        let is_cluster = row.level == ClusterLevel::Cluster;
        let status = is_cluster.then(|| standing.of(&row.space, row.root).state.name());
        let facts = row.facts;
        let [hour, day, week] = facts.growth;
        let source = |(source, items)| SourceCount { source, items };
        Self {
            id: row.id.as_str().to_owned(),
            space: row.space.as_str().to_owned(),
            level: row.level.name().to_owned(),
            items: facts.items,
            texts: facts.texts,
            by_hand: facts.by_hand,
            title: facts.title,
            summary: facts.summary,
            keywords: facts.keywords,
            representative: facts.representative,
            sources: facts.sources.into_iter().map(source).collect(),
            first_seen: Time(facts.first_seen),
            last_seen: Time(facts.last_seen),
            growth: Growth { hour, day, week, trend: facts.trend },
            status,
        }
    }
}

/// A cluster with a page of its items.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ClusterPage {
    /// The cluster.
    pub cluster: Cluster,
    /// The name that was asked for, if it is not the cluster's own (any more).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirected_from: Option<String>,
    /// Of a cluster, the theme that it belongs to, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<Theme>,
    /// Jobs about it, whatever it was called when they were ordered: the newest first, at most 20. Of themes none.
    pub jobs: Vec<JobView>,
    /// Its items: those of a cluster, and near-duplicates, beside each other, the oldest of a text first.
    #[serde(flatten)]
    pub page: Page<Item>,
}

/// What a cluster belongs to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Theme {
    /// Its name.
    pub id: String,
    /// The title of the item that stands for it.
    pub title: String,
}

pub(crate) fn clusters(reading: &Reading<'_>, params: ClustersParams) -> Result<Page<Cluster>, Problem> {
    let (level, order) = (ClusterLevel::from(params.level), ClusterOrder::from(params.sort));
    let mut prefix = KeyWriter::new();
    prefix.text(&params.space).byte(level as u8).byte(order as u8);
    let status = params.status.map(FixState::from);
    if status.is_some() && level != ClusterLevel::Cluster {
        return Err(Problem::parameter("status", "only clusters have one"));
    }
    if params.theme.is_some() && level != ClusterLevel::Cluster {
        return Err(Problem::parameter("theme", "only clusters belong to one"));
    }
    let theme = match &params.theme {
        None => None,
        Some(id) => {
            let named = named(reading.snapshot, id, Some(&params.space))?;
            Some(named.root(reading.snapshot, Level::Theme)?.ok_or_else(|| named.nothing(Level::Theme))?)
        }
    };
    let standing = Standing::read(reading.snapshot)?;
    let (min_items, source) = (params.min_items.to_string(), params.source.as_deref());
    let list = List {
        listing: Listing::Clusters,
        scope: &[
            &params.space,
            level.name(),
            order.name(),
            &min_items,
            if source.is_some() { "of" } else { "" },
            source.unwrap_or(""),
            status.map_or("", FixState::name),
            params.theme.as_deref().unwrap_or(""),
        ],
        prefix: prefix.into_bytes(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    let mut failed = None;
    let page = list.page(reading, |rank: ClusterRankRow| {
        if failed.is_some() {
            return None;
        }
        let row = row(reading.snapshot, &rank.space, level, rank.root).unwrap_or_else(|problem| {
            failed = Some(problem);
            None
        })?;
        let told = |source: &str| row.facts.sources.iter().any(|(other, _)| other == source);
        let stands = status.is_none_or(|status| standing.of(&row.space, row.root).state == status);
        let is_wanted = row.facts.items >= params.min_items && source.is_none_or(told) && stands;
        let belongs = match theme {
            Some(_) if is_wanted => theme_of(reading.snapshot, &row.space, row.root).map(|of| of == theme),
            _ => Ok(true),
        };
        let belongs = belongs.unwrap_or_else(|problem| {
            failed = Some(problem);
            false
        });
        (is_wanted && belongs).then(|| Cluster::of(row, &standing))
    });
    failed.map_or(page, Err)
}

pub(crate) fn cluster(reading: &Reading<'_>, params: ClusterParams) -> Result<ClusterPage, Problem> {
    let named = named(reading.snapshot, &params.id, params.space.as_deref())?;
    let row = named.row(reading.snapshot, params.level)?;
    let redirected_from = (row.id.as_str() != params.id).then_some(params.id);
    let page = items::page(reading, &named, params.level, params.limit, params.cursor.as_deref())?;
    let standing = Standing::read(reading.snapshot)?;
    let jobs = match params.level {
        Level::Theme => Vec::new(),
        _ => standing.jobs(reading.snapshot, &named.space, named.cluster, MAX_JOBS)?,
    };
    let theme = match params.level {
        Level::Cluster => named.find(reading.snapshot, Level::Theme)?,
        _ => None,
    };
    let theme = theme.map(|row| Theme { id: row.id.as_str().to_owned(), title: row.facts.title });
    Ok(ClusterPage { cluster: Cluster::of(row, &standing), redirected_from, theme, jobs, page })
}
