//! What the destination of a Markdown, org or myco link is.

use super::Format;
use percent_encoding::percent_decode_str;
use springline_model::{NodeName, Uri};

/// Something that a format's own link leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination<'a> {
    /// A place outside of the garden, as written.
    Outside(Uri),
    /// A file of the garden: its node, and the heading or block behind `#`.
    Inside(NodeName, Option<&'a str>),
}

/// Schemes that are written without `//` and lead somewhere.
const BARE_SCHEMES: [&str; 11] =
    ["mailto", "tel", "did", "doi", "magnet", "xmpp", "matrix", "news", "sms", "geo", "urn"];

/// Understands a destination; `None` if it leads nowhere else (`#heading`) or to no note (`data.csv`).
pub(super) fn understand(destination: &str) -> Option<Destination<'_>> {
    let destination = destination.trim();
    if destination.starts_with("//") {
        return Some(Destination::Outside(Uri::from(format!("https:{destination}"))));
    }
    match scheme(destination) {
        // Org's `file:x.org::*Heading` names a place in the file behind `::`.
        Some("file") => inside(destination[5..].split("::").next()?),
        Some(_) => Some(Destination::Outside(Uri::from(destination))),
        None => inside(destination),
    }
}

/// The scheme of an address; file names with a colon in them have none.
pub(super) fn scheme(destination: &str) -> Option<&str> {
    let (scheme, rest) = destination.split_once(':')?;
    let shaped = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let known = rest.starts_with("//")
        || scheme.eq_ignore_ascii_case("file")
        || BARE_SCHEMES.iter().any(|bare| scheme.eq_ignore_ascii_case(bare));
    (shaped && known).then_some(scheme)
}

fn inside(path: &str) -> Option<Destination<'_>> {
    if holds_itself(path) {
        return None;
    }
    let (path, fragment) = match path.split_once('#') {
        Some((path, fragment)) => (path, Some(fragment)),
        None => (path, None),
    };
    let path = path.split('?').next()?.trim_end_matches('/');
    let name = path.rsplit('/').next()?;
    let name = percent_decode_str(name).decode_utf8_lossy();
    if matches!(&*name, "" | "." | "..") {
        return None;
    }
    let stem = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => match kind(extension) {
            Kind::Note => stem,
            Kind::Other => return None,
            Kind::NoExtension => &name,
        },
        _ => &name,
    };
    Some(Destination::Inside(NodeName::canonical(stem), fragment))
}

/// `data:…` and `javascript:…` lead nowhere: they hold what they are about.
fn holds_itself(destination: &str) -> bool {
    ["data:", "javascript:"]
        .iter()
        .any(|scheme| destination.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)))
}

enum Kind {
    Note,
    Other,
    NoExtension,
}

/// What stands behind the last dot: `md` or `html` names a note, `pdf` something else, `2` in `v1.2` nothing.
fn kind(extension: &str) -> Kind {
    let shaped = (1..=5).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && extension.bytes().any(|byte| byte.is_ascii_alphabetic());
    if Format::of_extension(extension).is_some() || matches!(extension, "html" | "htm") {
        Kind::Note
    } else if shaped {
        Kind::Other
    } else {
        Kind::NoExtension
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_destinations() {
        let node = |text: &str| match understand(text) {
            Some(Destination::Inside(node, _)) => Some(node.as_str().to_owned()),
            _ => None,
        };
        let url = |text: &str| match understand(text) {
            Some(Destination::Outside(url)) => Some(url.as_str().to_owned()),
            _ => None,
        };
        assert_eq!(node("../foo/Bar%20Baz.md#x").as_deref(), Some("bar baz"));
        assert_eq!(node("./foo/").as_deref(), Some("foo"));
        assert_eq!(node("img.tar.png").as_deref(), Some("img tar"));
        assert_eq!(node("v1.2").as_deref(), Some("v1 2"));
        assert_eq!(node("file:notes/x.org::*Heading").as_deref(), Some("x"));
        assert_eq!(node("2024-05-04 18:52:43.md").as_deref(), Some("2024-05-04"));
        assert_eq!(node("/"), None);
        assert_eq!(node("#b c"), None);
        assert_eq!(node("paper.pdf"), None);
        assert_eq!(node("data:image/png;base64,a/b"), None);
        assert_eq!(node(&"x".repeat(5000)).map(|name| name.len()), Some(5000));
        assert_eq!(url("https://x.org/a b").as_deref(), Some("https://x.org/a b"));
        assert_eq!(url("//x.org").as_deref(), Some("https://x.org"));
        assert_eq!(url("mailto:a@b.c").as_deref(), Some("mailto:a@b.c"));
        assert_eq!(url("note: foo"), None);
    }
}
