//! Lists: what is new, what matters, which nodes and journals there are, what bears a tag.

use super::PAGE;
use crate::{
    answer::Reading,
    page::{Listing, Page},
    problem::Problem,
    v1::{
        backlinks::{Backlink, Filter},
        list::List,
        shape::Note,
    },
    web::{
        layout::{self, Head, Shown, counted, node_link, shown},
        links,
        parts::{self, Sheet},
        read::{self, Notes},
    },
};
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::{
    Uri,
    rows::{JournalRow, LatestRow, NodeRow, Order, TopRow},
};

/// How many journals are shown with their text when the address names no number.
const JOURNALS: usize = 10;
/// The most of them.
const MAX_JOURNALS: usize = 100;

/// The newest notes of all.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct LatestParams {
    /// Where the page before ended.
    cursor: Option<String>,
}

/// The newest notes of all.
pub(super) fn latest(reading: &Reading<'_>, params: LatestParams) -> Result<Shown, Problem> {
    let list = List {
        listing: Listing::Latest,
        scope: &[""],
        prefix: Vec::new(),
        limit: PAGE,
        cursor: params.cursor.as_deref(),
    };
    let page: Page<Note> = list.page(reading, |row: LatestRow| Some(row.note.into()))?;
    let head = Head::titled("Latest").feed("/feed/latest").hidden(params.cursor.is_some());
    Ok(layout::page(reading, head, move || {
        html! {
            header.page-head { h1 { "Latest" } p.facts { span { a href="/feed/latest" { "Feed" } } } }
            section {
                @if page.items.is_empty() { p.quiet { "Nothing yet." } }
                (parts::notes(&page.items))
                (layout::more("/latest", page.next.as_deref(), "Older notes"))
            }
        }
    }))
}

/// The best nodes by an order.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct TopParams {
    /// By what: `rank`, `size`, `indegree`, `trending`, `1h`, `24h`, `7d`, `30d`.
    order: String,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// How an order is called, and what its score counts.
pub(super) fn order_words(order: Order) -> (&'static str, &'static str) {
    match order {
        Order::Size => ("Size", "note"),
        Order::InDegree => ("Linked by", "person"),
        Order::Rank => ("Rank", ""),
        Order::Trending => ("Trending", ""),
        Order::Hour => ("Last hour", "touch"),
        Order::Day => ("Last day", "touch"),
        Order::Week => ("Last week", "touch"),
        Order::Month => ("Last month", "touch"),
    }
}

/// A score in words; the orders whose scores mean nothing to people show none.
fn score(row: &TopRow) -> String {
    match order_words(row.order).1 {
        "" => String::new(),
        "touch" if row.score != 1 => format!("{} touches", layout::count(row.score)),
        noun => counted(row.score, noun),
    }
}

/// A ranking as a list.
pub(super) fn ranked(rows: &[TopRow]) -> Markup {
    html! {
        ol.list.ranked {
            @for row in rows { li { div.row { (node_link(&row.node)) span.score { (score(row)) } } } }
        }
    }
}

/// The best nodes by an order.
pub(super) fn top(reading: &Reading<'_>, params: TopParams) -> Result<Shown, Problem> {
    let Some(order) = Order::from_name(&params.order) else {
        return Err(Problem::not_found("there is no such order of nodes; /top/rank is one"));
    };
    by_order(reading, order, params.cursor.as_deref())
}

/// The best nodes by rank.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct TopRankParams {
    /// Where the page before ended.
    cursor: Option<String>,
}

/// The best nodes by rank.
pub(super) fn top_rank(reading: &Reading<'_>, params: TopRankParams) -> Result<Shown, Problem> {
    by_order(reading, Order::Rank, params.cursor.as_deref())
}

fn by_order(reading: &Reading<'_>, order: Order, cursor: Option<&str>) -> Result<Shown, Problem> {
    let list = List {
        listing: Listing::Rankings,
        scope: &[order.name()],
        prefix: vec![order as u8],
        limit: PAGE,
        cursor,
    };
    let page: Page<TopRow> = list.page(reading, Some)?;
    let path = format!("/top/{}", order.name());
    let head =
        Head::titled(format!("Top nodes: {}", order_words(order).0)).at(&*path).hidden(cursor.is_some());
    Ok(layout::page(reading, head, move || {
        html! {
            header.page-head { h1 { "Top nodes" } (tabs(Some(order))) }
            section {
                @if page.items.is_empty() { p.quiet { "No nodes in this list now." } }
                (ranked(&page.items))
                (layout::more(&path, page.next.as_deref(), "Next nodes"))
            }
        }
    }))
}

fn tabs(current: Option<Order>) -> Markup {
    html! {
        nav aria-label="Orders" { ul.tabs {
            @for order in [
                Order::Rank, Order::Trending, Order::Size, Order::InDegree, Order::Hour, Order::Day, Order::Week,
                Order::Month,
            ] {
                li { a href={ "/top/" (order.name()) } aria-current=[(current == Some(order)).then_some("page")] {
                    (order_words(order).0)
                } }
            }
            li { a href="/nodes?by=name" aria-current=[current.is_none().then_some("page")] { "A–Z" } }
        } }
    }
}

/// The nodes, largest first, or all of them by name.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NodesParams {
    /// `name` for all nodes by name; otherwise the largest.
    by: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// The nodes, largest first, or all of them by name.
pub(super) fn nodes(reading: &Reading<'_>, params: NodesParams) -> Result<Shown, Problem> {
    if params.by.as_deref() != Some("name") {
        return by_order(reading, Order::Size, params.cursor.as_deref());
    }
    let list = List {
        listing: Listing::Nodes,
        scope: &[""],
        prefix: Vec::new(),
        limit: PAGE,
        cursor: params.cursor.as_deref(),
    };
    let page: Page<NodeRow> = list.page(reading, Some)?;
    let head = Head::titled("All nodes").hidden(params.cursor.is_some());
    Ok(layout::page(reading, head, move || {
        html! {
            header.page-head { h1 { "All nodes" } (tabs(None)) }
            section {
                ul.list { @for row in page.items.iter().filter(|row| !row.node.as_str().is_empty()) {
                    li { div.row { (node_link(&row.node)) span.score {
                        @if row.subnodes > 0 { (counted(row.subnodes, "note")) } @else { (counted(row.links, "link")) }
                    } } }
                } }
                (layout::more("/nodes?by=name", page.next.as_deref(), "Next nodes"))
            }
        }
    }))
}

/// The newest journals, whole.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct JournalsParams {
    /// How many notes; `all` for a list of all of them without their text.
    count: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// The newest journals, whole; or all of them as a list.
pub(super) fn journals(reading: &Reading<'_>, params: JournalsParams) -> Result<Shown, Problem> {
    let count = match params.count.as_deref() {
        Some("all") => return all_journals(reading, params.cursor.as_deref()),
        Some(count) => count.parse().ok().filter(|count| *count > 0).ok_or_else(|| {
            Problem::not_found("/journals/ is followed by a number of journals, or by `all`")
        })?,
        None => JOURNALS,
    };
    let rows: Vec<JournalRow> = read::first(reading, Vec::new(), count.min(MAX_JOURNALS))?;
    let mut days = Vec::new();
    for of_day in rows.chunk_by(|a, b| a.day == b.day) {
        let notes = of_day.iter().map(|row| row.note.clone()).collect();
        days.push((of_day[0].day.date(), Notes::read(reading, notes)?));
    }
    Ok(layout::page(reading, Head::titled("Journals").feed("/feed/journals"), move || {
        let mut sheet = Sheet::default();
        html! {
            header.page-head {
                h1 { "Journals" }
                p.facts { span { a href="/journals/all" { "All journals" } } span { a href="/feed/journals" { "Feed" } } }
            }
            @if days.is_empty() { p.quiet { "Nobody keeps a journal here yet." } }
            @for (day, notes) in days {
                section aria-labelledby={ "d" (day) } {
                    h2 id={ "d" (day) } { a href={ "/node/" (day) } { (day) } }
                    (parts::articles(&mut sheet, notes))
                }
            }
        }
    }))
}

fn all_journals(reading: &Reading<'_>, cursor: Option<&str>) -> Result<Shown, Problem> {
    let list = List { listing: Listing::Journals, scope: &[], prefix: Vec::new(), limit: PAGE, cursor };
    let page: Page<JournalRow> = list.page(reading, Some)?;
    Ok(layout::page(reading, Head::titled("All journals").hidden(cursor.is_some()), move || {
        html! {
            header.page-head { h1 { "All journals" } }
            section {
                ul.list { @for of_day in page.items.chunk_by(|a, b| a.day == b.day) {
                    @let day = of_day[0].day.date();
                    li { div.row {
                        a href={ "/node/" (day) } { (day) }
                        span.meta { @for row in of_day.iter().take(12) { (layout::author_link(&row.note.author)) " " } }
                    } }
                } }
                (layout::more("/journals/all", page.next.as_deref(), "Earlier days"))
            }
        }
    }))
}

/// What bears a tag, newest first.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct TagParams {
    /// The tag, without `#`.
    tag: String,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// What bears a tag, newest first.
pub(super) fn tag(reading: &Reading<'_>, params: TagParams) -> Result<Shown, Problem> {
    let tag = params.tag.trim_start_matches('#').to_lowercase();
    let page: Page<Backlink> =
        Filter::default().page(reading, &Uri::tag(&tag), PAGE, params.cursor.as_deref())?;
    let path = links::tag(&tag);
    let title = format!("#{}", shown(&tag));
    let (node, row) = read::node(reading, &tag)?;
    let has_node = row.is_some();
    let hidden = params.cursor.is_some() || page.items.is_empty();
    Ok(layout::page(reading, Head::titled(&*title).at(&*path).hidden(hidden), move || {
        html! {
            header.page-head {
                h1 { (title) }
                p.facts {
                    span { "Notes with this tag" }
                    @if has_node { span { a href=(links::node(&node)) { "The node of this name" } } }
                }
            }
            section {
                @if page.items.is_empty() { p.quiet { "No note bears this tag." } }
                (parts::backlinks(&page.items))
                (layout::more(&path, page.next.as_deref(), "Older notes"))
            }
        }
    }))
}
