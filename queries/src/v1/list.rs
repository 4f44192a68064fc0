//! One page of a table's rows under a key prefix: what most lists are.

use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::Problem,
};
use springline_model::{Row, key::KeyWriter};
use springline_sinks::Scan;

/// The most rows that one page looks at when a filter leaves some out. A page that ends for this reason has a
/// next one.
pub(crate) const MAX_EXAMINED: usize = 5_000;

/// A key, or what keys begin with, of texts.
pub(crate) fn key(parts: &[&str]) -> Vec<u8> {
    let mut key = KeyWriter::new();
    for part in parts {
        key.text(part);
    }
    key.into_bytes()
}

/// Which rows.
pub(crate) struct List<'a> {
    pub(crate) listing: Listing,
    /// What a cursor is tied to beside the listing: every parameter that changes which rows there are.
    pub(crate) scope: &'a [&'a str],
    /// What all keys begin with.
    pub(crate) prefix: Vec<u8>,
    pub(crate) limit: Limit,
    pub(crate) cursor: Option<&'a str>,
}

impl List<'_> {
    /// The page. Rows for which `show` gives nothing are left out.
    pub(crate) fn page<R: Row, T>(
        self,
        reading: &Reading<'_>,
        mut show: impl FnMut(R) -> Option<T>,
    ) -> Result<Page<T>, Problem> {
        let Self { listing, scope, prefix, limit, cursor } = self;
        let mut after = listing.resume(scope, cursor)?.map(|key| [prefix.as_slice(), &key].concat());
        let (mut items, mut examined) = (Vec::new(), 0);
        let next = 'page: loop {
            let limit_of_scan = limit.get() + 1;
            let scan =
                Scan { prefix: prefix.clone(), after: after.clone(), reverse: false, limit: limit_of_scan };
            let rows: Vec<R> = reading.snapshot.scan(&scan)?;
            let last_rows = rows.len() < limit_of_scan;
            for row in rows {
                if items.len() == limit.get() || examined == MAX_EXAMINED {
                    break 'page after;
                }
                examined += 1;
                after = Some(row.key_bytes());
                items.extend(show(row));
            }
            if last_rows {
                break None;
            }
        };
        let next = next.map(|key| listing.cursor(scope, &key[prefix.len()..]));
        Ok(Page::of(reading, items, next))
    }
}
