//! Addresses that lead elsewhere: where a node's `[[go]]` says, a random node, today.

use super::errors;
use crate::{
    answer::{Document, Reading},
    params::Nothing,
    problem::Problem,
    web::{
        layout::Shown,
        links,
        read::{self, Notes},
    },
};
use axum::http::{HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;
use springline_model::{LinkPath, NodeName, Timestamp, rows::Order};
use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
};

/// Nodes that one address leads through.
const MAX_HOPS: usize = 8;
/// Notes of each that are looked at.
const MAX_NOTES: usize = 100;
/// Nodes that a random one is chosen from: the largest.
const MAX_CHOICE: usize = 1_000;

/// Leads where the node's `[[go]]` line says, through other nodes if it names them.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct GoParams {
    /// The node's name or slug.
    node: String,
}

/// Leads where the node's `[[go]]` line says, through other nodes if it names them.
pub(super) fn go(reading: &Reading<'_>, params: GoParams) -> Result<Shown, Problem> {
    let (name, row) = read::node(reading, &params.node)?;
    if row.is_none() {
        return Err(errors::no_node(reading, &name));
    }
    match destination(reading, name)? {
        Some(url) => Ok(passing(&url).into()),
        None => Err(errors::nothing(
            reading,
            "place that this node leads to: it has no [[go]] line, or they lead in a circle",
        )),
    }
}

/// Where a node leads: the first web address that its notes name behind `[[go]]`, or those of a node named there.
pub(super) fn destination(reading: &Reading<'_>, name: NodeName) -> Result<Option<String>, Problem> {
    let mut seen = BTreeSet::new();
    let mut name = name;
    for _ in 0..MAX_HOPS {
        let notes = Notes::read(reading, read::subnodes(reading, &name, MAX_NOTES)?)?;
        let links = notes.records.iter().flat_map(|record| &record.links);
        let targets = links.filter(|link| link.path.as_str() == LinkPath::GO).map(|link| &link.target);
        let mut through = None;
        for target in targets {
            match target.scheme() {
                "http" | "https" => return Ok(Some(links::url(target.as_str()))),
                _ => through = through.or_else(|| target.as_node()),
            }
        }
        seen.insert(name);
        match through.filter(|node| !seen.contains(node)) {
            Some(node) => name = node,
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// Leads to one of the larger nodes, another each time.
pub(super) fn random(reading: &Reading<'_>, _: Nothing) -> Result<Document, Problem> {
    let nodes = read::top(reading, Order::Size, MAX_CHOICE)?;
    // Keyed anew for each use: as good a die as is needed here.
    let die = RandomState::new().hash_one(reading.snapshot.epoch());
    let chosen = usize::try_from(die % nodes.len().max(1) as u64).ok().and_then(|at| nodes.get(at));
    Ok(passing(&chosen.map_or_else(|| "/".to_owned(), |row| links::node(&row.node))))
}

/// Leads to the journals of today (UTC).
#[expect(clippy::unnecessary_wraps, reason = "the table of routes wants views")]
pub(super) fn today(_: &Reading<'_>, _: Nothing) -> Result<Document, Problem> {
    Ok(passing(&format!("/{}", Timestamp::now().date())))
}

/// Leads elsewhere this time; not to be kept.
fn passing(to: &str) -> Document {
    Document::redirect(to).header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
