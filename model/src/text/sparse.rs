//! A text as a sparse vector of small integers, so that similarities are exact and the same on every machine.
//!
//! The direction is what counts: every vector is scaled to the length [`SCALE`] and rounded, so `a.dot(b)` is
//! `SCALE² · cos(a, b)` up to the rounding, and an integer.

use crate::cluster::TextId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The length that vectors are scaled to. No weight is greater: a byte holds it.
pub const SCALE: u32 = 127;

/// The most features that a vector has: the heaviest.
pub const MAX_FEATURES: usize = 64;

/// Features with their weights, in the order of the features; no weight is 0. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sparse(Arc<[(u32, u8)]>);

impl Sparse {
    /// The direction of these features: the [`MAX_FEATURES`] heaviest, of equal ones the smaller. A feature stands in
    /// the list once.
    #[must_use]
    pub fn unit(mut features: Vec<(u32, u32)>) -> Self {
        heaviest(&mut features, MAX_FEATURES);
        let square: u64 = features.iter().map(|(_, weight)| u64::from(*weight) * u64::from(*weight)).sum();
        // The square root and the division are exact to the last bit by IEEE 754: the same on every machine.
        let length = (square as f64).sqrt();
        let scaled = |weight: u32| (f64::from(weight) * f64::from(SCALE) / length).round() as u8;
        Self::of(features.into_iter().map(|(feature, weight)| (feature, scaled(weight))))
    }

    /// The mean of so many vectors that add up to these features: the `most` heaviest. It is shorter than
    /// [`SCALE`], the shorter the less the vectors agree.
    #[must_use]
    pub fn mean(mut sums: Vec<(u32, u32)>, count: u32, most: usize) -> Self {
        heaviest(&mut sums, most);
        let count = count.max(1);
        let mean = |sum: u32| (sum + count / 2) / count;
        Self::of(sums.into_iter().map(|(feature, sum)| (feature, u8::try_from(mean(sum)).unwrap_or(u8::MAX))))
    }

    fn of(features: impl Iterator<Item = (u32, u8)>) -> Self {
        let mut features: Vec<_> = features.filter(|(_, weight)| *weight > 0).collect();
        features.sort_unstable();
        Self(features.into())
    }

    /// The features with their weights, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, u8)> + '_ {
        self.0.iter().copied()
    }

    /// Whether there are no features: such a text is similar to nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The weight of a feature.
    #[must_use]
    pub fn weight(&self, feature: u32) -> u8 {
        self.0.binary_search_by_key(&feature, |(feature, _)| *feature).map_or(0, |at| self.0[at].1)
    }

    /// The square of the length.
    #[must_use]
    pub fn square(&self) -> u32 {
        self.0.iter().map(|(_, weight)| u32::from(*weight) * u32::from(*weight)).sum()
    }

    /// The similarity.
    #[must_use]
    pub fn dot(&self, other: &Self) -> u32 {
        self.common(other).map(|(a, b)| u32::from(a) * u32::from(b)).sum()
    }

    /// Whether two texts say the same: they share three in five of all features (Jaccard ≥ 0.6).
    #[must_use]
    pub fn is_near_duplicate(&self, other: &Self) -> bool {
        let common = self.common(other).count();
        5 * common >= 3 * (self.0.len() + other.0.len() - common)
    }

    fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u8, u8)> + 'a {
        let mut others = other.0.iter().peekable();
        self.0.iter().filter_map(move |(feature, weight)| {
            while others.next_if(|(other, _)| other < feature).is_some() {}
            others.next_if(|(other, _)| other == feature).map(|(_, other)| (*weight, *other))
        })
    }

    /// The name of every text that has this vector.
    #[must_use]
    pub fn id(&self) -> TextId {
        let mut hasher = blake3::Hasher::new();
        for (feature, weight) in &*self.0 {
            hasher.update(&feature.to_be_bytes()).update(&[*weight]);
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        TextId(u128::from_be_bytes(bytes))
    }
}

/// Leaves the heaviest, of equal ones the smaller feature.
fn heaviest(features: &mut Vec<(u32, u32)>, most: usize) {
    let rank = |(feature, weight): &(u32, u32)| (std::cmp::Reverse(*weight), *feature);
    if features.len() > most {
        features.select_nth_unstable_by_key(most, rank);
        features.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn similarity_is_symmetric_and_greatest_with_itself(a: Vec<(u32, u16)>, b: Vec<(u32, u16)>) {
            let unit = |mut features: Vec<(u32, u16)>| {
                features.sort_unstable();
                features.dedup_by_key(|(feature, _)| *feature);
                Sparse::unit(features.into_iter().map(|(feature, weight)| (feature % 97, weight.into())).collect::<std::collections::BTreeMap<u32, u32>>().into_iter().collect())
            };
            let (a, b) = (unit(a), unit(b));
            prop_assert_eq!(a.dot(&b), b.dot(&a));
            prop_assert_eq!(a.is_near_duplicate(&b), b.is_near_duplicate(&a));
            prop_assert_eq!(a.dot(&a), a.square());
            prop_assert!(u64::from(a.dot(&b)).pow(2) <= u64::from(a.square()) * u64::from(b.square()));
            prop_assert_eq!(a == b, a.id() == b.id());
            let naive: u32 = a.iter().map(|(feature, weight)| u32::from(weight) * u32::from(b.weight(feature))).sum();
            prop_assert_eq!(a.dot(&b), naive);
        }
    }
}
