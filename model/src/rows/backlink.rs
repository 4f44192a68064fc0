//! What links here.

use super::{Row, get, put};
use crate::{
    Context, LinkPath, NodeName, Table, Timestamp, Uri, UriId,
    key::{DecodeError, KeyReader, KeyWriter},
};
use serde::{Deserialize, Serialize};

/// `backlinks`: one link, seen from its target. Key: (target, record kind, path, newest first, source, ordinal),
/// so that one kind of link to a target is one range, newest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BacklinkRow {
    /// What is linked to.
    pub target: Uri,
    /// The kind of the record that links ([`crate::Record::kind`]).
    pub kind: String,
    /// Where in the record the link stands.
    pub path: LinkPath,
    /// The linking record's time.
    pub at: Timestamp,
    /// The record that links.
    pub source: Uri,
    /// Which of the record's links it is, counted from 0 over all its links.
    pub ordinal: u32,
    /// Prose, code or comment.
    pub context: Context,
    /// Who wrote the record.
    pub author: Uri,
    /// The node that the record is a subnode of.
    pub node: Option<NodeName>,
    /// The record's title.
    pub title: String,
    /// The text shown in place of the target.
    pub label: Option<String>,
    /// The line around the link (for a push: the pushed item), trimmed to 2,048 bytes at most.
    pub snippet: String,
}

impl Row for BacklinkRow {
    const TABLE: Table = Table::Backlinks;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.target.as_str())
            .text(&self.kind)
            .text(self.path.as_str())
            .newest(self.at)
            .text(self.source.as_str())
            .u32(self.ordinal);
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.context, &self.author, &self.node, &self.title, &self.label, &self.snippet), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let (context, author, node, title, label, snippet) = get(Self::TABLE, value)?;
        Ok(Self {
            target: key.text()?.into(),
            kind: key.text()?,
            path: key.text()?.as_str().into(),
            at: key.newest()?,
            source: key.text()?.into(),
            ordinal: key.u32()?,
            context,
            author,
            node,
            title,
            label,
            snippet,
        })
    }
}

/// `backlink_counts`: how much links to a target, by kind and path. Key: (target's id, kind, path). The ids of
/// targets, not their texts, because that is what the counting operator holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BacklinkCountRow {
    /// [`Uri::id`] of the target.
    pub target: UriId,
    /// The kind of the records that link.
    pub kind: String,
    /// Where in them.
    pub path: LinkPath,
    /// Links.
    pub links: u64,
    /// Distinct records.
    pub records: u64,
    /// Distinct authors.
    pub authors: u64,
}

impl Row for BacklinkCountRow {
    const TABLE: Table = Table::BacklinkCounts;

    fn key(&self, key: &mut KeyWriter) {
        key.id(self.target).text(&self.kind).text(self.path.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(&(self.links, self.records, self.authors), value);
    }

    fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        let (links, records, authors) = get(Self::TABLE, value)?;
        let (target, kind, path) = (key.id()?, key.text()?, key.text()?.as_str().into());
        Ok(Self { target, kind, path, links, records, authors })
    }
}

/// `linkers`: one link between things on the AT Protocol network, by who made it. Key: (target's id, kind, path,
/// author, newest first, source): the distinct authors of a target's links, and the links of some of them, are found
/// without reading the others. All in the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkerRow {
    /// [`Uri::id`] of the target.
    pub target: UriId,
    /// The kind of the record that links.
    pub kind: String,
    /// Where in it.
    pub path: LinkPath,
    /// Who wrote it.
    pub author: Uri,
    /// Its time.
    pub at: Timestamp,
    /// The record.
    pub source: Uri,
}

impl Row for LinkerRow {
    const TABLE: Table = Table::Linkers;

    fn key(&self, key: &mut KeyWriter) {
        key.id(self.target)
            .text(&self.kind)
            .text(self.path.as_str())
            .text(self.author.as_str())
            .newest(self.at)
            .text(self.source.as_str());
    }

    fn value(&self, _value: &mut Vec<u8>) {}

    fn decode(key: &[u8], _value: &[u8]) -> Result<Self, DecodeError> {
        let mut key = KeyReader::new(key);
        Ok(Self {
            target: key.id()?,
            kind: key.text()?,
            path: key.text()?.as_str().into(),
            author: key.text()?.into(),
            at: key.newest()?,
            source: key.text()?.into(),
        })
    }
}
