//! How much there is of each kind of record: all in all, by author, by day.
//!
//! ```text
//!  records ─► (kind, author) ──by both──┬─ how many are they now? ──────────────────────────────────────────► rows
//!          │                            └─ first or last of an author? ─► (kind, ±records, ±authors) ─by kind─► rows
//!          └► (kind, day), summed on the worker ──by kind and day──────────────────────────────────────────► rows
//! ```
//!
//! Authors are counted where (kind, author) lives, so that the worker of a big kind sees a tick's sums only. What
//! that takes away is negative: a sum of sizes is exact modulo 2^64.
//!
//! Memory: about 40 bytes a (kind, author).

use super::{Size, sizes};
use crate::{
    Records, Rows,
    per_epoch::{Changes, per_tick, routed},
};
use differential_dataflow::{Hashable, consolidation::consolidate};
use foldhash::fast::RandomState;
use springline_model::{
    Timestamp, Uri, UriId,
    rows::{AuthorKindRow, CollectionDayRow, CollectionRow},
    time::DAY_MILLIS,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What a tick changes for a kind.
#[derive(Clone)]
enum Change {
    /// How many records of it an author has.
    OfAuthor(AuthorKindRow),
    /// How many records and authors there are more, or fewer.
    OfAll((String, Size)),
}

/// A row a kind, and a row an author and kind.
pub(super) fn collections(records: Records<'_>) -> (Rows<'_, CollectionRow>, Rows<'_, AuthorKindRow>) {
    let parts = records.map(|visible| {
        let kind: Arc<str> = visible.record.kind.as_str().into();
        (kind, visible.record.author.clone())
    });
    let pact = routed(|(kind, author): &(Arc<str>, Uri)| author.id().route() ^ kind.hashed());
    let mut kinds: HashMap<Arc<str>, HashMap<UriId, i64, RandomState>> = HashMap::new();
    let changes = per_tick(parts, pact, "CollectionAuthors", move |changes: Changes<_>, out| {
        let mut sums: BTreeMap<Arc<str>, [i64; 2]> = BTreeMap::new();
        let mut changes: Vec<_> = changes.collect();
        consolidate(&mut changes);
        for ((kind, author), diff) in changes {
            let authors = kinds.entry(kind.clone()).or_default();
            let was = authors.get(&author.id()).copied().unwrap_or_default();
            let is = was + diff as i64;
            match is {
                0 => authors.remove(&author.id()),
                is => authors.insert(author.id(), is),
            };
            let sum = sums.entry(kind.clone()).or_default();
            sum[0] += is - was;
            sum[1] += i64::from(is != 0) - i64::from(was != 0);
            for (records, diff) in [(was, -1), (is, 1)].into_iter().filter(|(records, _)| *records != 0) {
                let (author, kind) = (author.clone(), kind.to_string());
                let row = AuthorKindRow { author, kind, records: records.cast_unsigned() };
                out.change(Change::OfAuthor(row), diff);
            }
        }
        for (kind, sum) in sums {
            if kinds.get(&kind).is_some_and(HashMap::is_empty) {
                kinds.remove(&kind);
            }
            let [records, authors] = sum.map(i64::cast_unsigned);
            out.insert(Change::OfAll((kind.to_string(), Size([records, authors, 0]))));
        }
    });
    let of_authors = changes.clone().flat_map(|change| match change {
        Change::OfAuthor(row) => Some(row),
        Change::OfAll(_) => None,
    });
    let sums = changes.flat_map(|change| match change {
        Change::OfAll(sum) => Some(sum),
        Change::OfAuthor(_) => None,
    });
    let of_all = sizes(sums, "Collections", |kind, [records, authors, _]| CollectionRow {
        kind: kind.clone(),
        records,
        authors,
    });
    (of_all, of_authors)
}

/// A row a kind and day.
pub(super) fn days(records: Records<'_>) -> Rows<'_, CollectionDayRow> {
    let parts = records.map(|visible| {
        let day = visible.record.at.0.div_euclid(DAY_MILLIS).saturating_mul(DAY_MILLIS);
        ((visible.record.kind.clone(), day), Size([1, 0, 0]))
    });
    sizes(parts, "CollectionDays", |(kind, day), [records, ..]| CollectionDayRow {
        kind: kind.clone(),
        day: Timestamp(*day),
        records,
    })
}
