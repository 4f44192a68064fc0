//! What is there: notes by time, node, author and day; nodes, authors and sources with their sizes.

use super::{Row, get, put};
use crate::{
    NodeName, Record, SourceId, Table, Timestamp, Uri,
    key::{DecodeError, KeyReader, KeyWriter},
    record::{REPOST, attr},
    text::display::head_line,
};
use serde::{Deserialize, Serialize};
use std::iter;

/// What a list shows of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NoteMeta {
    /// Its identity.
    pub uri: Uri,
    /// `note`, `image`, ….
    pub kind: String,
    /// Who wrote it.
    pub author: Uri,
    /// The node it belongs to.
    pub node: Option<NodeName>,
    /// Its title; of a record without one, the beginning of its text, or of what describes its pictures, or their media
    /// type.
    pub title: String,
    /// When it was last changed.
    pub at: Timestamp,
    /// Its size in bytes, as the source has it.
    pub bytes: u64,
}

impl NoteMeta {
    /// Of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let bytes = record.attrs.get(attr::BYTES).and_then(|bytes| bytes.parse().ok());
        let shown = [attr::ALT, attr::MEDIA].into_iter().filter_map(|name| record.attrs.get(name));
        let mut heads = iter::once(&record.text).chain(shown).map(|text| head_line(text));
        let mut head = || heads.find(|head| !head.is_empty()).unwrap_or_default();
        Self {
            uri: record.uri.clone(),
            kind: record.kind.clone(),
            author: record.author.clone(),
            node: record.node.clone(),
            title: if record.title.is_empty() { head() } else { record.title.clone() },
            at: record.at,
            bytes: bytes.unwrap_or(record.text.len() as u64),
        }
    }
}

macro_rules! listing {
    ($(#[$doc:meta])* $name:ident($table:ident): $($(#[$fdoc:meta])* $field:ident: $ty:ty),* ; |$row:ident, $key:ident| $write:expr; |$read:ident| $back:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $ty,)*
            /// The note.
            pub note: NoteMeta,
        }

        impl Row for $name {
            const TABLE: Table = Table::$table;

            fn key(&self, $key: &mut KeyWriter) {
                let $row = self;
                $write;
            }

            fn value(&self, value: &mut Vec<u8>) {
                put(&self.note, value);
            }

            fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
                let note: NoteMeta = get(Self::TABLE, value)?;
                let mut $read = KeyReader::new(key);
                let ($($field,)*) = $back;
                Ok(Self { $($field,)* note })
            }
        }
    };
}

listing! {
    /// `latest`: every note, the newest first. Key: (newest first, URI).
    LatestRow(Latest): ;
    |row, key| key.newest(row.note.at).text(row.note.uri.as_str());
    |_key| ()
}

listing! {
    /// `subnodes`: the notes of a node. Key: (node, author, URI).
    SubnodeRow(Subnodes):
        /// The node.
        node: NodeName;
    |row, key| key.text(row.node.as_str()).text(row.note.author.as_str()).text(row.note.uri.as_str());
    |key| (NodeName::from_canonical(&key.text()?),)
}

listing! {
    /// `author_notes`: an author's notes, and what they pass on (reposts, in whose place [`Self::said`] has nothing),
    /// the newest first. Key: (author, newest first, URI).
    AuthorNoteRow(AuthorNotes): ;
    |row, key| key.text(row.note.author.as_str()).newest(row.note.at).text(row.note.uri.as_str());
    |_key| ()
}

impl AuthorNoteRow {
    /// The note, if it says something itself.
    #[must_use]
    pub fn said(self) -> Option<NoteMeta> {
        (self.note.kind != REPOST).then_some(self.note)
    }
}

listing! {
    /// `journals`: notes of a day, the last day first. Key: (day as days since 1970-01-01 descending, author, URI).
    JournalRow(Journals):
        /// Midnight UTC of the day that the journal is about.
        day: Timestamp;
    |row, key| key.newest(row.day).text(row.note.author.as_str()).text(row.note.uri.as_str());
    |key| (key.newest()?,)
}

/// `nodes`: a node that has a note or that something links to. Key: the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeRow {
    /// The name.
    pub node: NodeName,
    /// Notes of it.
    pub subnodes: u64,
    /// Distinct authors of its notes.
    pub authors: u64,
    /// Links to it ([`crate::LinkPath::WIKILINK`], any context).
    pub links: u64,
    /// Distinct authors who link to it.
    pub linkers: u64,
}

impl Row for NodeRow {
    const TABLE: Table = Table::Nodes;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.node.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.subnodes, self.authors, self.links, self.linkers), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (subnodes, authors, links, linkers) = get(Self::TABLE, value)?;
        let node = NodeName::from_canonical(&KeyReader::new(key).text()?);
        Ok(Self { node, subnodes, authors, links, linkers })
    }
}

/// `authors`: someone who wrote. Key: the author.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AuthorRow {
    /// Who.
    pub author: Uri,
    /// Records of any kind.
    pub records: u64,
    /// Links in them.
    pub links: u64,
    /// Bytes, as the sources have them.
    pub bytes: u64,
}

impl Row for AuthorRow {
    const TABLE: Table = Table::Authors;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.author.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.records, self.links, self.bytes), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let (records, links, bytes) = get(Self::TABLE, value)?;
        Ok(Self { author: KeyReader::new(key).text()?.into(), records, links, bytes })
    }
}

/// `sources`: what a source has brought, by kind of record. Key: (source, kind).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceRow {
    /// The source.
    pub source: SourceId,
    /// The kind of record.
    pub kind: String,
    /// Visible records.
    pub records: u64,
    /// Links in them.
    pub links: u64,
    /// Bytes, as the source has them.
    pub bytes: u64,
}

impl Row for SourceRow {
    const TABLE: Table = Table::Sources;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.source.as_str()).text(&self.kind);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.records, self.links, self.bytes), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let (records, links, bytes) = get(Self::TABLE, value)?;
        Ok(Self { source: SourceId::new(key.text()?), kind: key.text()?, records, links, bytes })
    }
}
