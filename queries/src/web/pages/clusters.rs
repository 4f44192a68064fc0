//! Who says the same: the clusters of a space, and one of them with its items and jobs.
//!
//! They take the parameters of `/v1/clusters` and read what that reads. Nothing can be changed here: the server's token
//! opens writes, and a browser has none that a foreign page could not make it send along.

use super::{errors, jobs};
use crate::{
    answer::{Document, Reading},
    page::Limit,
    params::Nothing,
    problem::{Kind, Problem},
    v1::{
        clusters::{self, Cluster, ClusterPage, ClusterParams, ClustersParams, Level, Sort, items::Item},
        jobs::JobView,
    },
    web::{
        layout::{self, Head, Shown, count, counted, minute, time},
        links, read,
    },
};
use maud::{Markup, html};
use springline_model::{
    Space,
    job::FixState,
    rows::{ClusterLevel, ClusterOrder, JobRow},
    text::display,
};

/// Spaces on the page of all.
const MAX_SPACES: usize = 50;
/// Clusters of each that it shows.
const SHORT: Limit = Limit::of(5);
/// Jobs that it shows.
const NEWEST_JOBS: usize = 10;
/// Every status, and how it is called.
const STATUSES: [(FixState, &str); 5] = [
    (FixState::New, "New"),
    (FixState::Fixing, "Being fixed"),
    (FixState::PrOpened, "Pull request"),
    (FixState::Failed, "Failed"),
    (FixState::Resolved, "Resolved"),
];

/// A stranger's line, fit to be shown.
pub(super) fn line(text: &str) -> String {
    layout::shown(&display::shown(text))
}

/// How a status is called.
fn status(name: &str) -> &str {
    STATUSES.iter().find(|(state, _)| state.name() == name).map_or(name, |(_, label)| label)
}

/// What of a space is listed: the same as in the address, without what is as usual.
#[derive(Clone)]
struct Filter {
    space: String,
    level: ClusterLevel,
    sort: ClusterOrder,
    status: Option<FixState>,
    source: Option<String>,
    theme: Option<String>,
    min_items: u64,
}

impl Filter {
    fn of(params: &ClustersParams) -> Self {
        Self {
            space: params.space.clone(),
            level: params.level.into(),
            sort: params.sort.into(),
            status: params.status.map(FixState::from),
            source: params.source.clone(),
            theme: params.theme.clone(),
            min_items: params.min_items,
        }
    }

    /// All clusters of a space.
    fn all(space: &str) -> Self {
        Self {
            space: space.to_owned(),
            level: ClusterLevel::Cluster,
            sort: ClusterOrder::Size,
            status: None,
            source: None,
            theme: None,
            min_items: 0,
        }
    }

    fn path(&self) -> String {
        let is_usual_sort = self.sort == ClusterOrder::Size;
        let is_usual_level = self.level == ClusterLevel::Cluster;
        let parts = [
            ("sort", (!is_usual_sort).then(|| self.sort.name().to_owned())),
            ("level", (!is_usual_level).then(|| self.level.name().to_owned())),
            ("status", self.status.map(|status| status.name().to_owned())),
            ("source", self.source.as_deref().map(links::segment)),
            ("theme", self.theme.as_deref().map(links::segment)),
            ("min_items", (self.min_items > 0).then(|| self.min_items.to_string())),
        ];
        let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        let query = parts.collect::<Vec<_>>().join("&");
        let path = links::space(&self.space);
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    /// Links to the same list, otherwise ordered or narrowed.
    fn tabs(&self) -> Markup {
        let orders = [
            (ClusterOrder::Size, "Largest"),
            (ClusterOrder::Growth, "Growing"),
            (ClusterOrder::LastSeen, "Newest"),
        ];
        let levels = [
            (ClusterLevel::Theme, "Themes"),
            (ClusterLevel::Cluster, "About the same"),
            (ClusterLevel::Duplicates, "Near-duplicates"),
        ];
        let current = |is: bool| is.then_some("page");
        html! {
            nav aria-label="Order" { ul.tabs { @for (sort, label) in orders {
                li { a href=(Self { sort, ..self.clone() }.path()) aria-current=[current(self.sort == sort)] { (label) } }
            } } }
            nav aria-label="What" { ul.tabs {
                @for (level, label) in levels {
                    // Only clusters have a status and a theme.
                    li { a href=(Self { level, status: None, theme: None, ..self.clone() }.path())
                        aria-current=[current(self.level == level)] { (label) } }
                }
                @let several = self.min_items > 1;
                li { a href=(Self { min_items: if several { 0 } else { 2 }, ..self.clone() }.path())
                    aria-current=[current(several)] { "Said more than once" } }
                @if let Some(source) = &self.source {
                    li { a href=(Self { source: None, ..self.clone() }.path()) aria-current="page" {
                        "Only from " (line(source))
                    } }
                }
                @if self.theme.is_some() {
                    li { a href=(Self { theme: None, ..self.clone() }.path()) aria-current="page" { "Only of one theme" } }
                }
            } }
            @if self.level == ClusterLevel::Cluster {
                nav aria-label="Status" { ul.tabs {
                    li { a href=(Self { status: None, ..self.clone() }.path())
                        aria-current=[current(self.status.is_none())] { "Any status" } }
                    @for (status, label) in STATUSES {
                        li { a href=(Self { status: Some(status), ..self.clone() }.path())
                            aria-current=[current(self.status == Some(status))] { (label) } }
                    }
                } }
            }
        }
    }
}

/// Where a cluster's page is; near-duplicates go by the name of an item, as clusters do.
fn place(id: &str, level: &str) -> String {
    let path = links::cluster(id);
    if level == ClusterLevel::Cluster.name() { path } else { format!("{path}?level={level}") }
}

/// Clusters, as a list shows them. Sources narrow the list if there is one to be narrowed.
fn listed(clusters: &[Cluster], filter: Option<&Filter>) -> Markup {
    html! {
        ul.list { @for cluster in clusters { li {
            div.row {
                a href=(place(&cluster.id, &cluster.level)) { (line(&cluster.title)) }
                span.score { (counted(cluster.items, "item")) }
            }
            p.context {
                @if let Some(state) = cluster.status { (status(state)) " · " }
                @if cluster.growth.week > 0 { (count(cluster.growth.week)) " this week · " }
                "last " (time(cluster.last_seen.0)) " · from "
                @for (at, source) in cluster.sources.iter().enumerate() {
                    @if at > 0 { ", " }
                    @match filter {
                        Some(filter) => {
                            @let narrowed = Filter { source: Some(source.source.clone()), ..filter.clone() };
                            a href=(narrowed.path()) { (line(&source.source)) }
                        }
                        None => { (line(&source.source)) }
                    }
                }
            }
        } } }
    }
}

/// What is said, by space, and the newest jobs.
pub(super) fn spaces(reading: &Reading<'_>, _: Nothing) -> Result<Shown, Problem> {
    let mut spaces: Vec<(Space, Vec<Cluster>)> = Vec::new();
    for space in read::spaces(reading, MAX_SPACES)? {
        let params = ClustersParams {
            space: space.as_str().to_owned(),
            level: Level::Cluster,
            sort: Sort::Growth,
            min_items: 0,
            source: None,
            status: None,
            theme: None,
            limit: SHORT,
            cursor: None,
        };
        spaces.push((space, clusters::clusters(reading, params)?.items));
    }
    let jobs: Vec<JobRow> = read::first(reading, Vec::new(), NEWEST_JOBS)?;
    let newest: Vec<JobView> = jobs.iter().map(|JobRow(job)| JobView::from(&**job)).collect();
    Ok(layout::page(reading, Head::titled("Clusters").at("/spaces"), move || {
        html! {
            header.page-head {
                h1 { "Clusters" }
                p.facts { span { "Who says the same; what grows most comes first" } }
            }
            @if spaces.is_empty() {
                p.quiet { "Nothing is clustered here: feedback is, and what the configuration names in "
                    code { "clusters.spaces" } "." }
            }
            div.columns {
                @for (number, (space, clusters)) in spaces.iter().enumerate() {
                    section aria-labelledby={ "s" (number) } {
                        h2 id={ "s" (number) } { (line(space.as_str())) }
                        (listed(clusters, None))
                        p.more { a href=(links::space(space.as_str())) { "All of them" } }
                    }
                }
                @if !newest.is_empty() {
                    section aria-labelledby="jobs" { h2 #jobs { "Newest jobs" } (jobs::listed(&newest)) }
                }
            }
        }
    }))
}

/// The clusters of a space.
pub(super) fn space(reading: &Reading<'_>, params: ClustersParams) -> Result<Shown, Problem> {
    let (filter, is_first) = (Filter::of(&params), params.cursor.is_none());
    let page = clusters::clusters(reading, params)?;
    let name = line(&filter.space);
    let head = Head::titled(format!("Clusters: {name}")).at(links::space(&filter.space)).hidden(!is_first);
    Ok(layout::page(reading, head, move || {
        html! {
            header.page-head {
                h1 { (name) }
                p.facts { span { a href="/spaces" { "All spaces" } } }
                (filter.tabs())
            }
            section {
                @if page.items.is_empty() { p.quiet { "Nothing more of this kind." } }
                (listed(&page.items, Some(&filter)))
                (layout::more(&filter.path(), page.next.as_deref(), "More clusters"))
            }
        }
    }))
}

/// A cluster, its items and its jobs.
pub(super) fn cluster(reading: &Reading<'_>, params: ClusterParams) -> Result<Shown, Problem> {
    let (level, is_first) = (ClusterLevel::from(params.level).name(), params.cursor.is_none());
    let found = match clusters::cluster(reading, params) {
        Err(problem) if problem.kind() == Kind::NotFound => {
            return Err(errors::nothing(reading, "such cluster (any more)"));
        }
        found => found?,
    };
    let path = place(&found.cluster.id, level);
    // A cursor is tied to the name that it was asked for by.
    if found.redirected_from.is_some() && is_first {
        return Ok(Document::redirect(&path).into());
    }
    let head = Head::titled(line(&found.cluster.title)).at(&*path).hidden(!is_first);
    Ok(layout::page(reading, head, move || shown(&found, &path)))
}

fn shown(found: &ClusterPage, path: &str) -> Markup {
    let ClusterPage { cluster, theme, jobs: done, page, redirected_from } = found;
    // The rest of a list that was begun under another name goes on under it.
    let asked = redirected_from.as_deref().map(|id| place(id, &cluster.level));
    let is_duplicates = cluster.level == ClusterLevel::Duplicates.name();
    let is_theme = cluster.level == ClusterLevel::Theme.name();
    let of_theme = Filter { theme: Some(cluster.id.clone()), ..Filter::all(&cluster.space) };
    html! {
        header.page-head {
            h1 { (line(&cluster.title)) }
            p.facts {
                @if let Some(state) = cluster.status { span { (status(state)) } }
                span { (counted(cluster.items, "item")) }
                span { (counted(cluster.texts, "text")) }
                span { (time(cluster.first_seen.0)) " to " (time(cluster.last_seen.0)) }
                span { "in " a href=(links::space(&cluster.space)) { (line(&cluster.space)) } }
                @if is_theme { span { a href=(of_theme.path()) { "Its clusters" } } }
                @if let Some(theme) = theme {
                    span { "theme: " a href=(place(&theme.id, ClusterLevel::Theme.name())) { (line(&theme.title)) } }
                }
                @if is_duplicates { span { a href=(links::cluster(&cluster.id)) { "The whole cluster" } } }
            }
        }
        div.split {
            div {
                section aria-labelledby="summary" {
                    h2 #summary { "In the words of one" }
                    p { (display::shown(&cluster.summary)) }
                    p.more { a href=(links::subnode(&cluster.representative)) { "Read it" } }
                }
                section aria-labelledby="items" {
                    h2 #items { "Items" }
                    ul.list { @for item in &page.items { (listed_item(item, is_duplicates)) } }
                    (layout::more(asked.as_deref().unwrap_or(path), page.next.as_deref(), "More items"))
                }
            }
            aside aria-label="About this cluster" {
                @if !cluster.keywords.is_empty() {
                    section aria-labelledby="keywords" {
                        h2 #keywords { "Keywords" }
                        p { (cluster.keywords.iter().map(|word| line(word)).collect::<Vec<_>>().join(", ")) }
                    }
                }
                section aria-labelledby="growth" {
                    h2 #growth { "New items" }
                    p { (count(cluster.growth.hour)) " in the last hour, " (count(cluster.growth.day)) " in 24 hours, "
                        (count(cluster.growth.week)) " in 7 days" }
                }
                section aria-labelledby="sources" {
                    h2 #sources { "Sources" }
                    ul.list { @for source in &cluster.sources {
                        li { div.row { span { (line(&source.source)) } span.score { (counted(source.items, "item")) } } }
                    } }
                }
                @if !is_duplicates && !is_theme {
                    section aria-labelledby="jobs" {
                        h2 #jobs { "What was done about it" }
                        (jobs::listed(done))
                        p.quiet { "An agent is set to work with " code { "POST /v1/clusters/" (cluster.id) "/start_fix" }
                            ", see " a href="/docs" { "the API" } "." }
                    }
                }
            }
        }
    }
}

fn listed_item(item: &Item, is_duplicates: bool) -> Markup {
    html! {
        li { div.row {
            span {
                a href=(links::subnode(&item.uri)) { (line(&item.title)) }
                " " span.meta {
                    "from " (line(&item.source))
                    @if let Some(set) = item.duplicates.as_ref().filter(|_| !is_duplicates) {
                        ", " a href=(place(set, ClusterLevel::Duplicates.name())) { "one of near-duplicates" }
                    }
                }
            }
            (minute(item.at.0))
        } }
    }
}
