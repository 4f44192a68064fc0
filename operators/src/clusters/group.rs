//! What is shown of a cluster or a duplicate set: sums over its texts.

use super::{Out, graph::Number, item::Item, shown::Key, space::Text};
use crate::{per_epoch::Emit, windows::Heat};
use springline_model::{
    ClusterId, SourceId, Space, TextId, Timestamp, UriId,
    rows::{ClusterFacts, ClusterLevel, ClusterOrder, ClusterRankRow, ClusterRow},
};
use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

/// How many sources are named.
const SOURCES: usize = 8;
/// Words that name a cluster.
pub(super) const KEYWORDS: usize = 6;

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

/// Leaves those that are named.
fn most_common(sources: &mut Vec<(SourceId, u64)>) {
    sources.sort_unstable_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
    sources.truncate(SOURCES);
}

/// The sums of a group.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// By the time and id of their oldest item: the first gives the group its name.
    texts: Vec<(Timestamp, UriId, Number)>,
    /// By the time of their newest item.
    newest: Vec<(Timestamp, Number)>,
    items: u64,
    /// Of these, those whose texts somebody placed here.
    by_hand: u64,
    sources: Vec<(SourceId, u64)>,
    pub(super) heat: Heat,
    /// What the rows of its texts call it.
    root: Option<TextId>,
    shown: Option<Box<Shown>>,
}

/// All that the rows of a group say.
#[derive(Debug, PartialEq)]
pub(super) struct Shown {
    root: TextId,
    name: UriId,
    items: u64,
    texts: u64,
    by_hand: u64,
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
        self.by_hand += text.items_by_hand();
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
        self.by_hand -= text.items_by_hand();
        for (source, count) in &text.sources {
            take(&mut self.sources, source, *count);
        }
        self.heat.add(text.heat, -1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The text with the oldest item.
    pub(super) fn oldest(&self) -> Option<Number> {
        self.texts.first().map(|(.., number)| *number)
    }

    /// What the rows of its texts call it.
    pub(super) const fn root(&self) -> Option<TextId> {
        self.root
    }

    /// It goes by this root from now on. Gives the texts whose rows say something else: those that join in this tick
    /// are not worth naming.
    pub(super) fn set_root(&mut self, root: Option<TextId>) -> Vec<Number> {
        let before = std::mem::replace(&mut self.root, root);
        if before.is_some() && before != root { self.numbers() } else { Vec::new() }
    }

    /// Its texts.
    pub(super) fn numbers(&self) -> Vec<Number> {
        self.texts.iter().map(|(.., number)| *number).collect()
    }

    /// What its rows say.
    pub(super) fn shown(&self) -> Option<&Shown> {
        self.shown.as_deref()
    }

    /// A duplicate set of one item is none.
    pub(super) fn is_worth_showing(&self, key: Key) -> bool {
        self.items > u64::from(key.set.is_some())
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
        Shown::differ(before.as_deref(), self.shown.as_deref(), space, level, out);
    }
}

impl Shown {
    /// Emits the rows if they say something else now.
    pub(super) fn differ(
        before: Option<&Self>,
        now: Option<&Self>,
        space: &Space,
        level: ClusterLevel,
        out: &mut Emit<'_, Out>,
    ) {
        if before == now {
            return;
        }
        let scores = |shown: Option<&Self>, order| shown.map(|shown| (shown.score(order), shown.root));
        for order in ClusterOrder::ALL {
            let (was, is) = (scores(before, *order), scores(now, *order));
            for (rank, diff) in [(was, -1), (is, 1)].into_iter().filter(|_| was != is) {
                let Some((score, root)) = rank else { continue };
                let (space, order) = (space.clone(), *order);
                out.change(Out::Rank(ClusterRankRow { space, level, order, score, root }), diff);
            }
        }
        for (shown, diff) in [(before, -1), (now, 1)] {
            if let Some(shown) = shown {
                out.change(Out::Cluster(shown.row(space.clone(), level)), diff);
            }
        }
    }

    /// Of a theme: sums over its clusters, and what is said of the one in its middle. Its keywords are those of its
    /// clusters, by the number of items that they stand for; of equal ones the first in the alphabet.
    pub(super) fn of_theme<'a>(top: &Self, clusters: impl Iterator<Item = (&'a Group, &'a Self)>) -> Self {
        let mut theme = Self {
            root: top.root,
            name: top.name,
            items: 0,
            texts: 0,
            by_hand: 0,
            representative: top.representative.clone(),
            keywords: Vec::new(),
            sources: Vec::new(),
            first_seen: top.first_seen,
            last_seen: top.last_seen,
            growth: [0; 3],
            trend: 0,
        };
        let mut words: BTreeMap<&str, u64> = BTreeMap::new();
        let mut decayed = 0;
        for (group, shown) in clusters {
            (theme.first_seen, theme.name) = shown.age().min((theme.first_seen, theme.name));
            theme.last_seen = theme.last_seen.max(shown.last_seen);
            theme.items += shown.items;
            theme.texts += shown.texts;
            theme.by_hand += shown.by_hand;
            theme.growth.iter_mut().zip(shown.growth).for_each(|(sum, new)| *sum += new);
            decayed += group.heat.decayed;
            for (source, count) in &group.sources {
                add(&mut theme.sources, source, *count);
            }
            for word in &shown.keywords {
                *words.entry(word).or_default() += shown.items;
            }
        }
        theme.trend = u64::try_from(decayed.max(0)).unwrap_or(u64::MAX);
        most_common(&mut theme.sources);
        let mut words: Vec<_> = words.into_iter().collect();
        words.sort_by_key(|(_, items)| Reverse(*items));
        theme.keywords = words.into_iter().take(KEYWORDS).map(|(word, _)| word.to_owned()).collect();
        theme
    }

    pub(super) const fn root(&self) -> TextId {
        self.root
    }

    /// The time and the id of the oldest item.
    pub(super) const fn age(&self) -> (Timestamp, UriId) {
        (self.first_seen, self.name)
    }

    pub(super) fn of(group: &Group, representative: Arc<Item>, keywords: Vec<String>) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let [hour, day, week, _] = group.heat.within.map(count);
        let mut sources = group.sources.clone();
        most_common(&mut sources);
        Self {
            root: representative.text,
            name: group.texts.first().map_or(representative.id, |(_, id, _)| *id),
            items: group.items,
            texts: group.texts.len() as u64,
            by_hand: group.by_hand,
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
            by_hand: self.by_hand,
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
