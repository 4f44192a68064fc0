//! The parts that several pages are made of: a note, lists of notes, of links, of nodes.

use super::{
    layout::{author_link, node_link, shown, size, time},
    links,
    read::Notes,
    render::{self, Format, Ids},
};
use crate::v1::{backlinks::Backlink, shape::Note};
use maud::{Markup, html};
use springline_model::{LinkPath, NodeName, Record, Uri, record::attr, rows::NoteMeta};

/// How much of all notes together a page of several shows as text, and how much of each; what is beyond is linked
/// to. A longer page takes longer than anybody waits for, and nobody reads it.
const MAX_PAGE_BYTES: usize = 96 * 1024;
const MAX_EACH_BYTES: usize = 64 * 1024;

/// What one page gives out once: room for text, and ids.
pub(crate) struct Sheet {
    room: usize,
    /// Of each note, so much is shown.
    each: usize,
    ids: Ids,
}

impl Default for Sheet {
    fn default() -> Self {
        Self { room: MAX_PAGE_BYTES, each: MAX_EACH_BYTES, ids: Ids::default() }
    }
}

impl Sheet {
    /// For one note, which is what the page is about.
    pub(crate) fn of_one() -> Self {
        let whole = render::MAX_SOURCE_BYTES;
        Self { room: whole, each: whole, ids: Ids::default() }
    }

    /// A note, whole if there is room for it.
    pub(crate) fn note(&mut self, record: &Record) -> Markup {
        let length = record.text.len().min(self.each);
        if length > self.room {
            return note_frame(
                record,
                &html! { p.cut { "This page is full. " a href=(links::subnode(&record.uri)) { "Read the note" } "." } },
            );
        }
        self.room -= length;
        note_frame(record, &self.body(record))
    }

    fn body(&mut self, record: &Record) -> Markup {
        if record.kind == "image" {
            let media = record.attrs.get(attr::MEDIA).map_or("image", String::as_str);
            let bytes = record.attrs.get(attr::BYTES).and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
            return html! { p.quiet { "A picture (" (media) ", " (size(bytes)) "). Its bytes stay in the garden." } };
        }
        let rendered = render::note(Format::of(record), &record.text, self.each, &mut self.ids);
        let more = if self.each < render::MAX_SOURCE_BYTES { links::subnode } else { links::raw };
        html! {
            div.body { (rendered.html) }
            @if rendered.is_cut {
                p.cut { "This note is longer than what is shown. " a href=(more(&record.uri)) { "Read all of it" } "." }
            }
            @if let Some(partial) = record.attrs.get(attr::PARTIAL) {
                p.cut { "Indexed in part: " (shown(partial)) "." }
            }
        }
    }

    /// What somebody pushed to a node: part of a note.
    pub(crate) fn pushed(&mut self, push: &Backlink) -> Markup {
        let format = if push.source.as_str().ends_with(".org") { Format::Org } else { Format::Markdown };
        let rendered = render::note(format, &push.snippet, self.each, &mut self.ids);
        html! {
            article.note {
                header {
                    (author_link(&push.author))
                    @if let Some(node) = &push.node { span { "from " (node_link(node)) } }
                    (time(push.at.0))
                    a.path href=(links::subnode(&push.source)) { (shown(&links::note_path(&push.source))) }
                }
                div.body { (rendered.html) }
            }
        }
    }
}

fn note_frame(record: &Record, body: &Markup) -> Markup {
    let path = links::note_path(&record.uri);
    html! {
        article.note {
            header {
                (author_link(&record.author))
                (time(record.at))
                a.path href=(links::subnode(&record.uri)) { (shown(&path)) }
            }
            (body)
            @if !record.tags.is_empty() {
                p.tags { @for tag in record.tags.iter().take(40) { a href=(links::tag(tag)) { "#" (shown(tag)) } " " } }
            }
        }
    }
}

/// A list of notes: node, author, day.
pub(crate) fn notes(items: &[Note]) -> Markup {
    html! {
        ul.list {
            @for note in items {
                li { div.row {
                    span {
                        (title_link(&note.uri, note.node.as_ref(), &note.title))
                        " " span.meta { "by " (author_link(&note.author)) }
                    }
                    (time(note.at.0))
                } }
            }
        }
    }
}

/// The same of rows.
pub(crate) fn note_rows(rows: Vec<NoteMeta>) -> Markup {
    notes(&rows.into_iter().map(Note::from).collect::<Vec<_>>())
}

/// A note's title: leads to its node, or to the note if it has none.
pub(crate) fn title_link(uri: &Uri, node: Option<&NodeName>, title: &str) -> Markup {
    let title = if title.trim().is_empty() { node.map_or("", NodeName::as_str) } else { title };
    let href = node.filter(|node| !node.as_str().is_empty()).map_or_else(|| links::subnode(uri), links::node);
    html! { a href=(href) { (shown(title)) } }
}

/// What links here: a note each, with the lines that link.
pub(crate) fn backlinks(items: &[Backlink]) -> Markup {
    let sources = items.chunk_by(|a, b| a.source == b.source);
    html! {
        ul.list {
            @for links_of in sources {
                @let first = &links_of[0];
                li {
                    div.row {
                        span {
                            (title_link(&first.source, first.node.as_ref(), &first.title))
                            " " span.meta { "by " (author_link(&first.author)) }
                        }
                        (time(first.at.0))
                    }
                    @for link in distinct_lines(links_of) {
                        p.context {
                            @if link.path.as_str() != LinkPath::WIKILINK { span.meta { (link.path) ": " } }
                            (render::line(&link.snippet))
                        }
                    }
                }
            }
        }
    }
}

/// The links of one note whose lines differ, at most a few.
fn distinct_lines(links: &[Backlink]) -> Vec<&Backlink> {
    let mut kept: Vec<&Backlink> = Vec::new();
    for link in links {
        if kept.len() < 4
            && !link.snippet.trim().is_empty()
            && kept.iter().all(|other| other.snippet != link.snippet)
        {
            kept.push(link);
        }
    }
    kept
}

/// Nodes side by side.
pub(crate) fn chips<'n>(nodes: impl Iterator<Item = &'n NodeName>) -> Markup {
    html! { ul.chips { @for node in nodes { li { (node_link(node)) } } } }
}

/// Several notes, one below the other; those that were too many as a list.
pub(crate) fn articles(sheet: &mut Sheet, notes: Notes) -> Markup {
    html! {
        @for record in &notes.records { (sheet.note(record)) }
        @if !notes.rest.is_empty() { p.more { "More notes:" } (note_rows(notes.rest)) }
    }
}
