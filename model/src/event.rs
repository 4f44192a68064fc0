//! What happens to records, as sources tell it.

use crate::{Gap, Hosting, Identity, JobEvent, Label, Project, Record, RepoNews, Timestamp, TreeRoot, Uri};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A source by its name in the configuration, e.g. `gardens`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// Takes a name as it is.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One resumable sequence of a source: a garden of a git source, a host of a relay, a Kafka partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// The source.
    pub source: SourceId,
    /// The sequence, in the source's own words (`garden/flancian`).
    pub name: String,
}

/// How far a partition has been processed, in the source's own words (a commit id, a sequence number). Opaque
/// to all but its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position(pub String);

/// Orders the versions of one record: the ledger takes an event only if its `rev` is above the one it has.
///
/// Gardens use microseconds of observation, kept rising by the source; AT Protocol its TID as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Rev(pub u64);

/// Something that happened upstream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Event {
    /// Who tells.
    pub source: SourceId,
    /// When the source saw it, by our clock.
    pub observed: Timestamp,
    /// What happened.
    pub body: EventBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventBody {
    /// The record is now this.
    Put {
        /// Its version.
        rev: Rev,
        /// The whole new state.
        record: Arc<Record>,
    },
    /// The record is gone.
    Delete {
        /// Its version.
        rev: Rev,
        /// Which.
        uri: Uri,
    },
    /// Everything an authority owns becomes visible or not.
    Account {
        /// Its version.
        rev: Rev,
        /// An authority as [`Uri::authority`] gives it: `garden://flancian/`.
        authority: Uri,
        /// Visible or not, and why.
        status: AccountStatus,
    },
    /// A piece of input that could not be taken.
    Quarantine(Box<Quarantined>),
    /// A quarantined piece was retried with success, or given up by the operator.
    Release {
        /// [`Quarantined::uri`].
        uri: Uri,
    },
    /// The host of an account shows it or not.
    Hosting {
        /// Its version.
        rev: Rev,
        /// `at://<did>/`.
        authority: Uri,
        /// Shown or not, and why.
        status: Hosting,
    },
    /// A repository has a new version.
    Repo {
        /// `at://<did>/`.
        authority: Uri,
        /// The new version.
        rev: Rev,
        /// Its root.
        #[serde(with = "crate::base64")]
        data: TreeRoot,
        /// How it is known.
        news: RepoNews,
    },
    /// Who an account is.
    Identity(Box<Identity>),
    /// Somebody says something of an account or a record.
    Label {
        /// Who owns the subject: [`Label::authority`].
        authority: Uri,
        /// What is said.
        label: Box<Label>,
        /// For a label of our own: its number in the order of issue.
        issued: Option<u64>,
    },
    /// Somebody has seen their notifications up to a time.
    Seen {
        /// Who.
        actor: Uri,
        /// Its version.
        rev: Rev,
        /// Up to when.
        until: Timestamp,
    },
    /// Somebody wants to be told only for some reasons.
    Mute {
        /// Who.
        actor: Uri,
        /// Its version.
        rev: Rev,
        /// The reasons they do not want to be told for, as [`crate::rows::Reason`]'s bits.
        muted: u64,
    },
    /// A stretch of an upstream was never seen.
    Gap(Box<Gap>),
    /// The record is older than records are kept, and so is this version of it: a newer one stays.
    Forget {
        /// The version.
        rev: Rev,
        /// Which.
        uri: Uri,
    },
    /// The record is not in the whole repository that was fetched. Unlike a `Delete` it may be older than what is here.
    Missing {
        /// The repository's version.
        rev: Rev,
        /// Which.
        uri: Uri,
    },
    /// The record is this in the whole repository that was fetched. Unlike a `Put` it may be older than what is here.
    Fetched {
        /// The repository's version.
        rev: Rev,
        /// The whole state.
        record: Arc<Record>,
    },
    /// A subreddit is to be read for a project, or not any more: [`crate::rows::SubredditRow`].
    Subreddit {
        /// Its version.
        rev: Rev,
        /// Its name, in lower case.
        name: String,
        /// For which project; none if it is not to be read.
        project: Option<Project>,
    },
    /// Something happens to a cluster's jobs.
    Job(Box<JobEvent>),
}

impl EventBody {
    /// What happens, in a word: `put`, `delete`, `account`, ….
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Put { .. } => "put",
            Self::Delete { .. } => "delete",
            Self::Account { .. } => "account",
            Self::Quarantine(_) => "quarantine",
            Self::Release { .. } => "release",
            Self::Hosting { .. } => "hosting",
            Self::Repo { .. } => "repo",
            Self::Identity(_) => "identity",
            Self::Label { .. } => "label",
            Self::Seen { .. } => "seen",
            Self::Mute { .. } => "mute",
            Self::Gap(_) => "gap",
            Self::Forget { .. } => "forget",
            Self::Missing { .. } => "missing",
            Self::Fetched { .. } => "fetched",
            Self::Subreddit { .. } => "subreddit",
            Self::Job(_) => "job",
        }
    }

    /// The text that decides which worker owns the event.
    #[must_use]
    pub fn authority(&self) -> &str {
        match self {
            Self::Put { record, .. } | Self::Fetched { record, .. } => record.uri.authority(),
            Self::Delete { uri, .. }
            | Self::Missing { uri, .. }
            | Self::Forget { uri, .. }
            | Self::Release { uri } => uri.authority(),
            Self::Quarantine(row) => row.uri.authority(),
            Self::Account { authority, .. }
            | Self::Hosting { authority, .. }
            | Self::Repo { authority, .. }
            | Self::Label { authority, .. } => authority.as_str(),
            Self::Identity(identity) => identity.did.as_str(),
            Self::Seen { actor, .. } | Self::Mute { actor, .. } => actor.as_str(),
            Self::Gap(gap) => &gap.partition,
            Self::Subreddit { name, .. } => name,
            Self::Job(event) => event.cluster.as_str(),
        }
    }
}

/// Whether what an authority owns may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    /// Visible.
    Active,
    /// Hidden by the operator; comes back whole on [`AccountStatus::Active`].
    Hidden,
    /// Not wanted here at all (its owner has opted out): what was there is purged, what comes is dropped.
    Forbidden,
}

/// Input that could not be taken, kept with its provenance until an operator retries or discards it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quarantined {
    /// What the record would have been called. A later good `Put` or a `Delete` of the same URI releases it.
    pub uri: Uri,
    /// Who read it.
    pub source: SourceId,
    /// Where it was: a path, a commit and path, a sequence number.
    pub origin: String,
    /// Why it could not be taken, for a person to read.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// Its size in bytes.
    pub bytes: u64,
    /// The first bytes of it, at most [`QUARANTINE_SAMPLE_BYTES`].
    #[serde(with = "crate::base64")]
    pub sample: Vec<u8>,
}

/// How much of a refused input is kept.
pub const QUARANTINE_SAMPLE_BYTES: usize = 4 * 1024;
