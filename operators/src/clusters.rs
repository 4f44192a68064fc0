//! Who says the same: near-duplicates and clusters of records, incremental and independent of any order.
//!
//! ```text
//!  records ─► items (words, meaning: any worker) ────by space──► Space: texts ─► trees ─► clusters ─► six tables
//!  clock ───────────────────────────────────────────────────────────┘
//! ```
//!
//! What is clustered together is a *space*: the feedback of a project, or the kinds of records that the configuration
//! puts together under a name. What a cluster is says `definition`: a function of the records of the space; how it is
//! kept up to date say `point` and `index` (what is similar), `graph` (neighbours, parents, roots) and `space` (rows).
//!
//! A cluster is named after its oldest member (by time, then id). A name that was ever given still tells of an item,
//! and so of the cluster that this is in now: redirects need no history. Merges and splits are no view:
//! what is emitted is a function of the records there are, and that something was once apart is not in them.
//!
//! Limits: a space lives on one worker. At a start every item is compared anew, by meaning with every other. An item that nothing can be seen of
//! has no cluster.
//!
//! Memory: see the bench (`springline-bench clusters`); the titles and summaries of items are held.

mod definition;
#[cfg(feature = "testing")]
mod direct;
mod graph;
mod group;
mod index;
mod item;
mod point;
mod space;

#[cfg(feature = "testing")]
pub use direct::{Direct, Moved};

use crate::{
    Records, Rows,
    per_epoch::{per_tick_clocked, routed},
};
use differential_dataflow::consolidation::consolidate;
use item::Item;
use serde::{Deserialize, Serialize};
use springline_model::{
    Space, Timestamp, UriId,
    rows::{ClusterItemRow, ClusterMemberRow, ClusterNameRow, ClusterRankRow, ClusterRow, ClusterTextRow},
    text::Lexical,
};
use std::{collections::BTreeMap, sync::Arc};
use timely::dataflow::Stream;

/// What is clustered. Another value means other rows for the same records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClustersConfig {
    /// By the name of a space: patterns of the kinds of records in it.
    pub spaces: BTreeMap<String, Vec<String>>,
    /// What texts are compared by.
    pub representation: Representation,
    /// After how many milliseconds an item is worth half as much to a cluster's growth.
    pub half_life_ms: u64,
}

/// What texts are compared by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Representation {
    /// Their words.
    #[default]
    Lexical,
    /// What they mean, by the vectors in the records ([`springline_model::record::attr::VECTOR`]). Those without one
    /// are compared among themselves by their words.
    Semantic,
}

impl Default for ClustersConfig {
    fn default() -> Self {
        Self {
            spaces: BTreeMap::new(),
            representation: Representation::Lexical,
            half_life_ms: 24 * 3_600_000,
        }
    }
}

/// The rows of the view.
pub struct Clusters<'s> {
    /// What is known of each.
    pub clusters: Rows<'s, ClusterRow>,
    /// In order.
    pub ranks: Rows<'s, ClusterRankRow>,
    /// Their texts.
    pub members: Rows<'s, ClusterMemberRow>,
    /// Texts with their clusters.
    pub texts: Rows<'s, ClusterTextRow>,
    /// The items of texts.
    pub items: Rows<'s, ClusterItemRow>,
    /// Names with their items.
    pub names: Rows<'s, ClusterNameRow>,
}

/// A row of any of the tables.
#[derive(Clone, Debug)]
enum Out {
    Cluster(ClusterRow),
    Rank(ClusterRankRow),
    Member(ClusterMemberRow),
    Text(ClusterTextRow),
    Item(ClusterItemRow),
    Name(ClusterNameRow),
}

/// Clusters the records. See the module.
///
/// `clock` carries one time a tick on every worker, the same on each and never falling.
#[must_use]
pub fn clusters<'s>(
    records: Records<'s>,
    clock: Stream<'s, u64, Vec<Timestamp>>,
    config: &ClustersConfig,
) -> Clusters<'s> {
    let half_life_ms = config.half_life_ms;
    let config = config.clone();
    let mut lexical = Lexical::new();
    let items = records.flat_map(move |visible| Item::of(&visible, &config, &mut lexical));

    let mut spaces = Spaces::new(half_life_ms);
    let pact = routed(|item: &Arc<Item>| UriId::of(item.space.as_str()).route());
    let rows = per_tick_clocked(items, clock, pact, "Clusters", move |clock, changes, out| {
        let mut items: Vec<(Arc<Item>, isize)> = changes.collect();
        consolidate(&mut items);
        spaces.tick(clock, items, out);
    });
    macro_rules! only {
        ($what:ident) => {
            rows.clone().flat_map(|row| match row {
                Out::$what(row) => Some(row),
                _ => None,
            })
        };
    }
    Clusters {
        clusters: only!(Cluster),
        ranks: only!(Rank),
        members: only!(Member),
        texts: only!(Text),
        items: only!(Item),
        names: only!(Name),
    }
}

/// The spaces of one worker.
struct Spaces {
    half_life_ms: u64,
    spaces: BTreeMap<Space, space::Space>,
    lexical: Lexical,
}

impl Spaces {
    fn new(half_life_ms: u64) -> Self {
        Self { half_life_ms, spaces: BTreeMap::new(), lexical: Lexical::new() }
    }

    /// Takes in a tick: items that come and go, sorted.
    fn tick(
        &mut self,
        clock: Timestamp,
        items: Vec<(Arc<Item>, isize)>,
        out: &mut crate::per_epoch::Emit<'_, Out>,
    ) {
        for items in items.chunk_by(|a, b| a.0.space == b.0.space) {
            let name = &items[0].0.space;
            let new = || space::Space::new(name.clone(), self.half_life_ms);
            self.spaces.entry(name.clone()).or_insert_with(new);
        }
        let mut items = items.into_iter().peekable();
        for (name, space) in &mut self.spaces {
            let mut own = Vec::new();
            while let Some(item) = items.next_if(|item| item.0.space == *name) {
                own.push(item);
            }
            space.tick(clock, own, &mut self.lexical, out);
        }
        self.spaces.retain(|_, space| !space.is_empty());
    }
}

#[cfg(test)]
mod tests;
