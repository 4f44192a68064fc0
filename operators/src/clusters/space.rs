//! One space: its texts, their trees and clusters, and what is said of these by hand.
//!
//! ```text
//!  items ─► texts ─► graph of texts ─► trees: sums of vectors ─► graph of trees       orders ─► hand
//!                        │ moved                                     │ moved            moved │
//!                        ▼                                           ▼                        ▼
//!                    texts leave their groups as they were ── and join those of now ─► rows that differ (`shown`)
//! ```
//!
//! A *group* is a cluster or a duplicate set. It is a sum over its texts, so a text that changes or moves first
//! takes away what it has brought (what is remembered of the text is what it brought) and joins anew at the end
//! of the tick.
//!
//! Invariants: after a tick the rows emitted so far are those of the items there are; a group without texts is
//! forgotten; a text without items leaves the graph in the same tick.

use super::{
    News, Out,
    definition::{TEXTS, TREES},
    graph::{Graph, Number, Place},
    group::{self, Group},
    hand::Hand,
    item::Item,
    order::{Order, Part},
    point::{Point, Sums},
    shown::{Key, Seat},
    themes::Themes,
};
use crate::{
    per_epoch::Emit,
    windows::{Heat, Touches},
};
use foldhash::fast::RandomState;
use springline_model::{SourceId, Space as Name, TextId, Timestamp, Vector, text::Lexical};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// What is known of a text besides its place in the graph.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// By time, then id.
    pub(super) items: Vec<Arc<Item>>,
    pub(super) sources: Vec<(SourceId, u64)>,
    pub(super) heat: Heat,
    /// What its items say that it means, and how many of them: one vector, unless models were changed.
    meanings: Vec<(Vector, u64)>,
    /// Its cluster and its duplicate set, while it counts there.
    pub(super) joined: Option<[Key; 2]>,
    /// Whether it was placed there by hand.
    pub(super) by_hand: bool,
    /// What its rows say.
    pub(super) shown: Option<Seat>,
    /// It has to join anew at the end of the tick.
    pub(super) away: bool,
}

impl Text {
    /// How many of its items are where they are because somebody placed it there.
    pub(super) fn items_by_hand(&self) -> u64 {
        if self.by_hand { self.items.len() as u64 } else { 0 }
    }
}

/// Texts that hang together, as a vertex of the graph of trees.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) texts: Sums,
    vertex: Option<Number>,
}

/// The state of a space.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) name: Name,
    numbers: HashMap<TextId, Number, RandomState>,
    pub(super) texts: Vec<Text>,
    pub(super) graph: Graph,
    /// By the number of the root.
    pub(super) trees: HashMap<Number, Tree, RandomState>,
    pub(super) forest: Graph,
    /// The root of each tree, by its number in the forest.
    pub(super) roots: Vec<Number>,
    pub(super) themes: Themes,
    pub(super) hand: Hand,
    pub(super) groups: HashMap<Key, Group, RandomState>,
    touches: Touches,
    /// Texts that are away.
    pub(super) away: Vec<Number>,
    /// Groups that may look different.
    pub(super) dirty: HashSet<Key, RandomState>,
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
            themes: Themes::new(),
            hand: Hand::default(),
            groups: HashMap::default(),
            touches: Touches::new(half_life_ms),
            away: Vec::new(),
            dirty: HashSet::default(),
        }
    }

    /// Whether nothing is left of it.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.hand.is_empty()
    }

    /// Takes in a tick: items and orders that come and go, each once.
    pub(super) fn tick(
        &mut self,
        clock: Timestamp,
        news: News,
        lexical: &mut Lexical,
        out: &mut Emit<'_, Out>,
    ) {
        self.advance(clock);
        self.listen(news.orders);
        let (come, gone): (Vec<_>, Vec<_>) = news.items.into_iter().partition(|(_, diff)| *diff > 0);
        for (item, _) in gone {
            self.item_goes(&item, out);
        }
        for (item, _) in come {
            self.item_comes(item, out);
        }
        self.revise();
        self.weigh();
        let clusters = self.grow();
        self.obey();
        self.regroup();
        self.bind(clusters);
        self.show(lexical, out);
    }

    /// The clock goes on: what was said lately is so no longer.
    fn advance(&mut self, clock: Timestamp) {
        let Self { touches, texts, groups, dirty, .. } = self;
        touches.advance(clock, |number, heat, count| {
            let text = &mut texts[number as usize];
            text.heat.add(heat, count);
            for key in text.joined.into_iter().flatten() {
                if let Some(group) = groups.get_mut(&key) {
                    group.heat.add(heat, count);
                    dirty.insert(key);
                }
            }
        });
    }

    /// Takes in orders, those that go before those that come: an order that is given anew does both.
    fn listen(&mut self, mut orders: Vec<(Arc<Order>, isize)>) {
        orders.sort_by_key(|(_, diff)| *diff);
        let Self { hand, texts, .. } = self;
        for (order, diff) in orders {
            hand.take(&order, diff > 0, || {
                let numbered = (0..).zip(&*texts);
                numbered.flat_map(|(number, text)| text.items.iter().map(move |item| (item.id, number)))
            });
        }
    }

    fn item_goes(&mut self, item: &Item, out: &mut Emit<'_, Out>) {
        let Some(number) = self.numbers.get(&item.text).copied() else { return };
        self.leave(number);
        let text = &mut self.texts[number as usize];
        let Ok(at) = text.items.binary_search_by_key(&(item.at, item.id), |item| (item.at, item.id)) else {
            return;
        };
        text.items.remove(at);
        self.hand.item_goes(item.id);
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
        self.hand.item_comes(item.id, number);
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
        for key in text.joined.take().into_iter().flatten() {
            if let Some(group) = self.groups.get_mut(&key) {
                group.leave(number, text);
                self.dirty.insert(key);
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
                self.hand.item_comes(item.id, new);
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

    /// Brings trees and clusters up to date; whoever moves leaves its groups. Gives the clusters that have changed, by
    /// their roots in the forest, and those that are none any more.
    fn grow(&mut self) -> HashSet<Number, RandomState> {
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
        for &root in &changed {
            // Its words tell what a cluster is about, also if texts of the tree are in another one by hand.
            self.dirty.extend(self.texts[root as usize].joined.map(|[cluster, _]| cluster));
            self.plant(root);
        }
        let mut moved: Vec<Number> = Vec::new();
        let mut clusters: HashSet<Number, RandomState> = HashSet::default();
        self.forest.settle(|_, tree, before| {
            moved.push(tree);
            clusters.extend(before.map(|place| place.root));
        });
        let changed = changed.iter().filter_map(|root| self.trees.get(root)?.vertex);
        let trees = changed.chain(moved.iter().copied());
        clusters.extend(trees.filter_map(|tree| self.forest.place(tree)).map(|place| place.root));
        for tree in moved {
            let root = self.roots[tree as usize];
            if self.trees.get(&root).is_some_and(|there| there.vertex == Some(tree)) {
                for number in self.graph.tree(root) {
                    self.leave(number);
                }
            }
        }
        clusters
    }

    /// Brings themes up to date; the clusters whose theme is another one now have to be shown anew.
    fn bind(&mut self, clusters: HashSet<Number, RandomState>) {
        let moved = self.themes.grow(&self.forest, clusters);
        if moved.is_empty() {
            return;
        }
        // In their middle are their own roots, other texts of theirs, or, by hand, any.
        let roots = moved.iter().map(|tree| self.roots[*tree as usize]);
        let texts = roots.chain(self.hand.placed());
        let joined = texts.filter_map(|number| self.texts[number as usize].joined);
        self.dirty.extend(joined.map(|[cluster, _]| cluster));
        let parts = moved.iter().map(|tree| self.hand.shown(Part::Cluster(*tree)));
        self.dirty.extend(parts.map(|cluster| Key { cluster, set: None }));
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

    /// Whoever orders may place elsewhere now leaves its groups.
    fn obey(&mut self) {
        for &number in &self.away {
            self.hand.text_moves(&self.texts[number as usize].items);
        }
        for number in self.hand.restless() {
            self.leave(number);
        }
        let Self { hand, graph, trees, forest, .. } = self;
        let parted = hand.join(|number| home(graph, trees, forest, number));
        for cluster in parted {
            let group = self.groups.get(&Key { cluster, set: None });
            for number in group.map(Group::numbers).unwrap_or_default() {
                self.leave(number);
            }
        }
    }
}

/// The cluster of the algorithm that a text is in, by its vertex.
pub(super) fn home(
    graph: &Graph,
    trees: &HashMap<Number, Tree, RandomState>,
    forest: &Graph,
    number: Number,
) -> Option<Number> {
    let vertex = trees.get(&graph.place(number)?.root)?.vertex?;
    forest.place(vertex).map(|place| place.root)
}
