//! Labels: what somebody says of an account or a record without owning it.

use crate::{Timestamp, Uri};
use serde::{Deserialize, Serialize};

/// One label, as its source has signed it. For one (source, subject, value, version) the one made last counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Label {
    /// The DID of who says it.
    pub src: Uri,
    /// What it is said of: a record's `at://` URI, or an account's DID.
    pub uri: Uri,
    /// What is said: `!takedown`, `spam`, ….
    pub val: String,
    /// The one version of the record that it is about; all without.
    pub cid: Option<String>,
    /// When it was made.
    pub cts: Timestamp,
    /// It takes back what was said before.
    pub neg: bool,
    /// From when on it no longer counts.
    pub exp: Option<Timestamp>,
    /// It hides its subject: a takedown by a labeler that the operator trusts with that.
    pub hides: bool,
    /// Its time is up. Set by the process when the clock passes `exp`.
    pub expired: bool,
    /// Over the label without this field, by its source's label key.
    #[serde(with = "crate::base64::option")]
    pub sig: Option<Vec<u8>>,
}

impl Label {
    /// The authority that owns the subject: `at://<did>/`.
    #[must_use]
    pub fn authority(&self) -> Uri {
        match self.uri.scheme() {
            "did" => Uri::repository(self.uri.as_str()),
            _ => Uri::from(self.uri.authority()),
        }
    }

    /// Whether it is said of an account as a whole.
    #[must_use]
    pub fn is_of_account(&self) -> bool {
        self.uri.scheme() == "did"
    }

    /// Whether it counts now.
    #[must_use]
    pub const fn is_in_force(&self) -> bool {
        !self.neg && !self.expired
    }

    /// Whether it hides its subject now.
    #[must_use]
    pub const fn is_hiding(&self) -> bool {
        self.hides && self.is_in_force()
    }

    /// Whether it hides the version of its record that has this address.
    #[must_use]
    pub fn hides_version(&self, cid: Option<&str>) -> bool {
        self.is_hiding() && self.cid.as_deref().is_none_or(|of| Some(of) == cid)
    }
}
