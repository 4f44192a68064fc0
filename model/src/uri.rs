//! The identity of anything that can be said, said of, or linked to.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{borrow::Borrow, fmt, sync::Arc};

/// The identity of anything: `garden://flancian/agora.md`, `node:digital garden`, `user:flancian`,
/// `tag:todo`, `https://example.org/`, `at://did:plc:…/app.bsky.feed.post/3k…`, `did:plc:…`, `reddit://t3_…`.
///
/// Held as people read it: spaces and non-ASCII letters stand as they are (a LEIRI, RFC 3987 section 7.1), and
/// the HTTP layer percent-encodes at its edge. Cloning is cheap (shared text). Ordered by bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uri(Arc<str>);

/// The longest [`Uri`] that a source may make, in bytes. Longer link targets are cut from the record and
/// counted; longer record identities are quarantined.
pub const MAX_URI_BYTES: usize = 8 * 1024;

impl Uri {
    /// Takes a text as it is.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// An Agora node: `node:` and the canonical name.
    #[must_use]
    pub fn node(name: &crate::NodeName) -> Self {
        Self(format!("node:{name}").into())
    }

    /// A person who writes in gardens: `user:flancian`.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self(format!("user:{name}").into())
    }

    /// A tag, lower-cased by the caller's rules: `tag:todo`.
    #[must_use]
    pub fn tag(name: &str) -> Self {
        Self(format!("tag:{name}").into())
    }

    /// An account's repository, the authority of its records: `at://did:plc:…/`.
    #[must_use]
    pub fn repository(did: &str) -> Self {
        Self(format!("at://{did}/").into())
    }

    /// A record of a repository: `at://did:plc:…/app.bsky.feed.post/3k…`.
    #[must_use]
    pub fn at_record(did: &str, collection: &str, rkey: &str) -> Self {
        Self(format!("at://{did}/{collection}/{rkey}").into())
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first `:`, e.g. `garden`; empty when there is none.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// What stands behind `scheme:` and, if there, `//`: `flancian/agora.md`, `digital garden`.
    #[must_use]
    pub fn rest(&self) -> &str {
        let rest = self.0.split_once(':').map_or(&*self.0, |(_, rest)| rest);
        rest.strip_prefix("//").unwrap_or(rest)
    }

    /// Who owns it, with the scheme and a closing slash if there is a path: `garden://flancian/`,
    /// `at://did:plc:x/`, `https://example.org/`. For a URI with no `//` the whole text (`node:foo`).
    ///
    /// All records of an authority live on one worker. It is a prefix of every URI that it owns.
    #[must_use]
    pub fn authority(&self) -> &str {
        let Some(start) = self.0.find("://") else { return &self.0 };
        match self.0[start + 3..].find('/') {
            Some(slash) => &self.0[..start + 3 + slash + 1],
            None => &self.0,
        }
    }

    /// If this is a node, its name.
    #[must_use]
    pub fn as_node(&self) -> Option<crate::NodeName> {
        self.0.strip_prefix("node:").map(crate::NodeName::from_canonical)
    }

    /// The fixed-size id that arrangements hold in place of the text.
    #[must_use]
    pub fn id(&self) -> UriId {
        UriId::of(&self.0)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

impl Borrow<str> for Uri {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Uri {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Uri {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Serialize for Uri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Uri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arc::<str>::deserialize(deserializer).map(Self)
    }
}

/// The first 128 bits of BLAKE3 of a text: collision-resistant, because the text comes from strangers and two
/// targets that shared an id would share their counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UriId(pub u128);

impl UriId {
    /// The id of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let hash = blake3::hash(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        Self(u128::from_be_bytes(bytes))
    }

    /// 64 of the bits, evenly spread: to route between workers.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is as evenly spread as the whole")]
    pub const fn route(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Debug for UriId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_apart() {
        let note = Uri::from("garden://flancian/journal/2022-01-01.md");
        assert_eq!((note.scheme(), note.rest()), ("garden", "flancian/journal/2022-01-01.md"));
        assert_eq!(note.authority(), "garden://flancian/");
        assert_eq!(Uri::from("node:foo bar").authority(), "node:foo bar");
        assert_eq!(Uri::from("https://example.org").authority(), "https://example.org");
        assert_eq!(Uri::from("").authority(), "");
        assert_eq!(Uri::from("node:foo bar").as_node().unwrap().as_str(), "foo bar");
        assert_ne!(note.id(), Uri::from("node:foo bar").id());
    }
}
