//! Search: the notes that hold some words, and the nodes that are called so.

use crate::{
    answer::{Document, Reading},
    page::Limit,
    problem::{Kind, Problem},
    v1::search::{Hit, Hits, Mode, find},
    web::{
        layout::{self, Head, Shown, author_link, count, node_link, search_form, shown, time},
        links, parts, read, suggest,
    },
};
use maud::{Markup, PreEscaped, html};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::NodeName;

/// Nodes with names like the query.
const MAX_NODES: usize = 10;
/// The ways to search, and how they are called.
const MODES: [(&str, &str); 4] =
    [("ranked", "Best first"), ("broad", "All words"), ("exact", "Phrase"), ("substring", "Characters")];

/// Notes that hold some words.
///
/// `go foo` leads where `/go/foo` does, `[[foo]]` to the node.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SearchParams {
    /// The words.
    #[serde(default)]
    q: String,
    /// How to read them.
    #[serde(default)]
    mode: Mode,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// Notes that hold some words.
pub(super) fn search(reading: &Reading<'_>, params: SearchParams) -> Result<Shown, Problem> {
    let query = params.q.trim();
    if let Some(place) = directive(query) {
        return Ok(Document::redirect(&place).into());
    }
    results(reading, query, params.mode, params.cursor.as_deref())
}

/// Where a query leads that is more of a command.
fn directive(query: &str) -> Option<String> {
    let node = |name: &str| links::slug(&NodeName::canonical(name));
    if let Some(name) = query.strip_prefix("[[").and_then(|query| query.strip_suffix("]]")) {
        return Some(format!("/node/{}", node(name)));
    }
    let (verb, rest) = query.split_once([' ', '/']).filter(|(_, rest)| !rest.trim().is_empty())?;
    match verb {
        "go" | "push" | "pull" => Some(format!("/{verb}/{}", node(rest))),
        _ => None,
    }
}

/// Notes that hold some words, at the Agora's address.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct FullsearchParams {
    /// The words.
    query: String,
}

/// Notes that hold some words, at the Agora's address.
pub(crate) fn fullsearch(reading: &Reading<'_>, params: FullsearchParams) -> Result<Shown, Problem> {
    results(reading, params.query.trim(), Mode::Ranked, None)
}

/// What a page of results shows.
struct Results {
    query: String,
    mode: Mode,
    /// The node that is called as the query is.
    node: Option<NodeName>,
    similar: Vec<NodeName>,
    found: Result<Option<Hits>, String>,
}

fn results(reading: &Reading<'_>, query: &str, mode: Mode, cursor: Option<&str>) -> Result<Shown, Problem> {
    let found = match find(reading, query, mode, Limit::SHORT, cursor) {
        _ if query.is_empty() => Ok(None),
        Ok(hits) => Ok(Some(hits)),
        // What is wrong with a query is said on its page, beside the field where it can be put right.
        Err(problem) if problem.kind() == Kind::MalformedQuery => Err(problem.detail().to_owned()),
        Err(problem) => return Err(problem),
    };
    let (node, mut similar) = if query.is_empty() || cursor.is_some() {
        (None, Vec::new())
    } else {
        let (name, row) = read::node(reading, query)?;
        (row.map(|_| name), suggest::similar(reading, query, MAX_NODES)?)
    };
    similar.retain(|name| Some(name) != node.as_ref());
    let title = if query.is_empty() { "Search".to_owned() } else { format!("Search: {}", shown(query)) };
    let head = Head { query: query.to_owned(), ..Head::titled(title).hidden(true) };
    let results = Results { query: query.to_owned(), mode, node, similar, found };
    Ok(layout::page(reading, head, move || results.page()))
}

impl Results {
    fn page(&self) -> Markup {
        html! {
            header.page-head {
                h1 { "Search" }
                @if self.query.is_empty() { (search_form("", "page-search")) } @else { (self.modes()) }
            }
            @if self.node.is_some() || !self.similar.is_empty() {
                section aria-labelledby="nodes" {
                    h2 #nodes { "Nodes" }
                    (parts::chips(self.node.iter().chain(&self.similar)))
                }
            }
            @match &self.found {
                Err(detail) => { section { p.cut { "This can't be searched for: " (detail) "." } (help()) } }
                Ok(None) => { section { (help()) } }
                Ok(Some(hits)) => { (self.hits(hits)) }
            }
        }
    }

    fn modes(&self) -> Markup {
        let current = format!("{:?}", self.mode).to_lowercase();
        html! {
            nav aria-label="How to search" { ul.tabs { @for (mode, label) in MODES {
                li { a href={ (links::search(&self.query)) "&mode=" (mode) }
                    aria-current=[(mode == current).then_some("page")] { (label) } }
            } } }
        }
    }

    fn hits(&self, hits: &Hits) -> Markup {
        let path =
            format!("{}&mode={}", links::search(&self.query), format!("{:?}", self.mode).to_lowercase());
        html! {
            section aria-labelledby="notes" {
                h2 #notes {
                    @if !hits.complete { "At least " }
                    (count(hits.total)) " " @if hits.total == 1 { "note" } @else { "notes" }
                }
                @if hits.items.is_empty() { p.quiet { "No note matches." } (help()) }
                ul.list { @for hit in &hits.items { (show(hit)) } }
                (layout::more(&path, hits.next.as_deref(), "More notes"))
            }
        }
    }
}

fn show(hit: &Hit) -> Markup {
    html! {
        li {
            div.row {
                // Escaped by the search itself, with marks as the only elements.
                span {
                    a href=(links::subnode(&hit.uri)) { (PreEscaped(&hit.title_html)) }
                    " " span.meta {
                        @if let Some(node) = &hit.node { "in " (node_link(node)) " " }
                        "by " (author_link(&hit.author))
                    }
                }
                (time(hit.at.0))
            }
            p.context { @if hit.is_alt { "A picture: " } (PreEscaped(&hit.snippet_html)) }
        }
    }
}

fn help() -> Markup {
    html! {
        p.quiet {
            "Words in any form; " code { "\"a phrase\"" } ", " code { "gard*" } ", " code { "a OR b" } ", "
            code { "-not" } "; narrowed by " code { "author:" } " " code { "node:" } " " code { "tag:" } " "
            code { "since:2024-05" } " " code { "until:" } "."
        }
    }
}
