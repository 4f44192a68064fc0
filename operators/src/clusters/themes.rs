//! What clusters hang together: a third forest, over clusters, and the rows that tell of its trees.
//!
//! ```text
//!  forest: clusters that changed ─► their means ─► graph ─► themes of the algorithm
//!                                                               │ the theme of each shown cluster's root
//!  shown clusters that changed ─────────────────────────────────┴─► sums over the shown clusters ─► rows that differ
//! ```
//!
//! A theme is a sum over its clusters as they are shown, so a text costs its theme a step for each of its clusters; the
//! rows of texts know nothing of themes.
//!
//! Invariants: after a tick the rows emitted so far are those of rules 12 and 13 of the `definition`; a theme without
//! clusters is forgotten.

use super::{
    Out,
    definition::{THEMED_TEXTS, THEMES},
    graph::{Graph, Number},
    group::{Group, Shown},
    point::Sums,
    shown::Key,
};
use crate::per_epoch::Emit;
use foldhash::fast::RandomState;
use springline_model::{
    Space, TextId,
    rows::{ClusterLevel, ClusterThemeRow, ThemeClusterRow},
};
use std::{
    collections::{HashMap, HashSet},
    mem,
};

/// The shown clusters of a theme, and what its rows say.
#[derive(Debug, Default)]
struct Theme {
    clusters: HashSet<Key, RandomState>,
    shown: Option<Box<Shown>>,
}

/// Where a shown cluster belongs.
#[derive(Debug)]
struct Seat {
    theme: Number,
    /// What its rows say: its own root, and that of its theme.
    told: Option<(TextId, TextId)>,
}

/// The themes of a space.
#[derive(Debug)]
pub(super) struct Themes {
    graph: Graph,
    /// The vertices of clusters, by those of their roots in the forest.
    vertices: HashMap<Number, Number, RandomState>,
    /// The other way.
    clusters: Vec<Number>,
    /// By the root of the theme in the graph.
    themes: HashMap<Number, Theme, RandomState>,
    seats: HashMap<Key, Seat, RandomState>,
    /// Themes that may look different.
    dirty: HashSet<Number, RandomState>,
}

impl Themes {
    pub(super) fn new() -> Self {
        Self {
            graph: Graph::new(THEMES),
            vertices: HashMap::default(),
            clusters: Vec::new(),
            themes: HashMap::default(),
            seats: HashMap::default(),
            dirty: HashSet::default(),
        }
    }

    /// Brings the forest up to date with clusters of the one below, by their roots there, that have changed or gone.
    /// Gives those that belong to another theme now.
    pub(super) fn grow(&mut self, forest: &Graph, changed: impl IntoIterator<Item = Number>) -> Vec<Number> {
        changed.into_iter().for_each(|root| self.plant(forest, root));
        let mut moved = Vec::new();
        let clusters = &self.clusters;
        self.graph.settle(|_, vertex, _| moved.push(clusters[vertex as usize]));
        moved
    }

    /// Brings a cluster's vertex up to date.
    fn plant(&mut self, forest: &Graph, root: Number) {
        let is_there = forest.place(root).is_some_and(|place| place.root == root);
        let trees = if is_there { forest.tree(root) } else { Vec::new() };
        let texts = trees.iter().map(|tree| forest.weight(*tree)).sum();
        if texts < THEMED_TEXTS {
            if let Some(vertex) = self.vertices.remove(&root) {
                self.graph.remove(vertex);
            }
            return;
        }
        let mut sums = Sums::default();
        for tree in trees {
            let times = u32::try_from(forest.weight(tree)).unwrap_or(u32::MAX);
            sums.add_times(forest.point(tree), times);
        }
        let point = sums.mean();
        match self.vertices.get(&root) {
            Some(vertex) if *self.graph.point(*vertex) == point => self.graph.set_weight(*vertex, texts),
            Some(vertex) => self.graph.update(*vertex, point, texts),
            None => {
                let vertex = self.graph.insert(forest.id(root), point, texts);
                self.vertices.insert(root, vertex);
                if self.clusters.len() <= vertex as usize {
                    self.clusters.resize(vertex as usize + 1, root);
                }
                self.clusters[vertex as usize] = root;
            }
        }
    }

    /// A shown cluster may look different; its root is in this cluster of the algorithm, if there is anything in it.
    pub(super) fn cluster_changes(
        &mut self,
        key: Key,
        home: Option<Number>,
        space: &Space,
        out: &mut Emit<'_, Out>,
    ) {
        let vertex = home.and_then(|home| self.vertices.get(&home));
        let now = vertex.and_then(|vertex| self.graph.place(*vertex)).map(|place| place.root);
        let before = self.seats.get(&key).map(|seat| seat.theme);
        self.dirty.extend(before.into_iter().chain(now));
        if before == now {
            return;
        }
        if let Some(theme) = before.and_then(|theme| self.themes.get_mut(&theme)) {
            theme.clusters.remove(&key);
        }
        match now {
            Some(theme) => {
                self.themes.entry(theme).or_default().clusters.insert(key);
                self.seats.entry(key).or_insert(Seat { theme, told: None }).theme = theme;
            }
            None => {
                let told = self.seats.remove(&key).and_then(|seat| seat.told);
                tell(told, None, space, out);
            }
        }
    }

    /// Emits what differs from what was emitted before. `main` tells the shown cluster that the root of a cluster of the
    /// algorithm is in, if it is the root of that, too.
    pub(super) fn show(
        &mut self,
        groups: &HashMap<Key, Group, RandomState>,
        main: impl Fn(Number) -> Option<Key>,
        space: &Space,
        out: &mut Emit<'_, Out>,
    ) {
        for number in mem::take(&mut self.dirty) {
            let Some(theme) = self.themes.get_mut(&number) else { continue };
            let clusters: Vec<(Key, &Group, &Shown)> = theme
                .clusters
                .iter()
                .filter_map(|key| groups.get(key).and_then(|group| Some((*key, group, group.shown()?))))
                .collect();
            let top = main(self.clusters[number as usize]);
            let top = clusters.iter().find(|(key, ..)| Some(*key) == top);
            let top = top.or_else(|| clusters.iter().min_by_key(|(.., shown)| shown.age()));
            let now = top.filter(|_| clusters.len() > 1).map(|(.., top)| {
                Shown::of_theme(top, clusters.iter().map(|(_, group, shown)| (*group, *shown)))
            });
            let root = now.as_ref().map(Shown::root);
            for (key, _, shown) in &clusters {
                if let Some(seat) = self.seats.get_mut(key) {
                    let now = root.map(|root| (shown.root(), root));
                    tell(mem::replace(&mut seat.told, now), now, space, out);
                }
            }
            let now = now.map(Box::new);
            let before = mem::replace(&mut theme.shown, now);
            Shown::differ(before.as_deref(), theme.shown.as_deref(), space, ClusterLevel::Theme, out);
            if theme.clusters.is_empty() {
                self.themes.remove(&number);
            }
        }
    }
}

/// Emits the rows of a cluster and its theme, if they say something else now.
fn tell(
    before: Option<(TextId, TextId)>,
    now: Option<(TextId, TextId)>,
    space: &Space,
    out: &mut Emit<'_, Out>,
) {
    for (told, diff) in [(before, -1), (now, 1)].into_iter().filter(|_| before != now) {
        let Some((cluster, theme)) = told else { continue };
        out.change(Out::Theme(ClusterThemeRow { space: space.clone(), cluster, theme }), diff);
        out.change(Out::Themed(ThemeClusterRow { space: space.clone(), theme, cluster }), diff);
    }
}
