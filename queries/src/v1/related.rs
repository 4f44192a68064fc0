//! Which nodes a node is tied to: a plain measure over what its page has read anyway.

use super::{
    backlinks::Backlink,
    nodes::{self, Forward},
};
use crate::problem::Problem;
use schemars::JsonSchema;
use serde::Serialize;
use springline_model::{LinkPath, NodeName};
use springline_sinks::Snapshot;
use std::{cmp::Reverse, collections::HashMap};

/// The most that one answer names.
const MAX_RELATED: usize = 20;

/// A node that is tied to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Related {
    /// Which.
    #[schemars(with = "String")]
    pub node: NodeName,
    /// Links from it, among the newest.
    pub links_here: u64,
    /// Links to it.
    pub linked_from_here: u64,
    /// Whether its name begins with this one's (`foo/bar` and `foo bar` for `foo`).
    pub name_alike: bool,
}

impl Related {
    /// Ties in both directions weigh more than any number in one; then the number; a name alone the least.
    fn weight(&self) -> (bool, u64, bool) {
        let mutual = self.links_here > 0 && self.linked_from_here > 0;
        (mutual, self.links_here.min(9) + self.linked_from_here.min(9), self.name_alike)
    }
}

/// Nodes that a node is tied to, the strongest first; equal ones by name.
///
/// # Errors
/// The store can't be read.
pub fn related(
    snapshot: &Snapshot<'_>,
    name: &NodeName,
    backlinks: &[Backlink],
    forward: &[Forward],
) -> Result<Vec<Related>, Problem> {
    let mut ties: HashMap<NodeName, Related> = HashMap::new();
    let mut tie = |node: NodeName, change: &dyn Fn(&mut Related)| {
        if node != *name && !node.as_str().is_empty() {
            let none = Related { node: node.clone(), links_here: 0, linked_from_here: 0, name_alike: false };
            change(ties.entry(node).or_insert(none));
        }
    };
    for node in backlinks.iter().filter_map(|link| link.node.clone()) {
        tie(node, &|tie| tie.links_here += 1);
    }
    for link in forward.iter().filter(|link| link.path.as_str() == LinkPath::WIKILINK) {
        if let Some(node) = link.target.as_node() {
            tie(node, &|tie| tie.linked_from_here += link.links);
        }
    }
    for separator in ["/", " "] {
        for row in nodes::beginning_with(snapshot, &format!("{name}{separator}"), MAX_RELATED)? {
            tie(row.node, &|tie| tie.name_alike = true);
        }
    }
    let mut related: Vec<Related> = ties.into_values().collect();
    related.sort_by_cached_key(|tie| (Reverse(tie.weight()), tie.node.clone()));
    related.truncate(MAX_RELATED);
    Ok(related)
}
