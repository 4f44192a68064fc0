//! `[[…]]` as agora-server's pattern `\[\[ *(.+?) *\]\]` finds it, in linear time.
//!
//! ```text
//!   [[foo|label]]      wikilink foo (label)         and agora `foo|label`
//!   [[foo#^block]]     wikilink foo (^block)        and agora `foo#^block`
//!   ![[foo]]           wikilink foo                 and embed foo
//!   [[@bob/foo]]       wikilink @bob/foo            and mention bob
//!   [[[triple]]]       wikilink [triple
//!   [[x][y]]           org's own: a URL or a file
//!   [[#heading]]       wikilink #heading: not cut, nothing would be left
//!   [[]]  [[a⏎b]]      nothing
//! ```

use super::{
    links::{Found, Links, MAX_LINKS, MAX_TARGET_BYTES},
    outline::Outline,
    target::{self, Destination},
};
use memchr::{memchr3, memmem::Finder};
use springline_model::{Context, LinkPath, NodeName, Uri};
use std::ops::Range;

/// A place in the text that the pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// First byte of `[[`.
    pub start: usize,
    /// Behind `]]`.
    pub end: usize,
    /// What stands between, without the spaces around it; never empty.
    pub inner: Range<usize>,
}

/// The first [`MAX_LINKS`] marks of a text.
pub(super) fn scan(text: &str, links: &mut Links) -> Vec<Mark> {
    let bytes = text.as_bytes();
    let opening = Finder::new(b"[[");
    let mut marks = Vec::new();
    let mut at = 0;
    // No `]]` starts between here and the last place that was searched: the same line is searched once.
    let mut barren_until = 0;
    while let Some(found) = opening.find(&bytes[at..]) {
        let start = at + found;
        let Some(mark) = close(bytes, start, &mut barren_until) else {
            at = start + 1;
            continue;
        };
        at = mark.end;
        if marks.len() < MAX_LINKS {
            marks.push(mark);
        } else {
            links.skip(1);
        }
    }
    marks
}

/// The mark that starts at a `[[`, if there is one.
fn close(bytes: &[u8], start: usize, barren_until: &mut usize) -> Option<Mark> {
    let spaces = bytes[start + 2..].iter().take_while(|byte| **byte == b' ').count();
    let first = start + 2 + spaces;
    if matches!(bytes.get(first)?, b'\n' | b'\r') {
        return None;
    }
    // At least one character stands inside, whatever it is.
    if let Some(closing) = closing(bytes, first + 1, barren_until) {
        let trailing = bytes[first + 1..closing].iter().rev().take_while(|byte| **byte == b' ').count();
        return Some(Mark { start, end: closing + 2, inner: first..closing - trailing });
    }
    // `[[ ]]`: then the last of the spaces is that character.
    let blank = spaces > 0 && bytes[first..].starts_with(b"]]");
    blank.then(|| Mark { start, end: first + 2, inner: first - 1..first })
}

/// The next `]]` of the line.
fn closing(bytes: &[u8], from: usize, barren_until: &mut usize) -> Option<usize> {
    if from < *barren_until {
        return None;
    }
    let mut at = from;
    while let Some(found) = memchr3(b']', b'\n', b'\r', bytes.get(at..)?) {
        let here = at + found;
        match bytes[here] {
            b']' if bytes.get(here + 1) == Some(&b']') => return Some(here),
            b']' => at = here + 1,
            _ => {
                *barren_until = here;
                return None;
            }
        }
    }
    *barren_until = bytes.len();
    None
}

/// What a mark's text says: `target#fragment|label`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub target: &'a str,
    pub fragment: Option<&'a str>,
    pub label: Option<&'a str>,
}

/// Takes a mark's text apart at the first `|` (or `\|`, as tables need it) and the first `#`.
pub(super) fn parts(inner: &str) -> Parts<'_> {
    let (target, label) = match inner.split_once('|') {
        Some((target, label)) => (target.strip_suffix('\\').unwrap_or(target), Some(label)),
        None => (inner, None),
    };
    match target.split_once('#') {
        Some((page, fragment)) if !page.is_empty() => Parts { target: page, fragment: Some(fragment), label },
        _ => Parts { target, fragment: None, label },
    }
}

/// The node that a mark's text leads to; `None` if it is a link of org's or leads to nothing.
pub(super) fn node_of(inner: &str) -> Option<NodeName> {
    let target = parts(inner).target;
    (!inner.contains("][") && !target.trim().is_empty()).then(|| NodeName::canonical(target))
}

/// All links that marks make.
pub(super) fn link(text: &str, marks: &[Mark], outline: &Outline, links: &mut Links) {
    links.pass();
    for mark in marks {
        let inner = &text[mark.inner.clone()];
        let context = outline.context(mark.start);
        if inner.len() > 2 * MAX_TARGET_BYTES {
            links.skip_long();
        } else if let Some((target, label)) = inner.split_once("][") {
            link_org(target, label, mark, context, links);
        } else {
            link_node(text, inner, mark, context, links);
        }
    }
}

fn link_node(text: &str, inner: &str, mark: &Mark, context: Context, links: &mut Links) {
    let parts = parts(inner);
    let mut add = |path, target, start: usize, label, fragment| {
        links.add(Found { path, context, target, span: start..mark.end, label, fragment });
    };
    if !parts.target.trim().is_empty() {
        let target = Uri::node(&NodeName::canonical(parts.target));
        let before = text[..mark.start].chars().next_back();
        if before == Some('!') {
            add(LinkPath::EMBED, target.clone(), mark.start - 1, parts.label, parts.fragment);
        }
        if before == Some('#') && context == Context::Prose {
            let tag = Uri::tag(&parts.target.trim().to_lowercase());
            add(LinkPath::HASHTAG, tag, mark.start - 1, None, None);
        }
        add(LinkPath::WIKILINK, target, mark.start, parts.label, parts.fragment);
    }
    if parts.label.is_some() || parts.fragment.is_some() || parts.target.trim().is_empty() {
        add(LinkPath::AGORA, Uri::node(&NodeName::canonical(inner)), mark.start, None, None);
    }
    let user = parts.target.strip_prefix('@').and_then(|rest| rest.split('/').next()).map(str::trim);
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        add(LinkPath::MENTION, Uri::user(user), mark.start, parts.label, None);
    }
    if target::scheme(parts.target).is_some() {
        add(LinkPath::URL, Uri::from(inner_url(inner)), mark.start, parts.label, None);
    }
}

/// An address is not cut at `#`.
fn inner_url(inner: &str) -> &str {
    inner.split_once('|').map_or(inner, |(url, _)| url).trim()
}

fn link_org(target: &str, label: &str, mark: &Mark, context: Context, links: &mut Links) {
    // Without a scheme or a path it is a heading of the same file, or an id that only org can look up.
    let is_address = target::scheme(target).is_some() || target.starts_with(['.', '/']);
    let (path, target, fragment) = match target::understand(target) {
        Some(Destination::Outside(url)) => (LinkPath::URL, url, None),
        Some(Destination::Inside(node, fragment)) if is_address => {
            (LinkPath::MARKDOWN, Uri::node(&node), fragment)
        }
        _ => return,
    };
    links.add(Found { path, context, target, span: mark.start..mark.end, label: Some(label), fragment });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;

    fn found(text: &str) -> Vec<&str> {
        scan(text, &mut Links::new()).into_iter().map(|mark| &text[mark.inner]).collect()
    }

    #[test]
    fn takes_marks_apart() {
        assert_eq!(parts(r"a#b\|c|d"), Parts { target: "a", fragment: Some("b"), label: Some("c|d") });
        assert_eq!(parts("#a|b"), Parts { target: "#a", fragment: None, label: Some("b") });
        assert_eq!(parts("a#^1"), Parts { target: "a", fragment: Some("^1"), label: None });
    }

    #[test]
    fn a_long_line_is_searched_once() {
        let started = std::time::Instant::now();
        assert!(found(&"[[ ".repeat(1_000_000)).is_empty());
        assert!(found(&"[[a] ".repeat(1_000_000)).is_empty());
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn finds_what_the_pattern_finds(text in r"([\[\] a|\n\r]|\[\[|\]\]|é){0,24}") {
            // `.` in Python stops at a line feed only, but Python has turned carriage returns into those.
            let pattern = Regex::new(r"\[\[ *([^\n\r]+?) *\]\]").unwrap();
            let expected = pattern.captures_iter(&text).map(|found| found.get(1).unwrap().as_str());
            prop_assert_eq!(found(&text), expected.collect::<Vec<_>>());
        }
    }
}
