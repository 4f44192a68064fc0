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
    definition::{TEXTS, TREES},
    graph::{Graph, Number, Place},
    group::{self, Group, Shown},
    item::Item,
    point::{Point, Sums},
};
use crate::{
    per_epoch::Emit,
    windows::{Heat, Touches},
};
use foldhash::fast::RandomState;
use springline_model::{
    SourceId, Space as Name, TextId, Timestamp, Vector,
    rows::{ClusterLevel, ClusterMemberRow, ClusterTextRow},
    text::Lexical,
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
    /// What its items say that it means, and how many of them: one vector, unless models were changed.
    meanings: Vec<(Vector, u64)>,
    /// The keys of its cluster and its duplicate set, while it counts there.
    joined: Option<(Number, Number)>,
    /// The roots of the cluster and the duplicate set that its rows name.
    shown: Option<(TextId, TextId)>,
    /// It has to join anew at the end of the tick.
    away: bool,
}

/// Texts that hang together, as a vertex of the graph of trees.
#[derive(Debug, Default)]
struct Tree {
    texts: Sums,
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
        self.revise();
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
        if let Some(vector) = &item.point.meaning {
            group::take(&mut text.meanings, vector, 1);
        }
        out.remove(Out::Item(item.row()));
        out.remove(Out::Name(item.name_row()));
    }

    fn item_comes(&mut self, item: Arc<Item>, out: &mut Emit<'_, Out>) {
        let number = match self.numbers.get(&item.text) {
            Some(number) => *number,
            None => self.found(item.text, item.point.clone()),
        };
        self.leave(number);
        out.insert(Out::Item(item.row()));
        out.insert(Out::Name(item.name_row()));
        let text = &mut self.texts[number as usize];
        let one = self.touches.touch(item.at, number, 1);
        text.heat.add(one, 1);
        group::add(&mut text.sources, &item.source, 1);
        if let Some(vector) = &item.point.meaning {
            group::add(&mut text.meanings, vector, 1);
        }
        if text.items.is_empty() {
            text.items.reserve_exact(1);
        }
        let at = text.items.partition_point(|other| (other.at, other.id) < (item.at, item.id));
        text.items.insert(at, item);
    }

    /// A new text.
    fn found(&mut self, id: TextId, point: Point) -> Number {
        let number = self.graph.insert(id, point, 1);
        self.numbers.insert(id, number);
        if self.texts.len() <= number as usize {
            self.texts.resize_with(number as usize + 1, Text::default);
        }
        number
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

    /// A text that means something else than before is a new one with the same words and items. It means the smallest
    /// of the vectors that its items have, so it does not matter which of them came first.
    fn revise(&mut self) {
        for at in 0..self.away.len() {
            let old = self.away[at];
            let text = &mut self.texts[old as usize];
            let meaning = text.meanings.iter().map(|(vector, _)| vector).min();
            let point = self.graph.point(old);
            if text.items.is_empty() || meaning == point.meaning.as_ref() {
                continue;
            }
            let point = Point { words: point.words.clone(), meaning: meaning.cloned() };
            let mut text = std::mem::take(text);
            // What is left behind knows only its rows, until they are taken back.
            self.texts[old as usize].shown = text.shown.take();
            self.texts[old as usize].away = true;
            let new = self.found(self.graph.id(old), point);
            for item in &text.items {
                self.touches.touch(item.at, old, -1);
                self.touches.touch(item.at, new, 1);
            }
            self.texts[new as usize] = text;
            self.away.push(new);
        }
    }

    /// Tells the graph how many say each text, and which nobody says any more.
    fn weigh(&mut self) {
        for &number in &self.away {
            match self.texts[number as usize].items.len() {
                0 => {
                    let id = self.graph.id(number);
                    if self.numbers.get(&id) == Some(&number) {
                        self.numbers.remove(&id);
                    }
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
            let point = self.graph.point(number);
            if let Some(tree) = before.and_then(|root| self.trees.get_mut(&root)) {
                tree.texts.take(point);
            }
            if let Some(root) = now {
                self.trees.entry(root).or_default().texts.add(point);
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
        if tree.texts.points() == 0 {
            if let Some(vertex) = tree.vertex {
                self.forest.remove(vertex);
            }
            self.trees.remove(&root);
            return;
        }
        let (point, weight) = (tree.texts.mean(), u64::from(tree.texts.points()));
        match tree.vertex {
            Some(vertex) if *self.forest.point(vertex) == point => self.forest.set_weight(vertex, weight),
            Some(vertex) => self.forest.update(vertex, point, weight),
            None => {
                let vertex = self.forest.insert(self.graph.id(root), point, weight);
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
                        let texts = &self.trees.get(&middle)?.texts;
                        lexical.best_words(&said, KEYWORDS, |feature| texts.word(feature))
                    }
                    ClusterLevel::Duplicates => {
                        lexical.best_words(&said, KEYWORDS, |feature| item.point.words.weight(feature).into())
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
        let (id, point) = (self.graph.id(number), self.graph.point(number));
        for (names, diff) in [(before, -1), (now, 1)] {
            let Some((cluster, duplicates)) = names else { continue };
            out.change(
                Out::Member(ClusterMemberRow { space: self.name.clone(), cluster, duplicates, text: id }),
                diff,
            );
            let (space, Point { words, meaning }) = (self.name.clone(), point.clone());
            out.change(
                Out::Text(ClusterTextRow { space, text: id, cluster, duplicates, words, meaning }),
                diff,
            );
        }
    }
}
