//! Who must be told.

use super::{Row, get, put};
use crate::{
    Table, Timestamp, Uri,
    key::{DecodeError, KeyReader, KeyWriter},
};
use serde::{Deserialize, Serialize};

/// Why somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Reason {
    /// Somebody else links to a node that you wrote in.
    Link = 1,
    /// Somebody else wrote a note of a node that you wrote in.
    Subnode = 2,
    /// Somebody else names you: `[[@you]]`.
    Mention = 3,
    /// Somebody else pushes to a node that you wrote in.
    Push = 4,
}

impl Reason {
    /// From the number on disk.
    #[must_use]
    pub const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Self::Link),
            2 => Some(Self::Subnode),
            3 => Some(Self::Mention),
            4 => Some(Self::Push),
            _ => None,
        }
    }
}

/// `notifications`: one thing that one person should know. Key: (recipient, newest first, reason, source,
/// subject). A set: whatever is replayed, nobody is told twice; what is taken back is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotificationRow {
    /// Who is told.
    pub recipient: Uri,
    /// The time of the record that causes it.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// The record that causes it.
    pub source: Uri,
    /// What it is about: the node, or the user mentioned.
    pub subject: Uri,
    /// Who caused it.
    pub actor: Uri,
    /// The causing record's title.
    pub title: String,
}

impl Row for NotificationRow {
    const TABLE: Table = Table::Notifications;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.recipient.as_str())
            .newest(self.at)
            .byte(self.reason as u8)
            .text(self.source.as_str())
            .text(self.subject.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(&self.actor, &self.title), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let (actor, title) = get(Self::TABLE, value)?;
        let (recipient, at, reason) = (key.text()?.into(), key.newest()?, key.byte()?);
        let reason = Reason::from_tag(reason).ok_or(DecodeError::Unknown(reason))?;
        let (source, subject) = (key.text()?.into(), key.text()?.into());
        Ok(Self { recipient, at, reason, source, subject, actor, title })
    }
}
