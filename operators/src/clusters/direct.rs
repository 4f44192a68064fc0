//! The operator without a dataflow around it: what the bench measures.

use super::{ClustersConfig, Item, Out, Spaces};
use crate::{Visible, per_epoch::Emit};
use differential_dataflow::consolidation::consolidate;
use springline_model::{TextId, Timestamp, Uri, rows::ClusterTextRow, text::Lexical};
use std::collections::HashMap;

/// The operator of one worker, fed by hand.
pub struct Direct {
    config: ClustersConfig,
    lexical: Lexical,
    spaces: Spaces,
    clock: Timestamp,
    tick: u64,
}

/// What a tick changed.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    /// Rows that came or went.
    pub rows: usize,
    /// Texts that have another cluster or duplicate set; new ones count.
    pub texts: usize,
}

impl Direct {
    /// Nothing yet.
    #[must_use]
    pub fn new(config: ClustersConfig) -> Self {
        let spaces = Spaces::new(config.half_life_ms);
        Self { config, lexical: Lexical::new(), spaces, clock: Timestamp::default(), tick: 0 }
    }

    /// Takes in a tick.
    pub fn apply(&mut self, changes: &[(Visible, isize)]) -> Moved {
        let mut moved = Moved::default();
        self.run(changes, &mut |row, diff| {
            moved.rows += 1;
            moved.texts += usize::from(diff > 0 && matches!(row, Out::Text(_)));
        });
        moved
    }

    fn run(&mut self, changes: &[(Visible, isize)], take: &mut dyn FnMut(&Out, isize)) {
        let Self { config, lexical, spaces, clock, tick } = self;
        let items = changes.iter().flat_map(|(visible, diff)| {
            Item::of(visible, config, lexical).into_iter().map(move |item| (item, *diff))
        });
        let mut items: Vec<_> = items.collect();
        consolidate(&mut items);
        *tick += 1;
        let mut hand_on = |rows: &mut Vec<(Out, u64, isize)>| {
            for (row, _, diff) in rows.drain(..) {
                take(&row, diff);
            }
        };
        let mut out = Emit::new(*tick, &mut hand_on);
        spaces.tick(*clock, items, &mut out);
        out.flush();
    }

    /// The clusters (by their roots) of records that come all at once, in their order. A record without one has none.
    #[must_use]
    pub fn partition(config: ClustersConfig, records: &[Visible]) -> Vec<Option<TextId>> {
        let mut direct = Self::new(config);
        let changes: Vec<(Visible, isize)> = records.iter().map(|record| (record.clone(), 1)).collect();
        let (mut texts, mut items) = (HashMap::new(), HashMap::<Uri, _>::new());
        direct.run(&changes, &mut |row, _| match row {
            Out::Text(ClusterTextRow { text, cluster, .. }) => drop(texts.insert(*text, *cluster)),
            Out::Item(item) => drop(items.insert(item.uri.clone(), item.text)),
            _ => {}
        });
        let cluster = |record: &Visible| texts.get(items.get(&record.record.uri)?).copied();
        records.iter().map(cluster).collect()
    }
}
