//! What can go wrong with a fetch.

use crate::{
    SourceError,
    atproto::{identity::FetchError, repo::RepoError},
};
use springline_model::Hosting;
use std::io;

/// Why a repository could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchRepoError {
    /// Its account can't be looked up, or has no host.
    #[error("its host is not known: {0}")]
    Host(String),
    /// The host does not give it.
    #[error("its host does not give it: {0}")]
    Fetch(#[from] FetchError),
    /// The host says that there is none to be had.
    #[error("its host says: {status} {name}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error's name: `RepoNotFound`.
        name: String,
    },
    /// It is not what it should be.
    #[error("what its host gives is not it: {0}")]
    Repo(#[from] RepoError),
    /// The disk.
    #[error("it can't be kept for the moment")]
    Io(#[from] io::Error),
    /// What has changed does not go with what is here.
    #[error("what has changed can't be put together with what is here")]
    Diff,
    /// The copy is older than what is here.
    #[error("the host's copy is older than what is here")]
    Stale,
    /// The process stops.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl FetchRepoError {
    /// Whether asking again soon would be of no use.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused { .. } => self.hosting().is_some() || self.is_nowhere(),
            Self::Fetch(error) => !error.is_transient(),
            _ => false,
        }
    }

    /// What the host says of the account with it.
    pub(super) fn hosting(&self) -> Option<Hosting> {
        let Self::Refused { name, .. } = self else { return None };
        match name.as_str() {
            "RepoTakendown" => Some(Hosting::Takendown),
            "RepoSuspended" => Some(Hosting::Suspended),
            "RepoDeactivated" => Some(Hosting::Deactivated),
            _ => None,
        }
    }

    /// Whether the account isn't at this host: it may have moved.
    pub(super) fn is_nowhere(&self) -> bool {
        matches!(self, Self::Refused { name, status } if name == "RepoNotFound" || *status == 404)
    }
}
