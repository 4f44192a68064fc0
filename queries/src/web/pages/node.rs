//! A node: what everybody wrote in it, what is pushed to it and pulled into it, what links to it.

use super::{PAGE, errors, leads};
use crate::{
    answer::{Document, Reading},
    problem::Problem,
    v1::backlinks::{Backlink, Filter},
    web::{
        layout::{self, Head, Shown, counted, shown},
        links,
        parts::{self, Sheet},
        read::{self, Notes},
        suggest,
    },
};
use axum::http::StatusCode;
use maud::{Markup, html};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::{LinkPath, NodeName, Timestamp, Uri, rows::NodeRow};

/// Notes of one node on one page.
const MAX_NOTES: usize = 60;
/// Pushed items on one page.
const MAX_PUSHES: usize = 30;
/// Pulled nodes shown with their notes.
const MAX_PULLED: usize = 6;
/// Notes of a pulled node.
const MAX_PULLED_NOTES: usize = 3;
/// Links to the node beside it; the rest is on a page of its own.
const MAX_BACKLINKS: usize = 40;
/// Nodes that it links to.
const MAX_FORWARD: usize = 80;

/// A node's page.
///
/// What everybody wrote in the node, what others push to it, what it pulls, and what links to it.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NodeParams {
    /// The node's name or slug.
    pub(super) node: String,
}

/// A node's page, at `/node/…`.
pub(super) fn node(reading: &Reading<'_>, params: NodeParams) -> Result<Shown, Problem> {
    let (name, row) = read::node(reading, &params.node)?;
    show(reading, name, row)
}

/// A node's page at its short address: any other spelling of the name leads to the slug.
pub(super) fn short(reading: &Reading<'_>, params: NodeParams) -> Result<Shown, Problem> {
    let (name, row) = read::node(reading, &params.node)?;
    let slug = links::plain_slug(&name);
    // Only to what reads back as the same name: so no two spellings can lead to each other.
    if slug != params.node && NodeName::canonical(&slug) == name && !slug.is_empty() {
        let moved = Document::redirect(&format!("/{}", links::path(&slug)));
        return Ok(Document { status: StatusCode::MOVED_PERMANENTLY, ..moved }.into());
    }
    show(reading, name, row)
}

fn show(reading: &Reading<'_>, name: NodeName, row: Option<NodeRow>) -> Result<Shown, Problem> {
    let Some(row) = row else { return Err(errors::no_node(reading, &name)) };
    let node = Node::read(reading, name, row)?;
    let head = Head::titled(shown(node.name.as_str())).at(links::node(&node.name)).feed(node.feed());
    Ok(layout::page(reading, head, move || node.page()))
}

/// All that is read for a page.
struct Node {
    name: NodeName,
    row: NodeRow,
    notes: Notes,
    /// Journals of days before and after, if the node is a day.
    days: Option<(Option<Timestamp>, Option<Timestamp>)>,
    goes: bool,
    pushes: Vec<Backlink>,
    pulls: Vec<(NodeName, Notes)>,
    backlinks: Vec<Backlink>,
    more_backlinks: bool,
    forward: Vec<NodeName>,
    related: Vec<NodeName>,
}

impl Node {
    fn read(reading: &Reading<'_>, name: NodeName, row: NodeRow) -> Result<Self, Problem> {
        let notes = Notes::read(reading, read::subnodes(reading, &name, MAX_NOTES)?)?;
        let days = name.journal_day().map(|day| read::neighbouring_days(reading, day)).transpose()?;
        let names_a_place =
            notes.records.iter().flat_map(|note| &note.links).any(|link| link.path.as_str() == LinkPath::GO);
        let goes = names_a_place && leads::destination(reading, name.clone())?.is_some();

        let from_others = |link: &Backlink| link.node.as_ref() != Some(&name);
        let pushed =
            Filter::path(LinkPath::PUSH).newest(reading.snapshot, &Uri::node(&name), None, MAX_PUSHES)?;
        let pushes = pushed.rows.into_iter().map(Backlink::from).filter(from_others).collect();

        let mut pulls = Vec::new();
        for other in read::linked_nodes(&notes.records, LinkPath::PULL, MAX_PULLED) {
            if other != name {
                let notes = Notes::read(reading, read::subnodes(reading, &other, MAX_PULLED_NOTES)?)?;
                pulls.push((other, notes));
            }
        }

        let found = Filter::default().newest(reading.snapshot, &Uri::node(&name), None, MAX_BACKLINKS)?;
        let more_backlinks = found.next.is_some();
        let links_here: Vec<Backlink> = found.rows.into_iter().map(Backlink::from).collect();
        let related = suggest::related(reading, &name, &links_here, &notes.records)?;
        let shown_below = |link: &Backlink| link.path.as_str() != LinkPath::PUSH && from_others(link);
        let backlinks = links_here.into_iter().filter(shown_below).collect();
        let forward = read::linked_nodes(&notes.records, LinkPath::WIKILINK, MAX_FORWARD);
        Ok(Self { name, row, notes, days, goes, pushes, pulls, backlinks, more_backlinks, forward, related })
    }

    fn feed(&self) -> String {
        format!("/feed/{}", links::slug(&self.name))
    }

    fn page(self) -> Markup {
        let mut sheet = Sheet::default();
        let nobody = self.row.subnodes == 0;
        let (heading, days, context) = (self.heading(), self.days(), self.context());
        html! {
            header.page-head { (heading) (days) }
            div.split {
                div {
                    @if nobody { p.quiet { "Nobody has written here yet; this is what others say of it." } }
                    (parts::articles(&mut sheet, self.notes))
                    (pushed(&mut sheet, &self.pushes))
                    (pulled(&mut sheet, self.pulls))
                }
                aside aria-label="Links" { (context) }
            }
        }
    }

    fn heading(&self) -> Markup {
        let Self { name, row, .. } = self;
        html! {
            h1 { (shown(name.as_str())) }
            p.facts {
                @if row.subnodes > 0 {
                    span { (counted(row.subnodes, "note")) " by " (counted(row.authors, "person")) }
                }
                @if row.links > 0 { span { (counted(row.links, "link")) " from " (counted(row.linkers, "person")) } }
                @if self.goes { span { a href={ "/go/" (links::slug(name)) } rel="nofollow" { "Go there" } } }
                @if row.subnodes > 0 { span { a href={ "/raw/node/" (links::slug(name)) } { "Text" } } }
                span { a href=(self.feed()) { "Feed" } }
            }
        }
    }

    /// For a day: the days before and after that somebody wrote of.
    fn days(&self) -> Markup {
        let Some((before, after)) = self.days else { return html! {} };
        let link = |day: Timestamp| format!("/node/{}", day.date());
        html! {
            nav.days aria-label="Days" {
                span { @if let Some(day) = before { a rel="prev" href=(link(day)) { "← " (day.date()) } } }
                a href="/journals" { "All journals" }
                span { @if let Some(day) = after { a rel="next" href=(link(day)) { (day.date()) " →" } } }
            }
        }
    }

    /// What is around the node: links to it, links from it, nodes like it.
    fn context(&self) -> Markup {
        html! {
            section aria-labelledby="backlinks" {
                h2 #backlinks { "Links here" }
                @if self.backlinks.is_empty() { p.quiet { "Nothing else links here yet." } }
                (parts::backlinks(&self.backlinks))
                @if self.more_backlinks {
                    p.more { a href={ "/backlinks/" (links::slug(&self.name)) } { "All links to this node" } }
                }
            }
            @if !self.forward.is_empty() {
                section aria-labelledby="forward" {
                    h2 #forward { "Links from here" }
                    (parts::chips(self.forward.iter()))
                }
            }
            @if !self.related.is_empty() {
                section aria-labelledby="related" { h2 #related { "Related" } (parts::chips(self.related.iter())) }
            }
        }
    }
}

fn pushed(sheet: &mut Sheet, pushes: &[Backlink]) -> Markup {
    html! {
        @if !pushes.is_empty() {
            section aria-labelledby="pushes" {
                h2 #pushes { "Pushed here" }
                @for push in pushes { (sheet.pushed(push)) }
            }
        }
    }
}

fn pulled(sheet: &mut Sheet, pulls: Vec<(NodeName, Notes)>) -> Markup {
    html! {
        @for (name, notes) in pulls {
            details.pulled {
                summary { "Pulled: " (layout::node_link(&name)) }
                @if notes.records.is_empty() { p.quiet { "Nobody has written there yet." } }
                (parts::articles(sheet, notes))
            }
        }
    }
}

/// The links to a node, all of them, in pages.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct BacklinksParams {
    /// The node's name or slug.
    node: String,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// Everything that links to a node.
pub(super) fn backlinks(reading: &Reading<'_>, params: BacklinksParams) -> Result<Shown, Problem> {
    let (name, row) = read::node(reading, &params.node)?;
    let Some(row) = row else { return Err(errors::no_node(reading, &name)) };
    let page = Filter::default().page(reading, &Uri::node(&name), PAGE, params.cursor.as_deref())?;
    let head = Head::titled(format!("Links to {}", shown(name.as_str()))).hidden(params.cursor.is_some());
    Ok(layout::page(reading, head, move || {
        html! {
            header.page-head {
                h1 { "Links to " (layout::node_link(&name)) }
                p.facts { span { (counted(row.links, "link")) " from " (counted(row.linkers, "person")) } }
            }
            section {
                @if page.items.is_empty() { p.quiet { "Nothing links here yet." } }
                (parts::backlinks(&page.items))
                (layout::more(&format!("/backlinks/{}", links::slug(&name)), page.next.as_deref(), "Older links"))
            }
        }
    }))
}

/// What others push to a node.
pub(super) fn push(reading: &Reading<'_>, params: NodeParams) -> Result<Shown, Problem> {
    part(reading, &params.node, "Pushed to", |node| pushed(&mut Sheet::default(), &node.pushes))
}

/// What a node pulls in.
pub(super) fn pull(reading: &Reading<'_>, params: NodeParams) -> Result<Shown, Problem> {
    part(reading, &params.node, "Pulled into", |node| pulled(&mut Sheet::default(), node.pulls))
}

/// What is around a node: links to it, links from it, nodes like it.
pub(super) fn around(reading: &Reading<'_>, params: NodeParams) -> Result<Shown, Problem> {
    part(reading, &params.node, "Around", |node| node.context())
}

/// One part of a node's page by itself.
fn part(
    reading: &Reading<'_>,
    path: &str,
    title: &'static str,
    render: fn(Node) -> Markup,
) -> Result<Shown, Problem> {
    let (name, row) = read::node(reading, path)?;
    let Some(row) = row else { return Err(errors::no_node(reading, &name)) };
    let node = Node::read(reading, name.clone(), row)?;
    let head = Head::titled(format!("{title} {}", shown(name.as_str()))).at(links::node(&name)).hidden(true);
    Ok(layout::page(reading, head, move || {
        let part = render(node);
        html! {
            header.page-head { h1 { (title) " " (layout::node_link(&name)) } }
            @if part.0.is_empty() { p.quiet { "Nothing." } }
            div.narrow { (part) }
        }
    }))
}
