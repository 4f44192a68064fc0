//! The neighbours of every vertex and the forest over them, kept exact while vertices come and go.
//!
//! ```text
//!  insert, update, remove ─► edges of what is similar (see `index`): counts, nearest     settle ─► priorities
//!                            the lists of both ends change                                         parents
//!                                                                                                  roots ─► moved
//! ```
//!
//! A vertex holds its nearest, twice as many as are kept, so that it has to look for others only when half of
//! them have gone. It knows who holds it: when its priority changes, these choose their parents anew.
//!
//! Invariants: after [`Graph::settle`] counts, kept neighbours, parents and roots are those of the definition
//! (`definition`), whatever happened before. `near` is the beginning of the true list of neighbours, at least
//! as long as the kept ones if there are so many. Numbers that are free are not given again before the next settle.
//!
//! Cost: a change costs a query of the index and a few steps for each neighbour; a vertex that many hold costs
//! each of these a look at its list. Memory: about 400 bytes a vertex besides its point and the index.

use super::{definition::Rules, index::Index, point::Point};
use springline_model::TextId;
use std::cmp::Reverse;

/// A vertex of a graph: a number that is used again when the vertex is gone.
pub(super) type Number = u32;

#[derive(Debug)]
struct Vertex {
    id: TextId,
    point: Point,
    weight: u64,
    alive: bool,
    /// How many neighbours it has.
    count: u32,
    level: u32,
    /// The nearest, best first, with their similarities.
    near: Vec<(u32, Number)>,
    /// In whose `near` it is.
    holders: Vec<Number>,
    parent: Option<Number>,
    /// Whether it says the same as its parent.
    duplicate: bool,
    children: Vec<Number>,
    root: Option<Number>,
    /// The root of its duplicate set.
    set: Option<Number>,
    /// It has to look for its nearest again.
    short: bool,
    /// Its priority may have changed.
    touched: bool,
    /// Its parent may have changed.
    dirty: bool,
}

/// Where a vertex belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The root of its tree.
    pub(super) root: Number,
    /// The root of its duplicate set.
    pub(super) set: Number,
}

/// Vertices at their points, their neighbours, and the forest.
#[derive(Debug)]
pub(super) struct Graph {
    rules: Rules,
    index: Index,
    vertices: Vec<Vertex>,
    free: Vec<Number>,
    /// Gone since the last settle.
    gone: Vec<Number>,
    touched: Vec<Number>,
    dirty: Vec<Number>,
    short: Vec<Number>,
    found: Vec<(u32, Number)>,
}

impl Graph {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            index: Index::default(),
            vertices: Vec::new(),
            free: Vec::new(),
            gone: Vec::new(),
            touched: Vec::new(),
            dirty: Vec::new(),
            short: Vec::new(),
            found: Vec::new(),
        }
    }

    pub(super) fn id(&self, number: Number) -> TextId {
        self.vertices[number as usize].id
    }

    pub(super) fn point(&self, number: Number) -> &Point {
        &self.vertices[number as usize].point
    }

    pub(super) fn weight(&self, number: Number) -> u64 {
        self.vertices[number as usize].weight
    }

    /// Where a vertex belongs since the last settle.
    pub(super) fn place(&self, number: Number) -> Option<Place> {
        let vertex = &self.vertices[number as usize];
        Some(Place { root: vertex.root?, set: vertex.set? })
    }

    /// All vertices of a tree, the root first.
    pub(super) fn tree(&self, root: Number) -> Vec<Number> {
        let mut tree = vec![root];
        let mut at = 0;
        while let Some(number) = tree.get(at) {
            tree.extend_from_slice(&self.vertices[*number as usize].children);
            at += 1;
        }
        tree
    }

    /// Adds a vertex that is not there yet.
    pub(super) fn insert(&mut self, id: TextId, point: Point, weight: u64) -> Number {
        let vertex = Vertex {
            id,
            point,
            weight,
            alive: true,
            count: 0,
            level: 0,
            near: Vec::new(),
            holders: Vec::new(),
            parent: None,
            duplicate: false,
            children: Vec::new(),
            root: None,
            set: None,
            short: false,
            touched: false,
            dirty: false,
        };
        let number = self.free.pop().unwrap_or_else(|| {
            u32::try_from(self.vertices.len()).expect("four billion vertices do not fit in memory")
        });
        match self.vertices.get_mut(number as usize) {
            Some(free) => *free = vertex,
            None => self.vertices.push(vertex),
        }
        self.attach(number);
        number
    }

    /// Moves a vertex to another point.
    pub(super) fn update(&mut self, number: Number, point: Point, weight: u64) {
        self.detach(number);
        let vertex = &mut self.vertices[number as usize];
        vertex.point = point;
        vertex.weight = weight;
        self.attach(number);
    }

    /// Gives a vertex another weight.
    pub(super) fn set_weight(&mut self, number: Number, weight: u64) {
        self.vertices[number as usize].weight = weight;
        self.touch(number);
    }

    /// Takes a vertex out. It is still known until the next settle.
    pub(super) fn remove(&mut self, number: Number) {
        self.detach(number);
        self.vertices[number as usize].alive = false;
        self.gone.push(number);
        self.soil(number);
    }

    /// Gives it its edges.
    fn attach(&mut self, number: Number) {
        let mut found = self.similar_to(number);
        self.vertices[number as usize].count = found.len() as u32;
        for &(sum, other) in &found {
            let there = &mut self.vertices[other as usize];
            there.count += 1;
            self.touch(other);
            self.offer(other, sum, number);
        }
        self.hold(number, &mut found);
        self.found = found;
        let Self { index, vertices, .. } = self;
        index.insert(number, &vertices[number as usize].point);
        self.touch(number);
        self.soil(number);
    }

    /// Takes its edges away.
    fn detach(&mut self, number: Number) {
        let Self { index, vertices, .. } = self;
        index.remove(number, &vertices[number as usize].point);
        let found = self.similar_to(number);
        for &(_, other) in &found {
            self.vertices[other as usize].count -= 1;
            self.touch(other);
        }
        self.found = found;
        for holder in std::mem::take(&mut self.vertices[number as usize].holders) {
            let near = &mut self.vertices[holder as usize].near;
            let Some(at) = near.iter().position(|(_, other)| *other == number) else { continue };
            near.remove(at);
            if at < self.kept(holder) {
                self.soil(holder);
            }
            self.check_length(holder);
        }
        for (_, other) in std::mem::take(&mut self.vertices[number as usize].near) {
            self.let_go(other, number);
        }
    }

    /// What is similar to a vertex, but for itself. Give the list back to `found`.
    fn similar_to(&mut self, number: Number) -> Vec<(u32, Number)> {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        let Self { index, vertices, rules, .. } = self;
        let point_of = |number: Number| &vertices[number as usize].point;
        let point = point_of(number);
        index.query(point, rules.near(point).least, point_of, &mut found);
        found.retain(|(_, other)| *other != number);
        found
    }

    /// How many of the nearest are held.
    fn held(&self, number: Number) -> usize {
        2 * self.kept(number)
    }

    /// How many of these count.
    fn kept(&self, number: Number) -> usize {
        self.rules.near(self.point(number)).kept
    }

    /// Holds the nearest of all that are similar.
    fn hold(&mut self, number: Number, found: &mut [(u32, Number)]) {
        let rank = |neighbour: &(u32, Number)| Reverse((neighbour.0, self.vertices[neighbour.1 as usize].id));
        let held = self.held(number);
        let nearest = match found.len() > held {
            true => found.select_nth_unstable_by_key(held, rank).0,
            false => found,
        };
        nearest.sort_unstable_by_key(rank);
        let nearest = nearest.to_vec();
        for (_, other) in &nearest {
            self.vertices[*other as usize].holders.push(number);
        }
        self.vertices[number as usize].near = nearest;
    }

    /// A new neighbour: held if it is among the nearest.
    fn offer(&mut self, number: Number, sum: u32, other: Number) {
        let rank = |neighbour: (u32, Number)| (neighbour.0, self.vertices[neighbour.1 as usize].id);
        let vertex = &self.vertices[number as usize];
        let new = rank((sum, other));
        let at = vertex.near.partition_point(|neighbour| rank(*neighbour) > new);
        // Behind the last one there may be others that are not held; the new one is counted already.
        if at == vertex.near.len() && vertex.near.len() + 1 < vertex.count as usize || at >= self.held(number)
        {
            return;
        }
        let held = self.held(number);
        let vertex = &mut self.vertices[number as usize];
        vertex.near.insert(at, (sum, other));
        let dropped = if vertex.near.len() > held { vertex.near.pop() } else { None };
        self.vertices[other as usize].holders.push(number);
        if let Some((_, dropped)) = dropped {
            self.let_go(dropped, number);
        }
        if at < self.kept(number) {
            self.soil(number);
        }
    }

    fn let_go(&mut self, number: Number, holder: Number) {
        let holders = &mut self.vertices[number as usize].holders;
        if let Some(at) = holders.iter().position(|other| *other == holder) {
            holders.swap_remove(at);
        }
    }

    fn check_length(&mut self, number: Number) {
        let kept = self.kept(number);
        let vertex = &mut self.vertices[number as usize];
        if vertex.near.len() < kept && !std::mem::replace(&mut vertex.short, true) {
            self.short.push(number);
        }
    }

    fn touch(&mut self, number: Number) {
        if !std::mem::replace(&mut self.vertices[number as usize].touched, true) {
            self.touched.push(number);
        }
    }

    fn soil(&mut self, number: Number) {
        if !std::mem::replace(&mut self.vertices[number as usize].dirty, true) {
            self.dirty.push(number);
        }
    }

    /// Brings priorities, parents and roots up to date. Tells every vertex that belongs elsewhere now, with where
    /// it belonged; one that is gone has no place any more. A vertex may be told more than once.
    pub(super) fn settle(&mut self, mut moved: impl FnMut(&Self, Number, Option<Place>)) {
        for number in std::mem::take(&mut self.short) {
            let kept = self.kept(number);
            let vertex = &mut self.vertices[number as usize];
            vertex.short = false;
            if vertex.alive && vertex.near.len() < kept.min(vertex.count as usize) {
                for (_, other) in std::mem::take(&mut self.vertices[number as usize].near) {
                    self.let_go(other, number);
                }
                let mut found = self.similar_to(number);
                self.hold(number, &mut found);
                self.found = found;
                self.soil(number);
            }
        }
        for number in std::mem::take(&mut self.touched) {
            let vertex = &mut self.vertices[number as usize];
            vertex.touched = false;
            let level = self.rules.level(vertex.weight, vertex.count);
            if std::mem::replace(&mut vertex.level, level) != level {
                self.soil(number);
                for at in 0..self.vertices[number as usize].holders.len() {
                    self.soil(self.vertices[number as usize].holders[at]);
                }
            }
        }
        let mut adrift = Vec::new();
        for number in std::mem::take(&mut self.dirty) {
            self.vertices[number as usize].dirty = false;
            let parent = self.choose(number);
            let duplicate = self.rules.duplicates
                && parent.is_some_and(|parent| {
                    self.point(number).words.is_near_duplicate(&self.point(parent).words)
                });
            let vertex = &mut self.vertices[number as usize];
            let old = std::mem::replace(&mut vertex.parent, parent);
            let is_new = vertex.root.is_none();
            if std::mem::replace(&mut vertex.duplicate, duplicate) != duplicate || old != parent || is_new {
                adrift.push(number);
            }
            if old != parent {
                if let Some(old) = old {
                    let children = &mut self.vertices[old as usize].children;
                    if let Some(at) = children.iter().position(|child| *child == number) {
                        children.swap_remove(at);
                    }
                }
                if let Some(parent) = parent {
                    self.vertices[parent as usize].children.push(number);
                }
            }
        }
        for number in adrift {
            if self.vertices[number as usize].alive {
                self.place_anew(number, &mut moved);
            }
        }
        for number in std::mem::take(&mut self.gone) {
            let before = self.place(number);
            let vertex = &mut self.vertices[number as usize];
            (vertex.root, vertex.set) = (None, None);
            moved(self, number, before);
            self.free.push(number);
        }
    }

    /// The most similar that it keeps of those with a higher priority.
    fn choose(&self, number: Number) -> Option<Number> {
        let vertex = &self.vertices[number as usize];
        let priority = |vertex: &Vertex| (vertex.level, vertex.id);
        let own = priority(vertex);
        let kept = vertex.near.iter().take(if vertex.alive { self.kept(number) } else { 0 });
        let higher = kept.map(|(sum, other)| (*sum, priority(&self.vertices[*other as usize]), *other));
        higher.filter(|(_, there, _)| *there > own).max().map(|(.., other)| other)
    }

    /// Finds the roots of a vertex and of all that hangs on it.
    fn place_anew(&mut self, number: Number, moved: &mut impl FnMut(&Self, Number, Option<Place>)) {
        let climb = |mut at: Number, on: &dyn Fn(&Vertex) -> bool| {
            while let Some(parent) =
                self.vertices[at as usize].parent.filter(|_| on(&self.vertices[at as usize]))
            {
                at = parent;
            }
            at
        };
        let root = climb(number, &|_| true);
        let set = climb(number, &|vertex| vertex.duplicate);
        let mut todo = vec![(number, set)];
        while let Some((number, set)) = todo.pop() {
            let before = self.place(number);
            let now = Place { root, set };
            if before == Some(now) {
                continue;
            }
            let vertex = &mut self.vertices[number as usize];
            (vertex.root, vertex.set) = (Some(root), Some(set));
            for child in &self.vertices[number as usize].children {
                let duplicate = self.vertices[*child as usize].duplicate;
                todo.push((*child, if duplicate { set } else { *child }));
            }
            moved(self, number, before);
        }
    }
}
