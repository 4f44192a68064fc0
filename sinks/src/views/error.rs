//! Why an epoch could not be applied.

use super::{changes::Conflict, reader::ReadError};
use crate::{search::SearchError, store::StoreError};
use springline_model::{Epoch, Table, View};
use thiserror::Error;

/// A failure to write or to open the views.
#[derive(Debug, Error)]
pub enum ViewsError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The search index refuses, or fails.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// What is stored does not decode.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What the store says of itself does not decode.
    #[error("the state of the views in the store does not decode ({0})")]
    State(&'static str),
    /// An epoch is missing.
    #[error("epoch {epoch} can't be applied on top of epoch {applied}")]
    Gap {
        /// The last one applied.
        applied: Epoch,
        /// The one that came.
        epoch: Epoch,
    },
    /// A change does not fit the rows that are there.
    #[error("a change of {} at key `{key}` can't be right: {conflict}", table.name())]
    Conflict {
        /// The table.
        table: Table,
        /// The key, escaped, cut.
        key: String,
        /// How.
        conflict: Conflict,
    },
    /// The view was written by another version of its definition and has to be recomputed first.
    #[error("the stored view `{}` is of another version; it has to be recomputed first", .0.name())]
    Stale(View),
    /// A table was given to a view that it does not belong to, or rows to the search index.
    #[error("rows of {} don't belong there", .0.name())]
    Misplaced(Table),
    /// The store has epochs, so it can't be filled from a snapshot.
    #[error("the store has epoch {0} already: it can't be filled from a snapshot")]
    NotEmpty(Epoch),
    /// The thread that writes is gone, and could not say why.
    #[error("the writer of the views has stopped")]
    Stopped,
}

impl ViewsError {
    /// Whether the stored bytes are at fault, so that deleting them and a rebuild from the journal would help.
    #[must_use]
    pub const fn is_corrupt(&self) -> bool {
        match self {
            Self::Store(error) => error.rebuild_helps(),
            Self::Search(error) => error.rebuild_helps(),
            Self::Read(_) | Self::State(_) => true,
            _ => false,
        }
    }

    pub(super) fn conflict(table: Table, key: &[u8], conflict: Conflict) -> Self {
        let key = key.escape_ascii().to_string().chars().take(200).collect();
        Self::Conflict { table, key, conflict }
    }
}

impl From<postcard::Error> for ViewsError {
    fn from(_: postcard::Error) -> Self {
        Self::State("not what this program writes")
    }
}
