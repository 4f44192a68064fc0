//! Why an epoch could not be applied, or the views not be read.

use super::changes::Conflict;
use crate::{search::SearchError, store::StoreError};
use springline_model::{Epoch, Table, View, key::DecodeError};
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
    /// There are no rows whose changes could be followed, or they may not be seen.
    #[error("the changes of the view `{}` can't be followed", .0.name())]
    Unfollowable(View),
    /// Nobody follows by this name.
    #[error("there is no follower `{0}`")]
    NoFollower(String),
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

/// A failure to read the views.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The view is not kept here.
    #[error("this server does not keep the view `{}`", .0.name())]
    Off(View),
    /// The process that has it does not answer.
    #[error("process {process}, which keeps that, can't be reached: {reason}")]
    Unreachable {
        /// Which.
        process: usize,
        /// What went wrong.
        reason: String,
    },
    /// The search index can't answer.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block does not decode.
    #[error("a block of {} in the store does not decode", table.name())]
    Block {
        /// Of which table.
        table: Table,
    },
    /// A row does not decode.
    #[error("a row of {} in the store does not decode", table.name())]
    Row {
        /// Of which table.
        table: Table,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
}
