//! Notes as HTML: from whatever markup strangers write to what is safe on our page.
//!
//! ```text
//!  Markdown ─ nesting::cut ─ pulldown-cmark ─┐
//!  org, myco ─ line by line ─────────────────┼─► Out (balanced, bounded) ─► sanitize (ammonia) ─► page
//!  raw HTML in them ─ raw_html ──────────────┘
//! ```
//!
//! `[[wikilinks]]` and files beside the note lead to `/node/…`, `#hashtags` to `/tag/…`, everything else leaves
//! the site with `rel="nofollow noopener"`.
//!
//! Invariants: two walls, each enough alone ([`out::Out`] writes no element or attribute that is not in the
//! source of this module; the sanitiser drops what is not on its list). Time and memory are linear in
//! [`MAX_SOURCE_BYTES`], whatever is in it; nothing recurses as deep as the input.
//!
//! Limits: the first [`MAX_SOURCE_BYTES`] of a note are shown ([`Rendered::is_cut`] tells, and the page links to
//! the whole text). Footnotes, tables and task lists of Markdown are known; mathematics, Mermaid and queries of
//! Obsidian and Logseq are shown as written.

mod anchor;
mod inline;
mod lines;
mod markdown;
mod myco;
mod nesting;
mod org;
mod out;
mod raw_html;
mod sanitize;

use maud::{Markup, PreEscaped};
use out::Out;
use springline_model::{Record, record::attr};
use std::collections::HashSet;

/// How much of a note's text is shown at most.
pub(crate) const MAX_SOURCE_BYTES: usize = 256 * 1024;

/// How a text is marked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Markdown, and everything whose format is unknown.
    Markdown,
    /// Org.
    Org,
    /// Mycomarkup.
    Myco,
    /// A program: shown as it is.
    Plain,
}

impl Format {
    /// Of a record, as its source says.
    pub(crate) fn of(record: &Record) -> Self {
        match record.attrs.get(attr::FORMAT).map(String::as_str) {
            Some("org") => Self::Org,
            Some("myco") => Self::Myco,
            Some("python") => Self::Plain,
            _ => Self::Markdown,
        }
    }
}

/// A note as HTML.
pub(crate) struct Rendered {
    /// Safe to put on a page.
    pub(crate) html: Markup,
    /// Whether its end was left out.
    pub(crate) is_cut: bool,
}

/// The ids given out on one page: an id stands there once, for the first heading that asks.
#[derive(Default)]
pub(crate) struct Ids {
    taken: HashSet<String>,
    notes: usize,
}

impl Ids {
    /// Takes an id; `None` if it is empty or taken.
    fn take(&mut self, id: String) -> Option<String> {
        (!id.is_empty() && self.taken.insert(id.clone())).then_some(id)
    }

    /// A number for the next note of the page.
    fn next_note(&mut self) -> usize {
        self.notes += 1;
        self.notes
    }
}

/// A note: the first lines, up to so many bytes and [`MAX_SOURCE_BYTES`].
pub(crate) fn note(format: Format, text: &str, bytes: usize, ids: &mut Ids) -> Rendered {
    let source = first_lines(text, bytes.min(MAX_SOURCE_BYTES));
    let mut out = Out::new(source.len());
    match format {
        Format::Markdown => markdown::write(&mut out, source, ids),
        Format::Org => org::write(&mut out, source, ids),
        Format::Myco => myco::write(&mut out, source, ids),
        Format::Plain => {
            out.open("pre", &[]);
            out.text(source);
            out.close();
        }
    }
    let (html, is_full) = out.finish();
    let html = PreEscaped(sanitize::clean(&html));
    Rendered { html, is_cut: is_full || source.len() < text.len() }
}

/// A line from the middle of a note, with its links: the context of a backlink.
pub(crate) fn line(text: &str) -> Markup {
    let mut out = Out::new(text.len());
    inline::write(&mut out, text, inline::Style::Context);
    PreEscaped(out.finish().0)
}

/// At most so many bytes from the start; whole lines, unless the first is longer.
fn first_lines(text: &str, bytes: usize) -> &str {
    let head = inline::floor(text, bytes);
    if head.len() == text.len() {
        return text;
    }
    head.rfind('\n').map_or(head, |end| &head[..=end])
}

#[cfg(test)]
mod tests;
