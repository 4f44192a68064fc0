//! How much there is of each kind of record: all in all, by author, by day.
//!
//! ```text
//!  records ─► (kind, author) ──by both──► first or last of an author? ─► (kind, ±records, ±authors) ─by kind─► rows
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
    Timestamp, UriId,
    rows::{CollectionDayRow, CollectionRow},
    time::DAY_MILLIS,
};
use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

/// A row a kind.
pub(super) fn collections(records: Records<'_>) -> Rows<'_, CollectionRow> {
    let parts = records.map(|visible| {
        let kind: Arc<str> = visible.record.kind.as_str().into();
        (kind, visible.record.author.id())
    });
    let pact = routed(|(kind, author): &(Arc<str>, UriId)| author.route() ^ kind.hashed());
    let mut kinds: HashMap<Arc<str>, HashMap<UriId, i64, RandomState>> = HashMap::new();
    let sums = per_tick(parts, pact, "CollectionAuthors", move |changes: Changes<_>, out| {
        let mut sums: BTreeMap<Arc<str>, [i64; 2]> = BTreeMap::new();
        let mut changes: Vec<_> = changes.collect();
        consolidate(&mut changes);
        for ((kind, author), diff) in changes {
            let diff = diff as i64;
            let authors = kinds.entry(kind.clone()).or_default();
            let sum = sums.entry(kind).or_default();
            sum[0] += diff;
            match authors.entry(author) {
                Entry::Vacant(new) => {
                    new.insert(diff);
                    sum[1] += 1;
                }
                Entry::Occupied(mut known) => {
                    *known.get_mut() += diff;
                    if *known.get() == 0 {
                        known.remove();
                        sum[1] -= 1;
                    }
                }
            }
        }
        for (kind, sum) in sums {
            if kinds.get(&kind).is_some_and(HashMap::is_empty) {
                kinds.remove(&kind);
            }
            let [records, authors] = sum.map(i64::cast_unsigned);
            out.insert((kind.to_string(), Size([records, authors, 0])));
        }
    });
    sizes(sums, "Collections", |kind, [records, authors, _]| CollectionRow {
        kind: kind.clone(),
        records,
        authors,
    })
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
