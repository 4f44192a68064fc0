//! The K best of each group, exact under retraction.
//!
//! ```text
//!  (group, score, item) ──by item──► best K of each shard ──by group──► best K of all ──► changes of those rows
//! ```
//!
//! The greatest score is the best; of equal scores the smaller item. Every worker keeps its share of the items and
//! only what enters or leaves its K best goes on, so a big group is spread evenly and a change costs a few
//! lookups in an ordered set (`reduce` would read the whole group again). What enters and leaves within a tick
//! cancels out.
//!
//! Invariant: for each group the rows emitted so far sum up to its K best rows. The input is a set at the end of
//! each tick: no row more than once.
//!
//! Memory: every row once, in an ordered set, on the worker of its item; K rows a group and worker more on the
//! worker of the group.

use crate::{
    Rows,
    per_epoch::{Changes, Emit, per_tick, routed},
};
use differential_dataflow::{ExchangeData, consolidation::consolidate};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    hash::{Hash, Hasher},
};

/// The `k` best items of each group.
pub(crate) fn top_k<'s, G, I>(rows: Rows<'s, (G, u64, I)>, k: usize) -> Rows<'s, (G, u64, I)>
where
    G: ExchangeData + Hash,
    I: ExchangeData + Hash,
{
    let mut shard = Groups::new(k);
    let by_item = routed(|(_, _, item): &(G, u64, I)| route(item));
    let best = per_tick(rows, by_item, "TopOfShard", move |changes, best| shard.apply(changes, best));
    let mut whole = Groups::new(k);
    let by_group = routed(|(group, ..): &(G, u64, I)| route(group));
    per_tick(best, by_group, "Top", move |changes, best| whole.apply(changes, best))
}

/// The same on every machine: `DefaultHasher::new` has fixed keys.
fn route(key: &impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The best first.
type Ranked<I> = (Reverse<u64>, I);

/// The groups of one shard.
#[derive(Debug)]
struct Groups<G, I> {
    k: usize,
    groups: BTreeMap<G, Ranking<I>>,
}

impl<G: Ord + Clone, I: Ord + Clone> Groups<G, I> {
    const fn new(k: usize) -> Self {
        Self { k, groups: BTreeMap::new() }
    }

    /// Takes in the rows of a tick and tells how the K best rows changed.
    fn apply(&mut self, changes: Changes<(G, u64, I)>, best: &mut Emit<'_, (G, u64, I)>) {
        // By group, the best first: then a group that is filled anew moves no row twice.
        let mut rows: Vec<_> =
            changes.map(|((group, score, item), diff)| ((group, (Reverse(score), item)), diff)).collect();
        consolidate(&mut rows);
        let mut moves = Vec::new();
        for rows in rows.chunk_by(|a, b| a.0.0 == b.0.0) {
            let group = &rows[0].0.0;
            let ranking = self.groups.entry(group.clone()).or_default();
            for ((_, ranked), diff) in rows {
                if *diff > 0 {
                    ranking.insert(ranked.clone(), self.k, &mut moves);
                } else {
                    ranking.remove(ranked, &mut moves);
                }
            }
            ranking.refill(self.k, &mut moves);
            if ranking.best.is_empty() {
                self.groups.remove(group);
            }
            consolidate(&mut moves);
            for ((Reverse(score), item), diff) in moves.drain(..) {
                best.change((group.clone(), score, item), diff);
            }
        }
    }
}

/// One group. Every row of `best` is better than every row of `rest`.
#[derive(Debug)]
struct Ranking<I> {
    /// At most K; while a tick is taken in it may be fewer although there is a rest.
    best: BTreeSet<Ranked<I>>,
    rest: BTreeSet<Ranked<I>>,
}

impl<I> Default for Ranking<I> {
    fn default() -> Self {
        Self { best: BTreeSet::new(), rest: BTreeSet::new() }
    }
}

impl<I: Ord + Clone> Ranking<I> {
    fn insert(&mut self, row: Ranked<I>, k: usize, moves: &mut Vec<(Ranked<I>, isize)>) {
        let beats_rest = self.rest.first().is_none_or(|first| row < *first);
        let has_place = self.best.len() < k || self.best.last().is_some_and(|last| row < *last);
        if !(beats_rest && has_place) {
            self.rest.insert(row);
            return;
        }
        moves.push((row.clone(), 1));
        self.best.insert(row);
        if self.best.len() > k
            && let Some(last) = self.best.pop_last()
        {
            moves.push((last.clone(), -1));
            self.rest.insert(last);
        }
    }

    fn remove(&mut self, row: &Ranked<I>, moves: &mut Vec<(Ranked<I>, isize)>) {
        if let Some(row) = self.best.take(row) {
            moves.push((row, -1));
        } else {
            self.rest.remove(row);
        }
    }

    /// Fills the places of rows that were removed.
    fn refill(&mut self, k: usize, moves: &mut Vec<(Ranked<I>, isize)>) {
        while self.best.len() < k
            && let Some(first) = self.rest.pop_first()
        {
            moves.push((first.clone(), 1));
            self.best.insert(first);
        }
    }
}

#[cfg(test)]
mod tests;
