//! What a record says about nodes.

use serde::{Deserialize, Serialize};
use springline_model::{Context, LinkPath, NodeName, Record, Timestamp, UriId};
use std::{fmt::Write, sync::Arc};

/// What a record says about nodes, as little as rankings need of it.
#[derive(Clone, Debug)]
pub(super) struct Facts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: Option<UriId>,
    author: UriId,
    at: Timestamp,
    nodes: Vec<(UriId, NodeName, Part)>,
}

/// The part that a node has in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Part {
    /// The record belongs to it.
    pub(super) owner: bool,
    /// The record links to it, in any context.
    pub(super) linked: bool,
    /// The record links to it in prose.
    pub(super) in_prose: bool,
}

impl Part {
    const fn or(self, other: Self) -> Self {
        Self {
            owner: self.owner || other.owner,
            linked: self.linked || other.linked,
            in_prose: self.in_prose || other.in_prose,
        }
    }

    /// Whether the record touches the node.
    pub(super) const fn is_touch(self) -> bool {
        self.owner || self.in_prose
    }
}

/// A record mentions a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Mention {
    pub(super) node: UriId,
    pub(super) name: NodeName,
    pub(super) author: UriId,
    pub(super) at: Timestamp,
    pub(super) part: Part,
}

impl Facts {
    /// What a record says; nothing if it mentions no node.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let own = record.node.iter().map(|node| (node.as_str(), Part { owner: true, ..Part::default() }));
        let links =
            record.links.iter().filter(|link| link.path.as_str() == LinkPath::WIKILINK).filter_map(|link| {
                let part = Part { owner: false, linked: true, in_prose: link.context == Context::Prose };
                Some((link.target.as_str().strip_prefix("node:")?, part))
            });
        let mut parts: Vec<(&str, Part)> = own.chain(links).collect();
        if parts.is_empty() {
            return None;
        }
        parts.sort_unstable();
        let mut uri = String::new();
        let nodes = parts.chunk_by(|a, b| a.0 == b.0).map(|parts| {
            let name = parts[0].0;
            uri.clear();
            // Writing to a string cannot fail.
            let _ = write!(uri, "node:{name}");
            let part = parts.iter().fold(Part::default(), |all, (_, part)| all.or(*part));
            (UriId::of(&uri), NodeName::from_canonical(name), part)
        });
        let nodes: Vec<_> = nodes.collect();
        let node = nodes.iter().find(|(.., part)| part.owner).map(|(id, ..)| *id);
        Some(Self(Arc::new(Inner { node, author: record.author.id(), at: record.at, nodes })))
    }

    /// Each node that it mentions, once.
    pub(super) fn mentions(self) -> impl Iterator<Item = Mention> {
        (0..self.0.nodes.len()).map(move |at| {
            let (node, name, part) = &self.0.nodes[at];
            Mention { node: *node, name: name.clone(), author: self.0.author, at: self.0.at, part: *part }
        })
    }

    /// From its own node to each that it links to in prose.
    pub(super) fn edges(self) -> impl Iterator<Item = (UriId, UriId)> {
        let nodes = 0..self.0.nodes.len();
        nodes.filter_map(move |at| {
            let (target, _, part) = &self.0.nodes[at];
            self.0.node.filter(|_| part.in_prose).map(|node| (node, *target))
        })
    }
}
