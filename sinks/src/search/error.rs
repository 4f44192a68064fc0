//! What can go wrong in the search index.

use super::query::QueryError;
use crate::store::StoreError;
use springline_model::Uri;
use thiserror::Error;

/// A failure of the search index.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The store fails.
    #[error("the search index can't use its store")]
    Store(#[from] StoreError),
    /// The index was written by another version of this program: clear it and build it again.
    #[error("the search index has format {found}, this program writes {}", super::FORMAT)]
    Version {
        /// What it has.
        found: u16,
    },
    /// Its bytes are not what this program wrote: clear it and build it again.
    #[error("the search index is damaged: {what}")]
    Damaged {
        /// Which part of it.
        what: &'static str,
    },
    /// A document is taken out that was never put in, or taken out twice.
    #[error("{uri} is to be taken out of the search index, but is not in it")]
    Missing {
        /// Which.
        uri: Uri,
    },
    /// A document is to be there twice.
    #[error("{uri} is to be put into the search index twice")]
    Twice {
        /// Which.
        uri: Uri,
    },
    /// What was staged does not follow on what is published.
    #[error("the search index has moved on since this was staged")]
    Stale,
    /// Every document number was used; clear the index and build it again.
    #[error("the search index has numbered 4,294,967,295 versions of documents and must be built again")]
    Full,
    /// The query asks for too much.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl SearchError {
    /// Whether clearing the index and building it again would get over it.
    #[must_use]
    pub const fn rebuild_helps(&self) -> bool {
        matches!(
            self,
            Self::Version { .. }
                | Self::Damaged { .. }
                | Self::Missing { .. }
                | Self::Twice { .. }
                | Self::Full
        )
    }
}
