//! From a record of any lexicon to what flows through Springline: its links, text and tags.
//!
//! ```text
//!  Ipld ─ walk ─► every text that is, as a whole, an at:// URI, a DID or a URL ─► Link { path, target }
//!       └─ by name ─► title, text, langs, tags, createdAt                      ─► Record
//!  text ─ [[node]] ─► links into gardens;  URLs under a garden's address ─► the node that is published there
//! ```
//!
//! A link's path says where in the record it stands, as indexers of backlinks write it: `.subject.uri`,
//! `.facets[].features[app.bsky.richtext.facet#mention].did`; an element of a list is `[]`, or `[its $type]`.
//!
//! A record is a function of its bytes, its place and its repository's version: whoever tells of it, and whenever.
//! The text is kept exactly as it is; what shows it makes it fit to be shown.
//!
//! Limits: at most [`MAX_LINKS`] links; what was left out is told in `attrs`. Of records that are nothing but
//! references (likes, follows) only the links and the time are kept, of all others the whole record as JSON. What describes
//! a post's pictures is kept beside its text, not in it: it is searched, and lists show it where there is no text.

use super::{json::AsJson, pictures, syntax};
use crate::formats;
use ipld_core::ipld::Ipld;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Context, Link, LinkPath, Record, Span, Timestamp, Uri, record::attr, uri::MAX_URI_BYTES,
};
use std::collections::{BTreeMap, BTreeSet};

/// The most links of a record that are kept: the first.
pub const MAX_LINKS: usize = 20_000;

/// How much later than its repository's version a record may say it was made, in milliseconds.
const AHEAD_MILLIS: i64 = 5 * 60 * 1000;

/// What joins this network's records with gardens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bridges {
    /// Under which address a garden is published: `{ "https://garden.example/" = "flancian" }`. A link to a page under
    /// it is a link to the node of that page.
    pub gardens: BTreeMap<String, String>,
    /// Which account is whose: `{ "did:plc:…" = "flancian" }`. Who mentions the account mentions the gardener.
    pub people: BTreeMap<String, String>,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whose.
    pub did: &'a str,
    /// Of which kind.
    pub collection: &'a str,
    /// Its key.
    pub rkey: &'a str,
    /// Its version's address, if it is known.
    pub cid: Option<&'a str>,
    /// When its repository's version was made: the end of what can be believed of its own time.
    pub seen: Timestamp,
}

impl Place<'_> {
    /// Its identity.
    #[must_use]
    pub fn uri(&self) -> Uri {
        Uri::at_record(self.did, self.collection, self.rkey)
    }
}

/// Reads a record.
#[must_use]
pub fn read(place: &Place<'_>, value: &Ipld, bridges: &Bridges) -> Record {
    let mut walk = Walk { links: Vec::new(), beyond: 0, path: String::new(), facet: None, bridges };
    walk.value(value);
    let Walk { mut links, beyond, .. } = walk;

    let field = |name: &str| field(value, name).and_then(text);
    let body: Vec<&str> =
        ["text", "description", "content", "body", "textContent"].into_iter().filter_map(field).collect();
    let text = body.join("\n\n");
    let title = ["title", "displayName", "name"].into_iter().find_map(field).unwrap_or_default().to_owned();
    if text.contains("[[") {
        links.extend(formats::wikilinks_of(&text));
    }
    let tags = tags(value);
    links.extend(tags.iter().map(|tag| plain(LinkPath::HASHTAG.into(), Uri::tag(tag))));

    let mut attrs = BTreeMap::new();
    attrs.extend(place.cid.map(|cid| (attr::CID.to_owned(), cid.to_owned())));
    if beyond > 0 {
        let left_out = format!("more than {MAX_LINKS} links: {beyond} are left out");
        attrs.insert(attr::PARTIAL.to_owned(), left_out);
    }
    if let Some((media, alts)) = pictures::of(value) {
        attrs.insert(attr::MEDIA.to_owned(), media.to_owned());
        if !alts.is_empty() {
            attrs.insert(attr::ALT.to_owned(), alts.join("\n\n"));
        }
    }
    if !title.is_empty() || !text.is_empty() || attrs.contains_key(attr::MEDIA) {
        let json = serde_json::to_string(&AsJson(value)).unwrap_or_default();
        attrs.insert(attr::RECORD.to_owned(), json);
    }
    Record {
        uri: place.uri(),
        kind: place.collection.to_owned(),
        author: Uri::from(place.did),
        node: None,
        title,
        text,
        langs: langs(value),
        tags: tags.into_iter().collect(),
        at: at(value, place),
        links,
        attrs,
    }
}

/// When a record was made: what it says itself, but not later than it was seen. A few minutes are a clock that is
/// wrong, more is a wish.
fn at(value: &Ipld, place: &Place<'_>) -> Timestamp {
    let told = field(value, "createdAt").and_then(text).and_then(|told| syntax::datetime::micros(told).ok());
    match told.map(|micros| Timestamp(micros.div_euclid(1000))) {
        Some(told) if told.0 <= place.seen.0.saturating_add(AHEAD_MILLIS) => told.min(place.seen),
        _ => place.seen,
    }
}

pub(super) fn field<'a>(value: &'a Ipld, name: &str) -> Option<&'a Ipld> {
    match value {
        Ipld::Map(fields) => fields.get(name),
        _ => None,
    }
}

pub(super) fn text(value: &Ipld) -> Option<&str> {
    match value {
        Ipld::String(text) => Some(text),
        _ => None,
    }
}

pub(super) fn list(value: Option<&Ipld>) -> &[Ipld] {
    match value {
        Some(Ipld::List(items)) => items,
        _ => &[],
    }
}

/// The languages that it says it is in: the first part of each tag.
fn langs(value: &Ipld) -> Vec<String> {
    let mut langs: Vec<String> = Vec::new();
    for tag in list(field(value, "langs")).iter().filter_map(text).take(16) {
        let primary = tag.split('-').next().unwrap_or_default().to_lowercase();
        if (2..=3).contains(&primary.len()) && !langs.contains(&primary) {
            langs.push(primary);
        }
    }
    langs
}

/// What it is tagged with: in `tags`, and in the facets of its text.
fn tags(value: &Ipld) -> BTreeSet<String> {
    const MAX_TAG_BYTES: usize = 640;
    const MAX_TAGS: usize = 1_000;
    let listed = list(field(value, "tags")).iter().filter_map(text);
    let features = list(field(value, "facets")).iter().flat_map(|facet| list(field(facet, "features")));
    let in_text = features
        .filter(|feature| field(feature, "$type").and_then(text) == Some("app.bsky.richtext.facet#tag"))
        .filter_map(|feature| field(feature, "tag").and_then(text));
    let tags = listed.chain(in_text).map(|tag| tag.trim().trim_start_matches('#').to_lowercase());
    tags.filter(|tag| !tag.is_empty() && tag.len() <= MAX_TAG_BYTES).take(MAX_TAGS).collect()
}

fn plain(path: LinkPath, target: Uri) -> Link {
    Link { path, context: Context::Prose, target, span: Span::default(), label: None, fragment: None }
}

/// A walk over all of a record.
struct Walk<'a> {
    links: Vec<Link>,
    beyond: usize,
    path: String,
    /// The bytes of the text that the facet around is about.
    facet: Option<Span>,
    bridges: &'a Bridges,
}

impl Walk<'_> {
    fn value(&mut self, value: &Ipld) {
        match value {
            Ipld::String(text) => self.text(text),
            Ipld::Map(fields) => {
                for (name, value) in fields {
                    // A type is a name, not a reference.
                    if name != "$type" {
                        self.inside(&format!(".{name}"), value);
                    }
                }
            }
            Ipld::List(items) => {
                let facets = self.path == ".facets";
                for item in items {
                    if facets {
                        self.facet = span(item);
                    }
                    match field(item, "$type").and_then(text) {
                        Some(kind) => self.inside(&format!("[{kind}]"), item),
                        None => self.inside("[]", item),
                    }
                }
                if facets {
                    self.facet = None;
                }
            }
            _ => {}
        }
    }

    fn inside(&mut self, step: &str, value: &Ipld) {
        let before = self.path.len();
        self.path.push_str(step);
        self.value(value);
        self.path.truncate(before);
    }

    fn text(&mut self, text: &str) {
        if !is_link(text) {
            return;
        }
        self.add(LinkPath::new(self.path.as_str()), Uri::from(text));
        if let Some(user) = self.bridges.people.get(text) {
            self.add(LinkPath::MENTION.into(), Uri::user(user));
        }
        if !self.bridges.gardens.is_empty()
            && let Some(node) = self.published(text)
        {
            self.add(LinkPath::PUBLISHED.into(), node);
        }
    }

    fn add(&mut self, path: LinkPath, target: Uri) {
        if self.links.len() == MAX_LINKS {
            self.beyond += 1;
            return;
        }
        self.links.push(Link { span: self.facet.unwrap_or_default(), ..plain(path, target) });
    }

    /// The node of a page under a garden's address: that of the last part of its path, without an extension.
    fn published(&self, url: &str) -> Option<Uri> {
        let mut gardens = self.bridges.gardens.keys();
        let rest = gardens.find_map(|prefix| url.strip_prefix(prefix.as_str()))?;
        let path = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let page = path.rsplit('/').next().unwrap_or_default();
        let page = percent_encoding::percent_decode_str(page).decode_utf8_lossy();
        let stem = page.strip_suffix(".html").or_else(|| page.strip_suffix(".md")).unwrap_or(&page);
        (!stem.trim().is_empty()).then(|| Uri::node(&springline_model::NodeName::canonical(stem)))
    }
}

/// The bytes of the text that a facet is about.
fn span(facet: &Ipld) -> Option<Span> {
    let index = field(facet, "index")?;
    let byte = |name: &str| match field(index, name) {
        Some(Ipld::Integer(byte)) => u32::try_from(*byte).ok(),
        _ => None,
    };
    Some(Span { start: byte("byteStart")?, end: byte("byteEnd")? })
}

/// Whether a text is, as a whole, a reference: to a record, an account, or a page.
fn is_link(text: &str) -> bool {
    if text.len() > MAX_URI_BYTES || text.len() < 5 {
        return false;
    }
    if text.starts_with("at://") {
        return syntax::AtUri::check(text).is_ok();
    }
    if text.starts_with("did:") {
        return syntax::Did::check(text).is_ok();
    }
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    !rest.is_empty()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atproto::json::from_json_text;

    fn read_json(collection: &str, json: &str, bridges: &Bridges) -> Record {
        let place = Place {
            did: "did:plc:a",
            collection,
            rkey: "3kaaaaaaaaaaa",
            cid: Some("bafy"),
            seen: Timestamp::parse("2026-07-04T14:00:00Z").unwrap(),
        };
        read(&place, &from_json_text(json).unwrap(), bridges)
    }

    fn links(record: &Record) -> Vec<(String, String)> {
        record.links.iter().map(|link| (link.path.to_string(), link.target.to_string())).collect()
    }

    #[test]
    fn finds_links_wherever_they_stand() {
        let json = r#"{"$type":"app.bsky.feed.post","text":"see [[Digital Garden]] at @bob","createdAt":"2026-07-04T13:00:00Z",
            "langs":["en-GB","en"],"tags":["ToDo"],
            "reply":{"root":{"uri":"at://did:plc:b/app.bsky.feed.post/1","cid":"x"},"parent":{"uri":"at://did:plc:b/app.bsky.feed.post/2","cid":"x"}},
            "facets":[{"index":{"byteStart":26,"byteEnd":30},"features":[{"$type":"app.bsky.richtext.facet#mention","did":"did:plc:bob"},{"$type":"app.bsky.richtext.facet#tag","tag":"Garden"}]}],
            "embed":{"$type":"app.bsky.embed.external","external":{"uri":"https://g.example/x/foo-bar.html?a#b","title":"did:plc:no space"}},
            "labels":["not a link: https://example.org/"]}"#;
        let mut bridges = Bridges::default();
        bridges.gardens.insert("https://g.example/".into(), "bob".into());
        bridges.people.insert("did:plc:bob".into(), "bob".into());
        let record = read_json("app.bsky.feed.post", json, &bridges);
        let expected = [
            (".embed.external.uri", "https://g.example/x/foo-bar.html?a#b"),
            ("published", "node:foo bar"),
            (".facets[].features[app.bsky.richtext.facet#mention].did", "did:plc:bob"),
            ("mention", "user:bob"),
            (".reply.parent.uri", "at://did:plc:b/app.bsky.feed.post/2"),
            (".reply.root.uri", "at://did:plc:b/app.bsky.feed.post/1"),
            ("wikilink", "node:digital garden"),
            ("hashtag", "tag:garden"),
            ("hashtag", "tag:todo"),
        ];
        let expected: Vec<_> = expected.map(|(path, target)| (path.to_owned(), target.to_owned())).into();
        assert_eq!(links(&record), expected);
        assert_eq!(record.links[2].span.of(&record.text), "@bob");
        assert_eq!((record.langs, record.tags), (vec!["en".into()], vec!["garden".into(), "todo".into()]));
        assert_eq!(record.at, Timestamp::parse("2026-07-04T13:00:00Z").unwrap());
        assert!(record.attrs[attr::RECORD].contains("\"text\""));
    }

    #[test]
    fn a_like_is_a_bare_reference() {
        let json = r#"{"$type":"app.bsky.feed.like","subject":{"uri":"at://did:plc:b/app.bsky.feed.post/1","cid":"c"},"createdAt":"2026-07-04T13:00:00Z"}"#;
        let like = read_json("app.bsky.feed.like", json, &Bridges::default());
        assert!(!like.has_content() && !like.attrs.contains_key(attr::RECORD));
        assert_eq!(
            links(&like),
            [(".subject.uri".to_owned(), "at://did:plc:b/app.bsky.feed.post/1".to_owned())]
        );
    }

    #[test]
    fn times_are_believed_as_far_as_they_can_be() {
        let at = |told: &str| {
            let json = format!(r#"{{"$type":"x.y.z","createdAt":"{told}"}}"#);
            read_json("x.y.z", &json, &Bridges::default()).at.to_rfc3339()
        };
        assert_eq!(at("2020-01-01T00:00:00Z"), "2020-01-01T00:00:00.000Z");
        for told in ["2026-07-04T14:04:00Z", "2026-07-04T15:00:00Z", "2999-01-01T00:00:00Z", "yesterday", ""]
        {
            assert_eq!(at(told), "2026-07-04T14:00:00.000Z", "{told}");
        }
    }
}
