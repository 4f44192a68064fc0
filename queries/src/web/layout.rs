//! What every page shares: the frame, the notices, the small pieces.
//!
//! A page works without any script and loads one style sheet. Landmarks (`header`, `nav`, `main`, `footer`), a
//! link that skips to the content, labels on every field; light or dark as the reader's system says.

use super::{assets, links};
use crate::{
    answer::{Answer, Document, Reading},
    control::{Phase, Progress, RuntimeStatus},
    problem::Problem,
};
use axum::http::{HeaderValue, header};
use maud::{DOCTYPE, Markup, html};
use springline_model::{Epoch, NodeName, Timestamp, Uri};

/// What a page may load and do: its style, pictures, and forms that lead here. No script at all.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' https: data:; \
                                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a page is about.
#[derive(Default)]
pub(crate) struct Head {
    /// The title, without the site's name.
    pub(crate) title: String,
    /// The path that this page is best known by.
    pub(crate) canonical: Option<String>,
    /// The path of a feed of what it shows.
    pub(crate) feed: Option<String>,
    /// What stands in the search field.
    pub(crate) query: String,
    /// Not for search engines: results, further parts of lists.
    pub(crate) hidden: bool,
}

impl Head {
    /// With a title.
    pub(crate) fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// With the path that the page is best known by.
    pub(crate) fn at(self, path: impl Into<String>) -> Self {
        Self { canonical: Some(path.into()), ..self }
    }

    /// With a feed.
    pub(crate) fn feed(self, path: impl Into<String>) -> Self {
        Self { feed: Some(path.into()), ..self }
    }

    /// Not for search engines, if so.
    pub(crate) fn hidden(self, hidden: bool) -> Self {
        Self { hidden, ..self }
    }
}

/// A page read and not yet written: writing happens when the snapshot is let go, because a long note takes longer
/// to render than a commit may wait.
pub(crate) struct Shown(Box<dyn FnOnce() -> Document + Send>);

impl Answer for Shown {
    fn document(self) -> Result<Document, Problem> {
        Ok(self.0())
    }
}

impl From<Document> for Shown {
    fn from(document: Document) -> Self {
        Self(Box::new(|| document))
    }
}

/// A whole page.
pub(crate) fn page(
    reading: &Reading<'_>,
    head: Head,
    body: impl FnOnce() -> Markup + Send + 'static,
) -> Shown {
    let frame = Frame::of(reading);
    Shown(Box::new(move || {
        let policy = HeaderValue::from_static(POLICY);
        let page = frame.around(&head, &body());
        Document::html(page.into_string()).header(header::CONTENT_SECURITY_POLICY, policy)
    }))
}

/// A problem whose page says more than others can.
pub(crate) fn missing(
    reading: &Reading<'_>,
    detail: impl Into<String>,
    title: &str,
    body: &Markup,
) -> Problem {
    let page = Frame::of(reading).around(&Head::titled(title).hidden(true), body);
    Problem::not_found(detail).page(page.into_string())
}

/// What the frame of a page says of the views.
#[derive(Default)]
pub(crate) struct Frame {
    as_of: Option<(Epoch, Timestamp)>,
    /// Where the process stands, if the views are not complete.
    unready: Option<RuntimeStatus>,
}

impl Frame {
    fn of(reading: &Reading<'_>) -> Self {
        let control = &reading.state.control;
        Self {
            as_of: Some((reading.snapshot.epoch(), reading.snapshot.clock())),
            unready: (!control.ready()).then(|| control.status()),
        }
    }

    /// A whole page around its own part.
    pub(crate) fn around(&self, head: &Head, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { @if !head.title.is_empty() { (head.title) " · " } "Springline" }
                    link rel="stylesheet" href=(assets::style_path());
                    link rel="icon" href=(assets::ICON_PATH) type="image/svg+xml";
                    link rel="search" href="/opensearch.xml" type="application/opensearchdescription+xml" title="Springline";
                    @if let Some(path) = &head.canonical { link rel="canonical" href=(path); }
                    @if let Some(path) = &head.feed { link rel="alternate" type="application/rss+xml" href=(path); }
                    @if head.hidden { meta name="robots" content="noindex"; }
                }
                body {
                    a.skip href="#main" { "Skip to content" }
                    header.site {
                        a.brand href="/" { (assets::mark()) "Springline" }
                        (search_form(&head.query, "site-search"))
                        nav aria-label="Site" {
                            a href="/latest" { "Latest" }
                            a href="/top/rank" { "Top" }
                            a href="/journals" { "Journals" }
                            a href="/users" { "People" }
                            a href="/spaces" { "Clusters" }
                        }
                    }
                    @if let Some(status) = &self.unready { (notice(status)) }
                    main #main { (body) }
                    footer.site {
                        @if let Some((epoch, clock)) = self.as_of {
                            p { "Complete as of epoch " (epoch) @if epoch > Epoch::ZERO { ", " (time(clock)) } }
                        }
                        p { a href="/nodes?by=name" { "All nodes" } " " a href="/random" { "Random node" } " "
                            a href="/today" { "Today" } " " a href="/feed/latest" { "Feed" } " " a href="/docs" { "API" } }
                    }
                }
            }
        }
    }
}

/// While the views are not complete: says so, and how far they are.
fn notice(status: &RuntimeStatus) -> Markup {
    let doing = match status.phase {
        Phase::Starting => "Springline is starting.",
        Phase::Forming => "Springline is waiting for its other processes.",
        Phase::Hydrating => "Springline is loading what it knows.",
        Phase::Indexing => "Springline is reading the gardens for the first time.",
        Phase::Live => "Springline is catching up.",
        Phase::Stopping => "Springline is stopping.",
    };
    html! {
        div.notice role="status" {
            p { strong { (doing) } " What you see may be incomplete; reload to see more." }
            @for Progress { name, done, total } in status.progress.iter().take(8) {
                p.progress {
                    (name) ": " (count(*done)) @if let Some(total) = total {
                        " of " (count(*total)) " "
                        progress value=(done) max=(total.max(&1)) aria-label=(name) {}
                    }
                }
            }
        }
    }
}

/// The search field; the id tells two on a page apart.
pub(crate) fn search_form(query: &str, id: &str) -> Markup {
    html! {
        form.search action="/search" role="search" {
            label.visually-hidden for=(id) { "Search notes and nodes" }
            input id=(id) type="search" name="q" value=(query) placeholder="Search" autocomplete="off" maxlength="1000";
            button type="submit" { "Search" }
        }
    }
}

/// A node's name as a link.
pub(crate) fn node_link(name: &NodeName) -> Markup {
    html! { a.wikilink href=(links::node(name)) { (shown(name.as_str())) } }
}

/// A person as a link.
pub(crate) fn author_link(author: &Uri) -> Markup {
    html! { a.author href=(links::author(author)) { "@" (shown(links::author_name(author))) } }
}

/// A moment, by its day; the exact one for machines and on hovering.
pub(crate) fn time(at: Timestamp) -> Markup {
    let exact = at.to_rfc3339();
    html! { time datetime=(exact) title=(exact) { (at.date()) } }
}

/// A moment, to the minute.
pub(crate) fn minute(at: Timestamp) -> Markup {
    let exact = at.to_rfc3339();
    let shown = exact.get(..16).unwrap_or(&exact).replacen('T', " ", 1);
    html! { time datetime=(exact) title=(exact) { (shown) } }
}

/// `1 note`, `12,745 notes`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let noun = match (number, noun) {
        (1, noun) => noun.to_owned(),
        (_, "person") => "people".to_owned(),
        (_, noun) => format!("{noun}s"),
    };
    format!("{} {noun}", count(number))
}

/// A number with its thousands set apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest unit that leaves a digit before the point.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => counted(bytes, "byte"),
        1_024..1_048_576 => format!("{} KB", bytes / 1_024),
        _ => format!("{}.{} MB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576),
    }
}

/// A name from a stranger, cut to what fits in a line or two; a blank one made visible.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 160;
    if text.trim().is_empty() {
        return "(blank)".to_owned();
    }
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A link to the next part of a list, if there is one.
pub(crate) fn more(path: &str, next: Option<&str>, label: &str) -> Markup {
    let join = if path.contains('?') { '&' } else { '?' };
    html! {
        @if let Some(next) = next {
            p.more { a rel="next" href={ (path) (join) "cursor=" (links::segment(next)) } { (label) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            (count(0), count(999), count(1000), count(1_234_567)),
            ("0".into(), "999".into(), "1,000".into(), "1,234,567".into())
        );
        assert_eq!(
            (counted(1, "note"), counted(2, "note"), counted(2, "person")),
            ("1 note".into(), "2 notes".into(), "2 people".into())
        );
        assert_eq!((size(1), size(2048), size(1_572_864)), ("1 byte".into(), "2 KB".into(), "1.5 MB".into()));
        assert_eq!((shown(" "), shown("é")), ("(blank)".into(), "é".into()));
        assert_eq!(shown(&"x".repeat(4000)).chars().count(), 161);
    }
}
