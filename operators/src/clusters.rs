//! Who says the same: near-duplicates and clusters of records, incremental and independent of any order.
//!
//! ```text
//!  records ─► items (words, meaning: any worker) ────by space──► Space: texts ─► trees ─► clusters ─► themes ─► tables
//!          └► orders (what is said by hand) ────────────┘          ▲                        ▲
//!  clock ──────────────────────────────────────────────────────────┘          as orders say ┘
//! ```
//!
//! What is clustered together is a *space*: the feedback of a project, or the kinds of records that the configuration
//! puts together under a name. What a cluster is says `definition`: a function of the records of the space; how it is
//! kept up to date say `point` and `index` (what is similar), `graph` (neighbours, parents, roots), `hand` (what was
//! said by hand), `space` with `shown` (rows) and `themes` (what clusters belong together).
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
mod hand;
mod index;
mod item;
mod order;
mod point;
mod shown;
mod space;
mod themes;

#[cfg(feature = "testing")]
pub use direct::{Direct, Moved};

use crate::{
    Records, Rows,
    per_epoch::{per_tick_clocked, routed},
};
use differential_dataflow::consolidation::consolidate;
use item::Item;
use order::{Order, Told};
use serde::{Deserialize, Serialize};
use springline_model::{
    Space, Timestamp, UriId,
    rows::{
        ClusterItemRow, ClusterMemberRow, ClusterNameRow, ClusterRankRow, ClusterRow, ClusterTextRow,
        ClusterThemeRow, ThemeClusterRow,
    },
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
    /// Clusters with their themes.
    pub themes: Rows<'s, ClusterThemeRow>,
    /// Themes with their clusters.
    pub themed: Rows<'s, ThemeClusterRow>,
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
    Theme(ClusterThemeRow),
    Themed(ThemeClusterRow),
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
    let told = records.flat_map(move |visible| Told::of(&visible, &config, &mut lexical));

    let mut spaces = Spaces::new(half_life_ms);
    let pact = routed(|told: &Told| UriId::of(told.space().as_str()).route());
    let rows = per_tick_clocked(told, clock, pact, "Clusters", move |clock, changes, out| {
        let mut news = News::default();
        changes.for_each(|(told, diff)| news.file(told, diff));
        spaces.tick(clock, news, out);
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
        themes: only!(Theme),
        themed: only!(Themed),
    }
}

/// What comes and goes in a tick.
#[derive(Debug, Default)]
struct News {
    items: Vec<(Arc<Item>, isize)>,
    orders: Vec<(Arc<Order>, isize)>,
}

impl News {
    fn file(&mut self, told: Told, diff: isize) {
        match told {
            Told::Item(item) => self.items.push((item, diff)),
            Told::Order(order) => self.orders.push((order, diff)),
        }
    }

    /// Each once.
    fn by_space(mut self) -> BTreeMap<Space, Self> {
        consolidate(&mut self.items);
        consolidate(&mut self.orders);
        let mut by_space: BTreeMap<Space, Self> = BTreeMap::new();
        for item in self.items {
            by_space.entry(item.0.space.clone()).or_default().items.push(item);
        }
        for order in self.orders {
            by_space.entry(order.0.space.clone()).or_default().orders.push(order);
        }
        by_space
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

    /// Takes in a tick.
    fn tick(&mut self, clock: Timestamp, news: News, out: &mut crate::per_epoch::Emit<'_, Out>) {
        let mut by_space = news.by_space();
        for name in by_space.keys() {
            let new = || space::Space::new(name.clone(), self.half_life_ms);
            self.spaces.entry(name.clone()).or_insert_with(new);
        }
        for (name, space) in &mut self.spaces {
            space.tick(clock, by_space.remove(name).unwrap_or_default(), &mut self.lexical, out);
        }
        self.spaces.retain(|_, space| !space.is_empty());
    }
}

#[cfg(test)]
mod tests;
