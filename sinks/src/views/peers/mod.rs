//! Reading the views of several processes as one.
//!
//! ```text
//!  Snapshot::get ──► the key's home ─► one process ─┐          here: its own store
//!  Snapshot::scan ─► the prefix' home, or everybody ┼─ ask ─►  elsewhere: Peers ═► Reader::answer: its own store
//!  Snapshot::find ─► everybody, twice (what scores are made of; a page) ┘
//!                    merged: by key, by rank, sums
//! ```
//!
//! Which process keeps a row is in [`springline_model::home`]. A process answers for what it keeps and asks nobody
//! ([`Reader::answer`]), and nobody holds his own gate while he waits for others: so no two processes wait for each
//! other, and one that is slow holds up no writer.
//!
//! The processes apply the same epochs, each at its own moment, and there is no epoch to pin. So each answer names the
//! epoch that it is of, and a read whose answers are of one epoch is exact; [`Reader::settled`] reads again until it is,
//! a few times. What was heard, and who did not answer, is in [`Heard`].
//!
//! Invariants: what one process knows is an error if it does not answer ([`ReadError::Unreachable`]), never "there is
//! none"; a list that everybody has a part of goes on without it, and [`Heard`] says so. A read ends with its deadline
//! ([`Peers::deadline`]); who failed once is not asked again in the same read.
//!
//! Limits: a reply ends at about [`REPLY_BYTES`], a longer scan is asked for in pieces. Logs of changes are those of
//! this process alone.

mod across;
mod answer;
mod layout;
mod merge;
mod read;
#[cfg(test)]
pub(crate) mod tests;

pub use layout::{Heard, Layout};

pub(super) use across::{Across, summed};

#[cfg(doc)]
use super::Reader;
use super::{ReadError, Scan, ViewStatus};
use crate::{
    search::{
        SearchError,
        query::{Page, Part, Query, QueryError, Stats},
    },
    store::Pair,
};
use serde::{Deserialize, Serialize};
use springline_model::{Epoch, Table, Timestamp, View, text::Lang};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The bytes of rows from which a reply ends; it has at least one row.
pub const REPLY_BYTES: usize = if cfg!(test) { 100 } else { 4 << 20 };
/// The most hits of one reply.
const MAX_HITS: usize = 1000;

/// What a process is asked for: of what it keeps itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// The values of some keys.
    Rows {
        /// Of this table.
        table: Table,
        /// Which.
        keys: Vec<Vec<u8>>,
    },
    /// A range of a table's rows.
    Scan {
        /// Of this table.
        table: Table,
        /// Which.
        scan: Scan,
    },
    /// How its views are.
    Status,
    /// What the scores of a query's hits are made of.
    Count(Query),
    /// A page of what a query finds.
    Search {
        /// What is looked for.
        query: Query,
        /// Which part of the hits.
        page: Page,
        /// What [`Request::Count`] gave, of all processes; none if the hits have no scores.
        stats: Option<Stats>,
    },
}

/// What a process says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The epoch that it is of.
    pub epoch: Epoch,
    /// What was asked for.
    pub body: Body,
}

/// What was asked for, by the kind of request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// The first keys' values, as many as go into a reply.
    Rows(Vec<Option<Vec<u8>>>),
    /// Rows in order; `more`: there are further ones that went not into the reply.
    Pairs {
        /// They.
        pairs: Vec<Pair>,
        /// Whether to go on behind the last.
        more: bool,
    },
    /// How its views are.
    Status(Status),
    /// What scores are made of, and the languages of its documents.
    Stats(Stats, Vec<Lang>),
    /// A page, and the languages of its documents.
    Hits(Part, Vec<Lang>),
}

/// How a process' views are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The last epoch applied.
    pub epoch: Epoch,
    /// When that was sealed.
    pub clock: Timestamp,
    /// Each view.
    pub views: Vec<(View, ViewStatus)>,
}

/// What a process can't answer, though it heard the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Refusal {
    /// It does not keep the view.
    #[error("it does not keep the view `{}`", .0.name())]
    Off(View),
    /// The query asks for too much.
    #[error("{message}")]
    Query {
        /// What is wrong with it.
        message: String,
        /// The byte at which.
        at: usize,
    },
    /// Its store failed, or it is set up otherwise.
    #[error("{0}")]
    Failed(String),
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Off(view) => Self::Off(view),
            ReadError::Search(SearchError::Query(QueryError { message, at })) => Self::Query { message, at },
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Why a process gave no reply.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeerError {
    /// It did not answer, or not in time.
    #[error("{0}")]
    Unreachable(String),
    /// It said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The way to the other processes.
pub trait Peers: Send + Sync {
    /// How many processes there are, and which this is.
    fn layout(&self) -> Layout;

    /// How long one read may take, everybody's answers together.
    fn deadline(&self) -> Duration;

    /// Asks others, all at once, and waits for them, at the latest until a time; does `meanwhile` once. The answers come in
    /// the order of the questions. Blocks.
    fn ask(
        &self,
        asked: Vec<(usize, Request)>,
        until: Instant,
        meanwhile: &mut dyn FnMut(),
    ) -> Vec<Result<Reply, PeerError>>;
}
