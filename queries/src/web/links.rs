//! Where things live on the site: the one place that knows the paths of the pages.
//!
//! ```text
//!  node:digital garden              /node/digital-garden      (the name itself where its slug reads back as another)
//!  user:flancian                    /@flancian
//!  tag:todo                         /tag/todo
//!  garden://flancian/a b.md         /subnode/garden/flancian/a%20b.md
//!  agora://agora/README.md          /subnode/README.md
//!  at://did:plc:x/y/z               /subnode/at://did:plc:x/y/z
//!  a space's clusters, one, a job   /space/shop  /cluster/c1f…  /job/01…
//! ```
//!
//! Invariant: what [`node`] makes, [`node_named`] reads back as the same name, whatever the name holds. Everything
//! returned is percent-encoded: safe in an attribute and in a `Location` header.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use springline_model::{NodeName, Uri};

/// What cannot stand in a path: the query and fragment marks, what browsers rewrite (`\`), and the usual unsafe.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What cannot stand in one segment of a path or in a value of a query.
const SEGMENT: &AsciiSet = &PATH.add(b'/').add(b'&').add(b'+').add(b'=').add(b';');

/// A path with its slashes, unless a browser would take it apart (`..`, empty segments): then they are encoded.
pub(crate) fn path(text: &str) -> String {
    let rewritten = |segment: &str| matches!(segment, "" | "." | "..");
    let set = if text.split('/').any(rewritten) { SEGMENT } else { PATH };
    utf8_percent_encode(text, set).to_string()
}

/// A whole address as a note has it: only what no address may hold is encoded.
pub(crate) fn url(text: &str) -> String {
    const UNFIT: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'<')
        .add(b'>')
        .add(b'\\')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    utf8_percent_encode(text, UNFIT).to_string()
}

/// One segment of a path, or a value of a query.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// What stands for a node in a path, not yet encoded: its slug if that reads back as the same name; else the name.
pub(crate) fn plain_slug(name: &NodeName) -> String {
    let slug = name.slug();
    if NodeName::canonical(&slug) == *name { slug } else { name.as_str().to_owned() }
}

/// What stands for a node in a path.
pub(crate) fn slug(name: &NodeName) -> String {
    path(&plain_slug(name))
}

/// A node's page.
pub(crate) fn node(name: &NodeName) -> String {
    format!("/node/{}", slug(name))
}

/// The names that a path may mean, the likeliest first: the canonical reading, then the text as it is (for the
/// names that canonicalising would change again, such as `2021-05-22 Some Title`).
pub(crate) fn node_named(path: &str) -> [NodeName; 2] {
    [NodeName::canonical(path), NodeName::from_canonical(path)]
}

/// A person's page, or the page of whatever else wrote a record.
pub(crate) fn author(author: &Uri) -> String {
    format!("/@{}", segment(author_name(author)))
}

/// How a person is called: `flancian` for `user:flancian`; other identities in full.
pub(crate) fn author_name(author: &Uri) -> &str {
    author.as_str().strip_prefix("user:").unwrap_or(author.as_str())
}

/// The schemes of identities that are no user's of a garden.
const FOREIGN: [&str; 6] = ["did", "person", "sentry", "reddit", "https", "http"];

/// The identity behind the name in `/@name`.
pub(crate) fn author_named(name: &str) -> Uri {
    let scheme = name.split_once(':').map_or("", |(scheme, _)| scheme);
    if FOREIGN.contains(&scheme) { Uri::from(name) } else { Uri::user(name) }
}

/// What one person wrote in a node.
pub(crate) fn author_node(who: &Uri, name: &NodeName) -> String {
    format!("{}/{}", author(who), slug(name))
}

/// A tag's page.
pub(crate) fn tag(tag: &str) -> String {
    format!("/tag/{}", segment(tag))
}

/// A note's own page.
pub(crate) fn subnode(uri: &Uri) -> String {
    format!("/subnode/{}", path(&note_path(uri)))
}

/// A note's text as it was written.
pub(crate) fn raw(uri: &Uri) -> String {
    format!("/raw/{}", path(&note_path(uri)))
}

/// The clusters of a space.
pub(crate) fn space(space: &str) -> String {
    format!("/space/{}", segment(space))
}

/// A cluster's page.
pub(crate) fn cluster(id: &str) -> String {
    format!("/cluster/{}", segment(id))
}

/// A job's page.
pub(crate) fn job(id: &str) -> String {
    format!("/job/{}", segment(id))
}

/// A search.
pub(crate) fn search(query: &str) -> String {
    format!("/search?q={}", segment(query))
}

/// The Agora's own name of a note: its path in the tree, `garden/flancian/a b.md`. What is not from a tree keeps
/// its URI.
pub(crate) fn note_path(uri: &Uri) -> String {
    match uri.scheme() {
        "garden" | "stoa" | "stream" => format!("{}/{}", uri.scheme(), uri.rest()),
        "agora" => uri.rest().strip_prefix("agora/").unwrap_or(uri.rest()).to_owned(),
        _ => uri.as_str().to_owned(),
    }
}

/// The reverse of [`note_path`].
pub(crate) fn note_named(path: &str) -> Uri {
    match path.split_once('/') {
        Some((place @ ("garden" | "stoa" | "stream"), rest)) if rest.contains('/') => {
            Uri::from(format!("{place}://{rest}"))
        }
        _ if path.contains("://") => Uri::from(path),
        _ => Uri::from(format!("agora://agora/{path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    fn decoded(href: &str, prefix: &str) -> String {
        percent_decode_str(href.strip_prefix(prefix).unwrap()).decode_utf8().unwrap().into_owned()
    }

    #[test]
    fn known_paths() {
        let name = NodeName::canonical("Digital Garden");
        assert_eq!(node(&name), "/node/digital-garden");
        assert_eq!(
            node(&NodeName::from_canonical("2021-05-22 Some Title")),
            "/node/2021-05-22%20Some%20Title"
        );
        assert_eq!(node(&NodeName::canonical("foo/bar")), "/node/foo/bar");
        assert_eq!(node(&NodeName::from_canonical("2021-05-22/../x")), "/node/2021-05-22%2F..%2Fx");
        assert_eq!(author(&Uri::user("anonymous@doc.anagora.org")), "/@anonymous@doc.anagora.org");
        assert_eq!(search("a&b c"), "/search?q=a%26b%20c");
    }

    #[test]
    fn authors_go_both_ways() {
        for text in ["user:ada", "did:plc:x", "person:Ada L.", "reddit://u/ada", "https://github.com/ada"] {
            let uri = Uri::new(text.to_owned());
            assert_eq!(author_named(&decoded(&author(&uri), "/@")), uri);
        }
    }

    #[test]
    fn notes_go_both_ways() {
        for text in
            ["garden://flancian/a b.md", "stoa://doc/x.md", "agora://agora/README.md", "at://did:plc:x/y/z"]
        {
            let uri = Uri::from(text);
            assert_eq!(note_named(&note_path(&uri)), uri);
        }
        assert_eq!(note_named("garden/flancian/x.md").as_str(), "garden://flancian/x.md");
        assert_eq!(note_named("garden/x.md").as_str(), "agora://agora/garden/x.md");
    }

    proptest! {
        #[test]
        fn every_node_reads_back(text in "\\PC{1,12}|[-./ :0-9a-zA-Z]{1,14}") {
            let name = NodeName::canonical(&text);
            prop_assume!(!name.as_str().is_empty());
            let href = node(&name);
            prop_assert!(href.bytes().all(|byte| byte.is_ascii_graphic()), "{}", href);
            prop_assert!(!href.split('/').any(|segment| matches!(segment, "." | "..")), "{}", href);
            prop_assert!(node_named(&decoded(&href, "/node/")).contains(&name), "{}", href);
        }
    }
}
