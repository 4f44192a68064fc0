//! The names of the protocol, checked: a value of one of these types is well-formed.
//!
//! ```text
//!   at://did:plc:44ybard66vv44zksje25o7dz/app.bsky.feed.post/3jwdwj2ctlk26
//!        ├─────────── Did ──────────────┤ ├───── Nsid ─────┤ ├RecordKey: a Tid┤
//!   ├──────────────────────────── AtUri ─────────────────────────────────────┤
//! ```
//!
//! | module | what |
//! |---|---|
//! | `did`, `handle`, `nsid`, `record_key`, `at_uri` | names: shared text, cheap to clone |
//! | `tid` | times as sortable names: a number |
//! | `datetime`, `language`, `uri`, `cid` | formats of strings in records, that stay strings |
//!
//! Invariants: what is accepted is exactly what the protocol's shared test vectors accept; a text has one value and
//! a value one text (a handle's is in lower case). Every check is linear, bounded by the format's longest text, and
//! takes no memory.

mod at_uri;
pub mod datetime;
mod did;
mod handle;
mod language;
mod nsid;
mod record_key;
mod tid;
mod uri;

pub use at_uri::{AtUri, AtUriParts};
pub use did::Did;
pub use handle::Handle;
pub use language::check_language;
pub use nsid::Nsid;
pub use record_key::RecordKey;
pub use tid::Tid;
pub use uri::{check_cid, check_uri};

/// A text that isn't what it should be, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// Not a DID.
    #[error("not a DID: {0}")]
    Did(&'static str),
    /// Not a handle.
    #[error("not a handle: {0}")]
    Handle(&'static str),
    /// Not an NSID.
    #[error("not an NSID: {0}")]
    Nsid(&'static str),
    /// Not a record key.
    #[error("not a record key: {0}")]
    RecordKey(&'static str),
    /// Not a TID.
    #[error("not a TID: {0}")]
    Tid(&'static str),
    /// Not an AT URI.
    #[error("not an AT URI: {0}")]
    AtUri(&'static str),
    /// Not a datetime.
    #[error("not a datetime: {0}")]
    Datetime(&'static str),
    /// Not a language tag.
    #[error("not a language tag: {0}")]
    Language(&'static str),
    /// Not a URI.
    #[error("not a URI: {0}")]
    Uri(&'static str),
    /// Not a CID.
    #[error("not a CID: {0}")]
    Cid(&'static str),
}

/// A name that is kept as text: its type, and the traits that all of them have. `check` takes the text, `keep` makes
/// of it what is kept.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $keep:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Of a text.
            ///
            /// # Errors
            /// It isn't well-formed.
            pub fn new(text: &str) -> Result<Self, $crate::atproto::syntax::SyntaxError> {
                Self::check(text)?;
                Ok(Self($keep(text)))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::atproto::syntax::SyntaxError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
use name;

/// A label of a domain name: letters, digits and inner hyphens, 63 at most.
fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
}

fn starts_with_letter(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
}
