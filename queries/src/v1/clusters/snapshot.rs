//! A cluster as it is now, whole and bounded: what a job that works on it keeps.

use super::{Level, items, named};
use crate::{problem::Problem, v1::shape::Time};
use schemars::JsonSchema;
use serde::Serialize;
use springline_model::{Uri, rows::ClusterItemRow};
use springline_sinks::Snapshot;

/// The most bytes of a member's text.
const TEXT_BYTES: usize = 4_000;

/// A cluster with its first members.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ClusterSnapshot {
    /// The epoch that it is of.
    pub epoch: u64,
    /// Its name.
    pub id: String,
    /// Where it is.
    pub space: String,
    /// The title of the item that stands for it.
    pub title: String,
    /// The beginning of that item's text.
    pub summary: String,
    /// Words that most of it shares.
    pub keywords: Vec<String>,
    /// How many items it has in all.
    pub items: u64,
    /// The first of them, near-duplicates beside each other.
    pub members: Vec<SnapshotMember>,
}

/// A member of a cluster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SnapshotMember {
    /// Its record.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// Its title, at most 80 bytes.
    pub title: String,
    /// Its text, at most 4,000 bytes.
    pub text: String,
    /// Which source told it.
    pub source: String,
    /// When it was said.
    pub at: Time,
}

/// A cluster by its name or that of any member, in the space given or the first that the item is in; at most so
/// many members.
///
/// # Errors
/// Nothing has this name (any more), or the store fails.
pub fn snapshot(
    snapshot: &Snapshot<'_>,
    id: &str,
    space: Option<&str>,
    members: usize,
) -> Result<ClusterSnapshot, Problem> {
    let named = named(snapshot, id, space)?;
    let row = named.row(snapshot, Level::Cluster)?;
    let rows = items::first(snapshot, &named, Level::Cluster, members)?;
    let member = |row: ClusterItemRow| {
        let record = snapshot.record(&row.uri)?;
        let text = record.map_or_else(String::new, |record| {
            let text = &record.record.text;
            text[..text.floor_char_boundary(TEXT_BYTES)].to_owned()
        });
        let (title, source, at) = (row.title, row.source, Time(row.at));
        Ok(SnapshotMember { uri: row.uri, title, text, source, at })
    };
    let members = rows.into_iter().map(member).collect::<Result<_, Problem>>()?;
    Ok(ClusterSnapshot {
        epoch: snapshot.epoch().0,
        id: row.id.as_str().to_owned(),
        space: row.space.as_str().to_owned(),
        title: row.facts.title,
        summary: row.facts.summary,
        keywords: row.facts.keywords,
        items: row.facts.items,
        members,
    })
}
