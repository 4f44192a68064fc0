//! Who says the same: clusters of a space, what is in them, and what is like a text.
//!
//! ```text
//!  name ─► item ─► its text ─► root of the cluster      an old name leads to where its item is now
//! ```
//!
//! A cluster goes by the name of its oldest member. So a name never dangles while that item is there: asked for by
//! another member's name, a cluster answers under its own and says so (`redirected_from`).

pub mod items;
pub mod similar;
mod snapshot;
pub(crate) mod standing;

pub use snapshot::{ClusterSnapshot, SnapshotMember, snapshot};

pub(super) use standing::standing;

use super::{
    jobs::JobView,
    list::{self, List},
    names,
    shape::Time,
};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
};
use axum::http::Method;
use items::{Item, ItemsParams};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Space, TextId, Uri, UriId,
    job::FixState,
    key::KeyWriter,
    rows::{ClusterLevel, ClusterNameRow, ClusterOrder, ClusterRankRow, ClusterRow, ClusterTextRow},
};
use springline_sinks::{Scan, Snapshot};
use standing::Standing;

/// The most jobs that are shown with a cluster.
const MAX_JOBS: usize = 20;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Clusters");
    routes.view("/v1/clusters", clusters);
    routes.view("/v1/clusters/{id}", cluster).may(Kind::NotFound);
    routes.view::<ItemsParams, Page<Item>>("/v1/clusters/{id}/items", items::items).may(Kind::NotFound);
    routes.command(Method::POST, "/v1/similar", similar::similar);
}

/// The clusters of a space.
///
/// By size, by growth (items, each worth half as much a half-life later), or by the time of the newest item; the
/// greatest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClustersParams {
    /// Where: a feedback project, or a space of the configuration. `project` means the same.
    #[serde(alias = "project")]
    space: String,
    /// Clusters, or near-duplicates alone.
    #[serde(default)]
    level: Level,
    /// In which order.
    #[serde(default)]
    sort: Sort,
    /// Only those with so many items.
    #[serde(default)]
    min_items: u64,
    /// Only those with items of this source (of the eight most common ones of each).
    source: Option<String>,
    /// Only those that stand so: of clusters, not of near-duplicates.
    status: Option<Status>,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A cluster, and its items.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClusterParams {
    /// The cluster's name, or that of any of its members.
    id: String,
    /// Where, if the item is in several spaces.
    #[serde(alias = "project")]
    space: Option<String>,
    /// The cluster, or those near-duplicates alone.
    #[serde(default)]
    level: Level,
    /// The most items on the page.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// How a cluster stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Status {
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
}

impl From<Level> for ClusterLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Cluster => Self::Cluster,
            Level::Duplicates => Self::Duplicates,
        }
    }
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Sort {
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
    /// A cluster, or near-duplicates.
    pub level: String,
    /// How many items.
    pub items: u64,
    /// How many distinct texts.
    pub texts: u64,
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
    /// Jobs about it, whatever it was called when they were ordered: the newest first, at most 20.
    pub jobs: Vec<JobView>,
    /// Its items: near-duplicates beside each other, the oldest of a text first.
    #[serde(flatten)]
    pub page: Page<Item>,
}

fn clusters(reading: &Reading<'_>, params: ClustersParams) -> Result<Page<Cluster>, Problem> {
    let (level, order) = (ClusterLevel::from(params.level), ClusterOrder::from(params.sort));
    let mut prefix = KeyWriter::new();
    prefix.text(&params.space).byte(level as u8).byte(order as u8);
    let status = params.status.map(FixState::from);
    if status.is_some() && level == ClusterLevel::Duplicates {
        return Err(Problem::parameter("status", "near-duplicates have none: their cluster has"));
    }
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
        is_wanted.then(|| Cluster::of(row, &standing))
    });
    failed.map_or(page, Err)
}

fn cluster(reading: &Reading<'_>, params: ClusterParams) -> Result<ClusterPage, Problem> {
    let named = named(reading.snapshot, &params.id, params.space.as_deref())?;
    let row = named.row(reading.snapshot, params.level)?;
    let redirected_from = (row.id.as_str() != params.id).then_some(params.id);
    let page = items::page(reading, &named, params.level, params.limit, params.cursor.as_deref())?;
    let standing = Standing::read(reading.snapshot)?;
    let jobs = standing.jobs(reading.snapshot, &named.space, named.cluster, MAX_JOBS)?;
    Ok(ClusterPage { cluster: Cluster::of(row, &standing), redirected_from, jobs, page })
}

/// A cluster or a duplicate set by its root.
pub(crate) fn row(
    snapshot: &Snapshot<'_>,
    space: &Space,
    level: ClusterLevel,
    root: TextId,
) -> Result<Option<ClusterRow>, Problem> {
    let mut key = KeyWriter::new();
    key.text(space.as_str()).byte(level as u8).id(UriId(root.0));
    Ok(snapshot.get(&key.into_bytes())?)
}

/// Where the item is that a name stands for.
pub(crate) struct Named {
    asked: String,
    pub(crate) space: Space,
    pub(crate) cluster: TextId,
    duplicates: TextId,
}

impl Named {
    fn root(&self, level: Level) -> TextId {
        match level {
            Level::Cluster => self.cluster,
            Level::Duplicates => self.duplicates,
        }
    }

    pub(crate) fn row(&self, snapshot: &Snapshot<'_>, level: Level) -> Result<ClusterRow, Problem> {
        let found = row(snapshot, &self.space, level.into(), self.root(level))?;
        found.ok_or_else(|| {
            Problem::not_found(format!("`{}` has no near-duplicates", names::shown(&self.asked)))
        })
    }
}

/// What a name stands for now: in the space asked for, or the first that it is in.
pub(crate) fn named(snapshot: &Snapshot<'_>, id: &str, space: Option<&str>) -> Result<Named, Problem> {
    let nothing = || {
        let asked = names::shown(id);
        Problem::not_found(format!(
            "no item has the name `{asked}` (any more); /v1/clusters lists the clusters"
        ))
    };
    let parts: Vec<&str> = [Some(id), space].into_iter().flatten().collect();
    let scan = Scan { prefix: list::key(&parts), limit: 1, ..Scan::default() };
    let name: ClusterNameRow = snapshot.scan(&scan)?.pop().ok_or_else(nothing)?;
    let text = text(snapshot, &name.space, name.text)?.ok_or_else(nothing)?;
    let ClusterTextRow { space, cluster, duplicates, .. } = text;
    Ok(Named { asked: id.to_owned(), space, cluster, duplicates })
}

/// Where a text is.
fn text(snapshot: &Snapshot<'_>, space: &Space, text: TextId) -> Result<Option<ClusterTextRow>, Problem> {
    Ok(snapshot.get(&text_key(space, text))?)
}

/// The key of a text, which is what the keys of its items begin with.
fn text_key(space: &Space, text: TextId) -> Vec<u8> {
    let mut key = KeyWriter::new();
    key.text(space.as_str()).id(UriId(text.0));
    key.into_bytes()
}
