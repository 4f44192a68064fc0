//! What clusters are named by.

use crate::{Uri, UriId};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A cluster's public name, e.g. `c1f0a…`: that of its oldest member, so that it stays while members come and go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId(Arc<str>);

impl ClusterId {
    /// Takes a name as it is.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name of a cluster whose oldest member this is: `c` and the id of its URI in hex. So a name always tells of an item, whatever cluster that is in now.
    #[must_use]
    pub fn of(oldest: &Uri) -> Self {
        Self::from_member(oldest.id())
    }

    /// [`Self::of`] a member by its id.
    #[must_use]
    pub fn from_member(member: UriId) -> Self {
        Self(format!("c{:032x}", member.0).into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands for all records of one space that say the same words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TextId(pub u128);

impl fmt::Debug for TextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{:032x}", self.0)
    }
}

/// What is clustered together: a feedback project, or what the configuration puts together under a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Space(Arc<str>);

impl Space {
    /// Takes a name as it is.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The project that a feedback item belongs to: `feedback://{project}/…`.
    #[must_use]
    pub fn of_feedback(uri: &Uri) -> Option<Self> {
        let project = uri.authority().strip_prefix("feedback://")?.trim_end_matches('/');
        (!project.is_empty()).then(|| Self(project.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
