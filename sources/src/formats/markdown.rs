//! Markdown: CommonMark with tables, and front matter before it.

use super::{
    front_matter,
    links::{Found, Links},
    outline::Outline,
    target::{self, Destination},
    text::{line_start, lines},
    wikilinks::Mark,
};
use memchr::memmem;
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd};
use springline_model::{Context, LinkPath, Uri};
use std::ops::Range;

/// How often the parser may look at an open container (list item, quotation) again. It does so for each line,
/// so a text with many lines and deep nesting costs their product; this many take a fraction of a second.
const MAX_CONTAINER_VISITS: usize = 100_000_000;

/// Reads what the grammar says: links, code and comments, title.
pub(super) fn read(text: &str, marks: &[Mark], links: &mut Links) -> Outline {
    let mut outline = Outline::default();
    front_matter::read(text, &mut outline, links);
    let body = &text[outline.body..];
    let regions = if container_visits(body) > MAX_CONTAINER_VISITS {
        outline.partial.push("nested too deeply: read as plain text".to_owned());
        fences(text, outline.body)
    } else {
        let mut regions = parse(text, marks, &mut outline, links);
        comments(text, outline.body, &mut regions);
        regions
    };
    outline.set_regions(regions);
    outline
}

/// A link or image that has started.
struct Open<'a> {
    destination: CowStr<'a>,
    kind: LinkType,
    is_image: bool,
    span: Range<usize>,
    /// Where what stands in the brackets ends, so far.
    inner_end: usize,
}

/// One pass of the parser; gives where code is.
fn parse<'a>(
    text: &'a str,
    marks: &[Mark],
    outline: &mut Outline,
    links: &mut Links,
) -> Vec<(Range<usize>, Context)> {
    let base = outline.body;
    let mut regions = Vec::new();
    let mut taken = Vec::new();
    let mut open: Vec<Open<'a>> = Vec::new();
    let mut heading: Option<String> = None;
    links.pass();
    for (event, range) in Parser::new_ext(&text[base..], Options::ENABLE_TABLES).into_offset_iter() {
        let span = base + range.start..base + range.end;
        match event {
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                open.push(Open::new(link_type, dest_url, false, span));
            }
            Event::Start(Tag::Image { link_type, dest_url, .. }) => {
                open.push(Open::new(link_type, dest_url, true, span));
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                let Some(link) = open.pop() else { continue };
                if let Some(outer) = open.last_mut() {
                    outer.inner_end = link.span.end;
                }
                if !is_inside(&link.span, marks) {
                    taken.push(link.span.clone());
                    link.add(text, links);
                }
            }
            Event::Start(Tag::Heading { .. }) if outline.title.is_none() => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                outline.offer_title(&heading.take().unwrap_or_default());
            }
            Event::Start(Tag::CodeBlock(_)) => regions.push((span, Context::Code)),
            event => {
                if let Some(link) = open.last_mut() {
                    link.inner_end = link.inner_end.max(span.end);
                }
                if let (Some(heading), Event::Text(words) | Event::Code(words)) = (&mut heading, &event) {
                    heading.push_str(words);
                }
                if matches!(event, Event::Code(_)) {
                    regions.push((span, Context::Code));
                }
            }
        }
    }
    outline.cover(taken);
    regions
}

/// Whether a link is one that the parser sees in a `[[…]]`, because the text defines a reference of that
/// name.
fn is_inside(span: &Range<usize>, marks: &[Mark]) -> bool {
    let behind = marks.partition_point(|mark| mark.start <= span.start);
    behind > 0 && span.end <= marks[behind - 1].end
}

impl<'a> Open<'a> {
    fn new(kind: LinkType, destination: CowStr<'a>, is_image: bool, span: Range<usize>) -> Self {
        let inner_end = span.start;
        Self { destination, kind, is_image, span, inner_end }
    }

    fn add(&self, text: &str, links: &mut Links) {
        let is_bare = matches!(self.kind, LinkType::Autolink | LinkType::Email);
        let inner_start = self.span.start + 1 + usize::from(self.is_image);
        let label = if is_bare { None } else { text.get(inner_start..self.inner_end) };
        let mailto;
        let destination = if self.kind == LinkType::Email {
            mailto = format!("mailto:{}", self.destination);
            &mailto
        } else {
            &*self.destination
        };
        let (path, target, fragment) = match target::understand(destination) {
            Some(Destination::Outside(url)) => (LinkPath::URL, url, None),
            Some(Destination::Inside(node, fragment)) => (LinkPath::MARKDOWN, Uri::node(&node), fragment),
            None => return,
        };
        links.add(Found {
            path: if self.is_image { LinkPath::EMBED } else { path },
            context: Context::Prose,
            target,
            span: self.span.clone(),
            label,
            fragment,
        });
    }
}

/// Adds HTML comments to the code that is there. One that never ends is none, unless it starts its line.
fn comments(text: &str, from: usize, regions: &mut Vec<(Range<usize>, Context)>) {
    regions.sort_by_key(|(range, _)| range.start);
    let mut found = Vec::new();
    let mut at = from;
    let mut none_ends = false;
    while let Some(start) = find(text, at, "<!--") {
        at = start + 4;
        let behind = regions.partition_point(|(range, _)| range.start <= start);
        if let Some((code, _)) = behind.checked_sub(1).map(|index| &regions[index])
            && start < code.end
        {
            at = code.end;
            continue;
        }
        match if none_ends { None } else { find(text, at, "-->") } {
            Some(end) => at = end + 3,
            None if text[line_start(text, start)..start].trim().is_empty() => at = text.len(),
            None => {
                none_ends = true;
                continue;
            }
        }
        found.push((start..at, Context::Comment));
    }
    regions.extend(found);
}

fn find(text: &str, from: usize, what: &str) -> Option<usize> {
    memmem::find(&text.as_bytes()[from..], what.as_bytes()).map(|at| from + at)
}

/// At most how often the parser looks at an open container: lines times the deepest nesting that any line
/// shows.
fn container_visits(text: &str) -> usize {
    // With two bytes a level and one a line, a shorter text can't get there.
    if text.len() * text.len() / 8 <= MAX_CONTAINER_VISITS {
        return 0;
    }
    let depths = lines(text).map(|line| depth(&text[line]));
    let (count, deepest) =
        depths.fold((0_usize, 0), |(count, deepest), depth| (count + 1, depth.max(deepest)));
    count.saturating_mul(deepest)
}

/// How many containers a line may stand in, by its bullets, quotation marks and indentation.
fn depth(line: &str) -> usize {
    let bytes = line.as_bytes();
    let (mut columns, mut markers) = (0, 0);
    for (at, byte) in bytes.iter().enumerate() {
        let ends_word = bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace);
        match byte {
            b' ' => columns += 1,
            b'\t' => columns += 4,
            b'>' => markers += 1,
            b'-' | b'*' | b'+' | b'.' | b')' if ends_word => markers += 1,
            b'0'..=b'9' => {}
            _ => break,
        }
    }
    markers + columns / 2
}

/// Fenced code, line by line.
pub(super) fn fences(text: &str, from: usize) -> Vec<(Range<usize>, Context)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, &str)> = None;
    for line in lines(&text[from..]) {
        let line = from + line.start..from + line.end;
        let shown = text[line.clone()].trim();
        let count = |mark: char| shown.len() - shown.trim_start_matches(mark).len();
        let fence = &shown[..count('`').max(count('~'))];
        match open {
            Some((start, opening)) if shown.starts_with(opening) && fence.len() == shown.len() => {
                found.push((start..line.end, Context::Code));
                open = None;
            }
            None if fence.len() >= 3 => open = Some((line.start, fence)),
            _ => {}
        }
    }
    if let Some((start, _)) = open {
        found.push((start..text.len(), Context::Code));
    }
    found
}
