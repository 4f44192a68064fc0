//! The front page: search, what is new, what matters, how much there is.

use super::lists;
use crate::{
    answer::{Document, Reading},
    problem::Problem,
    web::{
        layout::{self, Head, Shown, count, counted, search_form, size},
        links, parts, read,
    },
};
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::rows::{AuthorRow, LatestRow, NoteMeta, Order, SourceRow, TopRow};

/// Items of each list.
const ITEMS: usize = 15;
/// Authors counted; more are "more than".
const MAX_AUTHORS: usize = 2_000;

/// The front page.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct HomeParams {
    /// A search, as the Agora's own search fields send it: leads to `/search`.
    q: Option<String>,
}

/// The front page.
pub(super) fn home(reading: &Reading<'_>, params: HomeParams) -> Result<Shown, Problem> {
    if let Some(query) = params.q.filter(|query| !query.trim().is_empty()) {
        return Ok(Document::redirect(&links::search(&query)).into());
    }
    let latest: Vec<LatestRow> = read::first(reading, Vec::new(), ITEMS)?;
    let latest = latest.into_iter().map(|row| row.note).collect();
    let rank = read::top(reading, Order::Rank, ITEMS)?;
    let trending = read::top(reading, Order::Trending, ITEMS)?;
    let totals = Totals::read(reading)?;
    Ok(layout::page(reading, Head::default().at("/"), move || page(latest, &rank, &trending, &totals)))
}

fn page(latest: Vec<NoteMeta>, rank: &[TopRow], trending: &[TopRow], totals: &Totals) -> Markup {
    html! {
        div.lead {
            h1 { "What everybody's gardens say" }
            (search_form("", "home-search"))
            p.facts {
                span { (counted(totals.notes, "note")) }
                span { (totals.authors()) }
                span { (counted(totals.links, "link")) }
                span { (size(totals.bytes)) }
            }
        }
        div.columns {
            section aria-labelledby="latest" {
                h2 #latest { "Latest" }
                @if latest.is_empty() { p.quiet { "Nothing yet." } }
                (parts::note_rows(latest))
                p.more { a href="/latest" { "More that is new" } }
            }
            section aria-labelledby="top" {
                h2 #top { "Top nodes" }
                (lists::ranked(rank))
                p.more { a href="/top/rank" { "More top nodes" } }
            }
            @if !trending.is_empty() {
                section aria-labelledby="trending" {
                    h2 #trending { "Trending" }
                    (lists::ranked(trending))
                    p.more { a href="/top/trending" { "More that is trending" } }
                }
            }
        }
    }
}

/// How much there is.
struct Totals {
    notes: u64,
    links: u64,
    bytes: u64,
    authors: usize,
}

impl Totals {
    fn read(reading: &Reading<'_>) -> Result<Self, Problem> {
        let sources: Vec<SourceRow> = read::first(reading, Vec::new(), 1_000)?;
        let authors: Vec<AuthorRow> = read::first(reading, Vec::new(), MAX_AUTHORS)?;
        let sum = |of: fn(&SourceRow) -> u64| sources.iter().map(of).sum();
        Ok(Self {
            notes: sum(|source| source.records),
            links: sum(|source| source.links),
            bytes: sum(|source| source.bytes),
            authors: authors.len(),
        })
    }

    fn authors(&self) -> String {
        if self.authors == MAX_AUTHORS {
            return format!("more than {} people", count(MAX_AUTHORS as u64));
        }
        counted(self.authors as u64, "person")
    }
}
