//! Lists of names.

use super::{Capped, bare};
use crate::{
    answer::{Json, Reading},
    page::Listing,
    problem::Problem,
    web::{links, read, suggest},
};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::{
    Row,
    rows::{AuthorNoteRow, AuthorRow, NodeRow},
};
use springline_sinks::Scan;
use std::collections::BTreeSet;

/// Names in one answer.
pub(crate) const MAX_NAMES: usize = 20_000;
/// Names that are like another in one answer.
const MAX_SIMILAR: usize = 20;

/// Everyone who wrote, as `["alice", …]`.
///
/// At most 20,000 names; `Link: rel="next"` leads on.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct UsersParams {
    /// Where the answer before ended.
    cursor: Option<String>,
}

/// Everyone who wrote.
pub(super) fn users(reading: &Reading<'_>, params: UsersParams) -> Result<Capped<String>, Problem> {
    names(reading, Listing::Authors, "/users.json", params.cursor.as_deref(), |row: AuthorRow| {
        Some(links::author_name(&row.author).to_owned())
    })
}

/// Every node that somebody wrote in, as `["foo", …]`.
///
/// At most 20,000 names; `Link: rel="next"` leads on.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NodesParams {
    /// Where the answer before ended.
    cursor: Option<String>,
}

/// Every node that somebody wrote in.
pub(super) fn nodes(reading: &Reading<'_>, params: NodesParams) -> Result<Capped<String>, Problem> {
    names(reading, Listing::Nodes, "/nodes.json", params.cursor.as_deref(), |row: NodeRow| {
        (row.subnodes > 0).then(|| row.node.as_str().to_owned())
    })
}

/// The names of a table's rows, behind a cursor.
fn names<R: Row>(
    reading: &Reading<'_>,
    listing: Listing,
    path: &str,
    cursor: Option<&str>,
    name: impl Fn(R) -> Option<String>,
) -> Result<Capped<String>, Problem> {
    let after = listing.resume(&[path], cursor)?;
    let scan = Scan { prefix: Vec::new(), after, reverse: false, limit: MAX_NAMES };
    let rows: Vec<R> = reading.snapshot.scan(&scan)?;
    let last = rows.last().filter(|_| rows.len() == MAX_NAMES).map(Row::key_bytes);
    let next = last.map(|key| format!("{path}?cursor={}", listing.cursor(&[path], &key)));
    Ok(Capped { items: rows.into_iter().filter_map(name).collect(), next })
}

/// Nodes whose names are like a text, as `["foo", …]`, the likest first; at most 20.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SimilarParams {
    /// The text, with or without `.json` behind it.
    term: String,
}

/// Nodes whose names are like a text.
pub(super) fn similar(reading: &Reading<'_>, params: SimilarParams) -> Result<Json<Vec<String>>, Problem> {
    let names = suggest::similar(reading, bare(&params.term), MAX_SIMILAR)?;
    Ok(Json(names.into_iter().map(|name| name.as_str().to_owned()).collect()))
}

/// The nodes that somebody wrote in, as `["foo", …]`, by name; of their newest 20,000 notes.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct UserParams {
    /// The user's name, with or without `.json` behind it.
    user: String,
}

/// The nodes that somebody wrote in.
pub(super) fn user(reading: &Reading<'_>, params: UserParams) -> Result<Json<BTreeSet<String>>, Problem> {
    let author = links::author_named(bare(&params.user));
    let rows: Vec<AuthorNoteRow> = read::first(reading, read::key(&[author.as_str()]), MAX_NAMES)?;
    let nodes = rows.into_iter().filter_map(|row| row.note.node);
    Ok(Json(nodes.map(|node| node.as_str().to_owned()).collect()))
}
