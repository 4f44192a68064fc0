//! Graphs for drawing: `{"nodes": [{"id", "name", "val", "group"}], "links": [{"source", "target"}]}`.
//!
//! The graph of one node is drawn the Agora's way: its neighbours hang on four hubs (`back`, `forward`, `push`,
//! `pull`), which keeps the directions apart. The graphs of many nodes have no hubs, and ids that are paths.

use super::{JSON, TRUNCATED};
use crate::{
    answer::{Answer, Document, Json, Reading},
    params::Nothing,
    problem::Problem,
    v1::backlinks::Filter,
    web::read::{self, Notes},
};
use axum::http::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    LinkPath, NodeName, Row, Table, Uri,
    key::{KeyReader, KeyWriter},
    rows::{BacklinkRow, NodeRow, Order},
};
use springline_sinks::Scan;
use std::collections::{BTreeMap, BTreeSet};

/// Nodes in the graph of all, the first by name.
pub(crate) const MAX_NODES: usize = 5_000;
/// Links looked at for the graph of all.
const MAX_LINKS: usize = 60_000;
/// Links looked at for the graph of the top nodes.
const MAX_TOP_LINKS: usize = 20_000;
/// Nodes in the graph of the top nodes.
const MAX_TOP: usize = 500;
/// Neighbours of one node in each direction.
const MAX_NEIGHBOURS: usize = 500;
/// Notes of one node whose links are followed.
const MAX_NOTES: usize = 100;

/// A graph around one node.
#[derive(Debug, Default, Serialize)]
pub(super) struct Around {
    nodes: Vec<Point>,
    links: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Point {
    id: String,
    name: String,
    val: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<u8>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Line {
    source: String,
    target: String,
}

/// Who stands around a node, each list without the node itself and in the order found.
pub(super) struct Neighbours {
    pub(super) name: NodeName,
    pub(super) back: Vec<NodeName>,
    pub(super) forward: Vec<NodeName>,
    /// Nodes that push to it.
    pub(super) pushing: Vec<NodeName>,
    /// Nodes that pull it in.
    pub(super) pulling: Vec<NodeName>,
}

impl Neighbours {
    /// Of a node; `None` if there is no such node.
    pub(super) fn read(reading: &Reading<'_>, path: &str) -> Result<Option<Self>, Problem> {
        let (name, row) = read::node(reading, path)?;
        if row.is_none() {
            return Ok(None);
        }
        let from = |path: &str| -> Result<Vec<NodeName>, Problem> {
            let target = Uri::node(&name);
            let found = Filter::path(path).newest(reading.snapshot, &target, None, MAX_NEIGHBOURS)?;
            let mut seen = BTreeSet::new();
            let nodes = found.rows.into_iter().filter_map(|row| row.node);
            Ok(nodes.filter(|node| is_neighbour(node, &name) && seen.insert(node.clone())).collect())
        };
        let notes = Notes::read(reading, read::subnodes(reading, &name, MAX_NOTES)?)?;
        let mut forward = read::linked_nodes(&notes.records, LinkPath::WIKILINK, MAX_NEIGHBOURS);
        forward.retain(|node| is_neighbour(node, &name));
        let (back, pushing, pulling) =
            (from(LinkPath::WIKILINK)?, from(LinkPath::PUSH)?, from(LinkPath::PULL)?);
        Ok(Some(Self { back, forward, pushing, pulling, name }))
    }
}

/// Not the node itself, not nameless, and not one of the words that directives are made of.
fn is_neighbour(node: &NodeName, of: &NodeName) -> bool {
    node != of && !matches!(node.as_str().trim(), "" | "push" | "pull")
}

/// A node and its neighbours, as a graph.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NodeParams {
    /// The node's name or slug.
    pub(super) node: String,
}

/// A node and its neighbours, as a graph.
pub(super) fn node(reading: &Reading<'_>, params: NodeParams) -> Result<Json<Around>, Problem> {
    let neighbours = Neighbours::read(reading, &params.node)?;
    let neighbours = neighbours.ok_or_else(|| Problem::not_found("there is no such node"))?;
    Ok(Json(Around::of(&neighbours)))
}

impl Around {
    fn of(around: &Neighbours) -> Self {
        let this = around.name.as_str();
        let mut groups: BTreeMap<&str, (u64, u8)> = BTreeMap::from([(this, (6, 1))]);
        let mut links = Vec::new();
        // (hub, its group, the neighbours, their group, whether they point at the node)
        let hubs = [
            ("back", 2, &around.back, 4, true),
            ("forward", 2, &around.forward, 5, false),
            ("pull", 3, &around.pulling, 6, false),
            ("push", 3, &around.pushing, 7, true),
        ];
        for (hub, hub_group, neighbours, group, inwards) in hubs {
            let elsewhere = |node: &NodeName| {
                hub == "back" && (around.pushing.contains(node) || around.pulling.contains(node))
            };
            let mut any = false;
            for neighbour in neighbours.iter().filter(|node| !elsewhere(node)).map(NodeName::as_str) {
                let (first, last) = if inwards { (neighbour, this) } else { (this, neighbour) };
                links.push(Line { source: first.to_owned(), target: hub.to_owned() });
                links.push(Line { source: hub.to_owned(), target: last.to_owned() });
                groups.entry(neighbour).or_insert((1, group));
                any = true;
            }
            if any {
                groups.insert(hub, (3, hub_group));
            }
        }
        // A node may be called as a hub is: then it is the hub, as it is in the Agora.
        groups.insert(this, (6, 1));
        let point = |(id, (val, group)): (&str, (u64, u8))| Point {
            id: id.to_owned(),
            name: id.replace('-', " "),
            val,
            group: Some(group),
        };
        Self { nodes: groups.into_iter().map(point).collect(), links }
    }
}

/// A graph of many nodes; `left_out` says what did not fit.
pub(super) struct Many {
    graph: Around,
    left_out: Option<&'static str>,
}

impl Answer for Many {
    fn document(self) -> Result<Document, Problem> {
        let body =
            serde_json::to_vec(&self.graph).map_err(|error| Problem::internal("writing JSON", &error))?;
        let document = Document::new(JSON, body);
        Ok(match self.left_out {
            Some(what) => document.header(TRUNCATED, HeaderValue::from_static(what)),
            None => document,
        })
    }
}

impl Many {
    fn of(
        sizes: &BTreeMap<NodeName, u64>,
        links: BTreeSet<(NodeName, NodeName)>,
        left_out: Option<&'static str>,
    ) -> Self {
        let id = |name: &NodeName| format!("/{name}");
        let nodes = sizes.iter().map(|(name, size)| Point {
            id: id(name),
            name: name.as_str().replace('-', " "),
            val: *size,
            group: None,
        });
        let links = links.iter().map(|(from, to)| Line { source: id(from), target: id(to) });
        Self { graph: Around { nodes: nodes.collect(), links: links.collect() }, left_out }
    }
}

/// The largest nodes and the links between them, as a graph.
///
/// At most 500 nodes; of the links the newest 20,000 to them are looked at, and `Springline-Truncated` says when
/// there are more.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct TopParams {
    /// How many nodes.
    count: u32,
}

/// The largest nodes and the links between them.
pub(super) fn top(reading: &Reading<'_>, params: TopParams) -> Result<Many, Problem> {
    let count = usize::try_from(params.count).unwrap_or(MAX_TOP);
    let rows = read::top(reading, Order::Size, count.min(MAX_TOP))?;
    let sizes: BTreeMap<NodeName, u64> = rows.into_iter().map(|row| (row.node, row.score)).collect();
    let (mut links, mut left) = (BTreeSet::new(), MAX_TOP_LINKS);
    for target in sizes.keys() {
        let prefix = read::key(&[Uri::node(target).as_str(), "note", LinkPath::WIKILINK]);
        let rows: Vec<BacklinkRow> = read::first(reading, prefix, left)?;
        left -= rows.len();
        let sources = rows.into_iter().filter_map(|row| row.node).filter(|node| sizes.contains_key(node));
        links.extend(sources.map(|source| (source, target.clone())));
    }
    let left_out = if left == 0 { Some("links") } else { (count > MAX_TOP).then_some("nodes") };
    Ok(Many::of(&sizes, links, left_out))
}

/// All nodes that somebody wrote in and the links between them, as a graph.
///
/// At most the first 5,000 nodes by name and the first 60,000 links; `Springline-Truncated` says when there are
/// more.
pub(super) fn all(reading: &Reading<'_>, _: Nothing) -> Result<Many, Problem> {
    let mut sizes = BTreeMap::new();
    let mut after = None;
    let mut more_nodes = false;
    'nodes: loop {
        let scan = Scan { prefix: Vec::new(), after: after.take(), reverse: false, limit: MAX_NODES };
        let rows: Vec<NodeRow> = reading.snapshot.scan(&scan)?;
        after = rows.last().filter(|_| rows.len() == MAX_NODES).map(Row::key_bytes);
        for row in rows.into_iter().filter(|row| row.subnodes > 0) {
            if sizes.len() == MAX_NODES {
                more_nodes = true;
                break 'nodes;
            }
            sizes.insert(row.node, row.subnodes);
        }
        if after.is_none() {
            break;
        }
    }
    let (links, more_links) = links_between(reading, &sizes)?;
    let left_out = match (more_nodes, more_links) {
        (true, _) => Some("nodes"),
        (false, true) => Some("links"),
        (false, false) => None,
    };
    Ok(Many::of(&sizes, links, left_out))
}

/// The links between some nodes, and whether there are more than were looked at. One walk along the links by
/// target; only wikilinks to one of the nodes are decoded.
fn links_between(
    reading: &Reading<'_>,
    nodes: &BTreeMap<NodeName, u64>,
) -> Result<(BTreeSet<(NodeName, NodeName)>, bool), Problem> {
    const CHUNK: usize = 2_000;
    let mut prefix = KeyWriter::new();
    prefix.text_prefix("node:");
    let prefix = prefix.into_bytes();
    let (mut links, mut examined, mut after) = (BTreeSet::new(), 0, None);
    loop {
        let scan = Scan { prefix: prefix.clone(), after: after.take(), reverse: false, limit: CHUNK };
        let rows = reading.snapshot.scan_raw(Table::Backlinks, &scan)?;
        for (key, value) in &rows {
            let mut parts = KeyReader::new(key);
            let target = parts.text().ok().map(Uri::from).and_then(|target| target.as_node());
            let Some(target) = target.filter(|target| nodes.contains_key(target)) else { continue };
            let (_kind, path) = (parts.text(), parts.text());
            if !path.is_ok_and(|path| path == LinkPath::WIKILINK) {
                continue;
            }
            let row = BacklinkRow::decode(key, value)
                .map_err(|error| Problem::internal("reading the views", &error))?;
            links.extend(row.node.filter(|node| nodes.contains_key(node)).map(|node| (node, target)));
        }
        examined += rows.len();
        after = rows.into_iter().next_back().map(|(key, _)| key).filter(|_| examined % CHUNK == 0);
        if after.is_none() {
            return Ok((links, false));
        }
        if examined >= MAX_LINKS {
            return Ok((links, true));
        }
    }
}
