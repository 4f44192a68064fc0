//! Which vectors are at least so similar to one: exact, by lists of the vectors that have a feature.
//!
//! ```text
//!  query  ████████ ███████ █████ │ ██ █ █        features, the longest lists last
//!         └─ lists are read ───┘ │ └─ left out: what they can add is below the threshold ─┘
//!                    ▼
//!         partial sums by vector ─► whose sum and the most that is left out reach the threshold: the rest, list by list
//! ```
//!
//! By Cauchy-Schwarz a set of features adds no more to a similarity than the query's length in these features times
//! the other's whole length. So the longest lists are left out as long as that stays below the threshold: with a
//! threshold of 0.45 a fifth of the query's square is never read, and that is where `the` and `how` are.
//!
//! Memory: 8 bytes a feature of a vector. Time: the lists that are read; taking out searches each list.

use foldhash::fast::RandomState;
use springline_model::text::Sparse;
use std::{cmp::Reverse, collections::HashMap};

/// Looking a feature up in a vector costs about as much as reading so many entries of a list.
const LOOKUP: usize = 8;

/// Vectors by their features. A vector is known by a number of the caller's choice.
#[derive(Debug, Default)]
pub(super) struct Words {
    lists: HashMap<u32, Vec<(u32, u8)>, RandomState>,
    /// The greatest square of a vector that ever was: a bound, whatever is left.
    square: u32,
    /// Scratch: sums by number, all 0 between queries.
    sums: Vec<u32>,
    seen: Vec<u32>,
}

impl Words {
    pub(super) fn insert(&mut self, number: u32, vector: &Sparse) {
        self.square = self.square.max(vector.square());
        for (feature, weight) in vector.iter() {
            self.lists.entry(feature).or_default().push((number, weight));
        }
        if self.sums.len() <= number as usize {
            self.sums.resize(number as usize + 1, 0);
        }
    }

    pub(super) fn remove(&mut self, number: u32, vector: &Sparse) {
        for (feature, _) in vector.iter() {
            let Some(list) = self.lists.get_mut(&feature) else { continue };
            if let Some(at) = list.iter().position(|(other, _)| *other == number) {
                list.swap_remove(at);
            }
            if list.is_empty() {
                self.lists.remove(&feature);
            }
        }
    }

    /// The vectors whose similarity with this one is at least the threshold (which is not 0), in no order.
    pub(super) fn query<'a>(
        &mut self,
        vector: &Sparse,
        threshold: u32,
        vector_of: impl Fn(u32) -> &'a Sparse,
        found: &mut Vec<(u32, u32)>,
    ) {
        let Self { lists, square, sums, seen } = self;
        let mut features: Vec<(u32, u8, &[(u32, u8)])> = vector
            .iter()
            .filter_map(|(feature, weight)| Some((feature, weight, lists.get(&feature)?.as_slice())))
            .collect();
        features.sort_unstable_by_key(|(feature, _, list)| (Reverse(list.len()), *feature));
        let threshold_square = u64::from(threshold) * u64::from(threshold);
        let mut skipped = 0;
        let mut left = 0;
        for (_, weight, _) in &features {
            let with = left + u64::from(*weight) * u64::from(*weight);
            if with * u64::from(*square) >= threshold_square {
                break;
            }
            left = with;
            skipped += 1;
        }
        let (skipped, read) = features.split_at(skipped);
        for (_, weight, list) in read {
            let weight = u32::from(*weight);
            for &(number, other) in *list {
                let sum = &mut sums[number as usize];
                if *sum == 0 {
                    seen.push(number);
                }
                *sum += weight * u32::from(other);
            }
        }
        // What is left out adds no more than this, rounded up: whoever can't reach the threshold drops out.
        let most = |left: u64| (left * u64::from(*square)).isqrt() as u32 + 1;
        let mut hopeful: Vec<u32> =
            seen.iter().copied().filter(|number| sums[*number as usize] + most(left) >= threshold).collect();
        // The shortest of the long lists first: each lets the bound fall.
        for (feature, weight, list) in skipped.iter().rev() {
            let weight = u32::from(*weight);
            if list.len() < LOOKUP * hopeful.len() {
                for &(number, other) in *list {
                    let sum = &mut sums[number as usize];
                    // What was not seen can't reach the threshold.
                    *sum += if *sum > 0 { weight * u32::from(other) } else { 0 };
                }
            } else {
                for &number in &hopeful {
                    sums[number as usize] += weight * u32::from(vector_of(number).weight(*feature));
                }
            }
            left -= u64::from(weight) * u64::from(weight);
            let most = most(left);
            hopeful.retain(|number| sums[*number as usize] + most >= threshold);
        }
        let sum = |number: u32| (sums[number as usize], number);
        found.extend(hopeful.into_iter().map(sum).filter(|(sum, _)| *sum >= threshold));
        for number in seen.drain(..) {
            sums[number as usize] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            texts in vec(vec((0..20_u32, 1..200_u32), 0..8), 1..30),
            gone in vec(any::<prop::sample::Index>(), 0..10),
            threshold in 1..16_000_u32,
        ) {
            let unit = |features: &Vec<(u32, u32)>| {
                Sparse::unit(features.iter().copied().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect())
            };
            let vectors: Vec<Sparse> = texts.iter().map(unit).collect();
            let mut index = Words::default();
            let mut there = vec![true; vectors.len()];
            for (number, vector) in vectors.iter().enumerate() {
                index.insert(number as u32, vector);
            }
            for gone in gone {
                let gone = gone.index(vectors.len());
                if std::mem::replace(&mut there[gone], false) {
                    index.remove(gone as u32, &vectors[gone]);
                }
            }
            for query in &vectors {
                let mut found = Vec::new();
                index.query(query, threshold, |number| &vectors[number as usize], &mut found);
                found.sort_unstable();
                let similar = vectors.iter().enumerate().filter(|(number, _)| there[*number]);
                let similar = similar.map(|(number, vector)| (query.dot(vector), number as u32));
                let mut similar: Vec<_> = similar.filter(|(sum, _)| *sum >= threshold).collect();
                similar.sort_unstable();
                prop_assert_eq!(found, similar);
            }
        }
    }
}
