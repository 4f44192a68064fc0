//! Which tables a view is made of.

use serde::{Deserialize, Serialize};

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $tag:literal, $text:literal, $view:ident;)*) => {
        /// A set of rows under one key prefix in the store. The number is on disk: never reuse one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Table { $($(#[$doc])* $name = $tag,)* }

        impl Table {
            /// Every table, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name that the command line, the exports and the metrics use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The view it belongs to.
            #[must_use]
            pub const fn view(self) -> View {
                match self { $(Self::$name => View::$view,)* }
            }
        }
    };
}

tables! {
    /// [`crate::rows::RecordRow`]
    Records = 1, "records", Ledger;
    /// [`crate::rows::AccountRow`]
    Accounts = 2, "accounts", Ledger;
    /// [`crate::rows::QuarantineRow`]
    Quarantine = 3, "quarantine", Ledger;
    /// [`crate::rows::RepoRow`]
    Repos = 4, "repos", Ledger;
    /// [`crate::rows::LabelRow`]
    Labels = 5, "labels", Ledger;
    /// [`crate::rows::IdentityRow`]
    Identities = 6, "identities", Ledger;
    /// [`crate::rows::HandleRow`]
    Handles = 7, "handles", Ledger;
    /// [`crate::rows::InboxRow`]
    Inboxes = 8, "inboxes", Ledger;
    /// [`crate::rows::GapRow`]
    Gaps = 9, "gaps", Ledger;
    /// [`crate::rows::BacklinkRow`]
    Backlinks = 10, "backlinks", Backlinks;
    /// [`crate::rows::BacklinkCountRow`]
    BacklinkCounts = 11, "backlink_counts", Backlinks;
    /// [`crate::rows::LinkerRow`]
    Linkers = 12, "linkers", Backlinks;
    /// [`crate::rows::PostingsRow`]: kept by the search index in segments of its own, not as packed rows.
    Search = 20, "search", Search;
    /// [`crate::rows::TopRow`]
    Top = 30, "top", Rankings;
    /// [`crate::rows::HotRow`]
    Hot = 31, "hot", Rankings;
    /// [`crate::rows::LatestRow`]
    Latest = 40, "latest", Catalog;
    /// [`crate::rows::SubnodeRow`]
    Subnodes = 41, "subnodes", Catalog;
    /// [`crate::rows::AuthorNoteRow`]
    AuthorNotes = 42, "author_notes", Catalog;
    /// [`crate::rows::JournalRow`]
    Journals = 43, "journals", Catalog;
    /// [`crate::rows::NodeRow`]
    Nodes = 44, "nodes", Catalog;
    /// [`crate::rows::AuthorRow`]
    Authors = 45, "authors", Catalog;
    /// [`crate::rows::SourceRow`]
    Sources = 46, "sources", Catalog;
    /// [`crate::rows::CollectionRow`]
    Collections = 47, "collections", Catalog;
    /// [`crate::rows::CollectionDayRow`]
    CollectionDays = 48, "collection_days", Catalog;
    /// [`crate::rows::AuthorKindRow`]
    AuthorKinds = 49, "author_kinds", Catalog;
    /// [`crate::rows::NotificationRow`]
    Notifications = 50, "notifications", Notifications;
    /// [`crate::rows::IssuedRow`]
    Issued = 60, "issued_labels", Ledger;
    /// [`crate::rows::ExpiryRow`]
    Expiries = 61, "expiries", Ledger;
    /// [`crate::rows::ResyncRow`]
    Resyncs = 62, "resyncs", Ledger;
    /// [`crate::rows::TombRow`]
    Tombs = 63, "tombs", Ledger;
    /// [`crate::rows::FeedbackRow`]
    Feedback = 70, "feedback", Feedback;
    /// [`crate::rows::ProjectFeedbackRow`]
    ProjectFeedback = 71, "project_feedback", Feedback;
    /// [`crate::rows::FeedbackTotalRow`]
    FeedbackTotals = 72, "feedback_totals", Feedback;
    /// [`crate::rows::FeedbackDayRow`]
    FeedbackDays = 73, "feedback_days", Feedback;
    /// [`crate::rows::SubredditRow`]
    Subreddits = 74, "subreddits", Ledger;
    /// [`crate::rows::JobRow`]
    Jobs = 85, "jobs", Ledger;
    /// [`crate::rows::JobLogRow`]
    JobLogs = 86, "job_logs", Ledger;
    /// [`crate::rows::ClusterJobRow`]
    ClusterJobs = 87, "cluster_jobs", Ledger;
    /// [`crate::rows::ClusterStateRow`]
    ClusterStates = 88, "cluster_states", Ledger;
    /// [`crate::rows::JobQueueRow`]
    JobQueue = 89, "job_queue", Ledger;
    /// [`crate::rows::ClusterRow`]
    Clusters = 75, "clusters", Clusters;
    /// [`crate::rows::ClusterRankRow`]
    ClusterRanks = 76, "cluster_ranks", Clusters;
    /// [`crate::rows::ClusterMemberRow`]
    ClusterMembers = 77, "cluster_members", Clusters;
    /// [`crate::rows::ClusterTextRow`]
    ClusterTexts = 78, "cluster_texts", Clusters;
    /// [`crate::rows::ClusterItemRow`]
    ClusterItems = 79, "cluster_items", Clusters;
    /// [`crate::rows::ClusterNameRow`]
    ClusterNames = 80, "cluster_names", Clusters;
    /// [`crate::rows::ClusterThemeRow`]
    ClusterThemes = 81, "cluster_themes", Clusters;
    /// [`crate::rows::ThemeClusterRow`]
    ThemeClusters = 82, "theme_clusters", Clusters;
}

impl Table {
    /// From the number on disk.
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|table| *table as u8 == tag)
    }
}

/// What users ask for and operators maintain; the unit of versions, fingerprints and rebuilds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// The current state of every record: the base of all others.
    Ledger,
    /// What links here.
    Backlinks,
    /// Where was this said.
    Search,
    /// What matters now.
    Rankings,
    /// What is there.
    Catalog,
    /// Who must be told.
    Notifications,
    /// What people say of projects.
    Feedback,
    /// Who says the same.
    Clusters,
}

impl View {
    /// Every view, the ledger first.
    pub const ALL: &'static [Self] = &[
        Self::Ledger,
        Self::Backlinks,
        Self::Search,
        Self::Rankings,
        Self::Catalog,
        Self::Notifications,
        Self::Feedback,
        Self::Clusters,
    ];

    /// The name that the command line and the metrics use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Backlinks => "backlinks",
            Self::Search => "search",
            Self::Rankings => "rankings",
            Self::Catalog => "catalog",
            Self::Notifications => "notifications",
            Self::Feedback => "feedback",
            Self::Clusters => "clusters",
        }
    }

    /// From its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|view| view.name() == name)
    }

    /// The version of its definition: raise it when the rows of a view change for the same records. A stored view
    /// of another version is recomputed at the next start.
    #[must_use]
    pub const fn version(self) -> u16 {
        match self {
            Self::Ledger | Self::Feedback => 1,
            // Since 2 there are posts: linkers, collections, notifications and rankings of what is not a note; what
            // has neither title nor text is neither listed nor searched.
            Self::Backlinks | Self::Search | Self::Notifications => 2,
            // Since 3 records are counted by author and kind, and reposts stand among their authors' notes.
            Self::Catalog => 3,
            // Since 2 a touch from the future weighs no more than one of now, since 3 there are posts.
            Self::Rankings => 3,
            // Since 2 texts have what they mean beside their words; since 3 trees lie elsewhere and keep fewer
            // neighbours, and clusters are made by hand too; since 4 there are themes.
            Self::Clusters => 4,
        }
    }

    /// Its tables.
    pub fn tables(self) -> impl Iterator<Item = Table> {
        Table::ALL.iter().copied().filter(move |table| table.view() == self)
    }
}
