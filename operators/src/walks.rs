//! The rank of nodes: how often random walkers visit them, kept exact while the graph changes.
//!
//! PageRank by Monte Carlo (Bahmani, Chowdhury, Goel, "Fast incremental and personalized PageRank", VLDB 2010):
//! a few walkers start at every node that has an edge, each follows out-edges for a geometric number of steps (85
//! in 100 go on) and stops early at a node without any. The rank of a node is the number of visits.
//!
//! The dice are hashes, so the walks are a pure function of the edges: a walker at a node takes the out-edge for
//! which the hash of (walker, step, target) is smallest (rendezvous hashing). A new edge attracts one walker in
//! (degree + 1), a removed one sends away only those that took it; nobody else moves.
//!
//! ```text
//!                       to every worker                              by node
//!  (source, target) ──► every edge ──► Walkers: graph (whole),   ──► visits that came (+)
//!    with diffs                        paths of our start nodes      or went (-), once a tick
//! ```
//!
//! A walk needs the whole graph and writes only its own path. So every worker holds all edges and the walkers of
//! its share of the start nodes: a walk never leaves its worker, a tick needs no rounds of messages between them,
//! and the shares are even whatever the graph looks like.
//!
//! Invariants: after each tick the visits emitted so far sum up to those of walks that start afresh on the edges
//! of that tick, whatever the order and the history of the edges and the number of workers. An edge that several
//! records make counts once. An edge from a node to itself is left out: it would let a node vote for itself.
//!
//! Memory: an edge takes 16 bytes and a node about 170, on every worker. A walker takes about 8 bytes a visit
//! (4 in its path, 4 in the index of the node), spread over the workers. There may be 2^32 walkers, those of nodes
//! without edges counted: at 10 a node, 429 million nodes.
//!
//! Time: an added edge costs a hash for each visit to its source; a removed one costs each walker that took it a
//! hash for each edge of its source; a walker that takes another way, the degree of each node on it. The worst
//! case is a node of 20,000 edges that many walkers pass: 20 µs a visit.

mod graph;
mod walkers;

use crate::{
    Rows,
    per_epoch::{per_tick, routed},
};
use differential_dataflow::{AsCollection, consolidation::consolidate_updates};
use springline_model::UriId;
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{channels::pact::Pipeline, operators::generic::Operator},
};

/// The most walkers that may start at a node.
pub(crate) const MOST_WALKERS: u32 = 64;

/// The longest walk, in steps: 3 in 100,000 would go further.
const LONGEST: usize = 64;

/// For each number of steps, the share (of 2^64) of the walkers that go at least that far: 0.85 to its power,
/// by integers alone so that every machine has the same.
const GOES_ON: [u64; LONGEST] = {
    let mut table = [0; LONGEST];
    let mut share: u128 = 1 << 64;
    let mut steps = 0;
    while steps < LONGEST {
        share = share * 85 / 100;
        table[steps] = share as u64;
        steps += 1;
    }
    table
};

/// What decides where walkers go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice {
    /// Walkers that start at each node; taken as 1 to [`MOST_WALKERS`].
    pub(crate) walkers: u32,
    /// Another seed gives another sample of walks.
    pub(crate) seed: u64,
}

/// A walker at one of its steps: what an edge is drawn with.
#[derive(Clone, Copy, Debug)]
struct Turn(u64);

impl Dice {
    /// How many steps a walker takes at most.
    ///
    /// The walkers of a node divide the range of the dice evenly between them, from an offset that is the node's
    /// own: each length is as likely as if it was drawn, but the mean over a node's walkers varies less.
    fn length(self, start: UriId, walker: u32) -> usize {
        let offset = u128::from(mix(start.route() ^ mix(self.seed)));
        let share = ((u128::from(walker) << 64) + offset) / u128::from(self.walkers);
        GOES_ON.partition_point(|goes_on| share < u128::from(*goes_on))
    }

    /// What all turns of a walker derive from.
    fn walker(self, start: UriId, walker: u32) -> u64 {
        mix(start.route() ^ mix(self.seed.wrapping_add(u64::from(walker) + 1)))
    }
}

impl Turn {
    fn new(walker: u64, step: usize) -> Self {
        Self(mix(walker.wrapping_add((step as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))))
    }

    /// The edge with the smallest lot is taken. Targets whose 64 bits are equal draw equal lots: their whole ids
    /// decide.
    fn lot(self, target: u64) -> u64 {
        // A folded multiplication: one instruction and an exclusive or. Both operands are random bits already.
        let product = u128::from(self.0 ^ target) * 0xA076_1D64_78BD_642F;
        (product >> 64) as u64 ^ product as u64
    }
}

/// Spreads the bits of a number over the whole of it (the finaliser of SplitMix64).
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// Walks over a graph of distinct edges (source, target): each node as often as walkers visit it.
///
/// A node has visits as long as it has an edge. The visits come unsorted by worker: exchange them by node.
pub(crate) fn walks<'s>(edges: Rows<'s, (UriId, UriId)>, dice: Dice) -> Rows<'s, UriId> {
    let scope = edges.scope();
    let (index, peers) = (scope.index() as u64, scope.peers() as u64);
    let mut walkers = walkers::Walkers::new(dice, move |start| start.route() % peers == index);
    per_tick(to_everybody(edges), routed(|(worker, _)| *worker), "Walks", move |edges, visits| {
        walkers.apply(edges.map(|((_worker, edge), diff)| (edge, diff)), visits);
    })
}

/// Every edge once for each worker, with the worker's number. What an update of a record takes away and gives
/// back at once is left out here, before it is multiplied.
fn to_everybody<'s>(edges: Rows<'s, (UriId, UriId)>) -> Rows<'s, (u64, (UriId, UriId))> {
    let peers = edges.scope().peers() as u64;
    edges
        .inner
        .unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(Pipeline, "ToEverybody", move |_, _| {
            move |input, output| {
                input.for_each(|time, edges| {
                    consolidate_updates(edges);
                    output.session(&time).give_iterator(
                        edges.drain(..).filter(|((source, target), ..)| source != target).flat_map(
                            |(edge, tick, diff)| (0..peers).map(move |worker| ((worker, edge), tick, diff)),
                        ),
                    );
                });
            }
        })
        .as_collection()
}

#[cfg(test)]
pub(crate) mod tests;
