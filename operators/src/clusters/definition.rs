//! What a cluster is: a function of the set of texts, and of nothing else.
//!
//! ```text
//!  texts ── neighbours ≥ 0.45, the 10 nearest kept ── parent: the most similar of higher priority ──► trees
//!  trees ── mean vectors, ≥ 0.17, the 10 nearest kept ── parent, by the same rule ─────────────────► clusters
//! ```
//!
//! 1. A *text* stands for all items of a space with one vector; how many they are is its multiplicity.
//! 2. Two texts are neighbours if the similarity of their vectors (`springline_model::text::Sparse`, an integer) is
//!    at least [`TEXTS`]'s. A text keeps the [`KEPT`] most similar; of equal ones the greater id.
//! 3. Its density is the number of its neighbours, kept or not, and its multiplicity; its *priority* is
//!    (⌊log2 density⌋, id). The logarithm makes it stable: one text more or less seldom changes it.
//! 4. Its *parent* is the most similar text that it keeps and that has a higher priority; of equal ones that of the
//!    highest. Priorities rise on the way up, so there are no cycles: the texts form *trees* (quick shift).
//! 5. A *duplicate set* is what is left of a tree when the edges between texts that are no near-duplicates
//!    (`Sparse::is_near_duplicate`) are cut.
//! 6. The mean of a tree's vectors is its own vector (`Sparse::mean`, the [`PROFILE`] heaviest features, not scaled: so
//!    the similarity of two trees is the mean similarity of their texts). Rules 2 to 4 once more, with [`TREES`]; the
//!    density of a tree is the number of its texts, its id that of its root. What hangs together now is a *cluster*.
//!
//! The parameters were chosen once, on three labelled sets together: see `springline-bench clusters --quality`.

use springline_model::text::sparse::SCALE;

/// How many neighbours are kept.
pub(super) const KEPT: usize = 10;

/// How many features a tree's vector has at most.
pub(super) const PROFILE: usize = 48;

/// What is decided differently for texts and for trees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The least similarity of neighbours.
    pub(super) threshold: u32,
    /// Whether neighbours count for the density.
    pub(super) neighbours_count: bool,
    /// Whether near-duplicates are told apart.
    pub(super) duplicates: bool,
}

/// Of texts.
pub(super) const TEXTS: Rules = Rules { threshold: percent(45), neighbours_count: true, duplicates: true };

/// Of trees.
pub(super) const TREES: Rules = Rules { threshold: percent(17), neighbours_count: false, duplicates: false };

impl Rules {
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

    use super::{KEPT, PROFILE, Rules, TEXTS, TREES};
    use springline_model::{TextId, text::Sparse};
    use std::{
        cmp::Reverse,
        collections::{BTreeMap, BTreeSet},
    };

    struct Vertex {
        vector: Sparse,
        weight: u64,
    }

    /// The parent of each that has one.
    fn parents(vertices: &BTreeMap<TextId, Vertex>, rules: Rules) -> BTreeMap<TextId, TextId> {
        let neighbours: BTreeMap<TextId, Vec<(u32, TextId)>> = vertices
            .iter()
            .map(|(id, vertex)| {
                let others = vertices.iter().filter(|(other, _)| *other != id);
                let similar = others.map(|(other, there)| (vertex.vector.dot(&there.vector), *other));
                let mut similar: Vec<_> = similar.filter(|(sum, _)| *sum >= rules.threshold).collect();
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

    /// By text: the roots of its duplicate set, of its tree and of its cluster.
    pub(crate) fn partition(texts: &BTreeMap<TextId, (Sparse, u64)>) -> BTreeMap<TextId, [TextId; 3]> {
        let vertex = |(vector, weight): &(Sparse, u64)| Vertex { vector: vector.clone(), weight: *weight };
        let vertices: BTreeMap<TextId, Vertex> = texts.iter().map(|(id, text)| (*id, vertex(text))).collect();
        let tree_of = parents(&vertices, TEXTS);
        let mut set_of = tree_of.clone();
        set_of.retain(|id, parent| texts[id].0.is_near_duplicate(&texts[parent].0));

        let roots: BTreeSet<TextId> = texts.keys().map(|id| root(&tree_of, *id)).collect();
        let tree = |id: &TextId| {
            let members: Vec<&Sparse> = texts
                .iter()
                .filter(|(text, _)| root(&tree_of, **text) == *id)
                .map(|(_, text)| &text.0)
                .collect();
            let mut sums: BTreeMap<u32, u32> = BTreeMap::new();
            for (feature, weight) in members.iter().flat_map(|vector| vector.iter()) {
                *sums.entry(feature).or_default() += u32::from(weight);
            }
            let count = members.len() as u32;
            let vector = Sparse::mean(sums.into_iter().collect(), count, PROFILE);
            (*id, Vertex { vector, weight: count.into() })
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
