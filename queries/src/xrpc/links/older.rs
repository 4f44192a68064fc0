//! The older form of the same: `/links`, with collection and path apart.

use super::{
    BacklinkDids, LinkRecord, PageLimit, accounts, dids,
    lookup::{Links, Total},
    records, usual,
};
use crate::{
    answer::Reading,
    problem::{Kind, Problem},
    routes::Routes,
    v1::{backlinks::groups, names},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Adds the routes.
pub(super) fn routes(routes: &mut Routes) {
    routes.view("/links", links).may(Kind::NotFound);
    routes.view("/links/count", count).may(Kind::NotFound);
    routes.view("/links/distinct-dids", distinct_dids).may(Kind::NotFound);
    routes.view("/links/count/distinct-dids", count_dids).may(Kind::NotFound);
    routes.view("/links/all", all).may(Kind::NotFound);
    routes.view("/links/all/count", all_counts).may(Kind::NotFound);
}

/// Records that link to a target, newest first.
///
/// Constellation's `/links`; newer clients use `blue.microcosm.links.getBacklinks`.
#[derive(Debug, Deserialize, JsonSchema)]
struct LinksParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    target: String,
    /// The kind of the records that link: `app.bsky.feed.like`.
    collection: String,
    /// Where in them: `.subject.uri`.
    path: String,
    /// Only links of these accounts. May be given up to 100 times.
    #[serde(default)]
    did: Vec<String>,
    /// The same, in one text with commas. Not both.
    from_dids: Option<String>,
    /// The most records.
    #[serde(default = "usual")]
    limit: PageLimit,
    /// Oldest first.
    #[serde(default)]
    reverse: bool,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

/// How many records link to a target.
///
/// Constellation's `/links/count`, which has no `did`.
#[derive(Debug, Deserialize, JsonSchema)]
struct CountParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    target: String,
    /// The kind of the records that link: `app.bsky.feed.like`.
    collection: String,
    /// Where in them: `.subject.uri`.
    path: String,
    /// Only links of these accounts. May be given up to 100 times.
    #[serde(default)]
    did: Vec<String>,
}

/// Accounts that link to a target, by DID.
///
/// Constellation's `/links/distinct-dids`, but that it has them by time.
#[derive(Debug, Deserialize, JsonSchema)]
struct DidsParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    target: String,
    /// The kind of the records that link: `app.bsky.feed.like`.
    collection: String,
    /// Where in them: `.subject.uri`.
    path: String,
    /// The most accounts.
    #[serde(default = "usual")]
    limit: PageLimit,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

/// How many accounts link to a target.
///
/// Constellation's `/links/count/distinct-dids`, which has no `did`.
#[derive(Debug, Deserialize, JsonSchema)]
struct CountDidsParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    target: String,
    /// The kind of the records that link: `app.bsky.feed.like`.
    collection: String,
    /// Where in them: `.subject.uri`.
    path: String,
    /// Only links of these accounts. May be given up to 100 times.
    #[serde(default)]
    did: Vec<String>,
}

/// Everything that links to a target, by collection and path.
///
/// Constellation's `/links/all`. At most 5,000 collections and paths.
#[derive(Debug, Deserialize, JsonSchema)]
struct AllParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    target: String,
}

/// How many records link to a target, by collection and path.
///
/// Constellation's `/links/all/count`; newer clients use `/links/all`.
#[derive(Debug, Deserialize, JsonSchema)]
struct AllCountsParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    target: String,
}

/// Records that link to a target.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LinkingRecords {
    /// How many there are on all pages.
    #[serde(flatten)]
    pub total: Total,
    /// These of them.
    pub linking_records: Vec<LinkRecord>,
    /// The cursor of the next page; null on the last one.
    pub cursor: Option<String>,
}

/// How many accounts link to a target.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TotalDids {
    /// How many.
    pub total: u64,
}

/// By collection and path.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "BySourceOf{T}")]
pub struct BySource<T> {
    /// Collection, then path.
    pub links: BTreeMap<String, BTreeMap<String, T>>,
}

/// How much links to a target from one collection and path.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RecordsAndDids {
    /// Records.
    pub records: u64,
    /// The accounts that they are of.
    pub distinct_dids: u64,
}

fn of<'a>(
    reading: &'a Reading<'_>,
    target: &str,
    collection: String,
    path: String,
) -> Result<Links<'a>, Problem> {
    let target = names::target(reading, "target", target)?;
    Ok(Links { snapshot: reading.snapshot, target, kind: collection, path })
}

fn links(reading: &Reading<'_>, params: LinksParams) -> Result<LinkingRecords, Problem> {
    let mut given = params.did;
    if let Some(listed) = params.from_dids {
        if !given.is_empty() {
            return Err(Problem::parameter("from_dids", "is another way to give `did`: not both"));
        }
        given.extend(listed.split(',').map(str::to_owned));
    }
    let dids = dids(reading, &given)?;
    let links = of(reading, &params.target, params.collection, params.path)?;
    let (linking_records, cursor) =
        records(&links, &dids, params.reverse, params.limit, params.cursor.as_deref())?;
    Ok(LinkingRecords { total: links.total(&dids)?, linking_records, cursor })
}

fn count(reading: &Reading<'_>, params: CountParams) -> Result<Total, Problem> {
    let dids = dids(reading, &params.did)?;
    of(reading, &params.target, params.collection, params.path)?.total(&dids)
}

fn distinct_dids(reading: &Reading<'_>, params: DidsParams) -> Result<BacklinkDids, Problem> {
    let links = of(reading, &params.target, params.collection, params.path)?;
    accounts(&links, params.limit, params.cursor.as_deref())
}

fn count_dids(reading: &Reading<'_>, params: CountDidsParams) -> Result<TotalDids, Problem> {
    let dids = dids(reading, &params.did)?;
    let links = of(reading, &params.target, params.collection, params.path)?;
    Ok(TotalDids { total: links.total_accounts(&dids)? })
}

fn all(reading: &Reading<'_>, params: AllParams) -> Result<BySource<RecordsAndDids>, Problem> {
    by_source(reading, &params.target, |records, distinct_dids| RecordsAndDids { records, distinct_dids })
}

fn all_counts(reading: &Reading<'_>, params: AllCountsParams) -> Result<BySource<u64>, Problem> {
    by_source(reading, &params.target, |records, _| records)
}

fn by_source<T>(
    reading: &Reading<'_>,
    target: &str,
    show: impl Fn(u64, u64) -> T,
) -> Result<BySource<T>, Problem> {
    let target = names::target(reading, "target", target)?;
    let mut links: BTreeMap<String, BTreeMap<String, T>> = BTreeMap::new();
    for group in groups(reading.snapshot, target.id())? {
        // Not the links of gardens: what has no dot is no collection.
        if group.kind.contains('.') {
            let paths = links.entry(group.kind).or_default();
            paths.insert(group.path.to_string(), show(group.records, group.authors));
        }
    }
    Ok(BySource { links })
}
