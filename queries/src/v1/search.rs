//! Where was this said.

use super::{names, shape::Time};
use crate::{
    answer::Reading,
    page::{Limit, Listing},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    NodeName, Uri,
    key::{DecodeError, KeyReader, KeyWriter},
    record::attr,
    text::term::Filter,
};
use springline_sinks::{
    ReadError,
    search::{
        SearchError,
        query::{self, Cursor, Highlighter, Query, QueryError, Snippet},
    },
};
use std::ops::Range;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Search");
    routes.view("/v1/search", search).may(Kind::NotFound);
}

/// Records that hold some words, the best first.
///
/// In `ranked` mode the query is a small language: `digital garden` (both words, in any form), `"digital garden"` (the
/// phrase), `gard*`, `a OR b`, `NOT a` or `-a`, parentheses, `title:word`, and the filters `author:` `mentions:` (a name, a
/// handle or a DID), `node:` `source:` `tag:` `kind:` `lang:` `url:` `domain:` (links there) `since:` `until:`
/// (`since:2024-05`). Scores are BM25; without words the newest come first.
///
/// A malformed query is a 400 that says what is wrong and at which byte of `q`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchParams {
    /// What to look for; at most 4,096 bytes.
    q: String,
    /// How to read it.
    #[serde(default)]
    mode: Mode,
    /// The most items.
    #[serde(default = "usual")]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

const fn usual() -> Limit {
    Limit::SHORT
}

/// How a query is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Mode {
    /// As the language described above.
    #[default]
    Ranked,
    /// Each word begins a word of the record.
    Broad,
    /// All of it as one phrase.
    Exact,
    /// Its characters as they are, in either case.
    Substring,
}

impl From<Mode> for query::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Ranked => Self::Ranked,
            Mode::Broad => Self::Broad,
            Mode::Exact => Self::Exact,
            Mode::Substring => Self::Substring,
        }
    }
}

/// A page of hits.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Hits {
    /// The epoch that the page is complete as of.
    pub epoch: u64,
    /// How many records match, on all pages.
    pub total: u64,
    /// Whether `total` is all: in `substring` mode a bounded amount of text is looked through, and of several processes
    /// one may not have answered.
    pub complete: bool,
    /// The hits, the best first.
    pub items: Vec<Hit>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A record that matches.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Hit {
    /// Its identity.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// What it is: `note`, `image`, ….
    pub kind: String,
    /// Who wrote it.
    #[schemars(with = "String")]
    pub author: Uri,
    /// The node it belongs to.
    #[schemars(with = "Option<String>")]
    pub node: Option<NodeName>,
    /// When it was last changed, by its source's clock.
    pub at: Time,
    /// How well it matches, in millionths; 0 when there are no words to match.
    pub score: u64,
    /// Its title.
    pub title: String,
    /// Its title as HTML, with `<mark>` around what matches.
    pub title_html: String,
    /// The piece of its text that shows most of what was looked for.
    pub snippet: String,
    /// The piece as HTML, with `<mark>` around what matches.
    pub snippet_html: String,
    /// What matches, as ranges of bytes of `snippet`.
    pub marks: Vec<[usize; 2]>,
    /// The piece is not of its text, but of what describes its pictures.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_alt: bool,
}

fn search(reading: &Reading<'_>, params: SearchParams) -> Result<Hits, Problem> {
    find(reading, &params.q, params.mode, params.limit, params.cursor.as_deref())
}

/// A page of what a query finds.
///
/// # Errors
/// The query breaks the rules of its language, the cursor is of another one, or the index can't be read.
pub fn find(
    reading: &Reading<'_>,
    text: &str,
    mode: Mode,
    limit: Limit,
    cursor: Option<&str>,
) -> Result<Hits, Problem> {
    let mode = query::Mode::from(mode);
    let query = parsed(reading, mode, text)?;
    let found = found(reading, &query, &[mode.name(), text], limit.get(), cursor)?;
    let Found { hits, highlighter, next } = found;
    let mut items = Vec::with_capacity(hits.hits.len());
    for hit in &hits.hits {
        items.extend(show(reading, &highlighter, hit)?);
    }
    let (total, complete) = (hits.total, hits.complete);
    Ok(Hits { epoch: reading.snapshot.epoch().0, total, complete, items, next })
}

/// A query, with handles resolved.
pub(crate) fn parsed(reading: &Reading<'_>, mode: query::Mode, text: &str) -> Result<Query, Problem> {
    let mut query = Query::parse(mode, text).map_err(refused)?;
    query.resolve(&mut |filter, value| match (filter, value.strip_prefix("user:")) {
        (Filter::Author | Filter::Mentions, Some(name)) if name.contains('.') => {
            names::person(reading.snapshot, "q", name).map(|person| Some(person.to_string()))
        }
        _ => Ok(None),
    })?;
    Ok(query)
}

/// What a query finds.
pub(crate) struct Found {
    /// A page of it.
    pub(crate) hits: query::Hits,
    /// What finds the query's words in their texts.
    pub(crate) highlighter: Highlighter,
    /// The cursor of the next page.
    pub(crate) next: Option<String>,
}

/// A page of what a query finds, where `scope` is all that it was made of.
pub(crate) fn found(
    reading: &Reading<'_>,
    query: &Query,
    scope: &[&str],
    limit: usize,
    cursor: Option<&str>,
) -> Result<Found, Problem> {
    let snapshot = reading.snapshot;
    let after = Listing::Search.resume(scope, cursor)?.map(|key| place(&key)).transpose();
    let after = after.map_err(|error| Problem::internal("reading a cursor of ours", &error))?;
    let (hits, highlighter) =
        snapshot.find(query, &query::Page { after, limit }).map_err(|error| match error {
            ReadError::Search(SearchError::Query(error)) => refused(error),
            ReadError::Search(error) => Problem::internal("searching", &error),
            error => error.into(),
        })?;
    let next = hits.next.as_ref().map(|cursor| {
        let mut key = KeyWriter::new();
        key.u64(cursor.rank).text(cursor.uri.as_str());
        Listing::Search.cursor(scope, &key.into_bytes())
    });
    Ok(Found { hits, highlighter, next })
}

/// A filter, as the language has it: exactly this value.
///
/// # Errors
/// There is no value, or one that the language can't say.
pub(crate) fn filter(name: &str, value: &str) -> Result<String, Problem> {
    match value.trim() {
        "" => Err(Problem::parameter(name, "is empty")),
        value if value.contains('"') => Err(Problem::parameter(name, "has a quotation mark in it")),
        value => Ok(format!("{name}:\"{value}\"")),
    }
}

fn place(key: &[u8]) -> Result<Cursor, DecodeError> {
    let mut key = KeyReader::new(key);
    Ok(Cursor { rank: key.u64()?, uri: key.text()?.into() })
}

pub(crate) fn refused(error: QueryError) -> Problem {
    Problem::parameter_at("q", error.message, error.at)
}

fn show(reading: &Reading<'_>, highlighter: &Highlighter, hit: &query::Hit) -> Result<Option<Hit>, Problem> {
    // Index and records are of one epoch: a hit without a record would be damage, which is told of elsewhere.
    let Some(row) = reading.snapshot.record(&hit.uri)? else { return Ok(None) };
    let record = row.record;
    let in_text = highlighter.snippet(&record.text);
    let alt = record.attrs.get(attr::ALT).filter(|_| in_text.marks.is_empty());
    let in_alt = alt.map(|alt| highlighter.snippet(alt));
    let in_alt = in_alt.filter(|found| !found.marks.is_empty() || record.text.is_empty());
    let (is_alt, found) = (in_alt.is_some(), in_alt.unwrap_or(in_text));
    let Snippet { text: snippet, marks, .. } = found;
    Ok(Some(Hit {
        uri: record.uri.clone(),
        kind: record.kind.clone(),
        author: record.author.clone(),
        node: record.node.clone(),
        at: Time(record.at),
        score: hit.score,
        title_html: marked(&record.title, &highlighter.marks(&record.title)),
        title: record.title.clone(),
        snippet_html: marked(&snippet, &marks),
        marks: marks.iter().map(|mark| [mark.start, mark.end]).collect(),
        snippet,
        is_alt,
    }))
}

/// A text as HTML, with `<mark>` around ranges of its bytes (rising, not touching).
#[must_use]
pub fn marked(text: &str, marks: &[Range<usize>]) -> String {
    let (mut html, mut at) = (String::with_capacity(text.len() + marks.len() * 13), 0);
    for mark in marks {
        let (Some(before), Some(inside)) = (text.get(at..mark.start), text.get(mark.clone())) else {
            continue;
        };
        escape(before, &mut html);
        html.push_str("<mark>");
        escape(inside, &mut html);
        html.push_str("</mark>");
        at = mark.end;
    }
    escape(text.get(at..).unwrap_or(""), &mut html);
    html
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_escapes() {
        assert_eq!(marked("a <b> & c", &[2..5, 8..9]), "a <mark>&lt;b&gt;</mark> &amp; <mark>c</mark>");
        assert_eq!(marked("é", &[1..2, 0..9]), "é", "ranges that do not fit are left out");
        assert_eq!(marked("", &[]), "");
    }
}
