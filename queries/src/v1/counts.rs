//! How much is done to a record or an account of the network, in a handful of reads whatever the numbers are.

use super::{list, names};
use crate::{
    answer::Reading,
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Table, Uri, UriId,
    key::KeyWriter,
    rows::{AuthorKindRow, AuthorRow, BacklinkCountRow},
};
use springline_sinks::Snapshot;

/// The kind of a post.
pub(crate) const POST: &str = "app.bsky.feed.post";
/// The kind of a follow.
const FOLLOW: &str = "app.bsky.graph.follow";
/// Where an answer names what it answers to.
pub(crate) const PARENT: &str = ".reply.parent.uri";

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Network");
    routes.view("/v1/counts", counts).may(Kind::NotFound);
    routes.view("/v1/counts/{*uri}", counts).may(Kind::NotFound);
}

/// How much is done to a record or an account.
///
/// For a record `likes`, `reposts` (people who did), `replies` and `quotes` (posts that do); for an account `followers`
/// and, of what it has here itself, `follows`, `posts` and `records` (of any kind). Only what is visible counts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CountsParams {
    /// A record's `at://` URI, or an account's DID or handle.
    uri: String,
}

/// How much is done to something.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CountsPage {
    /// The epoch that the counts are complete as of.
    pub epoch: u64,
    /// What they are of.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Of a record or of an account.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Counts {
    /// Of a record.
    Record(RecordCounts),
    /// Of an account.
    Account(AccountCounts),
}

/// How much is done to a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecordCounts {
    /// Accounts that like it.
    pub likes: u64,
    /// Accounts that pass it on.
    pub reposts: u64,
    /// Posts that answer it.
    pub replies: u64,
    /// Posts that quote it.
    pub quotes: u64,
}

/// How much there is of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AccountCounts {
    /// Accounts that follow it.
    pub followers: u64,
    /// Its own follows that are here.
    pub follows: u64,
    /// Its own posts that are here, answers included.
    pub posts: u64,
    /// Its own records of any kind that are here.
    pub records: u64,
}

fn counts(reading: &Reading<'_>, params: CountsParams) -> Result<CountsPage, Problem> {
    let uri = names::target(reading, "uri", &params.uri)?;
    let counts = match uri.scheme() {
        "at" => Counts::Record(of_record(reading.snapshot, &uri)?),
        "did" => Counts::Account(of_account(reading.snapshot, &uri)?),
        _ => return Err(Problem::parameter("uri", "is neither a record's `at://` URI nor an account")),
    };
    Ok(CountsPage { epoch: reading.snapshot.epoch().0, uri, counts })
}

/// What is counted of a record: the kind of the records that link to it, and from where. The two places of a quote: a
/// post has one or the other.
const COUNTED: [(&str, &str); 5] = [
    ("app.bsky.feed.like", ".subject.uri"),
    ("app.bsky.feed.repost", ".subject.uri"),
    (POST, PARENT),
    (POST, ".embed.record.uri"),
    (POST, ".embed.record.record.uri"),
];

/// How much is done to a record.
///
/// # Errors
/// The store can't be read.
pub fn of_record(snapshot: &Snapshot<'_>, uri: &Uri) -> Result<RecordCounts, Problem> {
    snapshot.fetch(Table::BacklinkCounts, keys_of(uri));
    let [likes, reposts, replies, quotes, others] =
        COUNTED.map(|(kind, path)| group(snapshot, uri, kind, path));
    Ok(RecordCounts {
        likes: likes?.1,
        reposts: reposts?.1,
        replies: replies?.0,
        quotes: quotes?.0 + others?.0,
    })
}

/// The keys of what [`of_record`] reads.
fn keys_of(uri: &Uri) -> impl Iterator<Item = Vec<u8>> {
    let target = uri.id();
    COUNTED.into_iter().map(move |(kind, path)| group_key(target, kind, path))
}

/// How much there is of an account.
///
/// # Errors
/// The store can't be read.
pub fn of_account(snapshot: &Snapshot<'_>, did: &Uri) -> Result<AccountCounts, Problem> {
    let author: Option<AuthorRow> = snapshot.get(&list::key(&[did.as_str()]))?;
    let (_, followers) = group(snapshot, did, FOLLOW, ".subject")?;
    let of_kind = |kind: &str| {
        let row: Option<AuthorKindRow> = snapshot.get(&list::key(&[did.as_str(), kind]))?;
        Ok::<u64, Problem>(row.map_or(0, |row| row.records))
    };
    let (follows, posts) = (of_kind(FOLLOW)?, of_kind(POST)?);
    Ok(AccountCounts { followers, follows, posts, records: author.map_or(0, |author| author.records) })
}

/// How many records link to a target from one place, and how many accounts.
fn group(snapshot: &Snapshot<'_>, target: &Uri, kind: &str, path: &str) -> Result<(u64, u64), Problem> {
    let row: Option<BacklinkCountRow> = snapshot.get(&group_key(target.id(), kind, path))?;
    Ok(row.map_or((0, 0), |row| (row.records, row.authors)))
}

fn group_key(target: UriId, kind: &str, path: &str) -> Vec<u8> {
    KeyWriter::new().id(target).text(kind).text(path).take()
}
