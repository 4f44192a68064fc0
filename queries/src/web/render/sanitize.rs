//! The last gate: whatever a renderer wrote, only this much of HTML reaches a page.

use super::anchor::SCHEMES;
use ammonia::{Builder, UrlRelative};
use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

const TAGS: &[&str] = &[
    "a",
    "abbr",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
];

static GATE: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let attributes: [(&str, &[&str]); 8] = [
        ("a", &["href"]),
        ("img", &["src", "alt"]),
        ("ol", &["start"]),
        ("h3", &["id"]),
        ("h4", &["id"]),
        ("h5", &["id"]),
        ("h6", &["id"]),
        ("div", &["id"]),
    ];
    let classes: [(&str, &[&str]); 4] = [
        ("a", &["wikilink", "tag", "embed"]),
        ("div", &["scroll", "footnote"]),
        ("td", &["right", "center"]),
        ("th", &["right", "center"]),
    ];
    let set = |values: &[&'static str]| values.iter().copied().collect::<HashSet<_>>();
    let sets = |of: &[(&'static str, &[&'static str])]| {
        of.iter().map(|(tag, values)| (*tag, set(values))).collect::<HashMap<_, _>>()
    };
    let values = HashMap::from([
        ("a", HashMap::from([("rel", set(&["nofollow noopener"]))])),
        ("img", HashMap::from([("loading", set(&["lazy"])), ("referrerpolicy", set(&["no-referrer"]))])),
    ]);
    let mut gate = Builder::empty();
    gate.tags(set(TAGS))
        .clean_content_tags(set(&["script", "style"]))
        .tag_attributes(sets(&attributes))
        .tag_attribute_values(values)
        .allowed_classes(sets(&classes))
        .url_schemes(set(SCHEMES))
        .url_relative(UrlRelative::PassThrough)
        .link_rel(None)
        .strip_comments(true);
    gate
});

/// The harmless part of a piece of HTML.
pub(super) fn clean(html: &str) -> String {
    GATE.clean(html).to_string()
}
