//! Notes about days.

use super::{list::List, names, shape::Note};
use crate::{
    answer::Reading,
    page::{Limit, Listing, Page},
    problem::Problem,
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{key::KeyWriter, rows::JournalRow};

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Catalog");
    routes.view("/v1/journals", journals);
    routes.view("/v1/journals/{date}", day);
}

/// Every journal, the last day first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JournalsParams {
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// The journals of a day, by author.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DayParams {
    /// The day, as `2026-08-19`.
    date: String,
    /// The most items.
    #[serde(default)]
    limit: Limit,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A note about a day.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Journal {
    /// The day, as `2026-08-19`.
    pub day: String,
    /// The note.
    #[serde(flatten)]
    pub note: Note,
}

impl From<JournalRow> for Journal {
    fn from(row: JournalRow) -> Self {
        Self { day: row.day.date(), note: row.note.into() }
    }
}

fn journals(reading: &Reading<'_>, params: JournalsParams) -> Result<Page<Journal>, Problem> {
    let list = List {
        listing: Listing::Journals,
        scope: &[],
        prefix: Vec::new(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: JournalRow| Some(row.into()))
}

fn day(reading: &Reading<'_>, params: DayParams) -> Result<Page<Journal>, Problem> {
    let day = names::day("date", &params.date)?;
    let mut prefix = KeyWriter::new();
    prefix.newest(day);
    let list = List {
        listing: Listing::JournalDay,
        scope: &[&params.date],
        prefix: prefix.into_bytes(),
        limit: params.limit,
        cursor: params.cursor.as_deref(),
    };
    list.page(reading, |row: JournalRow| Some(row.into()))
}
