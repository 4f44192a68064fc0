//! What the network says of an account and its repository, apart from the records in it.
//!
//! Sources: the AT Protocol specifications (account, sync, repository). An *authority* here is `at://<did>/`.

use crate::{Rev, Timestamp, Uri};
use serde::{Deserialize, Serialize};

/// Whether the host of an account shows it, and why not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hosting {
    /// It is shown.
    #[default]
    Active,
    /// Its owner has put it aside.
    Deactivated,
    /// Its host has suspended it for a time.
    Suspended,
    /// Its host has taken it down.
    Takendown,
    /// It is gone for good: what it owned is purged.
    Deleted,
    /// Not active for a reason that has no name here.
    Inactive,
}

impl Hosting {
    /// Whether what the account owns may be seen.
    #[must_use]
    pub const fn is_visible(self) -> bool {
        matches!(self, Self::Active)
    }

    /// From an `#account` event: `active` counts first; a status that is not known hides nothing by itself.
    #[must_use]
    pub fn of(active: bool, status: Option<&str>) -> Self {
        match (active, status) {
            (true, _) => Self::Active,
            (false, Some("deactivated")) => Self::Deactivated,
            (false, Some("suspended")) => Self::Suspended,
            (false, Some("takendown")) => Self::Takendown,
            (false, Some("deleted")) => Self::Deleted,
            (false, _) => Self::Inactive,
        }
    }

    /// The name that the API uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
            Self::Suspended => "suspended",
            Self::Takendown => "takendown",
            Self::Deleted => "deleted",
            Self::Inactive => "inactive",
        }
    }
}

/// The digest of the root of a repository's tree: equal roots mean equal repositories.
pub type TreeRoot = [u8; 32];

/// News of a repository's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepoNews {
    /// A commit, whose records come beside it.
    Commit {
        /// The version that it follows.
        since: Option<Rev>,
        /// The root that it follows, if it says so.
        #[serde(with = "crate::base64::option")]
        prev: Option<TreeRoot>,
    },
    /// The repository is now at this version (`#sync`): if that is not what is here, it has to be fetched.
    Announced,
    /// It is about to be fetched as a whole: from here on deletes are remembered until it is.
    Fetching,
    /// All of it was fetched, and what was sent beside it makes the records here equal to it.
    Fetched,
}

/// Who an account is: its DID document, with the handle checked both ways.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// `did:plc:…`.
    pub did: Uri,
    /// When it was resolved (or, offline, heard of).
    pub at: Timestamp,
    /// The handle, if it leads back to the DID.
    pub handle: Option<String>,
    /// The host of its repository: `https://…`.
    pub pds: Option<String>,
    /// The key that signs its commits, multibase.
    pub key: Option<String>,
}

/// A stretch of an upstream that was never seen, and can't be had any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gap {
    /// Of which partition (a relay's host).
    pub partition: String,
    /// The last position that was seen.
    pub from: String,
    /// The first one after it.
    pub to: String,
    /// When it was noticed.
    pub at: Timestamp,
    /// How it came about, for a person to read.
    pub reason: String,
}
