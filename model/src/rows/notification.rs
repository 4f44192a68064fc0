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
    /// Somebody likes what you wrote.
    Like = 5,
    /// Somebody passes on what you wrote.
    Repost = 6,
    /// Somebody follows you.
    Follow = 7,
    /// Somebody answers you, or somebody who answered you, up to five steps.
    Reply = 8,
    /// Somebody quotes what you wrote.
    Quote = 9,
    /// Somebody joined by your starter pack.
    #[serde(rename = "starterpack-joined")]
    StarterpackJoined = 10,
    /// Somebody vouches for who you are.
    Verified = 11,
    /// Somebody likes what they found through your repost.
    #[serde(rename = "like-via-repost")]
    LikeViaRepost = 12,
    /// Somebody passes on what they found through your repost.
    #[serde(rename = "repost-via-repost")]
    RepostViaRepost = 13,
}

impl Reason {
    /// Every reason, by its number.
    pub const ALL: &'static [Self] = &[
        Self::Link,
        Self::Subnode,
        Self::Mention,
        Self::Push,
        Self::Like,
        Self::Repost,
        Self::Follow,
        Self::Reply,
        Self::Quote,
        Self::StarterpackJoined,
        Self::Verified,
        Self::LikeViaRepost,
        Self::RepostViaRepost,
    ];

    /// From the number on disk.
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| *reason as u8 == tag)
    }

    /// The name that the API uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Subnode => "subnode",
            Self::Mention => "mention",
            Self::Push => "push",
            Self::Like => "like",
            Self::Repost => "repost",
            Self::Follow => "follow",
            Self::Reply => "reply",
            Self::Quote => "quote",
            Self::StarterpackJoined => "starterpack-joined",
            Self::Verified => "verified",
            Self::LikeViaRepost => "like-via-repost",
            Self::RepostViaRepost => "repost-via-repost",
        }
    }

    /// From its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }

    /// Its place in a set of reasons.
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << (self as u8)
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
