//! What is shown of a space: clusters and duplicate sets as orders have them, and the rows that tell of them.
//!
//! ```text
//!  away ─► the algorithm's cluster and set ─► as placed, as joined ─► groups ─► middle, facts ─► rows that differ
//!                                                                                      └─► themes ─► …
//! ```
//!
//! Invariants: a shown set is part of one shown cluster; the root of either is one of its texts, so no two have the same.

use super::{
    Out,
    graph::Number,
    group::{Group, KEYWORDS, Shown},
    order::Part,
    point::Point,
    space::{Space, home},
};
use crate::per_epoch::Emit;
use springline_model::{
    TextId,
    rows::{ClusterLevel, ClusterMemberRow, ClusterTextRow},
    text::Lexical,
};

/// A shown cluster, or what of a duplicate set is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The least part of the cluster.
    pub(super) cluster: Part,
    /// The root of the set.
    pub(super) set: Option<Number>,
}

impl Key {
    const fn level(self) -> ClusterLevel {
        match self.set {
            None => ClusterLevel::Cluster,
            Some(_) => ClusterLevel::Duplicates,
        }
    }
}

/// What the rows of a text say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    cluster: TextId,
    duplicates: TextId,
    by_hand: bool,
}

impl Space {
    /// Whoever is away joins the groups it belongs to now.
    pub(super) fn regroup(&mut self) {
        let Self { away, texts, graph, trees, forest, hand, groups, dirty, .. } = self;
        let home = |number| home(graph, trees, forest, number);
        for &number in &*away {
            let text = &mut texts[number as usize];
            let (Some(place), Some(cluster)) = (graph.place(number), home(number)) else { continue };
            let placed = hand.place(&text.items, home);
            text.by_hand = placed.is_some();
            let cluster = hand.shown(placed.unwrap_or(Part::Cluster(cluster)));
            let keys = [Key { cluster, set: None }, Key { cluster, set: Some(place.set) }];
            text.joined = Some(keys);
            for key in keys {
                groups.entry(key).or_default().join(number, text);
                dirty.insert(key);
            }
        }
        hand.rest();
    }

    /// Emits what differs from what was emitted before.
    pub(super) fn show(&mut self, lexical: &mut Lexical, out: &mut Emit<'_, Out>) {
        let mut texts = std::mem::take(&mut self.away);
        for key in std::mem::take(&mut self.dirty) {
            let Some(group) = self.groups.get(&key) else { continue };
            let middle = self.middle(key, group);
            let now = middle.and_then(|middle| self.looks(key, group, middle, lexical));
            let root = middle.map(|middle| self.graph.id(middle));
            let Some(group) = self.groups.get_mut(&key) else { continue };
            texts.extend(group.set_root(root));
            group.show(now, &self.name, key.level(), out);
            if group.is_empty() {
                self.groups.remove(&key);
            }
            if key.set.is_none() {
                let home = middle.and_then(|number| home(&self.graph, &self.trees, &self.forest, number));
                self.themes.cluster_changes(key, home, &self.name, out);
            }
        }
        let Self { themes, groups, texts: all, graph, roots, name, .. } = self;
        let main = |cluster: Number| {
            let root = roots[cluster as usize];
            let [key, _] = all[root as usize].joined?;
            (groups.get(&key)?.root()? == graph.id(root)).then_some(key)
        };
        themes.show(groups, main, name, out);
        for number in texts {
            self.show_text(number, out);
        }
    }

    /// The text that stands for a group: the algorithm's root, if that is in it; of several the one with the oldest
    /// item; without one the text with the oldest item.
    fn middle(&self, key: Key, group: &Group) -> Option<Number> {
        let root = |part: &Part| match part {
            Part::Cluster(vertex) => self.roots.get(*vertex as usize).copied(),
            Part::Group(_) => None,
        };
        let roots: Vec<Number> = match key.set {
            None => self.hand.parts(&key.cluster).iter().filter_map(root).collect(),
            Some(set) => vec![set],
        };
        let text = |number: &Number| self.texts.get(*number as usize);
        let is_here = |number: &Number| {
            text(number).and_then(|text| text.joined).is_some_and(|keys| keys.contains(&key))
        };
        let age = |number: &Number| text(number)?.items.first().map(|item| (item.at, item.id));
        roots.into_iter().filter(is_here).min_by_key(age).or_else(|| group.oldest())
    }

    /// What there is to show of a group.
    fn looks(&self, key: Key, group: &Group, middle: Number, lexical: &mut Lexical) -> Option<Shown> {
        if !group.is_worth_showing(key) {
            return None;
        }
        let item = self.texts[middle as usize].items.first()?;
        let said = format!("{} {}", item.title, item.summary);
        // The words of the tree that the text is the root of, wherever the other texts are by hand; else its own.
        let keywords = match self.trees.get(&middle).filter(|_| key.set.is_none()) {
            Some(tree) => lexical.best_words(&said, KEYWORDS, |feature| tree.texts.word(feature)),
            None => lexical.best_words(&said, KEYWORDS, |feature| item.point.words.weight(feature).into()),
        };
        Some(Shown::of(group, item.clone(), keywords))
    }

    fn show_text(&mut self, number: Number, out: &mut Emit<'_, Out>) {
        let text = &mut self.texts[number as usize];
        text.away = false;
        let root = |key: Key| self.groups.get(&key).and_then(Group::root);
        let now = text.joined.and_then(|[cluster, set]| {
            Some(Seat { cluster: root(cluster)?, duplicates: root(set)?, by_hand: text.by_hand })
        });
        let before = std::mem::replace(&mut text.shown, now);
        if before == now {
            return;
        }
        let (id, point) = (self.graph.id(number), self.graph.point(number));
        for (seat, diff) in [(before, -1), (now, 1)] {
            let Some(Seat { cluster, duplicates, by_hand }) = seat else { continue };
            out.change(
                Out::Member(ClusterMemberRow { space: self.name.clone(), cluster, duplicates, text: id }),
                diff,
            );
            let (space, Point { words, meaning }) = (self.name.clone(), point.clone());
            out.change(
                Out::Text(ClusterTextRow { space, text: id, cluster, duplicates, by_hand, words, meaning }),
                diff,
            );
        }
    }
}
