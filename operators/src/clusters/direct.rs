//! The operator without a dataflow around it: what the bench measures.

use super::{ClustersConfig, News, Out, Spaces, Told};
use crate::{Visible, per_epoch::Emit};
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
        let mut news = News::default();
        for (visible, diff) in changes {
            Told::of(visible, config, lexical).into_iter().for_each(|told| news.file(told, *diff));
        }
        *tick += 1;
        let mut hand_on = |rows: &mut Vec<(Out, u64, isize)>| {
            for (row, _, diff) in rows.drain(..) {
                take(&row, diff);
            }
        };
        let mut out = Emit::new(*tick, &mut hand_on);
        spaces.tick(*clock, news, &mut out);
        out.flush();
    }

    /// The clusters and themes (by their roots) of records that come all at once, in their order. A record without a
    /// cluster has none; a cluster without a theme is one of its own.
    #[must_use]
    pub fn partition(config: ClustersConfig, records: &[Visible]) -> Vec<Option<[TextId; 2]>> {
        let mut direct = Self::new(config);
        let changes: Vec<(Visible, isize)> = records.iter().map(|record| (record.clone(), 1)).collect();
        let (mut texts, mut items) = (HashMap::new(), HashMap::<Uri, _>::new());
        let mut themes = HashMap::new();
        direct.run(&changes, &mut |row, _| match row {
            Out::Text(ClusterTextRow { text, cluster, .. }) => drop(texts.insert(*text, *cluster)),
            Out::Theme(row) => drop(themes.insert(row.cluster, row.theme)),
            Out::Item(item) => drop(items.insert(item.uri.clone(), item.text)),
            _ => {}
        });
        let place = |record: &Visible| {
            let cluster = *texts.get(items.get(&record.record.uri)?)?;
            Some([cluster, themes.get(&cluster).copied().unwrap_or(cluster)])
        };
        records.iter().map(place).collect()
    }
}
