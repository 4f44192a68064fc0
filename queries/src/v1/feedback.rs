//! Feedback: what people say of projects, newest first.

use super::{
    ingest::Source,
    list::{self, List},
    names, records,
    search::{self, Found},
    shape::Time,
    write::{self, Wait, WaitSecs, Written},
};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    params::Nothing,
    problem::{Kind, Problem},
    routes::Routes,
    state::AppState,
};
use axum::http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    FeedbackSource, FeedbackStatus, ItemName, Project, Record, Timestamp, Uri,
    feedback::KIND,
    key::KeyWriter,
    rows::{FeedbackMeta, FeedbackRow, ProjectFeedbackRow, RecordRow},
    text::display,
};
use springline_sinks::{Snapshot, search::query::Mode};
use std::collections::BTreeMap;

/// The most pages of hits that are looked through for one page of items.
const MAX_PAGES: usize = 20;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Feedback");
    routes.view("/v1/feedback", feedback);
    routes.view("/v1/feedback/{*item}", item).may(Kind::NotFound);
    let operation = routes.command(Method::DELETE, "/v1/feedback/{*item}", delete);
    operation.may(Kind::Unavailable).may(Kind::NotFound);
    operation.answers.push((StatusCode::ACCEPTED, "application/json", operation.answers[0].2.clone()));
}

/// What people say of projects, the newest first.
///
/// A page may hold fewer items than asked for and still have a next one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FeedbackParams {
    /// Only of this project.
    project: Option<String>,
    /// Only what was given there.
    source: Option<Source>,
    /// Only what is `open`, or `closed`.
    status: Option<Status>,
    /// Only what was said at this time or later: a date or an RFC 3339 time.
    since: Option<String>,
    /// Only what was said before this time.
    until: Option<String>,
    /// Only what matches, in the language of search.
    q: Option<String>,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Whether anything is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Status {
    Open,
    Closed,
}

/// One feedback item, whole.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ItemParams {
    /// Its identity: `feedback://shop/github/acme%2Fshop%2312`, or `shop/github/acme%2Fshop%2312`.
    item: String,
}

/// Deletes an item: it leaves every view, and neither its source nor a webhook brings it back. A client may post it again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteParams {
    /// Its identity: `feedback://shop/github/acme%2Fshop%2312`, or `shop/github/acme%2Fshop%2312`.
    item: String,
    /// `visible`: wait until no view shows it.
    wait: Option<Wait>,
    /// How long to wait at most.
    #[serde(default = "WaitSecs::usual")]
    wait_secs: WaitSecs,
}

/// A feedback item, as lists show it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Feedback {
    /// Its identity.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// Of which project.
    pub project: String,
    /// Where it was given: `reddit`, `sentry`, `manual`, `github`.
    pub source: &'static str,
    /// What it is called there.
    pub external_id: String,
    /// `open` or `closed`.
    pub status: &'static str,
    /// When it was said.
    pub at: Time,
    /// When its source last changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Time>,
    /// Who said it.
    #[schemars(with = "String")]
    pub author: Uri,
    /// Its title, without characters that mislead.
    pub title: String,
    /// The beginning of its text, likewise.
    pub excerpt: String,
    /// Where it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The repository that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The number of its issue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github_issue_number: Option<u64>,
}

impl From<FeedbackMeta> for Feedback {
    fn from(item: FeedbackMeta) -> Self {
        let external = ItemName::parse(&item.uri).map(|name| name.external);
        Self {
            project: item.project.to_string(),
            source: item.source.name(),
            external_id: external.unwrap_or_default(),
            status: item.status.name(),
            at: Time(item.at),
            edited: item.edited.map(Time),
            author: item.author,
            title: display::shown(&item.title).into_owned(),
            excerpt: display::shown(&item.excerpt).into_owned(),
            url: item.url,
            repo: item.repo,
            github_issue_number: item.issue,
            uri: item.uri,
        }
    }
}

/// A feedback item, whole.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FeedbackPage {
    /// The epoch that the answer is complete as of.
    pub epoch: u64,
    /// As lists show it.
    #[serde(flatten)]
    pub item: Feedback,
    /// All of its text, as given.
    pub text: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its languages, if they are told.
    pub langs: Vec<String>,
    /// Whatever else is known.
    pub attrs: BTreeMap<String, String>,
}

pub(crate) fn project(text: Option<&str>) -> Result<Option<Project>, Problem> {
    let named = text.map(|name| Project::new(name.trim()));
    named.transpose().map_err(|error| Problem::parameter("project", error.to_string()))
}

fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let at = text.map(|text| Timestamp::parse(text.trim()));
    at.transpose().map_err(|error| Problem::parameter(name, error.to_string()))
}

/// What is asked for.
struct Wanted {
    project: Option<Project>,
    source: Option<FeedbackSource>,
    status: Option<FeedbackStatus>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Wanted {
    fn has(&self, item: &FeedbackMeta) -> bool {
        self.project.as_ref().is_none_or(|project| *project == item.project)
            && self.source.is_none_or(|source| source == item.source)
            && self.status.is_none_or(|status| status == item.status)
            && self.since.is_none_or(|since| since <= item.at)
            && self.until.is_none_or(|until| item.at < until)
    }
}

fn feedback(reading: &Reading<'_>, params: FeedbackParams) -> Result<Page<Feedback>, Problem> {
    let status = params.status.map(|status| match status {
        Status::Open => FeedbackStatus::Open,
        Status::Closed => FeedbackStatus::Closed,
    });
    let wanted = Wanted {
        project: project(params.project.as_deref())?,
        source: params.source.map(FeedbackSource::from),
        status,
        since: time("since", params.since.as_deref())?,
        until: time("until", params.until.as_deref())?,
    };
    let at = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339).unwrap_or_default();
    let (since, until) = (at(wanted.since), at(wanted.until));
    let scope = [
        wanted.project.as_ref().map_or("", Project::as_str),
        wanted.source.map_or("", FeedbackSource::name),
        wanted.status.map_or("", FeedbackStatus::name),
        &since,
        &until,
        params.q.as_deref().unwrap_or(""),
    ];
    if let Some(q) = &params.q {
        return matching(reading, q, &wanted, &scope, &params);
    }
    // The list is by time: it begins where `until` is, and ends where `since` is.
    let begin = wanted.until.filter(|_| params.cursor.is_none()).map(|until| {
        let key = KeyWriter::new().newest(until).take();
        Listing::Feedback.cursor(&scope, &key)
    });
    let (limit, cursor) = (params.limit, params.cursor.as_deref().or(begin.as_deref()));
    let mut is_over = false;
    let mut shown = |item: FeedbackMeta| {
        is_over |= wanted.since.is_some_and(|since| item.at < since);
        wanted.has(&item).then(|| item.into())
    };
    let mut page = match &wanted.project {
        Some(project) => {
            let prefix = list::key(&[project.as_str()]);
            let list = List { listing: Listing::Feedback, scope: &scope, prefix, limit, cursor };
            list.page(reading, |row: ProjectFeedbackRow| shown(row.0))?
        }
        None => {
            let list = List { listing: Listing::Feedback, scope: &scope, prefix: Vec::new(), limit, cursor };
            list.page(reading, |row: FeedbackRow| shown(row.0))?
        }
    };
    page.next = page.next.filter(|_| !is_over);
    Ok(page)
}

/// A page of what a query finds, the newest first.
fn matching(
    reading: &Reading<'_>,
    q: &str,
    wanted: &Wanted,
    scope: &[&str],
    params: &FeedbackParams,
) -> Result<Page<Feedback>, Problem> {
    let mut filters = vec![search::filter("kind", KIND)?];
    filters.extend(wanted.since.map(|since| format!("since:\"{since}\"")));
    filters.extend(wanted.until.map(|until| format!("until:\"{}\"", Timestamp(until.0.saturating_sub(1)))));
    let mut query = search::parsed(reading, Mode::Ranked, &filters.join(" "))?;
    query = search::parsed(reading, Mode::Ranked, q)?.and(query).newest_first();
    let mut cursor = params.cursor.clone();
    let mut items = Vec::new();
    for _ in 0..MAX_PAGES {
        let left = params.limit.get() - items.len();
        let Found { hits, next, .. } = search::found(reading, &query, scope, left, cursor.as_deref())?;
        for hit in &hits.hits {
            // It may be seen: it comes from a view.
            let row = reading.snapshot.record(&hit.uri)?;
            let item = row.and_then(|row| FeedbackMeta::of(&row.record));
            items.extend(item.filter(|item| wanted.has(item)).map(Feedback::from));
        }
        cursor = next;
        if cursor.is_none() || items.len() == params.limit.get() {
            break;
        }
    }
    Ok(Page::of(reading, items, cursor))
}

/// An item as people name it: its whole URI, or what stands behind `feedback://`, percent-encoded or not.
pub(crate) fn named(text: &str) -> Result<ItemName, Problem> {
    let wrong = || {
        let asked = names::shown(text);
        Problem::parameter("item", format!("`{asked}` names no item, as `shop/github/acme%2Fshop%2312` does"))
    };
    if let Some(name) = ItemName::parse(&Uri::from(text)) {
        return Ok(name);
    }
    let rest = text.trim().trim_start_matches("feedback:").trim_start_matches('/');
    let mut parts = rest.splitn(3, '/');
    let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or_else(wrong);
    let project = Project::new(part()?).map_err(|_| wrong())?;
    let source = FeedbackSource::from_name(part()?).ok_or_else(wrong)?;
    let external = part()?;
    if let Some(name) = ItemName::parse(&Uri::new(format!("feedback://{project}/{source}/{external}"))) {
        return Ok(name);
    }
    let external = percent_decode_str(external).decode_utf8().map_err(|_| wrong())?.into_owned();
    Ok(ItemName { project, source, external })
}

fn missing(name: &ItemName) -> Problem {
    let asked = names::shown(name.uri().as_str());
    Problem::not_found(format!("there is no item `{asked}` (or not any more)"))
}

/// An item that may be seen.
pub(crate) fn find(snapshot: &Snapshot<'_>, name: &ItemName) -> Result<RecordRow, Problem> {
    records::visible(snapshot, &name.uri())?.ok_or_else(|| missing(name))
}

fn item(reading: &Reading<'_>, params: ItemParams) -> Result<FeedbackPage, Problem> {
    let name = named(&params.item)?;
    let row = find(reading.snapshot, &name)?;
    let item = FeedbackMeta::of(&row.record).ok_or_else(|| missing(&name))?;
    let Record { text, tags, langs, attrs, .. } = (*row.record).clone();
    Ok(FeedbackPage { epoch: reading.snapshot.epoch().0, item: item.into(), text, tags, langs, attrs })
}

async fn delete(state: AppState, params: DeleteParams, _: Nothing) -> Result<(StatusCode, Written), Problem> {
    let name = named(&params.item)?;
    let epoch = state.control.delete_feedback(name.clone()).await?;
    let epoch = epoch.ok_or_else(|| missing(&name))?;
    Ok(write::shown(&state, epoch, params.wait, params.wait_secs).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_named_in_several_ways() {
        let uri = "feedback://shop/github/a%2Fb%231";
        for text in [
            uri,
            "shop/github/a%2Fb%231",
            "shop/github/a/b#1",
            "feedback://shop/github/a/b#1",
            "feedback:/shop/github/a%2Fb%231",
        ] {
            assert_eq!(named(text).unwrap().uri().as_str(), uri, "{text}");
        }
        for text in
            ["", "shop", "shop/github", "shop/github/", "Shop/github/1", "shop/news/1", "garden://a/b.md"]
        {
            assert!(named(text).is_err(), "{text}");
        }
    }
}
