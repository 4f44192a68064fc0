//! What a cluster is: a function of the set of texts, and of nothing else.
//!
//! ```text
//!  texts ── neighbours, the nearest kept ── parent: the most similar of higher priority ──► trees
//!  trees ── means, neighbours, the nearest kept ── parent, by the same rule ────────────────► clusters
//!  clusters of two texts or more ── means, …, once more ────────────────────────────────────► themes
//! ```
//!
//! 1. A *text* stands for all items of a space with the same words (`springline_model::text::Sparse`); how many they
//!    are is its multiplicity. By meaning, it lies where the smallest vector that its items have says; without one, and
//!    by words, where its words say.
//! 2. Two texts are neighbours if their similarity (`point`, an integer) is at least [`TEXTS`]'s. A text keeps a few,
//!    the most similar; of equal ones the greater id.
//! 3. Its density is the number of its neighbours, kept or not, and its multiplicity; its *priority* is
//!    (⌊log2 density⌋, id). The logarithm makes it stable: one text more or less seldom changes it.
//! 4. Its *parent* is the most similar text that it keeps and that has a higher priority; of equal ones that of the
//!    highest. Priorities rise on the way up, so there are no cycles: the texts form *trees* (quick shift).
//! 5. A *duplicate set* is what is left of a tree when the edges between texts that are no near-duplicates
//!    (`Sparse::is_near_duplicate`) are cut.
//! 6. A tree lies at the mean of its texts: of words (`Sparse::mean`, the [`PROFILE`] heaviest features, not scaled: so
//!    the similarity of two trees is the mean similarity of their texts) or of vectors (`Vector::mean`, half scaled:
//!    the geometric mean of the mean similarity of their texts and the cosine of their directions). Rules 2 to 4 once
//!    more, with [`TREES`]; the density of a tree is the number of its texts, its id that of its root. What hangs
//!    together now is a *cluster*.
//!
//! Why half: the cosine of two directions says nothing of how scattered the texts are that they stand for, so the loose
//! trees of a narrow subject would all hang together; the mean similarity alone leaves the loose trees of a wide one
//! apart. The parameters were chosen once, on three labelled sets together, each with several orders of the ids: see
//! `springline-bench clusters --quality`.
//!
//! So much for the algorithm; what follows is said by hand (`springline_model::hand`), a layer over it that it knows
//! nothing of. An *order* names items, and what is not there (yet, or any more) it does not name.
//!
//! 7. An *anchor* leads to a *part*: either a cluster of rule 6, the one in which the first of its items that is there
//!    is by rules 1 to 6; or a group made by hand, which is there even if nothing is in it. Where its items were placed
//!    by hand does not matter, so orders make no chains and no circles.
//! 8. A *placement* of an item whose anchor leads somewhere places the item's text, with all of its items, in that part.
//!    Of several for the items of a text the latest counts (by time, then the item's id). Any other text is in the part
//!    of rule 6.
//! 9. A *join* whose anchors both lead somewhere makes the two parts one. What hangs together by joins is a shown
//!    cluster, if a text is in it. Texts, not orders, make it: an order that is taken back leaves no trace.
//! 10. A shown duplicate set is what of a duplicate set is in one shown cluster.
//! 11. The *root* of a shown cluster: of the roots of rule 6 of its parts those that are in it themselves; of a shown
//!     set: that of rule 5, if it is in it. Of several, and if there is none of all its texts, the one with the oldest
//!     item.
//!
//! Themes are for those who have too many clusters to look at; nothing above depends on them. Few neighbours are kept,
//! for with more of them most of a space becomes one theme.
//!
//! 12. A cluster of rule 6 with two texts at least lies at the mean of its trees, each counted as often as it has texts,
//!     by the formulas of rule 6. Rules 2 to 4 a third time, with [`THEMES`]; the density of a cluster is the number of
//!     its texts, its id that of its root. What hangs together now is a theme of the algorithm.
//! 13. A shown cluster is in the theme of the cluster of rule 6 that its root is in, if that has one. A *theme* is shown
//!     if two shown clusters are in it. Its root is that of the cluster whose root is the root of the algorithm's theme,
//!     if that is among them; else that of the one with the oldest item.

use super::point::Point;
use springline_model::text::sparse::SCALE;

/// How many features a tree's vector has at most.
pub(super) const PROFILE: usize = 48;

/// Who is near.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    /// The least similarity of neighbours.
    pub(super) least: u32,
    /// How many of them are kept.
    pub(super) kept: usize,
}

/// What is decided differently for texts, trees and clusters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// By their words.
    words: Near,
    /// By their meaning.
    meaning: Near,
    /// Whether neighbours count for the density.
    pub(super) neighbours_count: bool,
    /// Whether near-duplicates are told apart.
    pub(super) duplicates: bool,
}

/// Of texts.
pub(super) const TEXTS: Rules = Rules {
    words: Near { least: percent(45), kept: 10 },
    meaning: Near { least: percent(55), kept: 10 },
    neighbours_count: true,
    duplicates: true,
};

/// Of clusters.
pub(super) const THEMES: Rules = Rules {
    words: Near { least: percent(12), kept: 2 },
    meaning: Near { least: percent(42), kept: 2 },
    neighbours_count: false,
    duplicates: false,
};

/// The fewest texts of a cluster that may be in a theme.
pub(super) const THEMED_TEXTS: u64 = 2;

/// Of trees.
pub(super) const TREES: Rules = Rules {
    words: Near { least: percent(17), kept: 10 },
    meaning: Near { least: percent(40), kept: 8 },
    neighbours_count: false,
    duplicates: false,
};

impl Rules {
    /// Who is near a point.
    pub(super) fn near(self, point: &Point) -> Near {
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

    use super::{PROFILE, Point, Rules, TEXTS, THEMED_TEXTS, THEMES, TREES};
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
                    similar.filter(|(sum, _)| *sum >= rules.near(&vertex.point).least).collect();
                similar.sort_unstable_by_key(|neighbour| Reverse(*neighbour));
                (*id, similar)
            })
            .collect();
        let priority = |id: &TextId| {
            let count = if rules.neighbours_count { neighbours[id].len() as u64 } else { 0 };
            ((vertices[id].weight + count).ilog2(), *id)
        };
        let parent = |id: &TextId| {
            let kept = neighbours[id]
                .iter()
                .take(rules.near(&vertices[id].point).kept)
                .filter(|(_, other)| priority(other) > priority(id));
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
            assert!(vectors.iter().all(|vector| vector.is_comparable(first)));
            let sum = |at: usize| vectors.iter().map(|vector| i32::from(vector.values[at])).sum();
            let sums: Vec<i32> = (0..first.values.len()).map(sum).collect();
            let meaning = Vector::mean(first.model.clone(), &sums, points.len() as u32);
            return Point { words: Sparse::default(), meaning };
        }
        let mut sums: BTreeMap<u32, u32> = BTreeMap::new();
        for (feature, weight) in points.iter().flat_map(|point| point.words.iter()) {
            *sums.entry(feature).or_default() += u32::from(weight);
        }
        let words = Sparse::mean(sums.into_iter().collect(), points.len() as u32, PROFILE);
        Point { words, meaning: None }
    }

    /// The roots of the themes of clusters, given the places of all texts.
    pub(crate) fn themes(
        texts: &BTreeMap<TextId, (Point, u64)>,
        places: &BTreeMap<TextId, [TextId; 3]>,
    ) -> BTreeMap<TextId, TextId> {
        let tree_of = |root: TextId| {
            let members = places.iter().filter(|(_, place)| place[1] == root);
            mean(&members.map(|(text, _)| &texts[text].0).collect::<Vec<_>>())
        };
        let roots: BTreeSet<TextId> = places.values().map(|place| place[1]).collect();
        let trees: BTreeMap<TextId, Point> = roots.into_iter().map(|root| (root, tree_of(root))).collect();
        let mut members: BTreeMap<TextId, Vec<&Point>> = BTreeMap::new();
        for place in places.values() {
            members.entry(place[2]).or_default().push(&trees[&place[1]]);
        }
        members.retain(|_, members| members.len() as u64 >= THEMED_TEXTS);
        let vertex = |members: Vec<&Point>| Vertex { point: mean(&members), weight: members.len() as u64 };
        let clusters: BTreeMap<TextId, Vertex> =
            members.into_iter().map(|(id, members)| (id, vertex(members))).collect();
        let theme_of = parents(&clusters, THEMES);
        clusters.keys().map(|cluster| (*cluster, root(&theme_of, *cluster))).collect()
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
