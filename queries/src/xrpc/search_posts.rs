//! `app.bsky.feed.searchPosts`: posts that hold some words, as Bluesky's clients ask for them.
//!
//! The parameters become filters of the search language (see `/v1/search`), which `q` is in, too.
//!
//! Limits: a record of more than [`MAX_RECORD_BYTES`] is shown with its text only.

use crate::{
    answer::Reading,
    page::Limit,
    problem::{Kind, Problem},
    routes::Routes,
    v1::{
        counts::{self, POST},
        names,
        posts::{self, clip},
        search,
        shape::Time,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use springline_model::{Record, Timestamp, Uri, record::attr};
use springline_sinks::search::query::Mode;

/// The longest record that is shown as it is; posts have a tenth of that.
const MAX_RECORD_BYTES: usize = 64 * 1024;

const fn usual() -> Limit<100> {
    Limit::of(25)
}

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Bluesky");
    routes.view("/xrpc/app.bsky.feed.searchPosts", search_posts).may(Kind::NotFound);
}

/// Posts that hold some words.
///
/// Bluesky's `app.bsky.feed.searchPosts`. `q` is in the language of `/v1/search`; without words in it the other parameters
/// decide alone. What a viewer would add (their own likes, blocks) is not there, nor are embeds unfolded: `record` has
/// them. `indexedAt` is the post's own time, at the latest when it was first seen.
#[derive(Debug, Deserialize, JsonSchema)]
struct SearchPostsParams {
    /// What to look for.
    q: String,
    /// Which come first.
    #[serde(default)]
    sort: Sort,
    /// From then on: a time or a day.
    since: Option<String>,
    /// Before then: a time or a day.
    until: Option<String>,
    /// Only posts that name this account: a handle or a DID.
    mentions: Option<String>,
    /// Only posts of this account: a handle or a DID.
    author: Option<String>,
    /// Only posts in this language.
    lang: Option<String>,
    /// Only posts that link to pages of this host.
    domain: Option<String>,
    /// Only posts that link to this page.
    url: Option<String>,
    /// Only posts with this tag, without `#`. Given several times: with all of them.
    #[serde(default)]
    tag: Vec<String>,
    /// The most posts.
    #[serde(default = "usual")]
    limit: Limit<100>,
    /// The `cursor` of the page before.
    cursor: Option<String>,
}

/// Which come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Sort {
    /// Those that match best.
    Top,
    /// The newest.
    #[default]
    Latest,
}

/// A page of posts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundPosts {
    /// The posts.
    pub posts: Vec<PostView>,
    /// How many there are on all pages.
    pub hits_total: u64,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A post, as Bluesky's clients read it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostView {
    /// Its identity.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// The version of it.
    pub cid: String,
    /// Who wrote it.
    pub author: AuthorView,
    /// All of it.
    pub record: Value,
    /// Posts that answer it.
    pub reply_count: u64,
    /// Accounts that pass it on.
    pub repost_count: u64,
    /// Accounts that like it.
    pub like_count: u64,
    /// Posts that quote it.
    pub quote_count: u64,
    /// Its time.
    pub indexed_at: Time,
    /// Labels in force on it.
    pub labels: Vec<LabelView>,
}

/// An account, as Bluesky's clients read it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AuthorView {
    /// Its identity.
    #[schemars(with = "String")]
    pub did: Uri,
    /// Its handle; `handle.invalid` if none is known.
    pub handle: String,
}

/// A label, as Bluesky's clients read it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LabelView {
    /// Who says it.
    #[schemars(with = "String")]
    pub src: Uri,
    /// Of what.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// What is said.
    pub val: String,
    /// Since when.
    pub cts: Time,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<Time>,
}

fn search_posts(reading: &Reading<'_>, params: SearchPostsParams) -> Result<FoundPosts, Problem> {
    let filters = filters(reading, &params)?;
    let mut query = search::parsed(reading, Mode::Ranked, &filters)?;
    // `*` and the like ask for nothing by themselves: everything that the filters let through.
    if params.q.chars().any(char::is_alphanumeric) {
        query = search::parsed(reading, Mode::Ranked, &params.q)?.and(query);
    }
    if params.sort == Sort::Latest {
        query = query.newest_first();
    }
    let scope = ["posts", &params.q, &filters, if params.sort == Sort::Top { "top" } else { "latest" }];
    let found = search::found(reading, &query, &scope, params.limit.get(), params.cursor.as_deref())?;
    let mut posts = Vec::with_capacity(found.hits.hits.len());
    for hit in &found.hits.hits {
        // It may be seen: it comes from a view.
        if let Some(row) = reading.snapshot.record(&hit.uri)? {
            posts.push(post(reading, &row.record)?);
        }
    }
    Ok(FoundPosts { posts, hits_total: found.hits.total, cursor: found.next })
}

/// The parameters in the search language.
fn filters(reading: &Reading<'_>, params: &SearchPostsParams) -> Result<String, Problem> {
    let mut filters = vec![search::filter("kind", POST)?];
    for (name, who) in [("author", &params.author), ("mentions", &params.mentions)] {
        if let Some(who) = who {
            let who = names::person(reading.snapshot, name, who)?;
            filters.push(search::filter(name, who.as_str())?);
        }
    }
    if let Some(lang) = &params.lang {
        filters.push(search::filter("lang", lang.split('-').next().unwrap_or_default())?);
    }
    for (name, value) in [("domain", &params.domain), ("url", &params.url)] {
        if let Some(value) = value {
            filters.push(search::filter(name, value)?);
        }
    }
    for tag in &params.tag {
        filters.push(search::filter("tag", tag)?);
    }
    let time = |name: &str, value: &str| {
        Timestamp::parse(value.trim()).map_err(|error| Problem::parameter(name, error.to_string()))
    };
    if let Some(since) = &params.since {
        filters.push(format!("since:\"{}\"", time("since", since)?));
    }
    if let Some(until) = &params.until {
        // Not included here, but in the language.
        let last = Timestamp(time("until", until)?.0.saturating_sub(1));
        filters.push(format!("until:\"{last}\""));
    }
    Ok(filters.join(" "))
}

fn post(reading: &Reading<'_>, record: &Record) -> Result<PostView, Problem> {
    let snapshot = reading.snapshot;
    let cid = record.attrs.get(attr::CID).cloned().unwrap_or_default();
    let labels = posts::labels(snapshot, &record.uri, Some(&cid))?.into_iter().map(|label| LabelView {
        src: label.src,
        uri: record.uri.clone(),
        val: label.val,
        cts: label.at,
        exp: label.until,
    });
    let labels = labels.collect();
    let counts = reading.beside(counts::of_record(snapshot, &record.uri))?;
    let handle = reading.handle(&record.author)?;
    let json = record.attrs.get(attr::RECORD).filter(|json| json.len() <= MAX_RECORD_BYTES);
    let whole = json.and_then(|json| serde_json::from_str(json).ok());
    Ok(PostView {
        uri: record.uri.clone(),
        cid,
        author: AuthorView {
            did: record.author.clone(),
            handle: handle.unwrap_or_else(|| "handle.invalid".to_owned()),
        },
        record: whole.unwrap_or_else(|| {
            let text = clip(&record.text, MAX_RECORD_BYTES);
            json!({ "$type": record.kind, "text": text, "createdAt": record.at.to_rfc3339() })
        }),
        reply_count: counts.replies,
        repost_count: counts.reposts,
        like_count: counts.likes,
        quote_count: counts.quotes,
        indexed_at: Time(record.at),
        labels,
    })
}
