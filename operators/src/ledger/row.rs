//! Every row that the ledger keeps, as one type: they leave it by one way and lie in one overlay.

use serde::{Deserialize, Serialize};
use springline_model::{
    Row, Table,
    rows::{
        AccountRow, ClusterJobRow, ClusterStateRow, ExpiryRow, GapRow, HandleRow, IdentityRow, InboxRow,
        IssuedRow, JobLogRow, JobQueueRow, JobRow, LabelRow, QuarantineRow, RecordRow, RepoRow, ResyncRow,
        SubredditRow, TombRow,
    },
};

macro_rules! ledger_rows {
    ($($(#[$doc:meta])* $name:ident($row:ident);)*) => {
        /// A row of one of the ledger's tables.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum LedgerRow { $($(#[$doc])* $name($row),)* }

        impl LedgerRow {
            /// Where it lies.
            #[must_use]
            pub const fn table(&self) -> Table {
                match self { $(Self::$name(_) => $row::TABLE,)* }
            }

            /// Its key and value.
            #[must_use]
            pub fn pair(&self) -> (Vec<u8>, Vec<u8>) {
                match self { $(Self::$name(row) => (row.key_bytes(), row.value_bytes()),)* }
            }
        }

        $(impl Kept for $row {
            fn into_row(self) -> LedgerRow {
                LedgerRow::$name(self)
            }

            fn of(row: &LedgerRow) -> Option<&Self> {
                match row {
                    LedgerRow::$name(row) => Some(row),
                    _ => None,
                }
            }
        })*
    };
}

/// A row that the ledger keeps.
pub(super) trait Kept: Row {
    fn into_row(self) -> LedgerRow;
    fn of(row: &LedgerRow) -> Option<&Self>;
}

ledger_rows! {
    /// A record's newest version.
    Record(RecordRow);
    /// What the operator said of an authority.
    Account(AccountRow);
    /// What could not be taken.
    Quarantine(QuarantineRow);
    /// A repository.
    Repo(RepoRow);
    /// A repository that has to be fetched.
    Resync(ResyncRow);
    /// A record deleted meanwhile.
    Tomb(TombRow);
    /// A label.
    Label(LabelRow);
    /// A label that will expire.
    Expiry(ExpiryRow);
    /// A label of our own.
    Issued(IssuedRow);
    /// Who an account is.
    Identity(IdentityRow);
    /// Who goes by a handle.
    Handle(HandleRow);
    /// What somebody said of their notifications.
    Inbox(InboxRow);
    /// What was never seen.
    Gap(GapRow);
    /// What the operator said of a subreddit.
    Subreddit(SubredditRow);
    /// A job.
    Job(JobRow);
    /// What a job was given, and what it said.
    JobLog(JobLogRow);
    /// A job of a cluster.
    ClusterJob(ClusterJobRow);
    /// How a cluster stands.
    ClusterState(ClusterStateRow);
    /// A job that is not over.
    JobQueue(JobQueueRow);
}
