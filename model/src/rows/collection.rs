//! How much there is of each kind of record.

use super::{Row, get, put};
use crate::{
    Table, Timestamp, Uri,
    key::{DecodeError, KeyReader, KeyWriter},
};
use serde::{Deserialize, Serialize};

/// `collections`: how much there is of a kind of record. Key: the kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CollectionRow {
    /// `app.bsky.feed.post`, `note`, ….
    pub kind: String,
    /// Records.
    pub records: u64,
    /// Distinct authors.
    pub authors: u64,
}

impl Row for CollectionRow {
    const TABLE: Table = Table::Collections;

    fn key(&self, key: &mut KeyWriter) {
        key.text(&self.kind);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.records, self.authors), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (records, authors) = get(Self::TABLE, value)?;
        Ok(Self { kind: KeyReader::new(key).text()?, records, authors })
    }
}

/// `collection_days`: how many records of a kind are of a day. Key: (kind, newest first).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CollectionDayRow {
    /// The kind.
    pub kind: String,
    /// Midnight UTC.
    pub day: Timestamp,
    /// Records of that day, by their own time.
    pub records: u64,
}

impl Row for CollectionDayRow {
    const TABLE: Table = Table::CollectionDays;

    fn key(&self, key: &mut KeyWriter) {
        key.text(&self.kind).newest(self.day);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.records, value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        Ok(Self { kind: key.text()?, day: key.newest()?, records: get(Self::TABLE, value)? })
    }
}

/// `author_kinds`: how many records of a kind an author has. Key: (author, kind).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AuthorKindRow {
    /// Whose.
    pub author: Uri,
    /// The kind.
    pub kind: String,
    /// Records.
    pub records: u64,
}

impl Row for AuthorKindRow {
    const TABLE: Table = Table::AuthorKinds;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.author.as_str()).text(&self.kind);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&self.records, value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        Ok(Self { author: key.text()?.into(), kind: key.text()?, records: get(Self::TABLE, value)? })
    }
}
