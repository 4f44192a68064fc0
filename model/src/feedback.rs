//! Feedback: what people say of a project, wherever they say it.
//!
//! ```text
//!  feedback://{project}/{source}/{the source's own id, percent-encoded}
//!  feedback://shop/github/acme%2Fshop%2312       feedback://shop/reddit/t3_5dec00
//! ```
//!
//! A feedback item is a [`Record`] of kind [`KIND`]; all items of a project have one authority. Its `at` is when it was
//! said; what else is known of it stands in `attrs` under the names in [`attr`]. Title and text are as given: what
//! shows them makes them fit to be shown.
//!
//! Invariant: (project, source, external id) and the URI say the same: [`ItemName::uri`] and [`ItemName::parse`] are
//! each other's inverse, so whoever tells of an item tells of the same record.

use crate::{Record, Timestamp, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize, de::Error as _};
use std::{fmt, str::FromStr, sync::Arc};

/// The kind of every feedback item.
pub const KIND: &str = "feedback.item";

/// The path of the link from an item to where it was said.
pub const ORIGINAL: &str = "original";

/// The longest external id, in bytes, before it is percent-encoded.
pub const MAX_EXTERNAL_BYTES: usize = 512;

const SCHEME: &str = "feedback://";
const MAX_PROJECT_BYTES: usize = 64;

/// What stands as it is in a URI: RFC 3986, section 2.3.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Keys of a feedback item's [`Record::attrs`].
pub mod attr {
    /// Where it was said: an `https:` address.
    pub const URL: &str = "url";
    /// `open` or `closed`.
    pub const STATUS: &str = "status";
    /// When its source last changed it, RFC 3339; absent if it never did.
    pub const EDITED: &str = "edited";
    /// The repository that it is about: `owner/name`.
    pub const REPO: &str = "repo";
    /// The number of its issue, decimal.
    pub const ISSUE: &str = "github_issue_number";
    /// The address of its issue.
    pub const ISSUE_URL: &str = "github_issue_url";
    /// The subreddit it was said in, in lower case.
    pub const SUBREDDIT: &str = "subreddit";
    /// What it answers: another item's external id.
    pub const ANSWERS: &str = "answers";
    /// Hashes of the last deliveries that told of it, separated by spaces: so that one that comes again is known.
    pub const DELIVERIES: &str = "deliveries";
}

/// A project that feedback is about: 1 to 64 lower-case letters, digits, `-`, `_` or `.`, beginning with a letter or
/// digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Project(Arc<str>);

/// A text that names no project.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no project: 1 to 64 lower-case letters, digits, `-`, `_` or `.`, first a letter or digit"
)]
pub struct ProjectError(String);

impl Project {
    /// From its name.
    ///
    /// # Errors
    /// The text breaks the rules.
    pub fn new(name: &str) -> Result<Self, ProjectError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = name.len() <= MAX_PROJECT_BYTES
            && name.bytes().next().is_some_and(plain)
            && name.bytes().all(|byte| plain(byte) || matches!(byte, b'-' | b'_' | b'.'));
        if fits { Ok(Self(name.into())) } else { Err(ProjectError(name.chars().take(80).collect())) }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Who owns its items: `feedback://shop/`.
    #[must_use]
    pub fn authority(&self) -> Uri {
        Uri::new(format!("{SCHEME}{}/", self.0))
    }
}

impl FromStr for Project {
    type Err = ProjectError;

    fn from_str(name: &str) -> Result<Self, ProjectError> {
        Self::new(name)
    }
}

impl<'de> Deserialize<'de> for Project {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).map_err(D::Error::custom)
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$each:meta])* $name:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $type { $($(#[$each])* $name,)* }

        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it stands in URIs and answers.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// From its name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.name() == name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

named! {
    /// Where feedback is given.
    FeedbackSource {
        /// Submissions and comments of subreddits.
        Reddit = "reddit",
        /// Errors and alerts.
        Sentry = "sentry",
        /// What somebody posts here.
        Manual = "manual",
        /// Issues and their comments.
        Github = "github",
    }
}

named! {
    /// Whether anything is left to do about an item, as its source sees it.
    FeedbackStatus {
        /// There is.
        Open = "open",
        /// There is not.
        Closed = "closed",
    }
}

impl FeedbackStatus {
    /// Of an item: open unless it says otherwise.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        record.attrs.get(attr::STATUS).and_then(|name| Self::from_name(name)).unwrap_or(Self::Open)
    }
}

/// What names an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemName {
    /// Of which project.
    pub project: Project,
    /// Where it was given.
    pub source: FeedbackSource,
    /// What it is called there.
    pub external: String,
}

impl ItemName {
    /// Its identity.
    #[must_use]
    pub fn uri(&self) -> Uri {
        let external = utf8_percent_encode(&self.external, PLAIN);
        Uri::new(format!("{SCHEME}{}/{}/{external}", self.project, self.source))
    }

    /// From its identity; nothing if that is no item's.
    #[must_use]
    pub fn parse(uri: &Uri) -> Option<Self> {
        let mut parts = uri.as_str().strip_prefix(SCHEME)?.splitn(3, '/');
        let project = Project::new(parts.next()?).ok()?;
        let source = FeedbackSource::from_name(parts.next()?)?;
        let external = percent_decode_str(parts.next()?).decode_utf8().ok()?.into_owned();
        let name = Self { project, source, external };
        (!name.external.is_empty() && name.uri() == *uri).then_some(name)
    }
}

/// Whether a text is the name of a subreddit, without `r/`: 2 to 21 letters, digits or `_`.
#[must_use]
pub fn is_subreddit(name: &str) -> bool {
    (2..=21).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// When an item was last changed by its source, if it ever was.
#[must_use]
pub fn edited(record: &Record) -> Option<Timestamp> {
    record.attrs.get(attr::EDITED).and_then(|at| Timestamp::parse(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_comes_back(external in ".{1,40}", number in 0..4_usize) {
            let source = FeedbackSource::ALL[number];
            let name = ItemName { project: Project::new("my-shop.2").unwrap(), source, external };
            let uri = name.uri();
            prop_assert_eq!(uri.authority(), "feedback://my-shop.2/");
            prop_assert_eq!(uri.as_str().matches('/').count(), 4);
            prop_assert_eq!(ItemName::parse(&uri), Some(name));
        }

        #[test]
        fn any_uri_is_read_without_panic(text in "(feedback://)?[a-z/%0-9]{0,30}") {
            let uri = Uri::new(text);
            prop_assert!(ItemName::parse(&uri).is_none_or(|name| name.uri() == uri));
        }
    }

    #[test]
    fn projects_have_a_syntax() {
        for name in ["a", "shop", "my-shop_2.0", "0"] {
            assert!(Project::new(name).is_ok(), "{name}");
        }
        for name in ["", "-a", ".a", "Shop", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(Project::new(name).is_err(), "{name}");
        }
        assert_eq!(ItemName::parse(&"feedback://a/github/x#1".into()), None, "it is not encoded");
    }
}
