//! What a note asks the Agora to do: push, pull, go, meet.
//!
//! ```text
//!   - [[pull]] [[a]] [[b]]      - #pull [[a]]            pull a and b into this node
//!   - [[push]] [[t]] text       - [[t]]! text            push the list item, with its children, to t
//!   - [[go]] https://x.org      - #go x.org, #go-link …  where /go/<this node> leads
//!   - #go [[foo]]               - [[foo]] https://y.org  the same, by way of a node
//!   - #meet https://z.org                                where people of this node meet
//! ```
//!
//! As in agora-server the words are case-sensitive, the first one of a kind on a line counts, and `#meet`
//! needs its list item. Better than there: an address ends where it ends (not with its line), `[[t]]!` pushes
//! to `t` and not to every link before it, and something that is no address leads nowhere.

use super::{
    items,
    links::{Found, Links},
    outline::Outline,
    target::scheme,
    text::line_end,
    urls::address_len,
    wikilinks::{Mark, node_of},
};
use springline_model::{LinkPath, Uri};
use std::{collections::HashMap, ops::Range};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Pull,
    Push,
    Go,
    Meet,
}

/// A verb and the rest of its line.
struct Call {
    verb: Verb,
    arguments: Range<usize>,
}

/// Links what the directives of a text are about.
pub(super) fn link(text: &str, marks: &[Mark], outline: &Outline, links: &mut Links) {
    let mut calls = calls_by_mark(text, marks);
    calls.extend(calls_by_tag(text));
    calls.sort_by_key(|call| call.arguments.start);
    let mut pushes: Vec<&Mark> = marked_pushes(text, marks).collect();
    let mut reader = Reader { text, marks, outline, links, by_name: None };
    reader.links.pass();
    for call in calls {
        match call.verb {
            Verb::Push => pushes.extend(marks_in(marks, &call.arguments)),
            Verb::Pull => reader.pull(&call.arguments),
            Verb::Go => reader.lead(LinkPath::GO, &call.arguments),
            Verb::Meet => reader.lead(LinkPath::MEET, &call.arguments),
        }
    }
    pushes.sort_by_key(|mark| mark.start);
    pushes.dedup();
    push(text, &pushes, outline, links);
}

/// `[[pull]] …`, `[[push]] …`, `[[go]] …`.
fn calls_by_mark(text: &str, marks: &[Mark]) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut first = FirstOfLine::default();
    for mark in marks {
        let verb = match &text[mark.start..mark.end] {
            "[[pull]]" => Verb::Pull,
            "[[push]]" => Verb::Push,
            "[[go]]" => Verb::Go,
            _ => continue,
        };
        calls.extend(first.call(text, verb as usize, verb, mark.end));
    }
    calls
}

/// `#pull …`, `#push …`, `#go …`, `#go-link …`, `- #meet …`.
fn calls_by_tag(text: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut first = FirstOfLine::default();
    for hash in memchr::memchr_iter(b'#', text.as_bytes()) {
        let word = &text[hash + 1..];
        let len = word.bytes().take(8).take_while(|byte| byte.is_ascii_lowercase() || *byte == b'-').count();
        let (slot, verb) = match &word[..len] {
            "pull" => (0, Verb::Pull),
            "push" => (1, Verb::Push),
            "go" => (2, Verb::Go),
            "go-link" => (3, Verb::Go),
            "meet" if text[..hash].ends_with("- ") => (4, Verb::Meet),
            _ => continue,
        };
        calls.extend(first.call(text, slot, verb, hash + 1 + len));
    }
    calls
}

/// Only the first call of a kind on a line counts.
#[derive(Default)]
struct FirstOfLine {
    /// Where the line of the last call of each kind ends.
    ends: [usize; 5],
}

impl FirstOfLine {
    fn call(&mut self, text: &str, kind: usize, verb: Verb, end: usize) -> Option<Call> {
        // One space, no more and no less, stands between the verb and what it is about.
        if end < self.ends[kind] || text.as_bytes().get(end) != Some(&b' ') {
            return None;
        }
        self.ends[kind] = line_end(text, end);
        Some(Call { verb, arguments: end + 1..self.ends[kind] })
    }
}

/// `[[t]]!` and `[[t]]:`, the first of each line. A bracket inside may have been closed last: `[[t [u]]]:`.
fn marked_pushes<'a>(text: &str, marks: &'a [Mark]) -> impl Iterator<Item = &'a Mark> {
    let mut line = 0;
    marks.iter().filter(move |mark| {
        let marked = mark.end > line && text[mark.end..].trim_start_matches(']').starts_with(['!', ':']);
        if marked {
            line = line_end(text, mark.end);
        }
        marked
    })
}

fn marks_in<'a>(marks: &'a [Mark], range: &Range<usize>) -> impl Iterator<Item = &'a Mark> {
    let first = marks.partition_point(|mark| mark.start < range.start);
    let end = range.end;
    marks[first..].iter().take_while(move |mark| mark.end <= end)
}

fn push(text: &str, pushes: &[&Mark], outline: &Outline, links: &mut Links) {
    let starts: Vec<_> = pushes.iter().map(|mark| mark.start).collect();
    links.pass();
    for (mark, item) in pushes.iter().zip(items::enclosing(text, &starts, outline)) {
        if let Some(node) = node_of(&text[mark.inner.clone()]) {
            links.add(Found {
                path: LinkPath::PUSH,
                context: outline.context(mark.start),
                target: Uri::node(&node),
                span: item,
                label: None,
                fragment: None,
            });
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    marks: &'a [Mark],
    outline: &'a Outline,
    links: &'a mut Links,
    /// For each text of a mark the first address that stands behind one, made when first needed.
    by_name: Option<HashMap<&'a str, Uri>>,
}

impl<'a> Reader<'a> {
    fn add(&mut self, path: &'static str, target: Uri, span: Range<usize>) {
        let context = self.outline.context(span.start);
        self.links.add(Found { path, context, target, span, label: None, fragment: None });
    }

    fn pull(&mut self, arguments: &Range<usize>) {
        for mark in marks_in(self.marks, arguments) {
            if let Some(node) = node_of(&self.text[mark.inner.clone()]) {
                self.add(LinkPath::PULL, Uri::node(&node), mark.start..mark.end);
            }
        }
    }

    /// An address leads there; a node leads where the note says that the node leads, and otherwise to the
    /// node.
    fn lead(&mut self, path: &'static str, arguments: &Range<usize>) {
        if let Some((url, span)) = address(&self.text[arguments.clone()]) {
            return self.add(path, url, arguments.start + span.start..arguments.start + span.end);
        }
        let Some(mark) = marks_in(self.marks, arguments).next() else { return };
        let name = &self.text[mark.inner.clone()];
        let span = mark.start..mark.end;
        if let Some(node) = node_of(name) {
            self.add(path, Uri::node(&node), span.clone());
        }
        let (text, marks) = (self.text, self.marks);
        let by_name = self.by_name.get_or_insert_with(|| addresses_by_name(text, marks));
        if let Some(url) = by_name.get(name).cloned() {
            self.add(path, url, span);
        }
    }
}

/// `[[foo]] https://y.org`, for every `foo`.
fn addresses_by_name<'a>(text: &'a str, marks: &[Mark]) -> HashMap<&'a str, Uri> {
    let mut by_name = HashMap::new();
    for mark in marks {
        if text.as_bytes().get(mark.end) == Some(&b' ')
            && let Some(word) = text[mark.end..].trim_start_matches(' ').split(char::is_whitespace).next()
            && let Some((url, _)) = address(word)
        {
            by_name.entry(&text[mark.inner.clone()]).or_insert(url);
        }
    }
    by_name
}

/// The first thing with a scheme in a line, or a bare host at its start, which gets `https://`.
fn address(line: &str) -> Option<(Uri, Range<usize>)> {
    if let Some(slashes) = line.find("://") {
        let letters = line[..slashes].bytes().rev().take_while(|byte| is_scheme(*byte)).count();
        let start = slashes - letters;
        let url = start..start + address_len(&line[start..]);
        let written = &line[url.clone()];
        return (scheme(written).is_some() && url.end > slashes + 3).then(|| (Uri::from(written), url));
    }
    let host = line.split_whitespace().next()?;
    let start = line.find(host)?;
    is_host(host).then(|| (Uri::from(format!("https://{host}")), start..start + host.len()))
}

const fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// `example.org`, `example.org/path`.
fn is_host(text: &str) -> bool {
    let host = text.split(['/', '?', '#']).next().unwrap_or(text);
    let Some((name, top)) = host.rsplit_once('.') else { return false };
    let labels = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(labels)
        && top.len() >= 2
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
}
