//! The neighbourhood of a node: what links to it and what it links to, one or two steps out.
//!
//! Bounded by construction: a step expands at most [`MAX_EXPANDED`] nodes, each by at most [`MAX_LINKS_IN`] links
//! in and the links of [`MAX_SUBNODES`] notes out, and stops taking new nodes at `limit`. `truncated` says when a
//! bound left something out.

use super::{
    backlinks::{Filter, Found},
    names, nodes,
};
use crate::{
    answer::Reading,
    page::Limit,
    problem::{Kind, Problem},
    routes::Routes,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::Error as _};
use springline_model::{LinkPath, NodeName, Uri, key::KeyWriter, rows::SubnodeRow};
use springline_sinks::{Scan, Snapshot};
use std::collections::{BTreeMap, HashMap};

const MAX_EXPANDED: usize = 40;
const MAX_LINKS_IN: usize = 200;
const MAX_SUBNODES: usize = 20;
const MAX_EDGES: usize = 5_000;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    routes.tag("Nodes");
    routes.view("/v1/graph/{*node}", graph).may(Kind::NotFound);
}

/// The neighbourhood of a node: nodes that link to it or that it links to.
///
/// Bounded: `truncated` says when nodes or links were left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GraphParams {
    /// The node in the middle, in any spelling.
    node: String,
    /// How many steps out.
    #[serde(default)]
    depth: Depth,
    /// The most nodes.
    #[serde(default)]
    limit: Limit,
}

/// One step or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, transparent)]
struct Depth(#[schemars(range(min = 1, max = 2))] u8);

impl Default for Depth {
    fn default() -> Self {
        Self(1)
    }
}

impl<'de> Deserialize<'de> for Depth {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self(1)),
            2 => Ok(Self(2)),
            other => Err(D::Error::custom(format!("{other} is neither 1 nor 2"))),
        }
    }
}

/// A neighbourhood.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Graph {
    /// The epoch that the answer is complete as of.
    pub epoch: u64,
    /// The node in the middle.
    #[schemars(with = "String")]
    pub root: NodeName,
    /// The nodes, the nearest first.
    pub nodes: Vec<GraphNode>,
    /// The links between them.
    pub edges: Vec<Edge>,
    /// Whether nodes or links were left out.
    pub truncated: bool,
}

/// A node in a neighbourhood.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct GraphNode {
    /// Which.
    #[schemars(with = "String")]
    pub node: NodeName,
    /// Steps from the root.
    pub depth: u8,
    /// Notes of it.
    pub subnodes: u64,
    /// Links to it, from everywhere.
    pub links: u64,
}

/// Links from one node to another.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Edge {
    /// The node that links.
    #[schemars(with = "String")]
    pub source: NodeName,
    /// The node linked to.
    #[schemars(with = "String")]
    pub target: NodeName,
    /// How often, as far as was looked.
    pub links: u64,
}

fn graph(reading: &Reading<'_>, params: GraphParams) -> Result<Graph, Problem> {
    let (snapshot, root) = (reading.snapshot, names::node(reading, "node", &params.node)?);
    let mut found = Neighbourhood::new(root.clone(), params.limit.get());
    found.expand(snapshot, &root)?;
    if found.edges.is_empty() && nodes::row(snapshot, &root)?.is_none() {
        let asked = names::shown(root.as_str());
        return Err(Problem::not_found(format!("no note has the name `{asked}` and nothing links to it")));
    }
    if params.depth == Depth(2) {
        let neighbours: Vec<NodeName> = found.order[1..].to_vec();
        found.truncated |= neighbours.len() > MAX_EXPANDED;
        for neighbour in neighbours.iter().take(MAX_EXPANDED) {
            found.expand(snapshot, neighbour)?;
        }
    }
    let mut shown = Vec::with_capacity(found.order.len());
    for node in &found.order {
        let row = nodes::row(snapshot, node)?;
        let (subnodes, links) = row.map_or((0, 0), |row| (row.subnodes, row.links));
        shown.push(GraphNode { node: node.clone(), depth: found.depths[node], subnodes, links });
    }
    let edges = found.edges.into_iter().map(|((source, target), links)| Edge { source, target, links });
    Ok(Graph {
        epoch: snapshot.epoch().0,
        root,
        nodes: shown,
        edges: edges.collect(),
        truncated: found.truncated,
    })
}

struct Neighbourhood {
    depths: HashMap<NodeName, u8>,
    order: Vec<NodeName>,
    edges: BTreeMap<(NodeName, NodeName), u64>,
    limit: usize,
    truncated: bool,
}

impl Neighbourhood {
    fn new(root: NodeName, limit: usize) -> Self {
        let depths = HashMap::from([(root.clone(), 0)]);
        Self { depths, order: vec![root], edges: BTreeMap::new(), limit, truncated: false }
    }

    /// Adds what a node links to and what links to it. Links between two nodes that are both expanded are seen
    /// from both ends: the outgoing side counts them.
    fn expand(&mut self, snapshot: &Snapshot<'_>, node: &NodeName) -> Result<(), Problem> {
        let depth = self.depths[node] + 1;
        let filter = Filter::path(LinkPath::WIKILINK);
        let Found { rows, next } = filter.newest(snapshot, &Uri::node(node), None, MAX_LINKS_IN)?;
        self.truncated |= next.is_some();
        let mut links_in: BTreeMap<NodeName, u64> = BTreeMap::new();
        for source in rows.into_iter().filter_map(|row| row.node) {
            *links_in.entry(source).or_default() += 1;
        }
        for (source, links) in links_in {
            self.edge(source.clone(), node.clone(), &source, depth, links);
        }
        for (target, links) in self.links_out(snapshot, node)? {
            self.edge(node.clone(), target.clone(), &target, depth, links);
        }
        Ok(())
    }

    fn links_out(
        &mut self,
        snapshot: &Snapshot<'_>,
        node: &NodeName,
    ) -> Result<BTreeMap<NodeName, u64>, Problem> {
        let mut prefix = KeyWriter::new();
        prefix.text(node.as_str());
        let scan = Scan { prefix: prefix.into_bytes(), after: None, reverse: false, limit: MAX_SUBNODES + 1 };
        let subnodes: Vec<SubnodeRow> = snapshot.scan(&scan)?;
        self.truncated |= subnodes.len() > MAX_SUBNODES;
        let uris = subnodes.iter().take(MAX_SUBNODES).map(|row| &row.note.uri);
        let mut links_out = BTreeMap::new();
        for record in nodes::records(snapshot, uris)? {
            let links = record.links.iter().filter(|link| link.path.as_str() == LinkPath::WIKILINK);
            for target in links.filter_map(|link| link.target.as_node()) {
                *links_out.entry(target).or_default() += 1;
            }
        }
        Ok(links_out)
    }

    fn edge(&mut self, source: NodeName, target: NodeName, other: &NodeName, depth: u8, links: u64) {
        if !self.depths.contains_key(other) {
            if self.order.len() == self.limit {
                self.truncated = true;
                return;
            }
            self.depths.insert(other.clone(), depth);
            self.order.push(other.clone());
        }
        if self.edges.len() == MAX_EDGES && !self.edges.contains_key(&(source.clone(), target.clone())) {
            self.truncated = true;
            return;
        }
        let count = self.edges.entry((source, target)).or_default();
        *count = links.max(*count);
    }
}
