//! How well two partitions agree.

use std::collections::HashMap;

/// The measures, each 1 for equal partitions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scores {
    /// Adjusted Rand index (Hubert and Arabie 1985).
    pub(super) ari: f64,
    /// Mutual information over the mean of the entropies.
    pub(super) nmi: f64,
    /// F1 over pairs that are together.
    pub(super) pairs: f64,
    /// F1 of B-cubed precision and recall (Bagga and Baldwin 1998).
    pub(super) b_cubed: f64,
    /// Clusters found.
    pub(super) found: usize,
}

fn counts<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, f64> {
    let mut counts = HashMap::new();
    keys.for_each(|key| *counts.entry(key).or_insert(0.0) += 1.0);
    counts
}

impl Scores {
    /// Of a partition against the true one.
    pub(super) fn of(found: &[usize], truth: &[usize]) -> Self {
        let n = found.len() as f64;
        let by_found = counts(found.iter().copied());
        let by_truth = counts(truth.iter().copied());
        let both = counts(found.iter().copied().zip(truth.iter().copied()));
        let pairs = |count: f64| count * (count - 1.0) / 2.0;
        let together: f64 = both.values().map(|count| pairs(*count)).sum();
        let in_found: f64 = by_found.values().map(|count| pairs(*count)).sum();
        let in_truth: f64 = by_truth.values().map(|count| pairs(*count)).sum();
        let by_chance = in_found * in_truth / pairs(n);
        let entropy = |counts: &HashMap<usize, f64>| {
            -counts.values().map(|count| count / n * (count / n).ln()).sum::<f64>()
        };
        let information: f64 = both
            .iter()
            .map(|((a, b), count)| count / n * (count * n / (by_found[a] * by_truth[b])).ln())
            .sum();
        let share = |of: &dyn Fn(usize, usize) -> f64| {
            both.iter().map(|((a, b), count)| count * count / of(*a, *b)).sum::<f64>() / n
        };
        let (precision, recall) = (share(&|a, _| by_found[&a]), share(&|_, b| by_truth[&b]));
        Self {
            ari: (together - by_chance) / ((in_found + in_truth) / 2.0 - by_chance),
            nmi: 2.0 * information / (entropy(&by_found) + entropy(&by_truth)),
            pairs: 2.0 * together / (in_found + in_truth),
            b_cubed: 2.0 * precision * recall / (precision + recall),
            found: by_found.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_one_and_chance_is_none() {
        let same = Scores::of(&[0, 0, 1, 1, 2], &[5, 5, 3, 3, 9]);
        for score in [same.ari, same.nmi, same.pairs, same.b_cubed] {
            assert!((score - 1.0).abs() < 1e-9, "{same:?}");
        }
        // By hand: 2 pairs together in both, 4 and 4 in each, of 15.
        let half = Scores::of(&[0, 0, 0, 1, 1, 2], &[0, 0, 1, 1, 1, 2]);
        assert!((half.ari - (2.0 - 16.0 / 15.0) / (4.0 - 16.0 / 15.0)).abs() < 1e-9, "{half:?}");
    }
}
