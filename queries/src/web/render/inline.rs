//! Running text: finds the links that no block structure marks.
//!
//! Markdown's parser has cut out its own links already, so there only hashtags and bare addresses are left
//! ([`Style::Markdown`]). The other styles look for `[[wikilinks]]` and their emphasis too.
//!
//! Limits: linear in the text. An emphasis may span [`MAX_SPAN`] bytes and nest [`MAX_NESTING`] deep.

use super::{anchor::Destination, out::Out};
use crate::web::links;

/// How far behind an opening mark its closing one is looked for.
const MAX_SPAN: usize = 600;

/// The longest tag, in bytes.
const MAX_TAG: usize = 128;

/// The longest bare address, in bytes.
const MAX_ADDRESS: usize = 1024;

/// How deep emphasis nests.
const MAX_NESTING: usize = 6;

/// Which marks mean what.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Hashtags and bare addresses only.
    Markdown,
    /// Those, and `[[wikilinks]]`: a line of context, whatever it was cut from.
    Context,
    /// `*b* /i/ =code= ~code~ +s+ _u_`, `[[target][label]]`.
    Org,
    /// `**b** //i// `code` ~~s~~ ++mark++ __u__ ^^sup^^ ,,sub,,`, `[[target|label]]`.
    Myco,
}

/// A mark, the element it stands for, and whether what is inside is text as it is.
type Mark = (&'static str, &'static str, bool);

const ORG: &[Mark] = &[
    ("*", "strong", false),
    ("/", "em", false),
    ("_", "u", false),
    ("+", "del", false),
    ("=", "code", true),
    ("~", "code", true),
];

const MYCO: &[Mark] = &[
    ("**", "strong", false),
    ("//", "em", false),
    ("__", "u", false),
    ("~~", "del", false),
    ("++", "mark", false),
    ("^^", "sup", false),
    (",,", "sub", false),
    ("`", "code", true),
];

const CONTEXT: &[Mark] = &[("`", "code", true)];

impl Style {
    const fn marks(self) -> &'static [Mark] {
        match self {
            Self::Markdown => &[],
            Self::Context => CONTEXT,
            Self::Org => ORG,
            Self::Myco => MYCO,
        }
    }
}

/// Writes text with its links.
pub(super) fn write(out: &mut Out, text: &str, style: Style) {
    nested(out, text, style, 0);
}

fn nested(out: &mut Out, text: &str, style: Style, depth: usize) {
    // `plain` is where the text not written yet begins.
    let (mut plain, mut at) = (0, 0);
    while let Some(step) = text[at..].find(|c: char| c.is_ascii_punctuation() || c == 'h' || c == 'H') {
        at += step;
        let before = text[..at].chars().next_back();
        let rest = &text[at..];
        let taken = match rest.as_bytes()[0] {
            b'[' if style != Style::Markdown => bracket(rest),
            b'#' => hashtag(before, rest),
            b'h' | b'H' => address(before, rest),
            _ => emphasis(before, rest, style, depth),
        };
        let Some((length, found)) = taken else {
            at += 1;
            continue;
        };
        out.text(&text[plain..at]);
        found.write(out, style, depth);
        at += length;
        plain = at;
    }
    out.text(&text[plain..]);
}

/// Something found in running text.
enum Found<'a> {
    Wikilink { target: &'a str, label: &'a str },
    Hashtag(&'a str),
    Address(&'a str),
    Emphasis { element: &'static str, verbatim: bool, inside: &'a str },
}

impl Found<'_> {
    fn write(&self, out: &mut Out, style: Style, depth: usize) {
        match self {
            Self::Wikilink { target, label } => {
                Destination::of_wikilink(target).write(out, "wikilink", label);
            }
            Self::Hashtag(word) => {
                let level = out.depth();
                Destination::Inside(links::tag(&word.to_lowercase())).open(out, "tag");
                out.text("#");
                out.text(word);
                out.close_to(level);
            }
            Self::Address(url) => Destination::Outside((*url).to_owned()).write(out, "", url),
            Self::Emphasis { element, verbatim, inside } => {
                out.open(element, &[]);
                if *verbatim {
                    out.text(inside);
                } else {
                    nested(out, inside, style, depth + 1);
                }
                out.close();
            }
        }
    }
}

type Taken<'a> = Option<(usize, Found<'a>)>;

/// `[[target]]`, `[[target|label]]`, `[[target][label]]`, on one line.
fn bracket(rest: &str) -> Taken<'_> {
    let inside = rest.strip_prefix("[[")?;
    let window = floor(inside, MAX_SPAN);
    let end = window.find("]]")?;
    let inside = &inside[..end];
    if inside.trim().is_empty() || inside.contains('\n') {
        return None;
    }
    let (target, label) = match inside.split_once("][") {
        Some((target, label)) => (target, label),
        None => inside.split_once('|').map_or((inside, inside), |(target, label)| (target, label)),
    };
    Some((end + 4, Found::Wikilink { target, label: if label.trim().is_empty() { target } else { label } }))
}

/// `#word` where a word may begin, as the index has it: letters, digits, `_`, `-`, `/` and pictographs, but not
/// digits alone.
fn hashtag(before: Option<char>, rest: &str) -> Taken<'_> {
    if before.is_some_and(|c| !c.is_whitespace() && !matches!(c, ',' | ';' | '*' | '_' | '|' | '(')) {
        return None;
    }
    let belongs = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '_' | '-' | '/' | '\u{200D}' | '\u{FE0F}')
            || ('\u{1F000}'..='\u{1FAFF}').contains(&c)
    };
    let inside = &rest[1..];
    let window = floor(inside, MAX_TAG + 1);
    let word = &window[..window.find(|c| !belongs(c)).unwrap_or(window.len())];
    if word.len() > MAX_TAG {
        return None;
    }
    let word = word.trim_end_matches(['-', '/', '_']);
    let says_something = word.chars().any(|c| !c.is_numeric() && !matches!(c, '_' | '-' | '/'));
    says_something.then(|| (word.len() + 1, Found::Hashtag(word)))
}

/// `https://…` up to a blank, quote or bracket, without the punctuation that closes a sentence.
fn address(before: Option<char>, rest: &str) -> Taken<'_> {
    if before.is_some_and(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let starts =
        |scheme: &str| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let scheme = ["https://", "http://"].into_iter().find(|scheme| starts(scheme))?;
    let stops = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || "<>\"`[]{}|\\^".contains(c)
            || "。，、）」』】；：！？".contains(c)
    };
    let window = floor(rest, MAX_ADDRESS);
    let mut url = &window[..window.find(stops).unwrap_or(window.len())];
    if url.len() == MAX_ADDRESS {
        return None;
    }
    let opened = url.matches('(').count();
    let mut closed = url.matches(')').count();
    while let Some(last) = url.bytes().next_back() {
        match last {
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'*' | b'_' | b'~' => {}
            b')' if closed > opened => closed -= 1,
            _ => break,
        }
        url = &url[..url.len() - 1];
    }
    (url.len() > scheme.len()).then_some((url.len(), Found::Address(url)))
}

/// A pair of marks on one line, with no blank just inside and, for org, words outside.
fn emphasis(before: Option<char>, rest: &str, style: Style, depth: usize) -> Taken<'_> {
    if depth >= MAX_NESTING {
        return None;
    }
    let (mark, element, verbatim) = *style.marks().iter().find(|(mark, ..)| rest.starts_with(mark))?;
    let outside = |c: char| c.is_whitespace() || c.is_ascii_punctuation();
    if style == Style::Org && before.is_some_and(|c| !outside(c)) {
        return None;
    }
    let inside = floor(&rest[mark.len()..], MAX_SPAN);
    if inside.starts_with(|c: char| c.is_whitespace()) {
        return None;
    }
    let mut from = 0;
    while let Some(step) = inside[from..].find(mark) {
        let end = from + step;
        let text = &inside[..end];
        let behind = rest[mark.len() * 2 + end..].chars().next();
        let closes = style != Style::Org || behind.is_none_or(outside);
        if closes && !text.is_empty() && !text.ends_with(|c: char| c.is_whitespace()) {
            let found = Found::Emphasis { element, verbatim, inside: text };
            return (!text.contains('\n')).then_some((end + mark.len() * 2, found));
        }
        from = end + mark.len();
    }
    None
}

/// At most so many bytes from the start, on a character boundary.
pub(super) fn floor(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn html(text: &str, style: Style) -> String {
        let mut out = Out::new(0);
        write(&mut out, text, style);
        out.finish().0
    }

    #[test]
    fn finds_links() {
        assert_eq!(
            html("see #Todo, a#b #1 (#x/y).", Style::Markdown),
            "see <a href=\"/tag/todo\" class=\"tag\">#Todo</a>, a#b #1 (<a href=\"/tag/x%2Fy\" class=\"tag\">#x/y</a>)."
        );
        assert_eq!(
            html("(https://x.org/a_(b)), http://", Style::Markdown),
            "(<a href=\"https://x.org/a_(b)\" rel=\"nofollow noopener\">https://x.org/a_(b)</a>), http://"
        );
        assert_eq!(
            html("[[Foo|bar]] [[x]] [[ ]] [[u", Style::Context),
            "<a href=\"/node/foo\" class=\"wikilink\">bar</a> <a href=\"/node/x\" class=\"wikilink\">x</a> [[ ]] [[u"
        );
        assert_eq!(html("[[Foo]] <b>", Style::Markdown), "[[Foo]] &lt;b&gt;");
    }

    #[test]
    fn finds_emphasis() {
        assert_eq!(
            html("*a /b/* a*b*c =<=", Style::Org),
            "<strong>a <em>b</em></strong> a*b*c <code>&lt;</code>"
        );
        assert_eq!(html("**a //b//** `x`", Style::Myco), "<strong>a <em>b</em></strong> <code>x</code>");
        assert_eq!(html("2 * 3 * 4 / 5", Style::Org), "2 * 3 * 4 / 5");
    }

    proptest! {
        #[test]
        fn keeps_the_text(text in "[ \\[\\]#*/=~_+`|a-zé:h.<>&]{0,80}|\\PC{0,60}") {
            for style in [Style::Markdown, Style::Context, Style::Org, Style::Myco] {
                let html = html(&text, style);
                let mut plain = String::new();
                let mut tag = false;
                for c in html.chars() {
                    match c { '<' => tag = true, '>' => tag = false, _ if !tag => plain.push(c), _ => {} }
                }
                // Marks may vanish; letters never do.
                let letters = |text: &str| text.chars().filter(|c| *c == 'é').count();
                if style == Style::Markdown {
                    prop_assert_eq!(letters(&plain), letters(&text));
                }
            }
        }
    }
}
