//! What matters now: the K best nodes by size, in-degree, rank, trend and recent touches.
//!
//! ```text
//!  records ─► facts ─┬─ edges ────────► walks ─► visits ─┐
//!                    └─ mentions of a node ──────────────┼─by node─► scores ─► top K ─► TopRow
//!  clock ────────────────────────────────────────────────┘
//! ```
//!
//! | order | score of a node |
//! |---|---|
//! | size | records that belong to it |
//! | indegree | distinct authors whose records link to it, in any context; its own authors too |
//! | rank | visits of random walkers on the graph of nodes: see `walks` |
//! | trending | its touches, each worth half as much a half-life later: see `trending` |
//! | 1h, 24h, 7d, 30d | its touches in that time: see `windows` |
//!
//! A link here is a `wikilink` to a node. An edge of the graph, and a touch, takes one in prose. A record touches
//! its own node and each node that it links to, once each. A node with score 0 is not ranked.
//!
//! Invariant: the rows are a pure function of the visible records and the clock, to the bit, for any number of
//! workers.
//!
//! Memory, besides what those modules hold: about 280 bytes and the name for each node that is mentioned, and 4 to
//! 16 more for each of several authors who link to it. Names are held by the worker of the node alone.

mod facts;
mod scores;

use crate::{
    Records, Rows,
    per_epoch::{per_tick_clocked, routed},
    top_k::top_k,
    walks,
};
use facts::Facts;
use scores::{Input, Scores};
use serde::{Deserialize, Serialize};
use springline_model::{Timestamp, rows::TopRow};
use timely::dataflow::Stream;

/// How nodes are ranked. Another value means other rows for the same records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RankingsConfig {
    /// How many nodes each order keeps.
    pub top: usize,
    /// After how many milliseconds a touch is worth half as much to the trend.
    pub half_life_ms: u64,
    /// Random walkers that start at each node (1 to 64): more make the rank smoother and dearer.
    pub walkers: u32,
    /// Another seed sends the walkers other ways.
    pub seed: u64,
}

impl Default for RankingsConfig {
    fn default() -> Self {
        Self { top: 1000, half_life_ms: 7 * 24 * 3_600_000, walkers: 10, seed: 1 }
    }
}

/// The K best nodes of every order.
///
/// `clock` carries one time a tick on every worker, the same on each and never falling.
pub fn rankings<'s>(
    records: Records<'s>,
    clock: Stream<'s, u64, Vec<Timestamp>>,
    config: RankingsConfig,
) -> Rows<'s, TopRow> {
    let dice = walks::Dice { walkers: config.walkers, seed: config.seed };
    let facts = records.flat_map(|visible| Facts::of(&visible.record));
    let visits = walks::walks(facts.clone().flat_map(Facts::edges), dice);
    let mentions = facts.flat_map(Facts::mentions);
    let inputs = mentions.map(Input::Mention).concat(visits.map(Input::Visit));

    let mut scores = Scores::new(config.half_life_ms);
    let scores =
        per_tick_clocked(inputs, clock, routed(Input::route), "Scores", move |clock, inputs, changes| {
            scores.apply(clock, inputs, changes);
        });
    top_k(scores, config.top).map(|(order, score, node)| TopRow { order, score, node })
}

#[cfg(test)]
mod tests;
