//! What links to what on the network, in the words of Constellation's API.
//!
//! ```text
//!  (subject, collection, path) ─┬─ backlinks: newest first ────────────► records
//!                               ├─ linkers: by author ─┬─ did=… ───────► records of these accounts, merged by time
//!                               │                      └─ skip by skip ► accounts
//!                               ├─ backlink_counts ────────────────────► totals
//!                               └─ each record's links at another path ► many to many
//! ```
//!
//! Invariants: only visible records are listed and counted; a record counts once however often it links; a page
//! costs as much on a subject with a million links as on one with ten; a cursor is a place, not a count, so that
//! pages stay right while records come and go.
//!
//! Beyond Constellation's: counts take `did`; a handle may stand wherever a DID can.
//!
//! Limits: [`MAX_DIDS`], and those of [`lookup`] and [`many`].

pub mod lookup;
pub mod many;
pub mod older;

use crate::{
    answer::Reading,
    page::{Limit, Listing},
    problem::{Kind, Problem},
    routes::Routes,
    v1::names,
};
use lookup::{Links, Total};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::Uri;

/// The most accounts that one request asks for.
const MAX_DIDS: usize = 100;

/// How many items a page may have.
type PageLimit = Limit<1000>;

const fn usual() -> PageLimit {
    PageLimit::of(100)
}

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Links (Constellation)");
    routes.view("/xrpc/blue.microcosm.links.getBacklinks", backlinks).may(Kind::NotFound);
    routes.view("/xrpc/blue.microcosm.links.getBacklinksCount", backlinks_count).may(Kind::NotFound);
    routes.view("/xrpc/blue.microcosm.links.getBacklinkDids", backlink_dids).may(Kind::NotFound);
    many::routes(routes);
    older::routes(routes);
}

/// Records that link to a subject, newest first.
///
/// Constellation's `blue.microcosm.links.getBacklinks`. With `did`, `total` counts the links of these accounts.
#[derive(Debug, Deserialize, JsonSchema)]
struct BacklinksParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    subject: String,
    /// Where the links stand: `app.bsky.feed.like:subject.uri`.
    source: String,
    /// Only links of these accounts. May be given up to 100 times.
    #[serde(default)]
    did: Vec<String>,
    /// The most records.
    #[serde(default = "usual")]
    limit: PageLimit,
    /// Oldest first.
    #[serde(default)]
    reverse: bool,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

/// How many records link to a subject.
///
/// Constellation's `blue.microcosm.links.getBacklinksCount`, which has no `did`.
#[derive(Debug, Deserialize, JsonSchema)]
struct CountParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    subject: String,
    /// Where the links stand: `app.bsky.feed.like:subject.uri`.
    source: String,
    /// Only links of these accounts. May be given up to 100 times.
    #[serde(default)]
    did: Vec<String>,
}

/// Accounts that link to a subject, by DID.
///
/// Constellation's `blue.microcosm.links.getBacklinkDids`, but that it has them by time.
#[derive(Debug, Deserialize, JsonSchema)]
struct DidsParams {
    /// What is linked to: an `at://` URI, a DID, a handle, or any other URI.
    subject: String,
    /// Where the links stand: `app.bsky.feed.like:subject.uri`.
    source: String,
    /// The most accounts.
    #[serde(default = "usual")]
    limit: PageLimit,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

/// A record, in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LinkRecord {
    /// Whose.
    pub did: String,
    /// Of which kind.
    pub collection: String,
    /// Its key.
    pub rkey: String,
}

impl LinkRecord {
    /// Of a record of a repository.
    fn of(uri: &Uri) -> Option<Self> {
        let mut parts = uri.as_str().strip_prefix("at://")?.splitn(3, '/');
        let mut part = || parts.next().map(str::to_owned);
        Some(Self { did: part()?, collection: part()?, rkey: part()? })
    }
}

/// Records that link to a subject.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Backlinks {
    /// How many there are on all pages.
    #[serde(flatten)]
    pub total: Total,
    /// These of them.
    pub records: Vec<LinkRecord>,
    /// The cursor of the next page; null on the last one.
    pub cursor: Option<String>,
}

/// Accounts that link to a subject.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BacklinkDids {
    /// How many there are on all pages.
    pub total: u64,
    /// These of them.
    pub linking_dids: Vec<String>,
    /// The cursor of the next page; null on the last one.
    pub cursor: Option<String>,
}

fn backlinks(reading: &Reading<'_>, params: BacklinksParams) -> Result<Backlinks, Problem> {
    let links = links(reading, "subject", &params.subject, &params.source)?;
    let dids = dids(reading, &params.did)?;
    let (records, cursor) = records(&links, &dids, params.reverse, params.limit, params.cursor.as_deref())?;
    Ok(Backlinks { total: links.total(&dids)?, records, cursor })
}

fn backlinks_count(reading: &Reading<'_>, params: CountParams) -> Result<Total, Problem> {
    let links = links(reading, "subject", &params.subject, &params.source)?;
    links.total(&dids(reading, &params.did)?)
}

fn backlink_dids(reading: &Reading<'_>, params: DidsParams) -> Result<BacklinkDids, Problem> {
    let links = links(reading, "subject", &params.subject, &params.source)?;
    accounts(&links, params.limit, params.cursor.as_deref())
}

/// A page of records, and the cursor of the next one.
fn records(
    links: &Links<'_>,
    dids: &[Uri],
    reverse: bool,
    limit: PageLimit,
    cursor: Option<&str>,
) -> Result<(Vec<LinkRecord>, Option<String>), Problem> {
    let of_whom = joined(dids);
    let scope = [links.target.as_str(), &links.kind, &links.path, &of_whom, if reverse { "r" } else { "" }];
    let after = Listing::LinkRecords.resume(&scope, cursor)?;
    let found = links.records(dids, reverse, after.as_deref(), limit.get())?;
    let next = found.next.map(|place| Listing::LinkRecords.cursor(&scope, &place));
    Ok((found.uris.iter().filter_map(LinkRecord::of).collect(), next))
}

/// A page of accounts.
fn accounts(links: &Links<'_>, limit: PageLimit, cursor: Option<&str>) -> Result<BacklinkDids, Problem> {
    let scope = [links.target.as_str(), &links.kind, &links.path];
    let after = Listing::LinkDids.resume(&scope, cursor)?;
    let found = links.accounts(after.as_deref(), limit.get())?;
    let next = found.next.map(|place| Listing::LinkDids.cursor(&scope, &place));
    let linking_dids = found.uris.iter().map(Uri::to_string).collect();
    Ok(BacklinkDids { total: links.counts()?.1, linking_dids, cursor: next })
}

/// The links that `source` (`collection:path`) names.
fn links<'a>(
    reading: &'a Reading<'_>,
    parameter: &str,
    subject: &str,
    source: &str,
) -> Result<Links<'a>, Problem> {
    let wrong = |detail: &str| Problem::parameter("source", detail);
    let (collection, path) = source
        .split_once(':')
        .filter(|(collection, _)| !collection.is_empty())
        .ok_or_else(|| wrong("has to be `collection:path`, as `app.bsky.feed.like:subject.uri` is"))?;
    let path = dotted(path).map_err(wrong)?;
    let target = names::target(reading, parameter, subject)?;
    Ok(Links { snapshot: reading.snapshot, target, kind: collection.to_owned(), path })
}

/// A path as links have it, of one without its leading dot.
fn dotted(path: &str) -> Result<String, &'static str> {
    match path {
        "" => Err("the path is missing"),
        path if path.starts_with('.') => Err("the path begins without a dot"),
        path => Ok(format!(".{path}")),
    }
}

/// Accounts by DID or handle, in order, each once; empty ones left out, as forms send them.
fn dids(reading: &Reading<'_>, given: &[String]) -> Result<Vec<Uri>, Problem> {
    let given = given.iter().map(|did| did.trim()).filter(|did| !did.is_empty());
    let mut dids: Vec<Uri> =
        given.map(|did| names::person(reading.snapshot, "did", did)).collect::<Result<_, _>>()?;
    dids.sort_unstable();
    dids.dedup();
    if dids.len() > MAX_DIDS {
        let detail = format!("{} accounts are given; the most is {MAX_DIDS}", dids.len());
        return Err(Problem::parameter("did", detail));
    }
    Ok(dids)
}

/// For the scope of a cursor.
fn joined(uris: &[Uri]) -> String {
    let texts: Vec<&str> = uris.iter().map(Uri::as_str).collect();
    texts.join("\n")
}
