//! How much there is of each kind of record: all in all, by author, by day.
//!
//! ```text
//!  records ─► (kind, author) ──by both──► first or last of an author? ─► (kind, ±records, ±authors) ─by kind─► rows
//!          └► (kind, day), summed on the worker ──by kind and day──────────────────────────────────────────► rows
//! ```
//!
//! Authors are counted where (kind, author) lives, so that the worker of a big kind sees a tick's sums only.
//!
//! Memory: about 40 bytes a (kind, author).

use crate::{
    Records, Rows,
    per_epoch::{Changes, per_tick, routed},
};
use differential_dataflow::{Hashable, consolidation::consolidate};
use foldhash::fast::RandomState;
use springline_model::{
    Timestamp, UriId,
    rows::{CollectionDayRow, CollectionRow},
};
use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};
use timely::dataflow::channels::pact::Pipeline;

const DAY_MILLIS: i64 = 86_400_000;

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
            out.insert((kind.to_string(), sum));
        }
    });
    let mut totals: HashMap<String, [i64; 2]> = HashMap::new();
    let by_kind = routed(|(kind, _): &(String, [i64; 2])| kind.hashed());
    per_tick(sums, by_kind, "Collections", move |changes: Changes<(String, [i64; 2])>, out| {
        let mut touched: BTreeMap<String, [i64; 2]> = BTreeMap::new();
        for ((kind, sum), _) in changes {
            let total = totals.entry(kind.clone()).or_default();
            touched.entry(kind).or_insert(*total);
            total[0] += sum[0];
            total[1] += sum[1];
        }
        let row = |kind: &str, [records, authors]: [i64; 2]| CollectionRow {
            kind: kind.to_owned(),
            records: records.cast_unsigned(),
            authors: authors.cast_unsigned(),
        };
        for (kind, was) in touched {
            let is = totals.get(&kind).copied().unwrap_or_default();
            if was != is && was[0] > 0 {
                out.remove(row(&kind, was));
            }
            if was != is && is[0] > 0 {
                out.insert(row(&kind, is));
            }
            if is[0] == 0 {
                totals.remove(&kind);
            }
        }
    })
}

/// A row a kind and day.
pub(super) fn days(records: Records<'_>) -> Rows<'_, CollectionDayRow> {
    let days = records.map(|visible| {
        let day = visible.record.at.0.div_euclid(DAY_MILLIS).saturating_mul(DAY_MILLIS);
        (visible.record.kind.clone(), day)
    });
    let summed = per_tick(days, Pipeline, "CollectionDaysLocal", |changes: Changes<(String, i64)>, out| {
        let mut sums: BTreeMap<(String, i64), i64> = BTreeMap::new();
        for (day, diff) in changes {
            *sums.entry(day).or_default() += diff as i64;
        }
        for (day, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
            out.insert((day, sum));
        }
    });
    let mut totals: HashMap<(String, i64), i64, RandomState> = HashMap::default();
    let by_day = routed(|(day, _): &((String, i64), i64)| day.hashed());
    per_tick(summed, by_day, "CollectionDays", move |changes: Changes<((String, i64), i64)>, out| {
        let mut touched: BTreeMap<(String, i64), i64> = BTreeMap::new();
        for ((day, sum), _) in changes {
            let total = totals.entry(day.clone()).or_default();
            touched.entry(day).or_insert(*total);
            *total += sum;
        }
        let row = |(kind, day): &(String, i64), records: i64| CollectionDayRow {
            kind: kind.clone(),
            day: Timestamp(*day),
            records: records.cast_unsigned(),
        };
        for (day, was) in touched {
            let is = totals.get(&day).copied().unwrap_or_default();
            if was != is && was > 0 {
                out.remove(row(&day, was));
            }
            if was != is && is > 0 {
                out.insert(row(&day, is));
            }
            if is == 0 {
                totals.remove(&day);
            }
        }
    })
}
