//! Turns what a note links to into a place on the site or outside of it.

use super::out::Out;
use crate::web::links;
use percent_encoding::percent_decode_str;
use springline_model::NodeName;

/// Schemes that a note may link to. Everything else (`javascript:`, `data:`) stays text.
pub(super) const SCHEMES: &[&str] = &[
    "at", "did", "doi", "ftp", "ftps", "gemini", "geo", "git", "gopher", "http", "https", "ipfs", "irc",
    "ircs", "magnet", "mailto", "matrix", "news", "sms", "ssh", "tel", "urn", "xmpp",
];

/// Those of them that are written without `//`.
const BARE_SCHEMES: &[&str] =
    &["mailto", "tel", "did", "doi", "magnet", "xmpp", "matrix", "news", "sms", "geo", "urn"];

/// Extensions of files that are notes: a link to `x.md` leads to the node `x`.
const NOTES: &[&str] = &[
    "md", "org", "myco", "py", "html", "htm", "png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "ico",
    "avif",
];

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// A page of this site.
    Inside(String),
    /// A URL elsewhere.
    Outside(String),
    /// Nothing that may be linked to.
    Nowhere,
}

impl Destination {
    /// Of the text between `[[` and `]]`: cut at the first `|`, and at `#` for a heading.
    pub(super) fn of_wikilink(text: &str) -> Self {
        let target = text.split('|').next().unwrap_or_default();
        let target = target.strip_suffix('\\').unwrap_or(target);
        if scheme(target.trim()).is_some_and(|scheme| scheme.starts_with("http")) {
            return Self::of_url(target);
        }
        let (name, fragment) =
            target.split_once('#').map_or((target, None), |(name, rest)| (name, Some(rest)));
        Self::node(name, fragment)
    }

    /// Of the target of `[label](target)`: a URL, a heading of the same page, or a file beside the note, which
    /// stands for the node of its stem. The same reading as the index has, so that what is shown as a link to a
    /// node is one.
    pub(super) fn of_url(target: &str) -> Self {
        let target = target.trim();
        if target.starts_with("//") {
            return Self::Outside(format!("https:{target}"));
        }
        let is =
            |scheme: &str| target.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
        if is("file:") {
            return Self::of_file(target[5..].split("::").next().unwrap_or_default());
        }
        if ["javascript:", "data:", "vbscript:"].into_iter().any(is) {
            return Self::Nowhere;
        }
        match scheme(target) {
            Some(scheme) if SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) => {
                Self::Outside(target.to_owned())
            }
            Some(_) => Self::Nowhere,
            None => Self::of_file(target),
        }
    }

    fn of_file(target: &str) -> Self {
        let (path, fragment) =
            target.split_once('#').map_or((target, None), |(path, rest)| (path, Some(rest)));
        let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        match &*name {
            "" if !path.is_empty() => Self::Nowhere,
            "." | ".." => Self::Nowhere,
            name => stem(name).map_or(Self::Nowhere, |stem| Self::node(stem, fragment)),
        }
    }

    fn node(name: &str, fragment: Option<&str>) -> Self {
        let fragment = fragment.map(heading_id).filter(|id| !id.is_empty());
        let name = NodeName::canonical(name);
        match (name.as_str().trim().is_empty(), fragment) {
            (true, None) => Self::Nowhere,
            (true, Some(id)) => Self::Inside(format!("#{}", links::segment(&id))),
            (false, None) => Self::Inside(links::node(&name)),
            (false, Some(id)) => Self::Inside(format!("{}#{}", links::node(&name), links::segment(&id))),
        }
    }

    /// Opens an anchor that leads there; none for [`Destination::Nowhere`] or inside of another anchor. The
    /// caller closes with [`Out::close_to`].
    pub(super) fn open(&self, out: &mut Out, class: &'static str) {
        if out.is_in("a") {
            return;
        }
        match self {
            Self::Inside(href) if class.is_empty() => out.open("a", &[("href", href)]),
            Self::Inside(href) => out.open("a", &[("href", href), ("class", class)]),
            Self::Outside(href) => out.open("a", &[("href", href), ("rel", "nofollow noopener")]),
            Self::Nowhere => {}
        }
    }

    /// An anchor with this text.
    pub(super) fn write(&self, out: &mut Out, class: &'static str, text: &str) {
        let depth = out.depth();
        self.open(out, class);
        out.text(text);
        out.close_to(depth);
    }
}

/// A picture from elsewhere; its host does not learn which page it is on.
pub(super) fn picture(out: &mut Out, source: &str, alternative: &str) {
    let attributes =
        [("src", source), ("alt", alternative), ("loading", "lazy"), ("referrerpolicy", "no-referrer")];
    out.void("img", &attributes);
}

/// The scheme of an address; a file's name with a colon in it (`note: foo.md`) has none.
fn scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once(':')?;
    let shaped = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let known = rest.starts_with("//") || BARE_SCHEMES.iter().any(|bare| scheme.eq_ignore_ascii_case(bare));
    (shaped && known).then_some(scheme)
}

/// A file's name without the extension of a note; `None` for a file of another kind (`data.csv`). What stands
/// behind the dot of `v1.2` is no extension.
fn stem(name: &str) -> Option<&str> {
    let Some((stem, extension)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
        return Some(name);
    };
    let shaped = (1..=5).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && extension.bytes().any(|byte| byte.is_ascii_alphabetic());
    if NOTES.iter().any(|note| note.eq_ignore_ascii_case(extension)) {
        Some(stem)
    } else {
        (!shaped).then_some(name)
    }
}

/// The id of a heading, made of its text: `h-` and its letters and digits, lower-cased, runs of others a hyphen.
/// Empty if there are none. `^block` references have no place on the page.
pub(super) fn heading_id(text: &str) -> String {
    if text.starts_with('^') {
        return String::new();
    }
    let mut id = String::from("h");
    let mut gap = true;
    for c in text.chars().take(120) {
        if !c.is_alphanumeric() {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            id.push('-');
        }
        id.extend(c.to_lowercase());
    }
    if id.len() > 1 { id } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(href: &str) -> Destination {
        Destination::Inside(href.to_owned())
    }

    #[test]
    fn wikilinks() {
        assert_eq!(Destination::of_wikilink("Foo Bar|label"), inside("/node/foo-bar"));
        assert_eq!(Destination::of_wikilink("foo\\|label"), inside("/node/foo"));
        assert_eq!(Destination::of_wikilink("foo#A *Big* Heading"), inside("/node/foo#h-a-big-heading"));
        assert_eq!(Destination::of_wikilink("foo#^block"), inside("/node/foo"));
        assert_eq!(Destination::of_wikilink("#here"), inside("#h-here"));
        assert_eq!(Destination::of_wikilink(" "), Destination::Nowhere);
        assert_eq!(
            Destination::of_wikilink("https://x.org/a"),
            Destination::Outside("https://x.org/a".into())
        );
    }

    #[test]
    fn urls_and_files() {
        assert_eq!(Destination::of_url("../notes/My%20Note.md#top"), inside("/node/my-note#h-top"));
        assert_eq!(Destination::of_url("folder/"), inside("/node/folder"));
        assert_eq!(Destination::of_url("v1.2.3.md"), inside("/node/v1-2-3"));
        assert_eq!(Destination::of_url("file:notes/x.org::*Heading"), inside("/node/x"));
        assert_eq!(Destination::of_url("paper.pdf"), Destination::Nowhere);
        assert_eq!(Destination::of_url("/"), Destination::Nowhere);
        assert_eq!(Destination::of_url("#Some heading"), inside("#h-some-heading"));
        assert_eq!(Destination::of_url("//x.org/a"), Destination::Outside("https://x.org/a".into()));
        assert_eq!(Destination::of_url("mailto:a@b.c"), Destination::Outside("mailto:a@b.c".into()));
        for bad in ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "foo://x"]
        {
            assert_eq!(Destination::of_url(bad), Destination::Nowhere, "{bad}");
        }
    }
}
