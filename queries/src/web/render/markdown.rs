//! Markdown as gardens write it: CommonMark with tables, footnotes, task lists, strikethrough, front matter (left
//! out: a page shows what it says elsewhere) and `[[wikilinks]]`.
//!
//! ```text
//!  text ─ nesting::cut ─► pulldown-cmark events ─► Out
//!                              raw HTML ─► raw_html ─┘
//! ```
//!
//! Headings begin two levels down, because a note stands inside of a page that has its own. Pictures are shown
//! only from `https:` addresses; a picture beside the note is a link to its node, because the index has no bytes
//! of it.

use super::{Ids, anchor, anchor::Destination, inline, inline::Style, nesting, out::Out, raw_html};
use pulldown_cmark::{
    Alignment, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, TextMergeWithOffset,
};
use std::{collections::HashMap, ops::Range};

/// Writes a whole note.
pub(super) fn write(out: &mut Out, text: &str, ids: &mut Ids) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_WIKILINKS;
    let text = nesting::cut(text);
    let events = TextMergeWithOffset::new(Parser::new_ext(&text, options).into_offset_iter());
    let note = ids.next_note();
    let mut writer = Writer {
        out,
        text: &text,
        ids,
        note,
        marks: Vec::new(),
        picture: None,
        html: None,
        silent: 0,
        verbatim: 0,
        columns: Vec::new(),
        column: 0,
        in_head: false,
        footnotes: HashMap::new(),
    };
    for (event, range) in events {
        if writer.out.is_full() {
            break;
        }
        writer.event(event, range);
    }
}

/// The state between two events.
struct Writer<'o, 'i, 't> {
    out: &'o mut Out,
    text: &'t str,
    ids: &'i mut Ids,
    /// Which note of the page this is: footnotes of two notes must not meet.
    note: usize,
    /// How deep the output was at each open tag.
    marks: Vec<usize>,
    /// The picture being read: its alternative text comes as events.
    picture: Option<Picture<'t>>,
    /// The block of raw HTML being read, which comes line by line.
    html: Option<String>,
    /// Open front matter.
    silent: usize,
    /// Open code blocks and links: no hashtags in them.
    verbatim: usize,
    columns: Vec<Alignment>,
    column: usize,
    in_head: bool,
    footnotes: HashMap<CowStr<'t>, usize>,
}

struct Picture<'t> {
    target: CowStr<'t>,
    is_wikilink: bool,
    alternative: String,
    /// Pictures open inside of this one's text.
    inner: usize,
}

impl<'t> Writer<'_, '_, 't> {
    fn event(&mut self, event: Event<'t>, range: Range<usize>) {
        if self.in_picture(&event) {
            return;
        }
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(_) if self.silent > 0 => {}
            Event::Text(text) if self.verbatim > 0 => self.out.text(&text),
            Event::Text(text) => inline::write(self.out, &text, Style::Markdown),
            Event::Code(text) => {
                self.out.open("code", &[]);
                self.out.text(&text);
                self.out.close();
            }
            Event::Html(html) => match &mut self.html {
                Some(block) => block.push_str(&html),
                None => raw_html::write(self.out, &html),
            },
            Event::InlineHtml(html) => raw_html::write(self.out, &html),
            Event::FootnoteReference(label) => self.footnote_reference(label),
            Event::SoftBreak => self.out.newline(),
            Event::HardBreak => self.out.void("br", &[]),
            Event::Rule => self.out.void("hr", &[]),
            Event::TaskListMarker(done) => self.out.text(if done { "☑ " } else { "☐ " }),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.out.text(&text),
        }
    }

    /// Collects the alternative text of a picture; whether the event was part of one.
    fn in_picture(&mut self, event: &Event<'t>) -> bool {
        let Some(picture) = &mut self.picture else { return false };
        match event {
            Event::Start(Tag::Image { .. }) => picture.inner += 1,
            Event::End(TagEnd::Image) if picture.inner > 0 => picture.inner -= 1,
            Event::End(TagEnd::Image) => self.finish_picture(),
            Event::Text(text) | Event::Code(text) => picture.alternative.push_str(text),
            Event::SoftBreak | Event::HardBreak => picture.alternative.push(' '),
            _ => {}
        }
        true
    }

    fn finish_picture(&mut self) {
        let Some(picture) = self.picture.take() else { return };
        let Picture { target, is_wikilink, alternative, .. } = picture;
        let destination =
            if is_wikilink { Destination::of_wikilink(&target) } else { Destination::of_url(&target) };
        let label = if alternative.trim().is_empty() { &*target } else { alternative.as_str() };
        match &destination {
            Destination::Outside(url) if url.starts_with("https:") => {
                anchor::picture(self.out, url, &alternative);
            }
            _ => destination.write(self.out, "embed", label),
        }
    }

    fn start(&mut self, tag: Tag<'t>, range: Range<usize>) {
        if let Tag::Image { link_type, dest_url, .. } = tag {
            let is_wikilink = matches!(link_type, LinkType::WikiLink { .. });
            let alternative = String::new();
            self.picture = Some(Picture { target: dest_url, is_wikilink, alternative, inner: 0 });
            return;
        }
        self.marks.push(self.out.depth());
        match tag {
            Tag::Paragraph => self.out.open("p", &[]),
            Tag::Heading { level, .. } => self.heading(level, range),
            Tag::BlockQuote(_) => self.out.open("blockquote", &[]),
            Tag::CodeBlock(_) => {
                self.verbatim += 1;
                self.out.open("pre", &[]);
                self.out.open("code", &[]);
            }
            Tag::HtmlBlock => self.html = Some(String::new()),
            Tag::List(None) => self.out.open("ul", &[]),
            Tag::List(Some(1)) => self.out.open("ol", &[]),
            Tag::List(Some(first)) => self.out.open("ol", &[("start", &first.to_string())]),
            Tag::Item => self.out.open("li", &[]),
            Tag::FootnoteDefinition(label) => self.footnote(label),
            Tag::Table(columns) => {
                self.columns = columns;
                self.out.open("div", &[("class", "scroll")]);
                self.out.open("table", &[]);
            }
            Tag::TableHead => {
                (self.column, self.in_head) = (0, true);
                self.out.open("thead", &[]);
                self.out.open("tr", &[]);
            }
            Tag::TableRow => {
                self.column = 0;
                self.out.open("tr", &[]);
            }
            Tag::TableCell => self.cell(),
            Tag::Emphasis => self.out.open("em", &[]),
            Tag::Strong => self.out.open("strong", &[]),
            Tag::Strikethrough => self.out.open("del", &[]),
            Tag::Link { link_type, dest_url, .. } => self.link(link_type, &dest_url),
            Tag::MetadataBlock(_) => self.silent += 1,
            // Not enabled, or handled above.
            Tag::Superscript
            | Tag::Subscript
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Image { .. } => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        let mark = self.marks.pop().unwrap_or(0);
        match tag {
            // What a block of raw HTML opens (`<details>`) may hold the Markdown behind it.
            TagEnd::HtmlBlock => {
                let block = self.html.take().unwrap_or_default();
                raw_html::write(self.out, &block);
                return;
            }
            TagEnd::CodeBlock | TagEnd::Link => self.verbatim -= 1,
            TagEnd::MetadataBlock(_) => self.silent -= 1,
            _ => {}
        }
        self.out.close_to(mark);
        match tag {
            TagEnd::TableHead => {
                self.in_head = false;
                self.out.open("tbody", &[]);
            }
            TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Link
            | TagEnd::TableCell
            | TagEnd::MetadataBlock(_) => {}
            _ => self.out.newline(),
        }
    }

    fn heading(&mut self, level: HeadingLevel, range: Range<usize>) {
        let name = match level {
            HeadingLevel::H1 => "h3",
            HeadingLevel::H2 => "h4",
            HeadingLevel::H3 => "h5",
            _ => "h6",
        };
        let source = self.text.get(range).unwrap_or_default();
        match self.ids.take(anchor::heading_id(source)) {
            Some(id) => self.out.open(name, &[("id", &id)]),
            None => self.out.open(name, &[]),
        }
    }

    fn cell(&mut self) {
        let name = if self.in_head { "th" } else { "td" };
        match self.columns.get(self.column) {
            Some(Alignment::Right) => self.out.open(name, &[("class", "right")]),
            Some(Alignment::Center) => self.out.open(name, &[("class", "center")]),
            _ => self.out.open(name, &[]),
        }
        self.column += 1;
    }

    fn link(&mut self, link_type: LinkType, target: &str) {
        self.verbatim += 1;
        match link_type {
            LinkType::WikiLink { .. } => Destination::of_wikilink(target).open(self.out, "wikilink"),
            LinkType::Email => Destination::of_url(&format!("mailto:{target}")).open(self.out, ""),
            _ => Destination::of_url(target).open(self.out, ""),
        }
    }

    fn footnote_id(&mut self, label: CowStr<'t>) -> (usize, String) {
        let next = self.footnotes.len() + 1;
        let number = *self.footnotes.entry(label).or_insert(next);
        (number, format!("fn-{}-{number}", self.note))
    }

    fn footnote_reference(&mut self, label: CowStr<'t>) {
        let (number, id) = self.footnote_id(label);
        self.out.open("sup", &[]);
        Destination::Inside(format!("#{id}")).write(self.out, "", &number.to_string());
        self.out.close();
    }

    fn footnote(&mut self, label: CowStr<'t>) {
        let (number, id) = self.footnote_id(label);
        match self.ids.take(id) {
            Some(id) => self.out.open("div", &[("class", "footnote"), ("id", &id)]),
            None => self.out.open("div", &[("class", "footnote")]),
        }
        self.out.text(&format!("{number}. "));
    }
}
