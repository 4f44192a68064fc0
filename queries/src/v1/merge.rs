//! Several ranges of a table as one list, in the order of what their keys hold behind the prefixes.
//!
//! ```text
//!  prefix a ─ ▸ 2026-08-19 ▸ 2026-08-02 …  ┐
//!  prefix b ─ ▸ 2026-08-11 …               ├─ heap ─► one order, forwards or backwards
//!  prefix c ─ ▸ 2026-08-20 …               ┘
//! ```
//!
//! A *place* is a key without its prefix. Each range is read in chunks, so that a page reads little more than the rows
//! it shows.

use crate::problem::Problem;
use springline_model::Row;
use springline_sinks::{Scan, Snapshot};
use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
};

/// Ranges being merged.
pub(crate) struct Merge<R> {
    ranges: Vec<Range<R>>,
    heads: BinaryHeap<Head>,
    reverse: bool,
}

struct Range<R> {
    prefix: Vec<u8>,
    after: Option<Vec<u8>>,
    rows: VecDeque<R>,
    chunk: usize,
    ended: bool,
}

/// The first place that is left in a range. The greatest head is the next to come.
#[derive(PartialEq, Eq)]
struct Head {
    place: Vec<u8>,
    range: usize,
    reverse: bool,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = (&self.place, self.range).cmp(&(&other.place, other.range));
        if self.reverse { order } else { order.reverse() }
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: Row> Merge<R> {
    /// The rows under these prefixes that come strictly behind a place, where about `limit` of all are wanted.
    pub(crate) fn new(
        snapshot: &Snapshot<'_>,
        prefixes: Vec<Vec<u8>>,
        after: Option<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Self, Problem> {
        let chunk = (2 * (limit + 1) / prefixes.len().max(1)).max(8).min(limit + 1);
        let range = |prefix: Vec<u8>| {
            let after = after.map(|place| [prefix.as_slice(), place].concat());
            Range { prefix, after, rows: VecDeque::new(), chunk, ended: false }
        };
        let ranges = prefixes.into_iter().map(range).collect();
        let mut merge = Self { ranges, heads: BinaryHeap::new(), reverse };
        for range in 0..merge.ranges.len() {
            merge.push_head(snapshot, range)?;
        }
        Ok(merge)
    }

    /// The next row, with its place.
    pub(crate) fn next(&mut self, snapshot: &Snapshot<'_>) -> Result<Option<(Vec<u8>, R)>, Problem> {
        let Some(Head { place, range, .. }) = self.heads.pop() else { return Ok(None) };
        let row = self.ranges[range].rows.pop_front();
        self.push_head(snapshot, range)?;
        Ok(row.map(|row| (place, row)))
    }

    fn push_head(&mut self, snapshot: &Snapshot<'_>, index: usize) -> Result<(), Problem> {
        let (range, reverse) = (&mut self.ranges[index], self.reverse);
        if range.rows.is_empty() && !range.ended {
            let (prefix, after) = (range.prefix.clone(), range.after.take());
            range.rows = snapshot.scan(&Scan { prefix, after, reverse, limit: range.chunk })?.into();
            range.ended = range.rows.len() < range.chunk;
            range.after = range.rows.back().map(Row::key_bytes);
        }
        if let Some(row) = range.rows.front() {
            let place = row.key_bytes().split_off(range.prefix.len());
            self.heads.push(Head { place, range: index, reverse });
        }
        Ok(())
    }
}
