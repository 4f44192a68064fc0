//! Which vectors are at least so similar to one: all of them are looked at, as they lie beside each other.
//!
//! ```text
//!  model ─► values  │ -3 12 … │ 7 0 … │ …        a row a vector, no gaps: what goes is replaced by the last
//!           numbers │    17   │   4   │ …
//! ```
//!
//! Directions of sentences lie so evenly in their hundreds of dimensions that no list, tree or prefix rules many of
//! them out at a cosine of one half; a scan costs little more than reading the memory.
//!
//! Memory: a byte a component, and about 20 bytes a vector. Time: a byte a component of every vector of the model.

use foldhash::fast::RandomState;
use springline_model::{Vector, vector::dot};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Vectors by what they can be compared with: model and dimensions.
#[derive(Debug, Default)]
pub(super) struct Meanings(BTreeMap<(Arc<str>, usize), Rows>);

#[derive(Debug, Default)]
struct Rows {
    values: Vec<i8>,
    /// Of each row.
    numbers: Vec<u32>,
    /// Which row, by number.
    rows: HashMap<u32, usize, RandomState>,
}

impl Meanings {
    pub(super) fn insert(&mut self, number: u32, vector: &Vector) {
        let there = self.0.entry(part(vector)).or_default();
        there.rows.insert(number, there.numbers.len());
        there.numbers.push(number);
        there.values.extend_from_slice(&vector.values);
    }

    pub(super) fn remove(&mut self, number: u32, vector: &Vector) {
        let (part, width) = (part(vector), vector.values.len());
        let Some(there) = self.0.get_mut(&part) else { return };
        let Some(row) = there.rows.remove(&number) else { return };
        there.numbers.swap_remove(row);
        let last = there.numbers.len();
        if let Some(moved) = there.numbers.get(row) {
            there.values.copy_within(last * width..(last + 1) * width, row * width);
            there.rows.insert(*moved, row);
        }
        there.values.truncate(last * width);
        if last == 0 {
            self.0.remove(&part);
        }
    }

    /// The vectors whose product with this one is at least the threshold (which is not 0), in no order.
    pub(super) fn query(&self, vector: &Vector, threshold: u32, found: &mut Vec<(u32, u32)>) {
        let Some(there) = self.0.get(&part(vector)) else { return };
        let rows = there.values.chunks_exact(vector.values.len().max(1)).zip(&there.numbers);
        found.extend(rows.filter_map(|(row, number)| {
            let product = u32::try_from(dot(row, &vector.values)).ok()?;
            (product >= threshold).then_some((product, *number))
        }));
    }
}

fn part(vector: &Vector) -> (Arc<str>, usize) {
    (vector.model.clone(), vector.values.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{array::uniform3, collection::vec, prelude::*};

    proptest! {
        #[test]
        fn finds_what_a_naive_scan_finds(
            directions in vec((uniform3(-9..9_i8), 0..2_u8, any::<bool>()), 1..30),
            gone in vec(any::<prop::sample::Index>(), 0..20),
            threshold in 1..16_000_u32,
        ) {
            let vector = |(values, model, short): &([i8; 3], u8, bool)| {
                let values = values.map(f32::from);
                Vector::of(&format!("m{model}"), if *short { &values[..2] } else { &values })
            };
            let vectors: Vec<Vector> = directions.iter().filter_map(vector).collect();
            let mut index = Meanings::default();
            let mut there = vec![true; vectors.len()];
            for (number, vector) in vectors.iter().enumerate() {
                index.insert(number as u32, vector);
            }
            for gone in gone.iter().filter(|_| !vectors.is_empty()) {
                let gone = gone.index(vectors.len());
                if std::mem::replace(&mut there[gone], false) {
                    index.remove(gone as u32, &vectors[gone]);
                }
            }
            for query in &vectors {
                let mut found = Vec::new();
                index.query(query, threshold, &mut found);
                found.sort_unstable();
                let others = vectors.iter().enumerate().filter(|(number, _)| there[*number]);
                let similar = |(number, other): (usize, &Vector)| {
                    let product = u32::try_from(query.product(other)?).ok()?;
                    (product >= threshold).then_some((product, number as u32))
                };
                let mut similar: Vec<_> = others.filter_map(similar).collect();
                similar.sort_unstable();
                prop_assert_eq!(found, similar);
            }
            for (number, vector) in vectors.iter().enumerate().filter(|(number, _)| there[*number]) {
                index.remove(number as u32, vector);
            }
            prop_assert!(index.0.is_empty());
        }
    }
}
