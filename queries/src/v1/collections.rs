//! How much there is of each kind of record.

use super::{
    list::{self, List},
    names,
    shape::Time,
};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    key::KeyWriter,
    rows::{CollectionDayRow, CollectionRow},
};
use springline_sinks::Scan;

/// The most kinds that are put in order by their size. Anybody can make as many as they like.
const MAX_SORTED: usize = 20_000;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Network");
    routes.view("/v1/collections", collections);
    routes.view("/v1/collections/{kind}", collection).may(Kind::NotFound);
}

/// Every kind of record, with how much there is of it.
///
/// By size, the 20,000 kinds that come first by name are put in order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CollectionsParams {
    /// In which order.
    #[serde(default)]
    sort: Sort,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Sort {
    /// By name.
    #[default]
    Name,
    /// The most records first.
    Records,
}

/// How much there is of a kind of record, by day.
///
/// The last day first, by the records' own times; days without records are left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CollectionParams {
    /// `app.bsky.feed.post`, `note`, ….
    kind: String,
    /// The most days.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A kind of record.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Collection {
    /// `app.bsky.feed.post`, `note`, ….
    pub kind: String,
    /// Records that may be seen.
    pub records: u64,
    /// Distinct authors of them.
    pub authors: u64,
}

impl From<CollectionRow> for Collection {
    fn from(CollectionRow { kind, records, authors }: CollectionRow) -> Self {
        Self { kind, records, authors }
    }
}

/// A kind of record, by day.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CollectionPage {
    /// How much there is in all.
    #[serde(flatten)]
    pub collection: Collection,
    /// Its days.
    #[serde(flatten)]
    pub days: Page<Day>,
}

/// Records of a day.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Day {
    /// Its midnight in UTC.
    pub day: Time,
    /// Records of that day.
    pub records: u64,
}

fn collections(reading: &Reading<'_>, params: CollectionsParams) -> Result<Page<Collection>, Problem> {
    match params.sort {
        Sort::Name => {
            let (limit, cursor) = (params.limit, params.cursor.as_deref());
            let list =
                List { listing: Listing::Collections, scope: &["name"], prefix: Vec::new(), limit, cursor };
            list.page(reading, |row: CollectionRow| Some(row.into()))
        }
        Sort::Records => by_records(reading, &params),
    }
}

fn by_records(reading: &Reading<'_>, params: &CollectionsParams) -> Result<Page<Collection>, Problem> {
    let scope = ["records"];
    let after = Listing::Collections.resume(&scope, params.cursor.as_deref())?;
    let place = |row: &CollectionRow| {
        let mut place = KeyWriter::new();
        place.descending(row.records).text(&row.kind);
        place.into_bytes()
    };
    let rows: Vec<CollectionRow> = reading.snapshot.scan(&Scan { limit: MAX_SORTED, ..Scan::default() })?;
    let mut rows: Vec<(Vec<u8>, CollectionRow)> = rows.into_iter().map(|row| (place(&row), row)).collect();
    rows.retain(|(place, _)| after.as_ref().is_none_or(|after| place > after));
    rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let more = rows.len() > params.limit.get();
    rows.truncate(params.limit.get());
    let next = rows.last().filter(|_| more).map(|(place, _)| Listing::Collections.cursor(&scope, place));
    let items = rows.into_iter().map(|(_, row)| row.into()).collect();
    Ok(Page::of(reading, items, next))
}

fn collection(reading: &Reading<'_>, params: CollectionParams) -> Result<CollectionPage, Problem> {
    let prefix = list::key(&[&params.kind]);
    let row: Option<CollectionRow> = reading.snapshot.get(&prefix)?;
    let collection = row.map(Collection::from).ok_or_else(|| {
        let kind = names::shown(&params.kind);
        Problem::not_found(format!(
            "there is no record of the kind `{kind}`; /v1/collections lists the kinds"
        ))
    })?;
    let list = List {
        listing: Listing::CollectionDays,
        scope: &[&params.kind],
        prefix,
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    let days =
        list.page(reading, |row: CollectionDayRow| Some(Day { day: Time(row.day), records: row.records }))?;
    Ok(CollectionPage { collection, days })
}
