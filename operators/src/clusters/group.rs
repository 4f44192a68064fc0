//! What is shown of a cluster or a duplicate set: sums over its texts.

use super::{Out, graph::Number, item::Item, space::Text};
use crate::{per_epoch::Emit, windows::Heat};
use springline_model::{
    ClusterId, SourceId, Space, TextId, Timestamp, UriId,
    rows::{ClusterFacts, ClusterLevel, ClusterOrder, ClusterRankRow, ClusterRow},
};
use std::sync::Arc;

/// How many sources are named.
const SOURCES: usize = 8;

/// Counts so many more items of one of a few: of a source, of a vector.
pub(super) fn add<T: Clone + PartialEq>(counts: &mut Vec<(T, u64)>, one: &T, items: u64) {
    match counts.iter_mut().find(|(other, _)| other == one) {
        Some((_, count)) => *count += items,
        None => {
            counts.reserve_exact(1);
            counts.push((one.clone(), items));
        }
    }
}

/// Counts so many fewer.
pub(super) fn take<T: PartialEq>(counts: &mut Vec<(T, u64)>, one: &T, items: u64) {
    if let Some(at) = counts.iter().position(|(other, _)| other == one) {
        counts[at].1 -= items;
        if counts[at].1 == 0 {
            counts.swap_remove(at);
        }
    }
}

/// The sums of a group.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// By the time and id of their oldest item: the first gives the group its name.
    texts: Vec<(Timestamp, UriId, Number)>,
    /// By the time of their newest item.
    newest: Vec<(Timestamp, Number)>,
    items: u64,
    sources: Vec<(SourceId, u64)>,
    pub(super) heat: Heat,
    shown: Option<Box<Shown>>,
}

/// All that the rows of a group say.
#[derive(Debug, PartialEq)]
pub(super) struct Shown {
    root: TextId,
    name: UriId,
    items: u64,
    texts: u64,
    representative: Arc<Item>,
    keywords: Vec<String>,
    sources: Vec<(SourceId, u64)>,
    first_seen: Timestamp,
    last_seen: Timestamp,
    growth: [u64; 3],
    trend: u64,
}

impl Group {
    pub(super) fn join(&mut self, number: Number, text: &Text) {
        let (Some(first), Some(last)) = (text.items.first(), text.items.last()) else { return };
        if self.texts.is_empty() {
            // Most groups have one text: room for four would be most of their memory.
            self.texts.reserve_exact(1);
            self.newest.reserve_exact(1);
        }
        let oldest = (first.at, first.id, number);
        self.texts.insert(self.texts.partition_point(|other| *other < oldest), oldest);
        let newest = (last.at, number);
        self.newest.insert(self.newest.partition_point(|other| *other < newest), newest);
        self.items += text.items.len() as u64;
        for (source, count) in &text.sources {
            add(&mut self.sources, source, *count);
        }
        self.heat.add(text.heat, 1);
    }

    /// Takes away what a text brought: it must not have changed since.
    pub(super) fn leave(&mut self, number: Number, text: &Text) {
        let (Some(first), Some(last)) = (text.items.first(), text.items.last()) else { return };
        if let Ok(at) = self.texts.binary_search(&(first.at, first.id, number)) {
            self.texts.remove(at);
        }
        if let Ok(at) = self.newest.binary_search(&(last.at, number)) {
            self.newest.remove(at);
        }
        self.items -= text.items.len() as u64;
        for (source, count) in &text.sources {
            take(&mut self.sources, source, *count);
        }
        self.heat.add(text.heat, -1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// A duplicate set of one item is none.
    pub(super) fn is_worth_showing(&self, level: ClusterLevel) -> bool {
        match level {
            ClusterLevel::Cluster => self.items > 0,
            ClusterLevel::Duplicates => self.items > 1,
        }
    }

    /// Emits the rows if they say something else now.
    pub(super) fn show(
        &mut self,
        now: Option<Shown>,
        space: &Space,
        level: ClusterLevel,
        out: &mut Emit<'_, Out>,
    ) {
        let before = std::mem::replace(&mut self.shown, now.map(Box::new));
        if before == self.shown {
            return;
        }
        let scores =
            |shown: &Option<Box<Shown>>, order| shown.as_ref().map(|shown| (shown.score(order), shown.root));
        for order in ClusterOrder::ALL {
            let (was, is) = (scores(&before, *order), scores(&self.shown, *order));
            for (rank, diff) in [(was, -1), (is, 1)].into_iter().filter(|_| was != is) {
                let Some((score, root)) = rank else { continue };
                let (space, order) = (space.clone(), *order);
                out.change(Out::Rank(ClusterRankRow { space, level, order, score, root }), diff);
            }
        }
        for (shown, diff) in [(&before, -1), (&self.shown, 1)] {
            if let Some(shown) = shown {
                out.change(Out::Cluster(shown.row(space.clone(), level)), diff);
            }
        }
    }
}

impl Shown {
    pub(super) fn of(group: &Group, representative: Arc<Item>, keywords: Vec<String>) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let [hour, day, week, _] = group.heat.within.map(count);
        let mut sources = group.sources.clone();
        sources.sort_unstable_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
        sources.truncate(SOURCES);
        Self {
            root: representative.text,
            name: group.texts.first().map_or(representative.id, |(_, id, _)| *id),
            items: group.items,
            texts: group.texts.len() as u64,
            keywords,
            sources,
            first_seen: group.texts.first().map_or(representative.at, |(at, ..)| *at),
            last_seen: group.newest.last().map_or(representative.at, |(at, _)| *at),
            growth: [hour, day, week],
            trend: u64::try_from(group.heat.decayed.max(0)).unwrap_or(u64::MAX),
            representative,
        }
    }

    fn score(&self, order: ClusterOrder) -> u64 {
        match order {
            ClusterOrder::Size => self.items,
            ClusterOrder::Growth => self.trend,
            // In the order of the times, those before 1970 too.
            ClusterOrder::LastSeen => self.last_seen.0.cast_unsigned() ^ (1 << 63),
        }
    }

    fn row(&self, space: Space, level: ClusterLevel) -> ClusterRow {
        let facts = ClusterFacts {
            items: self.items,
            texts: self.texts,
            representative: self.representative.uri.clone(),
            title: self.representative.title.to_string(),
            summary: self.representative.summary.to_string(),
            keywords: self.keywords.clone(),
            sources: self
                .sources
                .iter()
                .map(|(source, count)| (source.as_str().to_owned(), *count))
                .collect(),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            growth: self.growth,
            trend: self.trend,
        };
        ClusterRow { space, level, root: self.root, id: ClusterId::from_member(self.name), facts }
    }
}
