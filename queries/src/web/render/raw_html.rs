//! The raw HTML that people write in their notes: a few harmless elements are kept, the rest falls away.
//!
//! ```text
//!  <kbd>x</kbd>  kept      <div onclick=…>x</div>  x      <script>x</script>  nothing
//! ```
//!
//! Elements are rewritten through [`Out`], with no attribute of theirs but the targets of links and the addresses
//! of pictures. Linear in the text.

use super::{
    anchor::{self, Destination},
    out::Out,
};

/// Elements that may be nested and keep their content.
const KEPT: &[&str] = &[
    "abbr",
    "b",
    "big",
    "blockquote",
    "caption",
    "center",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h3",
    "h4",
    "h5",
    "h6",
    "i",
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

/// Elements whose content is not for reading.
const DROPPED: &[&str] = &[
    "applet", "audio", "canvas", "embed", "head", "iframe", "math", "noembed", "noframes", "noscript",
    "object", "script", "select", "style", "svg", "template", "textarea", "title", "video", "xmp",
];

/// Writes what may be kept of a piece of HTML: a block, or one tag.
pub(super) fn write(out: &mut Out, html: &str) {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text(out, &rest[..at]);
        rest = &rest[at..];
        rest = match Piece::read(rest) {
            Some((Piece::Comment, rest)) => rest,
            Some((Piece::Tag { name, attributes, closes }, rest)) => tag(out, name, attributes, closes, rest),
            None => {
                out.text("<");
                &rest[1..]
            }
        };
    }
    text(out, rest);
}

/// Writes one tag; what is left behind it (and behind its content, where that is dropped).
fn tag<'h>(out: &mut Out, name: &str, attributes: &str, closes: bool, rest: &'h str) -> &'h str {
    let is = |known: &&&str| known.eq_ignore_ascii_case(name);
    if DROPPED.iter().find(is).is_some() {
        return if closes { rest } else { behind_end(name, rest) };
    }
    if let Some(known) = KEPT.iter().find(is) {
        if closes {
            out.raw_close(known);
        } else {
            out.raw_open(known, &[]);
        }
        return rest;
    }
    match name.to_ascii_lowercase().as_str() {
        "br" => out.void("br", &[]),
        "hr" => out.void("hr", &[]),
        "h1" | "h2" if closes => out.raw_close("h3"),
        "h1" | "h2" => out.raw_open("h3", &[]),
        "a" if closes => out.raw_close("a"),
        "a" if !out.is_in("a") => {
            match Destination::of_url(&attribute(attributes, "href").unwrap_or_default()) {
                Destination::Inside(href) => out.raw_open("a", &[("href", &href)]),
                Destination::Outside(href) => {
                    out.raw_open("a", &[("href", &href), ("rel", "nofollow noopener")]);
                }
                Destination::Nowhere => {}
            }
        }
        "img" => {
            let alternative = attribute(attributes, "alt").unwrap_or_default();
            let source = attribute(attributes, "src").unwrap_or_default();
            if source.starts_with("https:") {
                anchor::picture(out, &source, &alternative);
            } else {
                out.text(&alternative);
            }
        }
        _ => {}
    }
    rest
}

/// The text behind `</name…>`; nothing if the element never ends.
fn behind_end<'h>(name: &str, html: &'h str) -> &'h str {
    let mut rest = html;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        if rest.get(..name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name)) {
            return rest.find('>').map_or("", |end| &rest[end + 1..]);
        }
    }
    ""
}

enum Piece<'h> {
    /// `<!-- … -->`, `<!DOCTYPE …>`, `<? … ?>`.
    Comment,
    /// A start or end tag.
    Tag { name: &'h str, attributes: &'h str, closes: bool },
}

impl<'h> Piece<'h> {
    /// Of a text that begins with `<`; none if that is not a tag.
    fn read(html: &'h str) -> Option<(Self, &'h str)> {
        if let Some(comment) = html.strip_prefix("<!--") {
            return Some((Self::Comment, comment.find("-->").map_or("", |end| &comment[end + 3..])));
        }
        if html.starts_with("<!") || html.starts_with("<?") {
            return Some((Self::Comment, html.find('>').map_or("", |end| &html[end + 1..])));
        }
        let (closes, inside) =
            html[1..].strip_prefix('/').map_or((false, &html[1..]), |inside| (true, inside));
        let name_ends = inside.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inside.len());
        let name = &inside[..name_ends];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let inside = &inside[name_ends..];
        let end = tag_end(inside)?;
        Some((Self::Tag { name, attributes: &inside[..end], closes }, &inside[end + 1..]))
    }
}

/// Where the `>` of a tag stands, not counting those in quotes. A tag is at most 4 KB long.
fn tag_end(inside: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in inside.bytes().enumerate().take(4 * 1024) {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The value of an attribute, with its entities resolved.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let key_ends = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let key = &rest[..key_ends];
        rest = rest[key_ends..].trim_start();
        let mut value = "";
        if let Some(behind) = rest.strip_prefix('=') {
            let behind = behind.trim_start();
            let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''));
            (value, rest) = match quote {
                Some(quote) => behind[1..].split_once(quote).unwrap_or((&behind[1..], "")),
                None => behind.split_at(behind.find(char::is_whitespace).unwrap_or(behind.len())),
            };
        }
        if key.eq_ignore_ascii_case(name) {
            return Some(unescape(value));
        }
        if key.is_empty() && rest.is_empty() {
            return None;
        }
        if key.is_empty() {
            // A stray `=`: step over it, so that every round gets shorter.
            rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
        }
    }
}

/// Text between tags: entities are meant as such.
fn text(out: &mut Out, text: &str) {
    if text.contains('&') { out.text(&unescape(text)) } else { out.text(text) }
}

/// Resolves the entities that people write by hand, and numbers.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| entity(&rest[1..end]).map(|c| (c, end))) {
            Some((c, end)) => {
                plain.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']).map(|hex| u32::from_str_radix(hex, 16));
        return hex.unwrap_or_else(|| number.parse()).ok().and_then(char::from_u32);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{A0}',
        "mdash" => '—',
        "ndash" => '–',
        "hellip" => '…',
        "copy" => '©',
        "times" => '×',
        "rarr" => '→',
        "larr" => '←',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn html(text: &str) -> String {
        let mut out = Out::new(0);
        write(&mut out, text);
        out.finish().0
    }

    #[test]
    fn keeps_what_is_harmless() {
        assert_eq!(html("a <KBD onclick=x>b</kbd> &amp; <br/>c"), "a <kbd>b</kbd> &amp; <br>c");
        assert_eq!(html("<div>x<span>y</div>"), "xy");
        assert_eq!(html("1 < 2 <3"), "1 &lt; 2 &lt;3");
        assert_eq!(
            html("<a class=\"x\" href='https://x.org/?a&amp;b'>l</a><a href=JavaScript:x>m</a>"),
            "<a href=\"https://x.org/?a&amp;b\" rel=\"nofollow noopener\">l</a>m"
        );
        assert_eq!(
            html("<img alt=a src=x.png><img src=\"https://x/y\" onload=x>"),
            "a<img src=\"https://x/y\" alt=\"\" loading=\"lazy\" referrerpolicy=\"no-referrer\">"
        );
    }

    #[test]
    fn drops_what_is_not() {
        assert_eq!(html("a<script>alert('</b>')</script>b<style>c"), "ab");
        assert_eq!(html("a<!-- <b>x</b> -->b<!-- c"), "ab");
        assert_eq!(html("<iframe src=x></iframe ><svg><b></svg>c"), "c");
        assert_eq!(html("<a href='&#106;avascript:alert(1)'>x</a>"), "x");
    }

    proptest! {
        #[test]
        fn any_text_gives_balanced_html(text in "[<>/a-c!=\"' &;#-]{0,60}|(<[/]?(b|a href=x|p|li|script|i)>|x){0,30}") {
            let html = html(&text);
            let (open, close) = (html.matches("<b>").count(), html.matches("</b>").count());
            prop_assert_eq!(open, close, "{}", html);
            prop_assert!(!html.contains("<script"));
        }
    }
}
