//! One space: its texts, their trees and clusters, and the rows that tell of them.
//!
//! ```text
//!  items ─► texts ─► graph of texts ─► trees: sums of vectors ─► graph of trees
//!                        │ moved                                     │ moved
//!                        ▼                                           ▼
//!                    texts leave their groups as they were ── and join those of now ─► rows that differ
//! ```
//!
//! A *group* is a cluster or a duplicate set. It is a sum over its texts, so a text that changes or moves first
//! takes away what it has brought (what is remembered of the text is what it brought) and joins anew at the end
//! of the tick.
//!
//! Invariants: after a tick the rows emitted so far are those of the items there are; a group without texts is
//! forgotten; a text without items leaves the graph in the same tick.

use super::{
    Out,
    definition::{PROFILE, TEXTS, TREES},
    graph::{Graph, Number, Place},
    group::{self, Group, Shown},
    item::Item,
};
use crate::{
    per_epoch::Emit,
    windows::{Heat, Touches},
};
use foldhash::fast::RandomState;
use springline_model::{
    ClusterId, SourceId, Space as Name, TextId, Timestamp,
    rows::{ClusterItemRow, ClusterLevel, ClusterMemberRow, ClusterNameRow, ClusterTextRow},
    text::{Lexical, Sparse},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Words that name a cluster.
const KEYWORDS: usize = 6;

/// What is known of a text besides its place in the graph.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// By time, then id.
    pub(super) items: Vec<Arc<Item>>,
    pub(super) sources: Vec<(SourceId, u64)>,
    pub(super) heat: Heat,
    /// The keys of its cluster and its duplicate set, while it counts there.
    joined: Option<(Number, Number)>,
    /// The roots of the cluster and the duplicate set that its rows name.
    shown: Option<(TextId, TextId)>,
    /// It has to join anew at the end of the tick.
    away: bool,
}

/// Texts that hang together, as a vertex of the graph of trees.
#[derive(Debug)]
struct Tree {
    sums: HashMap<u32, u32, RandomState>,
    texts: u32,
    vertex: Option<Number>,
}

/// The state of a space.
#[derive(Debug)]
pub(super) struct Space {
    name: Name,
    numbers: HashMap<TextId, Number, RandomState>,
    texts: Vec<Text>,
    graph: Graph,
    /// By the number of the root.
    trees: HashMap<Number, Tree, RandomState>,
    forest: Graph,
    /// The root of each tree, by its number in the forest.
    roots: Vec<Number>,
    clusters: HashMap<Number, Group, RandomState>,
    sets: HashMap<Number, Group, RandomState>,
    touches: Touches,
    /// Texts that are away.
    away: Vec<Number>,
    /// Groups that may look different.
    dirty: HashSet<(ClusterLevel, Number), RandomState>,
}

impl Space {
    pub(super) fn new(name: Name, half_life_ms: u64) -> Self {
        Self {
            name,
            numbers: HashMap::default(),
            texts: Vec::new(),
            graph: Graph::new(TEXTS),
            trees: HashMap::default(),
            forest: Graph::new(TREES),
            roots: Vec::new(),
            clusters: HashMap::default(),
            sets: HashMap::default(),
            touches: Touches::new(half_life_ms),
            away: Vec::new(),
            dirty: HashSet::default(),
        }
    }

    /// Whether nothing is left of it.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Takes in a tick: items that come and go, each once.
    pub(super) fn tick(
        &mut self,
        clock: Timestamp,
        items: Vec<(Arc<Item>, isize)>,
        lexical: &mut Lexical,
        out: &mut Emit<'_, Out>,
    ) {
        self.advance(clock);
        let (come, gone): (Vec<_>, Vec<_>) = items.into_iter().partition(|(_, diff)| *diff > 0);
        for (item, _) in gone {
            self.item_goes(&item, out);
        }
        for (item, _) in come {
            self.item_comes(item, out);
        }
        self.weigh();
        self.grow();
        self.regroup();
        self.show(lexical, out);
    }

    /// The clock goes on: what was said lately is so no longer.
    fn advance(&mut self, clock: Timestamp) {
        let Self { touches, texts, clusters, sets, dirty, .. } = self;
        touches.advance(clock, |number, heat, count| {
            let text = &mut texts[number as usize];
            text.heat.add(heat, count);
            let Some((cluster, set)) = text.joined else { return };
            for (level, groups, key) in [
                (ClusterLevel::Cluster, &mut *clusters, cluster),
                (ClusterLevel::Duplicates, &mut *sets, set),
            ] {
                if let Some(group) = groups.get_mut(&key) {
                    group.heat.add(heat, count);
                    dirty.insert((level, key));
                }
            }
        });
    }

    fn item_goes(&mut self, item: &Item, out: &mut Emit<'_, Out>) {
        let Some(number) = self.numbers.get(&item.text).copied() else { return };
        self.leave(number);
        let text = &mut self.texts[number as usize];
        let Ok(at) = text.items.binary_search_by_key(&(item.at, item.id), |item| (item.at, item.id)) else {
            return;
        };
        text.items.remove(at);
        let one = self.touches.touch(item.at, number, -1);
        text.heat.add(one, -1);
        group::take(&mut text.sources, &item.source, 1);
        out.remove(Out::Item(item_row(item)));
        out.remove(Out::Name(name_row(item)));
    }

    fn item_comes(&mut self, item: Arc<Item>, out: &mut Emit<'_, Out>) {
        let number = match self.numbers.get(&item.text) {
            Some(number) => *number,
            None => {
                let number = self.graph.insert(item.text, item.vector.clone(), 1);
                self.numbers.insert(item.text, number);
                if self.texts.len() <= number as usize {
                    self.texts.resize_with(number as usize + 1, Text::default);
                }
                number
            }
        };
        self.leave(number);
        out.insert(Out::Item(item_row(&item)));
        out.insert(Out::Name(name_row(&item)));
        let text = &mut self.texts[number as usize];
        let one = self.touches.touch(item.at, number, 1);
        text.heat.add(one, 1);
        group::add(&mut text.sources, &item.source, 1);
        if text.items.is_empty() {
            text.items.reserve_exact(1);
        }
        let at = text.items.partition_point(|other| (other.at, other.id) < (item.at, item.id));
        text.items.insert(at, item);
    }

    /// Takes a text out of its groups until the end of the tick.
    fn leave(&mut self, number: Number) {
        let text = &mut self.texts[number as usize];
        if !std::mem::replace(&mut text.away, true) {
            self.away.push(number);
        }
        if let Some((cluster, set)) = text.joined.take() {
            for (level, groups, key) in [
                (ClusterLevel::Cluster, &mut self.clusters, cluster),
                (ClusterLevel::Duplicates, &mut self.sets, set),
            ] {
                if let Some(group) = groups.get_mut(&key) {
                    group.leave(number, text);
                    self.dirty.insert((level, key));
                }
            }
        }
    }

    /// Tells the graph how many say each text, and which nobody says any more.
    fn weigh(&mut self) {
        for &number in &self.away {
            match self.texts[number as usize].items.len() {
                0 => {
                    self.numbers.remove(&self.graph.id(number));
                    self.graph.remove(number);
                }
                items => self.graph.set_weight(number, items as u64),
            }
        }
    }

    /// Brings trees and clusters up to date; whoever moves leaves its groups.
    fn grow(&mut self) {
        let mut moved: Vec<(Number, Option<Place>, Option<Place>)> = Vec::new();
        self.graph.settle(|graph, number, before| moved.push((number, before, graph.place(number))));
        let mut changed: HashSet<Number, RandomState> = HashSet::default();
        for (number, before, now) in moved {
            self.leave(number);
            let (before, now) = (before.map(|place| place.root), now.map(|place| place.root));
            if before == now {
                continue;
            }
            let vector = self.graph.vector(number);
            if let Some(tree) = before.and_then(|root| self.trees.get_mut(&root)) {
                tree.take(vector);
            }
            if let Some(root) = now {
                self.trees.entry(root).or_insert_with(Tree::new).add(vector);
            }
            changed.extend(before.into_iter().chain(now));
        }
        for root in changed {
            self.plant(root);
        }
        let mut moved: Vec<Number> = Vec::new();
        self.forest.settle(|_, tree, _| moved.push(tree));
        for tree in moved {
            let root = self.roots[tree as usize];
            if self.trees.get(&root).is_some_and(|there| there.vertex == Some(tree)) {
                for number in self.graph.tree(root) {
                    self.leave(number);
                }
            }
        }
    }

    /// Brings a tree's vertex up to date.
    fn plant(&mut self, root: Number) {
        let Some(tree) = self.trees.get_mut(&root) else { return };
        if tree.texts == 0 {
            if let Some(vertex) = tree.vertex {
                self.forest.remove(vertex);
            }
            self.trees.remove(&root);
            return;
        }
        let sums = tree.sums.iter().map(|(feature, sum)| (*feature, *sum)).collect();
        let (vector, weight) = (Sparse::mean(sums, tree.texts, PROFILE), u64::from(tree.texts));
        match tree.vertex {
            Some(vertex) if *self.forest.vector(vertex) == vector => self.forest.set_weight(vertex, weight),
            Some(vertex) => self.forest.update(vertex, vector, weight),
            None => {
                let vertex = self.forest.insert(self.graph.id(root), vector, weight);
                tree.vertex = Some(vertex);
                if self.roots.len() <= vertex as usize {
                    self.roots.resize(vertex as usize + 1, root);
                }
                self.roots[vertex as usize] = root;
            }
        }
    }

    /// Whoever is away joins the groups it belongs to now.
    fn regroup(&mut self) {
        for &number in &self.away {
            let text = &mut self.texts[number as usize];
            let Some(place) = self.graph.place(number) else { continue };
            let vertex = self.trees.get(&place.root).and_then(|tree| tree.vertex);
            let Some(cluster) = vertex.and_then(|vertex| self.forest.place(vertex)) else { continue };
            let keys = (cluster.root, place.set);
            text.joined = Some(keys);
            self.clusters.entry(keys.0).or_default().join(number, text);
            self.sets.entry(keys.1).or_default().join(number, text);
            self.dirty.insert((ClusterLevel::Cluster, keys.0));
            self.dirty.insert((ClusterLevel::Duplicates, keys.1));
        }
    }

    /// Emits what differs from what was emitted before.
    fn show(&mut self, lexical: &mut Lexical, out: &mut Emit<'_, Out>) {
        let away = std::mem::take(&mut self.away);
        let dirty = std::mem::take(&mut self.dirty);
        for &(level, key) in &dirty {
            let (groups, middle) = match level {
                ClusterLevel::Cluster => (&mut self.clusters, self.roots.get(key as usize).copied()),
                ClusterLevel::Duplicates => (&mut self.sets, Some(key)),
            };
            let Some(group) = groups.get_mut(&key) else { continue };
            let now = middle.filter(|_| group.is_worth_showing(level)).and_then(|middle| {
                let item = self.texts[middle as usize].items.first()?;
                let said = format!("{} {}", item.title, item.summary);
                let keywords = match level {
                    ClusterLevel::Cluster => {
                        let sums = &self.trees.get(&middle)?.sums;
                        lexical
                            .best_words(&said, KEYWORDS, |feature| sums.get(&feature).copied().unwrap_or(0))
                    }
                    ClusterLevel::Duplicates => {
                        lexical.best_words(&said, KEYWORDS, |feature| item.vector.weight(feature).into())
                    }
                };
                Some(Shown::of(group, item.clone(), keywords))
            });
            group.show(now, &self.name, level, out);
            if group.is_empty() {
                groups.remove(&key);
            }
        }
        for number in away {
            self.show_text(number, out);
        }
    }

    fn show_text(&mut self, number: Number, out: &mut Emit<'_, Out>) {
        let text = &mut self.texts[number as usize];
        text.away = false;
        let now = text.joined.map(|(cluster, set)| (self.forest.id(cluster), self.graph.id(set)));
        let before = std::mem::replace(&mut text.shown, now);
        if before == now {
            return;
        }
        let (id, vector) = (self.graph.id(number), self.graph.vector(number));
        for (names, diff) in [(before, -1), (now, 1)] {
            let Some((cluster, duplicates)) = names else { continue };
            out.change(
                Out::Member(ClusterMemberRow { space: self.name.clone(), cluster, duplicates, text: id }),
                diff,
            );
            let (space, vector) = (self.name.clone(), vector.clone());
            out.change(Out::Text(ClusterTextRow { space, text: id, cluster, duplicates, vector }), diff);
        }
    }
}

impl Tree {
    fn new() -> Self {
        Self { sums: HashMap::default(), texts: 0, vertex: None }
    }

    fn add(&mut self, vector: &Sparse) {
        self.texts += 1;
        for (feature, weight) in vector.iter() {
            *self.sums.entry(feature).or_default() += u32::from(weight);
        }
    }

    fn take(&mut self, vector: &Sparse) {
        self.texts -= 1;
        for (feature, weight) in vector.iter() {
            if let Some(sum) = self.sums.get_mut(&feature) {
                *sum -= u32::from(weight);
                if *sum == 0 {
                    self.sums.remove(&feature);
                }
            }
        }
    }
}

fn item_row(item: &Item) -> ClusterItemRow {
    ClusterItemRow {
        space: item.space.clone(),
        text: item.text,
        at: item.at,
        uri: item.uri.clone(),
        source: item.source.as_str().to_owned(),
        title: item.title.to_string(),
    }
}

fn name_row(item: &Item) -> ClusterNameRow {
    ClusterNameRow {
        id: ClusterId::from_member(item.id),
        space: item.space.clone(),
        uri: item.uri.clone(),
        text: item.text,
    }
}
