//! The edges, and what a tick changes in them.

use super::Turn;
use crate::ids::Dense;
use springline_model::UriId;

/// No node: where a walk has ended.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A directed graph over dense numbers. A node is in it as long as it has an edge.
#[derive(Debug, Default)]
pub(super) struct Graph {
    numbers: Dense,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    id: UriId,
    /// Edges that lead here.
    incoming: u32,
    /// Not in the graph before this tick; between ticks: not in it.
    new: bool,
    /// Sorted by target.
    edges: Vec<Edge>,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    /// The bits of the target's id that lots are drawn with: here, so that a draw reads one piece of memory.
    bits: u64,
    target: u32,
    /// How many records make this edge.
    records: u32,
}

/// What a tick changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Nodes whose edges changed.
    pub(super) sources: Vec<Changed>,
    /// Every node that was mentioned, sorted. Some may have no edge (any more): see [`Graph::release`].
    pub(super) mentioned: Vec<u32>,
}

/// How the edges of one node changed.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) source: u32,
    /// New targets.
    gained: Vec<u32>,
    /// Former targets, sorted.
    lost: Vec<u32>,
}

impl Graph {
    /// One more than the greatest number of a node.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The id of a node.
    pub(super) fn id(&self, node: u32) -> UriId {
        self.nodes[node as usize].id
    }

    /// Whether the node was not in the graph before this tick.
    pub(super) fn is_new(&self, node: u32) -> bool {
        self.nodes[node as usize].new
    }

    /// Whether any edge leads to or from the node.
    pub(super) fn exists(&self, node: u32) -> bool {
        let node = &self.nodes[node as usize];
        node.incoming > 0 || !node.edges.is_empty()
    }

    /// Whether no edge leads on from the node.
    pub(super) fn is_end(&self, node: u32) -> bool {
        self.nodes[node as usize].edges.is_empty()
    }

    /// Takes in the edges of a tick. Call [`Self::release`] when done with what changed.
    pub(super) fn apply(&mut self, edges: impl Iterator<Item = ((UriId, UriId), isize)>) -> Changes {
        let mut by_number: Vec<(u32, u32, isize)> =
            edges.map(|((source, target), diff)| (self.number(source), self.number(target), diff)).collect();
        by_number.sort_unstable();

        let mut changes = Changes::default();
        for edges in by_number.chunk_by(|a, b| a.0 == b.0) {
            changes.mentioned.push(edges[0].0);
            changes.mentioned.extend(edges.iter().map(|edge| edge.1));
            changes.sources.extend(self.apply_to(edges[0].0, edges));
        }
        changes.mentioned.sort_unstable();
        changes.mentioned.dedup();
        changes
    }

    fn number(&mut self, id: UriId) -> u32 {
        let number = self.numbers.number(id);
        let node = Node { id, incoming: 0, new: true, edges: Vec::new() };
        match self.nodes.get_mut(number as usize) {
            // Given back by another node before.
            Some(known) if known.id != id => *known = node,
            Some(_) => {}
            None => self.nodes.push(node),
        }
        number
    }

    /// Takes in the edges of one source, sorted by target.
    fn apply_to(&mut self, source: u32, changes: &[(u32, u32, isize)]) -> Option<Changed> {
        let mut edges = std::mem::take(&mut self.nodes[source as usize].edges);
        let (mut gained, mut lost) = (Vec::new(), Vec::new());
        let before = edges.len();
        for changes in changes.chunk_by(|a, b| a.1 == b.1) {
            let target = changes[0].1;
            let diff: isize = changes.iter().map(|change| change.2).sum();
            let known = edges[..before].binary_search_by_key(&target, |edge| edge.target);
            let records = known.map_or(0, |at| edges[at].records);
            let now = u32::try_from((records as isize + diff).max(0)).unwrap_or(u32::MAX);
            match known {
                Ok(at) => edges[at].records = now,
                Err(_) if now > 0 => {
                    edges.push(Edge { bits: self.id(target).route(), target, records: now });
                }
                Err(_) => {}
            }
            let node = &mut self.nodes[target as usize];
            if records == 0 && now > 0 {
                node.incoming += 1;
                gained.push(target);
            } else if records > 0 && now == 0 {
                node.incoming -= 1;
                lost.push(target);
            }
        }
        if !lost.is_empty() {
            edges.retain(|edge| edge.records > 0);
        }
        if !gained.is_empty() {
            // Two sorted runs: this sort merges them in one pass.
            edges.sort_by_key(|edge| edge.target);
        }
        edges.shrink_to(edges.len() * 2);
        self.nodes[source as usize].edges = edges;
        (!gained.is_empty() || !lost.is_empty()).then_some(Changed { source, gained, lost })
    }

    /// Which edge a walker takes that has come to a node: its target, or [`NOWHERE`] at an end.
    pub(super) fn draw(&self, at: u32, turn: Turn) -> u32 {
        if at == NOWHERE {
            return NOWHERE;
        }
        let mut best = (u64::MAX, NOWHERE);
        for edge in &self.nodes[at as usize].edges {
            best = self.smaller(best, (turn.lot(edge.bits), edge.target));
        }
        best.1
    }

    /// The same as [`Self::draw`], when it is known where the walker went before the edges changed.
    pub(super) fn draw_again(&self, changed: &Changed, turn: Turn, before: u32) -> u32 {
        if before == NOWHERE || changed.lost.binary_search(&before).is_ok() {
            return self.draw(changed.source, turn);
        }
        let lot = |target: u32| (turn.lot(self.id(target).route()), target);
        changed.gained.iter().fold(lot(before), |best, target| self.smaller(best, lot(*target))).1
    }

    /// The smaller of two lots; the first may be of nobody. Equal lots are as good as impossible by chance: only
    /// then the ids are looked at.
    fn smaller(&self, a: (u64, u32), b: (u64, u32)) -> (u64, u32) {
        let b_wins = b.0 < a.0 || (b.0 == a.0 && (a.1 == NOWHERE || self.id(b.1) < self.id(a.1)));
        if b_wins { b } else { a }
    }

    /// Ends a tick: forgets the nodes that have no edge any more.
    pub(super) fn release(&mut self, mentioned: &[u32]) {
        for &number in mentioned {
            let exists = self.exists(number);
            let node = &mut self.nodes[number as usize];
            node.new = !exists;
            if !exists {
                node.edges = Vec::new();
                self.numbers.release(node.id);
            }
        }
    }
}
