//! What a cluster is: a function of the set of texts, and of nothing else.
//!
//! ```text
//!  texts ── neighbours, the 10 nearest kept ── parent: the most similar of higher priority ──► trees
//!  trees ── means, neighbours, the 10 nearest kept ── parent, by the same rule ──────────────► clusters
//! ```
//!
//! 1. A *text* stands for all items of a space with the same words (`springline_model::text::Sparse`); how many they
//!    are is its multiplicity. By meaning, it lies where the smallest vector that its items have says; without one, and
//!    by words, where its words say.
//! 2. Two texts are neighbours if their similarity (`point`, an integer) is at least [`TEXTS`]'s. A text keeps the
//!    [`KEPT`] most similar; of equal ones the greater id.
//! 3. Its density is the number of its neighbours, kept or not, and its multiplicity; its *priority* is
//!    (⌊log2 density⌋, id). The logarithm makes it stable: one text more or less seldom changes it.
//! 4. Its *parent* is the most similar text that it keeps and that has a higher priority; of equal ones that of the
//!    highest. Priorities rise on the way up, so there are no cycles: the texts form *trees* (quick shift).
//! 5. A *duplicate set* is what is left of a tree when the edges between texts that are no near-duplicates
//!    (`Sparse::is_near_duplicate`) are cut.
//! 6. A tree lies at the mean of its texts: of words (`Sparse::mean`, the [`PROFILE`] heaviest features, not scaled: so
//!    the similarity of two trees is the mean similarity of their texts) or of vectors (`Vector::of_sum`, scaled: the
//!    cosine of their directions). Rules 2 to 4 once more, with [`TREES`]; the density of a tree is the number of its
//!    texts, its id that of its root. What hangs together now is a *cluster*.
//!
//! The parameters were chosen once, on three labelled sets together: see `springline-bench clusters --quality`.

use super::point::Point;
use springline_model::text::sparse::SCALE;

/// How many neighbours are kept.
pub(super) const KEPT: usize = 10;

/// How many features a tree's vector has at most.
pub(super) const PROFILE: usize = 48;

/// What is decided differently for texts and for trees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The least similarity of neighbours by their words.
    words: u32,
    /// The same by their meaning.
    meaning: u32,
    /// Whether neighbours count for the density.
    pub(super) neighbours_count: bool,
    /// Whether near-duplicates are told apart.
    pub(super) duplicates: bool,
}

/// Of texts.
pub(super) const TEXTS: Rules =
    Rules { words: percent(45), meaning: percent(50), neighbours_count: true, duplicates: true };

/// Of trees.
pub(super) const TREES: Rules =
    Rules { words: percent(17), meaning: percent(80), neighbours_count: false, duplicates: false };

impl Rules {
    /// How similar the neighbours of a point are to it at least.
    pub(super) fn threshold(self, point: &Point) -> u32 {
        if point.meaning.is_some() { self.meaning } else { self.words }
    }

    /// The first part of the priority.
    pub(super) fn level(self, weight: u64, neighbours: u32) -> u32 {
        let density = weight + if self.neighbours_count { u64::from(neighbours) } else { 0 };
        density.max(1).ilog2()
    }
}

const fn percent(percent: u32) -> u32 {
    SCALE * SCALE * percent / 100
}

#[cfg(test)]
pub(super) mod oracle {
    //! The definition, computed naively.

    use super::{KEPT, PROFILE, Point, Rules, TEXTS, TREES};
    use springline_model::{TextId, Vector, text::Sparse};
    use std::{
        cmp::Reverse,
        collections::{BTreeMap, BTreeSet},
    };

    struct Vertex {
        point: Point,
        weight: u64,
    }

    /// The parent of each that has one.
    fn parents(vertices: &BTreeMap<TextId, Vertex>, rules: Rules) -> BTreeMap<TextId, TextId> {
        let neighbours: BTreeMap<TextId, Vec<(u32, TextId)>> = vertices
            .iter()
            .map(|(id, vertex)| {
                let others = vertices.iter().filter(|(other, _)| *other != id);
                let similar = others.map(|(other, there)| (vertex.point.similarity(&there.point), *other));
                let mut similar: Vec<_> =
                    similar.filter(|(sum, _)| *sum >= rules.threshold(&vertex.point)).collect();
                similar.sort_unstable_by_key(|neighbour| Reverse(*neighbour));
                (*id, similar)
            })
            .collect();
        let priority = |id: &TextId| {
            let count = if rules.neighbours_count { neighbours[id].len() as u64 } else { 0 };
            ((vertices[id].weight + count).ilog2(), *id)
        };
        let parent = |id: &TextId| {
            let kept = neighbours[id].iter().take(KEPT).filter(|(_, other)| priority(other) > priority(id));
            kept.max_by_key(|(sum, other)| (*sum, priority(other))).map(|(_, other)| (*id, *other))
        };
        vertices.keys().filter_map(parent).collect()
    }

    fn root(parents: &BTreeMap<TextId, TextId>, mut id: TextId) -> TextId {
        while let Some(parent) = parents.get(&id) {
            id = *parent;
        }
        id
    }

    fn mean(points: &[&Point]) -> Point {
        let vectors: Vec<&Vector> = points.iter().filter_map(|point| point.meaning.as_ref()).collect();
        if let Some(first) = vectors.first() {
            assert!(
                vectors.len() == points.len() && vectors.iter().all(|vector| vector.is_comparable(first))
            );
            let sum = |at: usize| vectors.iter().map(|vector| i32::from(vector.values[at])).sum();
            let sums: Vec<i32> = (0..first.values.len()).map(sum).collect();
            return Point { words: Sparse::default(), meaning: Vector::of_sum(first.model.clone(), &sums) };
        }
        let mut sums: BTreeMap<u32, u32> = BTreeMap::new();
        for (feature, weight) in points.iter().flat_map(|point| point.words.iter()) {
            *sums.entry(feature).or_default() += u32::from(weight);
        }
        let words = Sparse::mean(sums.into_iter().collect(), points.len() as u32, PROFILE);
        Point { words, meaning: None }
    }

    /// By text: the roots of its duplicate set, of its tree and of its cluster.
    pub(crate) fn partition(texts: &BTreeMap<TextId, (Point, u64)>) -> BTreeMap<TextId, [TextId; 3]> {
        let vertex = |(point, weight): &(Point, u64)| Vertex { point: point.clone(), weight: *weight };
        let vertices: BTreeMap<TextId, Vertex> = texts.iter().map(|(id, text)| (*id, vertex(text))).collect();
        let tree_of = parents(&vertices, TEXTS);
        let mut set_of = tree_of.clone();
        set_of.retain(|id, parent| texts[id].0.words.is_near_duplicate(&texts[parent].0.words));

        let roots: BTreeSet<TextId> = texts.keys().map(|id| root(&tree_of, *id)).collect();
        let tree = |id: &TextId| {
            let members = texts.iter().filter(|(text, _)| root(&tree_of, **text) == *id);
            let members: Vec<&Point> = members.map(|(_, text)| &text.0).collect();
            (*id, Vertex { point: mean(&members), weight: members.len() as u64 })
        };
        let trees: BTreeMap<TextId, Vertex> = roots.iter().map(tree).collect();
        let cluster_of = parents(&trees, TREES);
        let roots = |id: &TextId| {
            let tree = root(&tree_of, *id);
            (*id, [root(&set_of, *id), tree, root(&cluster_of, tree)])
        };
        texts.keys().map(roots).collect()
    }
}
