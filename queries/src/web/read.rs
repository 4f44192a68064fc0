//! What pages ask of the views: a few rows at a time, every list bounded.

use super::links;
use crate::{
    answer::Reading,
    problem::Problem,
    v1::{self, backlinks::Filter},
};
use springline_model::{
    NodeName, Record, Row, Space, Timestamp, Uri,
    key::KeyWriter,
    rows::{ClusterRankRow, JournalRow, NodeRow, NoteMeta, Order, SubnodeRow, TopRow},
};
use springline_sinks::Scan;
use std::{collections::BTreeSet, sync::Arc};

pub(crate) use v1::list::key;

/// How much text one page reads while it holds a snapshot.
pub(crate) const MAX_NOTE_BYTES: u64 = 1024 * 1024;

/// The first rows under a key prefix.
pub(crate) fn first<R: Row>(reading: &Reading<'_>, prefix: Vec<u8>, limit: usize) -> Result<Vec<R>, Problem> {
    Ok(reading.snapshot.scan(&Scan { prefix, after: None, reverse: false, limit })?)
}

/// The node that a path means, with its row if there is such a node: it has a note, or something links to it.
pub(crate) fn node(reading: &Reading<'_>, path: &str) -> Result<(NodeName, Option<NodeRow>), Problem> {
    let [canonical, as_is] = links::node_named(path);
    for node in [&canonical, &as_is] {
        if let Some(row) = v1::nodes::row(reading.snapshot, node)? {
            return Ok((node.clone(), Some(row)));
        }
    }
    // Something other than a wikilink may name it (an alias, a push): no row of its own.
    let named = Filter::default().newest(reading.snapshot, &Uri::node(&canonical), None, 1)?;
    let row = named.rows.first().map(|_| NodeRow {
        node: canonical.clone(),
        subnodes: 0,
        authors: 0,
        links: 0,
        linkers: 0,
    });
    Ok((canonical, row))
}

/// The notes of a node, by author.
pub(crate) fn subnodes(
    reading: &Reading<'_>,
    name: &NodeName,
    limit: usize,
) -> Result<Vec<NoteMeta>, Problem> {
    let rows: Vec<SubnodeRow> = first(reading, key(&[name.as_str()]), limit)?;
    Ok(rows.into_iter().map(|row| row.note).collect())
}

/// What one person wrote in a node.
pub(crate) fn subnodes_by(
    reading: &Reading<'_>,
    name: &NodeName,
    author: &Uri,
    limit: usize,
) -> Result<Vec<NoteMeta>, Problem> {
    let rows: Vec<SubnodeRow> = first(reading, key(&[name.as_str(), author.as_str()]), limit)?;
    Ok(rows.into_iter().map(|row| row.note).collect())
}

/// Notes read whole, and those that would have been too much.
#[derive(Default)]
pub(crate) struct Notes {
    /// With their texts.
    pub(crate) records: Vec<Arc<Record>>,
    /// What lists show of the others.
    pub(crate) rest: Vec<NoteMeta>,
}

impl Notes {
    /// Reads the notes of a list, up to [`MAX_NOTE_BYTES`] in all and at least one. A record that is not there is
    /// left out: the list is of the same epoch, so that is damage, which the store tells of elsewhere.
    pub(crate) fn read(reading: &Reading<'_>, list: Vec<NoteMeta>) -> Result<Self, Problem> {
        let (mut notes, mut bytes) = (Self::default(), 0);
        reading.snapshot.fetch_records(list.iter().map(|note| &note.uri));
        for note in list {
            if bytes > 0 && bytes + note.bytes > MAX_NOTE_BYTES && note.kind != "image" {
                notes.rest.push(note);
                continue;
            }
            if let Some(row) = reading.snapshot.record(&note.uri)? {
                bytes += row.record.text.len() as u64;
                notes.records.push(row.record);
            }
        }
        Ok(notes)
    }
}

/// The nodes that records link to on a path, in order, each once.
pub(crate) fn linked_nodes(records: &[Arc<Record>], path: &str, limit: usize) -> Vec<NodeName> {
    let mut seen = BTreeSet::new();
    let links = records.iter().flat_map(|record| &record.links);
    let nodes = links.filter(|link| link.path.as_str() == path).filter_map(|link| link.target.as_node());
    nodes.filter(|name| !name.as_str().is_empty() && seen.insert(name.clone())).take(limit).collect()
}

/// The best nodes by an order, with their scores.
pub(crate) fn top(reading: &Reading<'_>, order: Order, limit: usize) -> Result<Vec<TopRow>, Problem> {
    first(reading, vec![order as u8], limit)
}

/// The spaces that have clusters, by name.
pub(crate) fn spaces(reading: &Reading<'_>, limit: usize) -> Result<Vec<Space>, Problem> {
    let (mut spaces, mut after) = (Vec::new(), None);
    while spaces.len() < limit {
        let scan = Scan { prefix: Vec::new(), after: after.take(), reverse: false, limit: 1 };
        let Some(row) = reading.snapshot.scan::<ClusterRankRow>(&scan)?.pop() else { break };
        // Behind every row of the space: its name, then the highest possible byte.
        let mut behind = key(&[row.space.as_str()]);
        behind.push(u8::MAX);
        after = Some(behind);
        spaces.push(row.space);
    }
    Ok(spaces)
}

/// The days before and after a day that somebody wrote a journal of.
pub(crate) fn neighbouring_days(
    reading: &Reading<'_>,
    day: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Problem> {
    let mut at = KeyWriter::new();
    at.newest(day);
    let this_day = at.into_bytes();
    // Behind every row of the day: its own eight bytes, then the highest possible.
    let mut behind = this_day.clone();
    behind.push(u8::MAX);
    let one = |after: Vec<u8>, reverse: bool| -> Result<Option<Timestamp>, Problem> {
        let scan = Scan { prefix: Vec::new(), after: Some(after), reverse, limit: 1 };
        Ok(reading.snapshot.scan::<JournalRow>(&scan)?.pop().map(|row| row.day))
    };
    Ok((one(behind, false)?, one(this_day, true)?))
}
