//! What texts and trees are compared by: their meaning if they have a vector, else their words.
//!
//! ```text
//!                  │ a vector of this model │ of another model │ none
//!  a vector        │ product of vectors     │ 0                │ 0
//!  none            │ 0                      │ 0                │ product of words
//! ```
//!
//! So the points of a space fall into parts (one for each model, one for those without) that have nothing to do with
//! each other, and so has each tree: it lies in one part. Both products are 127² times a cosine, and whole numbers.

use super::definition::PROFILE;
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use springline_model::{Vector, text::Sparse};
use std::{collections::HashMap, sync::Arc};

/// Where a text or a tree lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Point {
    /// Its words. None for a tree that has a meaning: nobody asks for them.
    pub(super) words: Sparse,
    pub(super) meaning: Option<Vector>,
}

impl Point {
    /// How similar two are; what is opposite is not similar.
    #[cfg(test)]
    pub(super) fn similarity(&self, other: &Self) -> u32 {
        match (&self.meaning, &other.meaning) {
            (Some(a), Some(b)) => a.product(b).and_then(|product| u32::try_from(product).ok()).unwrap_or(0),
            (None, None) => self.words.dot(&other.words),
            _ => 0,
        }
    }
}

/// Points of one part that are added up.
#[derive(Debug, Default)]
pub(super) struct Sums {
    points: u32,
    words: HashMap<u32, u32, RandomState>,
    meaning: Option<(Arc<str>, Vec<i32>)>,
}

impl Sums {
    pub(super) fn add(&mut self, point: &Point) {
        self.add_times(point, 1);
    }

    /// Adds a point that stands for so many.
    pub(super) fn add_times(&mut self, point: &Point, times: u32) {
        self.points += times;
        for (feature, weight) in point.words.iter() {
            *self.words.entry(feature).or_default() += u32::from(weight) * times;
        }
        if let Some(vector) = &point.meaning {
            let none = || (vector.model.clone(), vec![0; vector.values.len()]);
            let (_, sums) = self.meaning.get_or_insert_with(none);
            let times = times.cast_signed();
            sums.iter_mut().zip(&*vector.values).for_each(|(sum, value)| *sum += i32::from(*value) * times);
        }
    }

    /// Takes away one that was added.
    pub(super) fn take(&mut self, point: &Point) {
        self.points -= 1;
        for (feature, weight) in point.words.iter() {
            if let Some(sum) = self.words.get_mut(&feature) {
                *sum -= u32::from(weight);
                if *sum == 0 {
                    self.words.remove(&feature);
                }
            }
        }
        if let (Some((_, sums)), Some(vector)) = (&mut self.meaning, &point.meaning) {
            sums.iter_mut().zip(&*vector.values).for_each(|(sum, value)| *sum -= i32::from(*value));
        }
    }

    /// How many there are.
    pub(super) fn points(&self) -> u32 {
        self.points
    }

    /// How much of a feature there is in their words.
    pub(super) fn word(&self, feature: u32) -> u32 {
        self.words.get(&feature).copied().unwrap_or(0)
    }

    /// The point of all of them: see `definition`.
    pub(super) fn mean(&self) -> Point {
        match &self.meaning {
            Some((model, sums)) => {
                Point { words: Sparse::default(), meaning: Vector::mean(model.clone(), sums, self.points) }
            }
            None => {
                let words = self.words.iter().map(|(feature, sum)| (*feature, *sum)).collect();
                Point { words: Sparse::mean(words, self.points, PROFILE), meaning: None }
            }
        }
    }
}
