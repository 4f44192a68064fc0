//! What a text means, as a point: how clusters by meaning are compared.

use crate::text::sparse::SCALE;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};
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
    /// 127 times the unit vector.
    pub values: Arc<[i8]>,
}

impl Vector {
    /// Rounds a direction of any length; none for one that has no direction or no finite length.
    #[must_use]
    pub fn of(model: &str, direction: &[f32]) -> Option<Self> {
        Self::rounded(model.into(), direction)
    }

    /// The direction that vectors of one model add up to; none if they cancel out.
    #[must_use]
    pub fn of_sum(model: Arc<str>, sums: &[i32]) -> Option<Self> {
        Self::rounded(model, sums)
    }

    /// Sums in order, square root and division are exact to the last bit by IEEE 754: the same on every machine.
    fn rounded<T: Copy + Into<f64>>(model: Arc<str>, direction: &[T]) -> Option<Self> {
        let length = direction.iter().map(|value| (*value).into().powi(2)).sum::<f64>().sqrt();
        if !length.is_normal() || direction.len() > MAX_DIMENSIONS {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "between -127 and 127")]
        let round = |value: &T| ((*value).into() / length * f64::from(SCALE)).round() as i8;
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

/// The product of components, pair by pair. With [`MAX_DIMENSIONS`] it fits by far.
#[must_use]
pub fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
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
        assert_eq!(Vector::of_sum("m".into(), &[3_000_000, 4_000_000, 0]), Some(a));
        assert_eq!(Vector::of_sum("m".into(), &[0]), None);
        // The last one is (127, 127, 127).
        for bad in ["", "m", "m:", "m:*", "AAAA", "m:f39/"] {
            assert_eq!(Vector::parse(bad), None, "{bad}");
        }
    }
}
