//! What is there: lists of notes by time, node, author and day; nodes, authors and sources with their sizes.
//!
//! ```text
//!  records ─┬─► latest, subnodes, author_notes, journals: at most a row a record            no state
//!           ├─► (node, author, a note | n links), exchanged by node ───► nodes
//!           ├─► (author, size) ─ summed on the worker ─ exchanged ─────► authors
//!           └─► (source and kind, size) ─ summed ─ exchanged ──────────► sources
//! ```
//!
//! Sources are few, so their rows live on one worker each: summing first keeps that worker from seeing every
//! record. Sums are linear: a retraction takes away what its insertion added.
//!
//! Limits: nodes hold about 100 bytes a node and 15 for each further author of it.

mod collections;

use crate::{
    Records, Rows, Visible,
    distinct::{Distinct, Numbers},
    groups::{Groups, groups},
    per_epoch::per_tick,
};
use differential_dataflow::{ExchangeData, Hashable};
use serde::{Deserialize, Serialize};
use springline_model::{
    LinkPath, Record, Timestamp, Uri, UriId,
    rows::{
        AuthorKindRow, AuthorNoteRow, AuthorRow, CollectionDayRow, CollectionRow, JournalRow, LatestRow,
        NodeRow, NoteMeta, SourceRow, SubnodeRow,
    },
};
use std::{collections::HashMap, hash::Hash};
use timely::dataflow::channels::pact::Pipeline;

/// How far ahead of its own time a record may name its day: the other side of the date line.
const AHEAD_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Records in four orders. All stateless, so none of them has to be hydrated.
pub struct Listings<'s> {
    /// Every record, by time.
    pub latest: Rows<'s, LatestRow>,
    /// Records that belong to a node.
    pub subnodes: Rows<'s, SubnodeRow>,
    /// Every record, by author, and what authors pass on: whether that is there itself is for the reader to see.
    pub author_notes: Rows<'s, AuthorNoteRow>,
    /// Records whose node is a day, unless that lies in the record's future.
    pub journals: Rows<'s, JournalRow>,
}

/// Records as lists. See the module.
#[must_use]
pub fn listings<'s>(records: Records<'s>) -> Listings<'s> {
    let by_author =
        records.clone().filter(|Visible { record, .. }| record.has_content() || record.passes_on().is_some());
    let records = records.filter(|visible| visible.record.has_content());
    Listings {
        latest: records.clone().map(|visible| LatestRow { note: NoteMeta::of(&visible.record) }),
        subnodes: records.clone().flat_map(|visible| {
            let note = NoteMeta::of(&visible.record);
            note.node.clone().map(|node| SubnodeRow { node, note })
        }),
        author_notes: by_author.map(|visible| AuthorNoteRow { note: NoteMeta::of(&visible.record) }),
        journals: records.flat_map(|visible| {
            journal_day(&visible.record).map(|day| JournalRow { day, note: NoteMeta::of(&visible.record) })
        }),
    }
}

/// What there is, and how much of it. All with state.
pub struct Totals<'s> {
    /// Nodes that a record belongs to or that a wikilink names.
    pub nodes: Rows<'s, NodeRow>,
    /// Authors of records.
    pub authors: Rows<'s, AuthorRow>,
    /// Sources, by kind of record.
    pub sources: Rows<'s, SourceRow>,
    /// Kinds of records.
    pub collections: Rows<'s, CollectionRow>,
    /// Kinds of records, by author.
    pub author_kinds: Rows<'s, AuthorKindRow>,
    /// Kinds of records, by day.
    pub days: Rows<'s, CollectionDayRow>,
}

/// Records as sums. See the module.
#[must_use]
pub fn totals<'s>(records: Records<'s>) -> Totals<'s> {
    let authors = records.clone().map(|visible| (visible.record.author.clone(), Size::of(&visible.record)));
    let sources = records.clone().map(|visible| {
        let size = Size::of(&visible.record);
        ((visible.source, visible.record.kind.clone()), size)
    });
    let (collections, author_kinds) = collections::collections(records.clone());
    let days = collections::days(records.clone());
    Totals {
        collections,
        author_kinds,
        days,
        nodes: groups(records.flat_map(|visible| node_parts(&visible.record)), "Nodes", Nodes::default()),
        authors: sizes(authors, "Authors", |author, [records, links, bytes]| AuthorRow {
            author: author.clone(),
            records,
            links,
            bytes,
        }),
        sources: sizes(sources, "Sources", |(source, kind), [records, links, bytes]| SourceRow {
            source: source.clone(),
            kind: kind.clone(),
            records,
            links,
            bytes,
        }),
    }
}

/// Midnight UTC of the day that a record is the journal of.
fn journal_day(record: &Record) -> Option<Timestamp> {
    let day = record.node.as_ref()?.journal_day()?;
    (day.0 <= record.at.0.saturating_add(AHEAD_MILLIS)).then_some(day)
}

/// What one record adds to one node: the group's name first, and before it a hash, so that sorting rarely has to
/// look at the name itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct NodePart {
    route: u64,
    node: Uri,
    author: UriId,
    /// The record belongs to the node.
    note: bool,
    /// Wikilinks from the record to the node.
    links: u64,
}

fn node_parts(record: &Record) -> Vec<NodePart> {
    let own = record.node.as_ref().map(|node| (Uri::node(node), true));
    let linked = record.links.iter().filter(|link| link.path.as_str() == LinkPath::WIKILINK);
    let linked = linked.map(|link| &link.target).filter(|target| target.scheme() == "node");
    let linked = linked.map(|node| (node.clone(), false));
    let mut touched: Vec<(Uri, bool)> = own.into_iter().chain(linked).collect();
    touched.sort_unstable();
    let author = record.author.id();
    let part = |touches: &[(Uri, bool)]| {
        let node = touches[0].0.clone();
        let notes = touches.iter().filter(|touch| touch.1).count();
        let links = (touches.len() - notes) as u64;
        NodePart { route: node.as_str().hashed(), node, author, note: notes > 0, links }
    };
    touched.chunk_by(|a, b| a.0 == b.0).map(part).collect()
}

#[derive(Default)]
struct Nodes {
    authors: Numbers,
}

#[derive(Default)]
struct Node {
    subnodes: u64,
    authors: Distinct,
    links: u64,
    linkers: Distinct,
}

impl Groups for Nodes {
    type Part = NodePart;
    type Key = Uri;
    type State = Node;
    type Sums = [u64; 4];
    type Row = NodeRow;

    fn route(part: &NodePart) -> u64 {
        part.route
    }

    fn same(a: &NodePart, b: &NodePart) -> bool {
        (a.route, &a.node) == (b.route, &b.node)
    }

    fn key(&mut self, part: &NodePart) -> Uri {
        part.node.clone()
    }

    fn add(&mut self, node: &mut Node, part: &NodePart, diff: isize) {
        let times = diff as i64;
        if part.note {
            node.subnodes = node.subnodes.wrapping_add_signed(times);
            node.authors.change(&mut self.authors, part.author, diff);
        }
        if part.links > 0 {
            node.links = node.links.wrapping_add_signed(times.wrapping_mul(part.links.cast_signed()));
            node.linkers.change(&mut self.authors, part.author, diff);
        }
    }

    fn sums(node: &Node) -> [u64; 4] {
        [node.subnodes, node.authors.len(), node.links, node.linkers.len()]
    }

    fn row(&self, node: &Uri, [subnodes, authors, links, linkers]: [u64; 4]) -> NodeRow {
        let node = node.as_node().expect("only nodes have parts");
        NodeRow { node, subnodes, authors, links, linkers }
    }
}

/// How much records are: how many, their links, their bytes. Sums of these are exact modulo 2^64, retractions
/// included, so a total is right whatever the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Size(pub(crate) [u64; 3]);

impl Size {
    fn of(record: &Record) -> Self {
        Self([1, record.links.len() as u64, NoteMeta::of(record).bytes])
    }

    fn add(&mut self, other: Self, times: isize) {
        for (sum, part) in self.0.iter_mut().zip(other.0) {
            *sum = sum.wrapping_add(part.wrapping_mul((times as i64).cast_unsigned()));
        }
    }
}

/// A row a key with the sum of its sizes.
pub(crate) fn sizes<'s, K, R>(
    parts: Rows<'s, (K, Size)>,
    name: &str,
    row: fn(&K, [u64; 3]) -> R,
) -> Rows<'s, R>
where
    K: ExchangeData + Hash,
    R: Clone + 'static,
{
    let summed = per_tick(parts, Pipeline, &format!("{name}Local"), |changes, out| {
        let mut sums: HashMap<K, Size> = HashMap::new();
        for ((key, size), diff) in changes {
            sums.entry(key).or_default().add(size, diff);
        }
        for part in sums.into_iter().filter(|(_, size)| *size != Size::default()) {
            out.insert(part);
        }
    });
    groups(summed, name, Sizes { row })
}

struct Sizes<K, R> {
    row: fn(&K, [u64; 3]) -> R,
}

impl<K: ExchangeData + Hash, R: Clone + 'static> Groups for Sizes<K, R> {
    type Part = (K, Size);
    type Key = K;
    type State = Size;
    type Sums = [u64; 3];
    type Row = R;

    fn route((key, _): &(K, Size)) -> u64 {
        key.hashed()
    }

    fn same((a, _): &(K, Size), (b, _): &(K, Size)) -> bool {
        a == b
    }

    fn key(&mut self, (key, _): &(K, Size)) -> K {
        key.clone()
    }

    fn add(&mut self, sum: &mut Size, (_, size): &(K, Size), diff: isize) {
        sum.add(*size, diff);
    }

    fn sums(sum: &Size) -> [u64; 3] {
        sum.0
    }

    fn row(&self, key: &K, sums: [u64; 3]) -> R {
        (self.row)(key, sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestRecord, check, histories};
    use proptest::prelude::*;
    use springline_model::{NodeName, Row};
    use std::collections::{BTreeMap, BTreeSet};

    type State = BTreeSet<Visible>;

    fn notes(state: &State) -> impl Iterator<Item = NoteMeta> {
        state
            .iter()
            .filter(|visible| visible.record.has_content())
            .map(|visible| NoteMeta::of(&visible.record))
    }

    fn all_nodes(state: &State) -> BTreeSet<NodeRow> {
        let mut writers: BTreeMap<NodeName, Vec<&Uri>> = BTreeMap::new();
        let mut linkers: BTreeMap<NodeName, Vec<&Uri>> = BTreeMap::new();
        for Visible { record, .. } in state {
            if let Some(node) = &record.node {
                writers.entry(node.clone()).or_default().push(&record.author);
            }
            for link in record.links.iter().filter(|link| link.path.as_str() == LinkPath::WIKILINK) {
                if let Some(node) = link.target.as_node() {
                    linkers.entry(node).or_default().push(&record.author);
                }
            }
        }
        let count = |map: &BTreeMap<NodeName, Vec<&Uri>>, node: &NodeName| {
            let authors = map.get(node).cloned().unwrap_or_default();
            (authors.len() as u64, authors.iter().collect::<BTreeSet<_>>().len() as u64)
        };
        let names: BTreeSet<&NodeName> = writers.keys().chain(linkers.keys()).collect();
        let row = |node: &NodeName| {
            let ((subnodes, authors), (links, linkers)) = (count(&writers, node), count(&linkers, node));
            NodeRow { node: node.clone(), subnodes, authors, links, linkers }
        };
        names.into_iter().map(row).collect()
    }

    fn summed<K: Ord, R: Ord>(
        state: &State,
        key: impl Fn(&Visible) -> K,
        row: impl Fn(K, [u64; 3]) -> R,
    ) -> BTreeSet<R> {
        let mut sums: BTreeMap<K, [u64; 3]> = BTreeMap::new();
        for visible in state {
            let sum = sums.entry(key(visible)).or_default();
            sum[0] += 1;
            sum[1] += visible.record.links.len() as u64;
            sum[2] += NoteMeta::of(&visible.record).bytes;
        }
        sums.into_iter().map(|(key, sum)| row(key, sum)).collect()
    }

    fn all_journals(state: &State) -> BTreeSet<JournalRow> {
        let days = [("2022-01-01", "2022-01-01"), ("1970-01-03", "1970-01-03")];
        let day = |node: &NodeName| {
            let day = days.iter().find(|day| day.0 == node.as_str())?;
            Timestamp::parse(day.1).ok()
        };
        let row = |note: NoteMeta| {
            let day = day(note.node.as_ref()?)?;
            (day.0 <= note.at.0 + 86_400_000).then_some(JournalRow { day, note })
        };
        notes(state).filter_map(row).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn lists_equal_the_oracle(history in histories()) {
            check(&history, |records| listings(records).latest, |state| {
                notes(state).map(|note| LatestRow { note }).collect()
            });
            check(&history, |records| listings(records).author_notes, |state| {
                notes(state).map(|note| AuthorNoteRow { note }).collect()
            });
            check(&history, |records| listings(records).subnodes, |state| {
                let row = |note: NoteMeta| Some(SubnodeRow { node: note.node.clone()?, note });
                notes(state).filter_map(row).collect()
            });
            check(&history, |records| listings(records).journals, all_journals);
        }

        #[test]
        fn sums_equal_the_oracle(history in histories()) {
            check(&history, |records| totals(records).nodes, all_nodes);
            check(&history, |records| totals(records).authors, |state| {
                summed(state, |visible| visible.record.author.clone(), |author, [records, links, bytes]| {
                    AuthorRow { author, records, links, bytes }
                })
            });
            check(&history, |records| totals(records).sources, |state| {
                let key = |visible: &Visible| (visible.source.clone(), visible.record.kind.clone());
                summed(state, key, |(source, kind), [records, links, bytes]| {
                    SourceRow { source, kind, records, links, bytes }
                })
            });
        }
    }

    #[test]
    fn a_journal_of_tomorrow_is_one_of_next_week_is_not() {
        let at = |day: &str| Timestamp::parse(day).unwrap();
        let note = |written: &str| TestRecord::note("ada", "2022-01-08").at(at(written)).visible();
        assert_eq!(journal_day(&note("2022-01-07").record), Some(at("2022-01-08")));
        assert_eq!(journal_day(&note("2022-01-01").record), None);
        assert_eq!(journal_day(&TestRecord::note("ada", "garden").visible().record), None);
        let row = |day: &str| JournalRow { day: at(day), note: NoteMeta::of(&note(day).record) };
        assert!(row("2022-01-08").key_bytes() < row("2022-01-07").key_bytes());
    }
}
