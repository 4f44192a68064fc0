//! What a text means, as a point: how clusters by meaning are compared.

use crate::text::sparse::SCALE;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
use simsimd::SpatialSimilarity;
use std::{fmt, sync::Arc};

/// The most dimensions that a vector may have.
pub const MAX_DIMENSIONS: usize = 4096;

/// A direction, each component rounded to 1/127: so products are whole numbers, the same on every machine and in every
/// order.
///
/// Journalled with its record ([`crate::record::attr::VECTOR`]), so that a replay needs no model. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Vector {
    /// Which model made it: only vectors of one model can be compared.
    pub model: Arc<str>,
    /// 127 times the unit vector; a [`mean`](Vector::mean) is shorter.
    pub values: Arc<[i8]>,
}

impl Vector {
    /// Rounds a direction of any length; none for one that has no direction or no finite length.
    #[must_use]
    pub fn of(model: &str, direction: &[f32]) -> Option<Self> {
        Self::rounded(model.into(), direction, |_| f64::from(SCALE))
    }

    /// Between the mean of so many vectors of one model, which add up to these sums, and its direction: its length is
    /// the geometric mean of both lengths. So the product of two such means is the geometric mean of what their vectors'
    /// products are on average, and of the product of their directions. None if the vectors cancel out.
    #[must_use]
    pub fn mean(model: Arc<str>, sums: &[i32], count: u32) -> Option<Self> {
        Self::rounded(model, sums, |length| (length / f64::from(count.max(1)) * f64::from(SCALE)).sqrt())
    }

    /// A direction at the length that `to` makes of its own. Sums in order, square roots and divisions are exact to the
    /// last bit by IEEE 754: the same on every machine.
    fn rounded<T: Copy + Into<f64>>(
        model: Arc<str>,
        direction: &[T],
        to: impl Fn(f64) -> f64,
    ) -> Option<Self> {
        let length = direction.iter().map(|value| (*value).into().powi(2)).sum::<f64>().sqrt();
        if !length.is_normal() || direction.len() > MAX_DIMENSIONS {
            return None;
        }
        let to = to(length);
        #[expect(clippy::cast_possible_truncation, reason = "between -127 and 127, or cut to that")]
        let round = |value: &T| ((*value).into() / length * to).round() as i8;
        Some(Self { model, values: direction.iter().map(round).collect() })
    }

    /// Reads what [`fmt::Display`] writes; nothing else is a vector. So whoever sends one of another length (it would
    /// be close to everything) has sent none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (model, values) = text.split_once(':')?;
        let bytes = BASE64.decode(values).ok().filter(|bytes| bytes.len() <= MAX_DIMENSIONS)?;
        let values: Arc<[i8]> = bytes.into_iter().map(u8::cast_signed).collect();
        // Rounding moves each component by half of one at most, and so the length by half of the root of their number.
        let (length, slack) = (f64::from(dot(&values, &values)).sqrt(), (values.len() as f64).sqrt() / 2.0);
        let is_unit = !values.is_empty() && (length - f64::from(SCALE)).abs() <= slack;
        is_unit.then(|| Self { model: model.into(), values })
    }

    /// Whether a product with the other has a meaning: they are of one model.
    #[must_use]
    pub fn is_comparable(&self, other: &Self) -> bool {
        self.model == other.model && self.values.len() == other.values.len()
    }

    /// The product of two vectors: 127² times the cosine, about. None if they can't be compared.
    #[must_use]
    pub fn product(&self, other: &Self) -> Option<i32> {
        self.is_comparable(other).then(|| dot(&self.values, &other.values))
    }
}

/// The product of components, pair by pair; 0 if one has more of them. With [`MAX_DIMENSIONS`] it fits by far, and
/// whatever the processor offers for it, it is the same whole number.
#[must_use]
pub fn dot(a: &[i8], b: &[i8]) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^27")]
    i8::dot(a, b).map_or(0, |product| product as i32)
}

/// `model:base64`.
impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = self.values.iter().map(|value| value.cast_unsigned()).collect();
        write!(f, "{}:{}", self.model, BASE64.encode(bytes))
    }
}

impl fmt::Debug for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vector({}, {} dimensions)", self.model, self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn the_product_is_that_of_a_loop(pairs in vec(any::<(i8, i8)>(), 0..1_000)) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.iter().copied().unzip();
            let naive: i32 = pairs.iter().map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
            prop_assert_eq!(dot(&a, &b), naive);
        }
    }

    #[test]
    fn the_greatest_product_fits() {
        let least = [i8::MIN; MAX_DIMENSIONS];
        assert_eq!(dot(&least, &least), 1 << 26);
        assert_eq!(dot(&least, &[i8::MAX; MAX_DIMENSIONS]), -128 * 127 * 4096);
        assert_eq!(dot(&least[1..], &least), 0);
    }

    #[test]
    fn reads_back_and_compares() {
        let a = Vector::of("m", &[3.0, 4.0, 0.0]).unwrap();
        let b = Vector::of("m", &[-30.0, -40.0, 0.0]).unwrap();
        assert_eq!(&*a.values, [76, 102, 0]);
        assert_eq!(Vector::parse(&a.to_string()), Some(a.clone()));
        assert_eq!((a.product(&a), a.product(&b)), (Some(16_180), Some(-16_180)));
        assert_eq!(a.product(&Vector::of("n", &[3.0, 4.0, 0.0]).unwrap()), None);
        assert_eq!(Vector::of("m", &[0.0, 0.0]), None);
        assert_eq!(Vector::of("m", &[f32::NAN, 1.0]), None);
        // Vectors that all agree have a mean as long as each; by half of that, it is shorter by the root of a half.
        assert_eq!(Vector::mean("m".into(), &[76_000, 102_000, 0], 1_000), Some(a));
        assert_eq!(&*Vector::mean("m".into(), &[76_000, 102_000, 0], 2_000).unwrap().values, [54, 72, 0]);
        assert_eq!(Vector::mean("m".into(), &[0], 2), None);
        // The last one is (127, 127, 127).
        for bad in ["", "m", "m:", "m:*", "AAAA", "m:f39/"] {
            assert_eq!(Vector::parse(bad), None, "{bad}");
        }
    }
}
