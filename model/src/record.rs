//! The one generic shape of everything said.

use crate::{NodeName, Timestamp, Uri};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// One thing that somebody said, from any source: a note, a post, a like, a feedback item.
///
/// A view never asks which source a record came from: what differs between sources stands in `kind`, in the
/// paths of the links and in `attrs`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Its identity.
    pub uri: Uri,
    /// What it is: `note`, `image`, or an NSID such as `app.bsky.feed.post`.
    pub kind: String,
    /// Who said it: `user:flancian`, `did:plc:…`.
    pub author: Uri,
    /// The Agora node it is a subnode of, if it is one.
    pub node: Option<NodeName>,
    /// A title for people; for a note never empty (the file's stem when there is nothing better). What has neither
    /// title nor text and shows nothing (a like, a follow) is a bare reference: counted and linked, but neither listed
    /// nor searched.
    pub title: String,
    /// The text as written, markup and all; empty for an image.
    pub text: String,
    /// ISO 639-1 codes, most likely first; empty when unknown.
    pub langs: Vec<String>,
    /// Tags from front matter and hashtags, lower-cased, without `#`, sorted, no duplicates.
    pub tags: Vec<String>,
    /// When it was said or last changed, by its source's own clock (the commit's author time for git, the file's
    /// mtime for folders). Untrusted, never used to order events.
    pub at: Timestamp,
    /// What it links to, in the order of the text.
    pub links: Vec<Link>,
    /// What only its source knows: [`attr`] names the keys that gardens use.
    pub attrs: BTreeMap<String, String>,
}

/// Keys of [`Record::attrs`] that gardens use.
pub mod attr {
    /// The path in the Agora tree, `garden/flancian/journal/2022-01-01.md`; the Agora's own "uri".
    pub const PATH: &str = "path";
    /// The path inside the garden, `journal/2022-01-01.md`.
    pub const RELATIVE: &str = "relative";
    /// `markdown`, `org`, `myco`, `python`, `image`.
    pub const FORMAT: &str = "format";
    /// Size of the file in bytes, decimal.
    pub const BYTES: &str = "bytes";
    /// The git commit that the file was last changed in.
    pub const COMMIT: &str = "commit";
    /// The name that the commit's author goes by.
    pub const COMMITTER: &str = "committer";
    /// Set to what was left out when a note was indexed in part ("not UTF-8", "more than 20,000 links", …).
    pub const PARTIAL: &str = "partial";
    /// For an image, and for a post with pictures or a video: the media type (of the first).
    pub const MEDIA: &str = "media";
    /// For a post with pictures or a video: what describes them to who can't see them, as it was written.
    pub const ALT: &str = "alt";
    /// For a record of a repository: the CID of its version.
    pub const CID: &str = "cid";
    /// For a record of a repository that is more than references: all of it, as JSON.
    pub const RECORD: &str = "record";
    /// What its text means, as a model has it: a [`crate::Vector`].
    pub const VECTOR: &str = "vector";
    /// For a record that is not as its lexicon wants it: why.
    pub const INVALID: &str = "invalid";
}

/// The kind of a record that passes another one on.
pub const REPOST: &str = "app.bsky.feed.repost";

/// Where a record names the one that all of it is about.
const SUBJECT: &str = ".subject.uri";

/// Whether a record's kind is meant by a pattern: the kind itself, or with a `*` at the end what kinds begin with.
#[must_use]
pub fn is_kind(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => kind == pattern,
    }
}

impl Record {
    /// Whether it says or shows something by itself, and is not a bare reference (a like, a follow).
    #[must_use]
    pub fn has_content(&self) -> bool {
        !self.title.is_empty() || !self.text.is_empty() || self.attrs.contains_key(attr::MEDIA)
    }

    /// What it passes on, if that is all it does (a repost).
    #[must_use]
    pub fn passes_on(&self) -> Option<&Uri> {
        let links = self.links.iter().filter(|_| self.kind == REPOST);
        links.map(|link| (link.path.as_str(), &link.target)).find(|link| link.0 == SUBJECT).map(|link| link.1)
    }
}

/// A reference from a record to anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Link {
    /// Where in the record the link stands: for gardens the kind of link ([`LinkPath::WIKILINK`] and so on), for
    /// AT Protocol the path in the record (`.subject.uri`).
    pub path: LinkPath,
    /// Prose, code or a comment.
    pub context: Context,
    /// What it points at.
    pub target: Uri,
    /// The bytes of [`Record::text`] that make the link; for a push the whole pushed list item; for front
    /// matter the entry. Always on character boundaries and inside the text.
    pub span: Span,
    /// The text shown in place of the target (`[[target|label]]`, `[label](target)`), if there is one.
    pub label: Option<String>,
    /// The heading or `^block` behind `#`, if there is one.
    pub fragment: Option<String>,
}

/// A half-open range of bytes in [`Record::text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One behind the last byte.
    pub end: u32,
}

impl Span {
    /// The text under the span; empty if the span does not fit the text.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or("")
    }
}

/// Whether a link stands in running text or in something that is not meant to be read as a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Context {
    /// Running text, headings, lists, tables, front matter.
    Prose,
    /// A code span, a fenced or indented block, a Python file.
    Code,
    /// An HTML or org comment.
    Comment,
}

/// The path of a link inside its record. Gardens use the constants; other sources use their own paths.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkPath(Arc<str>);

impl LinkPath {
    /// `[[target]]`, in any context, cut at the first `|` and `#`.
    pub const WIKILINK: &'static str = "wikilink";
    /// What agora-server makes of a `[[…]]` when that differs from the true target: the uncut text of
    /// `[[foo|label]]` as a node of its own. Only `links=agora` shows these.
    pub const AGORA: &'static str = "agora";
    /// `![[target]]` or `![alt](target)`. A `![[target]]` is a [`Self::WIKILINK`] too.
    pub const EMBED: &'static str = "embed";
    /// `#word` in the text; target `tag:word`.
    pub const HASHTAG: &'static str = "hashtag";
    /// An entry of the front matter's `tags`; target `tag:word`.
    pub const TAG: &'static str = "tag";
    /// An entry of the front matter's `aliases`; target the alias as a node.
    pub const ALIAS: &'static str = "alias";
    /// `[label](relative.md)`: target the node of the file it names.
    pub const MARKDOWN: &'static str = "markdown";
    /// Where Obsidian's and Foam's rules resolve a link inside its own garden: target the note
    /// (`garden://…`). Stands beside the node link.
    pub const NOTE: &'static str = "note";
    /// A link or bare address outside: target the `https:` (or other) URL.
    pub const URL: &'static str = "url";
    /// `[[@user]]` or `[[@user/node]]`: target `user:…`. Stands beside the wikilink.
    pub const MENTION: &'static str = "mention";
    /// A URL under which a garden is published: target the node of that page. Stands beside the URL.
    pub const PUBLISHED: &'static str = "published";
    /// The list item under the span is pushed to the target node.
    pub const PUSH: &'static str = "push";
    /// The target node is pulled into this one.
    pub const PULL: &'static str = "pull";
    /// `/go/<node>` leads to the target (a URL or a node).
    pub const GO: &'static str = "go";
    /// A meeting place of the node: target a URL or a node.
    pub const MEET: &'static str = "meet";

    /// Takes a path as it is.
    pub fn new(path: impl Into<Arc<str>>) -> Self {
        Self(path.into())
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for LinkPath {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl fmt::Display for LinkPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LinkPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
