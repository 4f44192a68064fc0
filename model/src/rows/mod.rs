//! The rows of every view, and how they lie in the store.
//!
//! A row is what an operator emits with a difference of +1 or -1, what a sink writes as (key, value) bytes, what
//! a query reads back and what an export turns into columns. The key holds what it is sorted and found by; the
//! value the rest (postcard). Rows are sets: a sink sees at most one live row a key.

mod backlink;
mod catalog;
mod cluster;
mod collection;
mod feedback;
mod job;
mod ledger;
mod network;
mod notification;
mod search;
mod top;

pub use backlink::{BacklinkCountRow, BacklinkRow, LinkerRow};
pub use catalog::{
    AuthorNoteRow, AuthorRow, JournalRow, LatestRow, NodeRow, NoteMeta, SourceRow, SubnodeRow,
};
pub use cluster::{
    ClusterFacts, ClusterItemRow, ClusterLevel, ClusterMemberRow, ClusterNameRow, ClusterOrder,
    ClusterRankRow, ClusterRow, ClusterTextRow, ClusterThemeRow, ThemeClusterRow,
};
pub use collection::{AuthorKindRow, CollectionDayRow, CollectionRow};
pub use feedback::{
    EXCERPT_BYTES, FeedbackDayRow, FeedbackMeta, FeedbackRow, FeedbackTotalRow, ProjectFeedbackRow,
    SubredditRow,
};
pub use job::{ClusterJobRow, ClusterStateRow, JobLogRow, JobQueueRow, JobRow, job_key};
pub use ledger::{AccountRow, QuarantineRow, RecordRow};
pub use network::{
    ExpiryRow, GapRow, HandleRow, IdentityRow, InboxRow, IssuedRow, LabelRow, RepoRow, ResyncRow, TombRow,
    is_authority_visible,
};
pub use notification::{NotificationRow, Reason};
pub use search::{Positions, PositionsIter, PostingsRow, Term, Terms, TermsBuilder, TermsIter};
pub use top::{HotRow, Order, TopRow};

use crate::{
    Table,
    key::{DecodeError, KeyWriter},
};
use serde::{Serialize, de::DeserializeOwned};

/// A row of a [`Table`].
pub trait Row: Sized + Clone + Ord + std::fmt::Debug + Serialize + DeserializeOwned + 'static {
    /// Where it lies.
    const TABLE: Table;

    /// Writes what it is sorted and found by (without the table's tag).
    fn key(&self, key: &mut KeyWriter);

    /// Appends the rest.
    fn value(&self, value: &mut Vec<u8>);

    /// Reads back both.
    ///
    /// # Errors
    /// The bytes are not what [`Row::key`] and [`Row::value`] wrote.
    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError>;

    /// The key alone, as bytes.
    fn key_bytes(&self) -> Vec<u8> {
        let mut key = KeyWriter::new();
        self.key(&mut key);
        key.into_bytes()
    }

    /// The value alone, as bytes.
    fn value_bytes(&self) -> Vec<u8> {
        let mut value = Vec::new();
        self.value(&mut value);
        value
    }
}

/// Appends anything as postcard.
fn put<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    // Writing plain data into memory cannot fail: postcard's errors here are for unsized sequences and full
    // buffers, and the rows have neither.
    #[expect(clippy::expect_used, reason = "see above")]
    let bytes = postcard::to_extend(value, std::mem::take(out)).expect("plain data encodes into memory");
    *out = bytes;
}

/// Reads back what [`put`] wrote.
fn get<'a, T: serde::Deserialize<'a>>(table: Table, value: &'a [u8]) -> Result<T, DecodeError> {
    postcard::from_bytes(value).map_err(|source| DecodeError::Value { table: table.name(), source })
}

#[cfg(test)]
mod tests;
