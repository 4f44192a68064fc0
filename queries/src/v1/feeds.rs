//! Posts in several orders.

use super::{
    counts::POST,
    list::{self, List},
    names,
    posts::{Post, Reason},
    records, search,
};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::{
    Record,
    record::REPOST,
    rows::{AuthorNoteRow, HotRow, LatestRow, NoteMeta, Order, RecordRow},
};
use springline_sinks::search::query::Mode;
use std::sync::Arc;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Network");
    routes.view("/v1/feeds/{feed}", feed).may(Kind::NotFound);
}

/// Posts: of somebody, of everybody, of a tag, or those that matter now.
///
/// `author` (with `actor`): what an account says and passes on (with a `reason`), the newest first. `latest`: what anybody says. `tag` (with `tag`): what
/// is tagged so, the newest first. `trending`: what is liked, passed on, answered and quoted most in a `window`; this one
/// ends after the best few hundred. What neither says nor shows anything is not listed. A page
/// may hold fewer posts than asked for and still have a next one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FeedParams {
    /// Which.
    feed: Feed,
    /// For `author`: a handle or a DID.
    actor: Option<String>,
    /// For `tag`: with or without `#`.
    tag: Option<String>,
    /// For `trending`: over which time.
    #[serde(default)]
    window: Window,
    /// Only records of this kind.
    #[serde(default = "post")]
    kind: String,
    /// Only records in this language, ISO 639-1.
    lang: Option<String>,
    /// The most items.
    #[serde(default)]
    limit: Limit<100>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

fn post() -> String {
    POST.to_owned()
}

/// Which posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Feed {
    Author,
    Latest,
    Tag,
    Trending,
}

/// What counts towards the trend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
enum Window {
    /// Everything, each worth half as much a half-life later.
    #[default]
    #[serde(rename = "trending")]
    Trending,
    /// The last hour.
    #[serde(rename = "1h")]
    Hour,
    /// The last 24 hours.
    #[serde(rename = "24h")]
    Day,
    /// The last 7 days.
    #[serde(rename = "7d")]
    Week,
}

impl Window {
    const fn order(self) -> Order {
        match self {
            Self::Trending => Order::Trending,
            Self::Hour => Order::Hour,
            Self::Day => Order::Day,
            Self::Week => Order::Week,
        }
    }
}

fn feed(reading: &Reading<'_>, params: FeedParams) -> Result<Page<Post>, Problem> {
    let given = |name: &str, value: &Option<String>| {
        value.clone().ok_or_else(|| Problem::parameter(name, "is missing"))
    };
    let (kind, lang) = (params.kind.clone(), params.lang.as_deref().unwrap_or("").to_lowercase());
    let is_asked_for = |note: NoteMeta| (note.kind == kind).then_some(note.uri);
    let page = match params.feed {
        Feed::Author => {
            let who = names::person(reading.snapshot, "actor", &given("actor", &params.actor)?)?;
            let scope = ["author", who.as_str(), &kind, &lang];
            let prefix = list::key(&[who.as_str()]);
            let is_asked_for = |row: AuthorNoteRow| {
                (row.note.kind == kind || row.note.kind == REPOST).then_some(row.note.uri)
            };
            listed(&params, &scope, prefix).page(reading, is_asked_for)?
        }
        Feed::Latest => {
            let scope = ["latest", &kind, &lang];
            listed(&params, &scope, Vec::new()).page(reading, |row: LatestRow| is_asked_for(row.note))?
        }
        Feed::Trending => {
            let order = params.window.order();
            let scope = ["trending", order.name(), &kind, &lang];
            listed(&params, &scope, vec![order as u8]).page(reading, |row: HotRow| Some(row.uri))?
        }
        Feed::Tag => {
            let tag = search::filter("tag", &given("tag", &params.tag)?)?;
            let text = format!("{tag} {}", search::filter("kind", &kind)?);
            let query = search::parsed(reading, Mode::Ranked, &text)?;
            let (limit, cursor) = (params.limit.get(), params.cursor.as_deref());
            let found = search::found(reading, &query, &["tag", &text, &lang], limit, cursor)?;
            let items = found.hits.hits.into_iter().map(|hit| hit.uri).collect();
            Page::of(reading, items, found.next)
        }
    };
    let mut items = Vec::with_capacity(page.items.len());
    reading.snapshot.fetch_records(&page.items);
    for uri in &page.items {
        // It may be seen: it comes from a view.
        let listed = reading.beside(reading.snapshot.record(uri))?;
        let Some(RecordRow { record: listed, .. }) = listed else { continue };
        let record = match listed.passes_on() {
            None => Some(listed.clone()),
            // But what it passes on comes from nowhere.
            Some(subject) => {
                reading.beside(records::visible(reading.snapshot, subject))?.map(|row| row.record)
            }
        };
        let is_asked_for =
            |record: &Arc<Record>| record.kind == kind && (lang.is_empty() || record.langs.contains(&lang));
        let Some(record) = record.filter(is_asked_for) else { continue };
        let mut post = Post::of(reading, &record)?;
        if listed.uri != record.uri {
            post.reason = Some(Reason::of_repost(reading, &listed)?);
        }
        items.push(post);
    }
    Ok(page.with(reading, items))
}

fn listed<'a>(params: &'a FeedParams, scope: &'a [&'a str], prefix: Vec<u8>) -> List<'a> {
    let limit = Limit::of(u16::try_from(params.limit.get()).unwrap_or(u16::MAX));
    List { listing: Listing::Feed, scope, prefix, limit, cursor: params.cursor.as_deref() }
}
