//! From a table to the type of its rows: the one list that an export, and whoever else shows rows by their columns, go
//! by.

use super::cells::Tabular;
use springline_model::{
    Row, Table,
    rows::{
        AccountRow, AuthorKindRow, AuthorNoteRow, AuthorRow, BacklinkCountRow, BacklinkRow, ClusterItemRow,
        ClusterJobRow, ClusterMemberRow, ClusterNameRow, ClusterRankRow, ClusterRow, ClusterStateRow,
        ClusterTextRow, ClusterThemeRow, CollectionDayRow, CollectionRow, ExpiryRow, FeedbackDayRow,
        FeedbackRow, FeedbackTotalRow, GapRow, HandleRow, HotRow, IdentityRow, InboxRow, IssuedRow,
        JobLogRow, JobQueueRow, JobRow, JournalRow, LabelRow, LatestRow, LinkerRow, NodeRow, NotificationRow,
        ProjectFeedbackRow, QuarantineRow, RecordRow, RepoRow, ResyncRow, SourceRow, SubnodeRow,
        SubredditRow, ThemeClusterRow, TombRow, TopRow,
    },
};

/// Something that is done with rows of any table.
pub(super) trait ByTable {
    /// What it gives.
    type Given;

    /// Does it with rows of this type.
    fn of<R: Tabular + Row>(self) -> Self::Given;
}

macro_rules! tables {
    ($($table:ident: $row:ident,)*) => {
        /// Does it with a table's rows. Nothing for the search index, which has none.
        pub(super) fn by_table<B: ByTable>(table: Table, by: B) -> Option<B::Given> {
            Some(match table {
                $(Table::$table => by.of::<$row>(),)*
                Table::Search => return None,
            })
        }
    };
}

tables! {
    Records: RecordRow,
    Accounts: AccountRow,
    Quarantine: QuarantineRow,
    Repos: RepoRow,
    Resyncs: ResyncRow,
    Tombs: TombRow,
    Labels: LabelRow,
    Expiries: ExpiryRow,
    Issued: IssuedRow,
    Identities: IdentityRow,
    Handles: HandleRow,
    Inboxes: InboxRow,
    Gaps: GapRow,
    Linkers: LinkerRow,
    Collections: CollectionRow,
    AuthorKinds: AuthorKindRow,
    CollectionDays: CollectionDayRow,
    Hot: HotRow,
    Backlinks: BacklinkRow,
    BacklinkCounts: BacklinkCountRow,
    Top: TopRow,
    Latest: LatestRow,
    Subnodes: SubnodeRow,
    AuthorNotes: AuthorNoteRow,
    Journals: JournalRow,
    Nodes: NodeRow,
    Authors: AuthorRow,
    Sources: SourceRow,
    Notifications: NotificationRow,
    Jobs: JobRow,
    JobLogs: JobLogRow,
    ClusterJobs: ClusterJobRow,
    ClusterStates: ClusterStateRow,
    JobQueue: JobQueueRow,
    Clusters: ClusterRow,
    ClusterRanks: ClusterRankRow,
    ClusterMembers: ClusterMemberRow,
    ClusterTexts: ClusterTextRow,
    ClusterItems: ClusterItemRow,
    ClusterNames: ClusterNameRow,
    ClusterThemes: ClusterThemeRow,
    ThemeClusters: ThemeClusterRow,
    Feedback: FeedbackRow,
    ProjectFeedback: ProjectFeedbackRow,
    FeedbackTotals: FeedbackTotalRow,
    FeedbackDays: FeedbackDayRow,
    Subreddits: SubredditRow,
}
