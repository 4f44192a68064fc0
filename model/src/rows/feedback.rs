//! The rows of the feedback view, and the subreddits that the operator has chosen.

use super::{Row, get, put};
use crate::{
    FeedbackSource, FeedbackStatus, ItemName, Project, Record, Rev, Table, Timestamp, Uri,
    feedback::{KIND, attr, edited},
    key::{DecodeError, KeyReader, KeyWriter},
};
use serde::{Deserialize, Serialize};

/// The most bytes of an item's text that lists show.
pub const EXCERPT_BYTES: usize = 600;

/// A feedback item, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeedbackMeta {
    /// Its identity.
    pub uri: Uri,
    /// When it was said.
    pub at: Timestamp,
    /// When its source last changed it.
    pub edited: Option<Timestamp>,
    /// Of which project.
    pub project: Project,
    /// Where it was given.
    pub source: FeedbackSource,
    /// Whether anything is left to do.
    pub status: FeedbackStatus,
    /// Who said it.
    pub author: Uri,
    /// Its title, as given.
    pub title: String,
    /// The beginning of its text, as given: at most [`EXCERPT_BYTES`].
    pub excerpt: String,
    /// Where it was said.
    pub url: Option<String>,
    /// The repository that it is about.
    pub repo: Option<String>,
    /// The number of its issue.
    pub issue: Option<u64>,
}

impl FeedbackMeta {
    /// Of a record, if that is a feedback item.
    #[must_use]
    pub fn of(record: &Record) -> Option<Self> {
        if record.kind != KIND {
            return None;
        }
        let ItemName { project, source, .. } = ItemName::parse(&record.uri)?;
        let attr = |name: &str| record.attrs.get(name).cloned();
        let excerpt = &record.text[..record.text.floor_char_boundary(EXCERPT_BYTES)];
        Some(Self {
            uri: record.uri.clone(),
            at: record.at,
            edited: edited(record),
            project,
            source,
            status: FeedbackStatus::of(record),
            author: record.author.clone(),
            title: record.title.clone(),
            excerpt: excerpt.to_owned(),
            url: attr(attr::URL),
            repo: attr(attr::REPO),
            issue: attr(attr::ISSUE).and_then(|number| number.parse().ok()),
        })
    }
}

/// `feedback`: every item. Key: (newest first, its URI).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeedbackRow(pub FeedbackMeta);

impl Row for FeedbackRow {
    const TABLE: Table = Table::Feedback;

    fn key(&self, key: &mut KeyWriter) {
        key.newest(self.0.at).text(self.0.uri.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.0, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value).map(Self)
    }
}

/// `project_feedback`: the items of a project. Key: (project, newest first, its URI).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProjectFeedbackRow(pub FeedbackMeta);

impl Row for ProjectFeedbackRow {
    const TABLE: Table = Table::ProjectFeedback;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.0.project.as_str()).newest(self.0.at).text(self.0.uri.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.0, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value).map(Self)
    }
}

/// `feedback_totals`: how many items there are. Key: (project, source, status).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeedbackTotalRow {
    /// Of which project.
    pub project: Project,
    /// Where they were given.
    pub source: FeedbackSource,
    /// Whether anything is left to do.
    pub status: FeedbackStatus,
    /// How many.
    pub items: u64,
}

impl Row for FeedbackTotalRow {
    const TABLE: Table = Table::FeedbackTotals;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.project.as_str()).text(self.source.name()).text(self.status.name());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(self, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value)
    }
}

/// `feedback_days`: how many items are of a day. Key: (project, newest first, source, status).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeedbackDayRow {
    /// Of which project.
    pub project: Project,
    /// Midnight UTC.
    pub day: Timestamp,
    /// Where they were given.
    pub source: FeedbackSource,
    /// Whether anything is left to do.
    pub status: FeedbackStatus,
    /// How many.
    pub items: u64,
}

impl Row for FeedbackDayRow {
    const TABLE: Table = Table::FeedbackDays;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.project.as_str()).newest(self.day);
        key.text(self.source.name()).text(self.status.name());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(self, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value)
    }
}

/// `subreddits`: what the operator said of a subreddit while running; it wins over the configuration. Key: its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SubredditRow {
    /// Its name, in lower case, without `r/`.
    pub name: String,
    /// The project that it is feedback for; none if it is not to be read.
    pub project: Option<Project>,
    /// The version of this.
    pub rev: Rev,
}

impl Row for SubredditRow {
    const TABLE: Table = Table::Subreddits;

    fn key(&self, key: &mut KeyWriter) {
        key.text(&self.name);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(&self.project, self.rev), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (project, rev) = get(Self::TABLE, value)?;
        Ok(Self { name: KeyReader::new(key).text()?, project, rev })
    }
}
