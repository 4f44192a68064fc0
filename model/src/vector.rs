//! What a text means, as a point: how clusters by meaning are compared.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use std::fmt;

/// The most dimensions that a vector may have.
pub const MAX_DIMENSIONS: usize = 4096;

/// A direction, each component rounded to 1/127: so products are whole numbers, the same on every machine and in every
/// order.
///
/// Journalled with its record ([`crate::record::attr::VECTOR`]), so that a replay needs no model.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vector {
    /// Which model made it: only vectors of one model can be compared.
    pub model: Box<str>,
    /// 127 times the unit vector.
    pub values: Box<[i8]>,
}

impl Vector {
    /// Rounds a direction of any length; none for one that has no direction or no finite length.
    #[must_use]
    pub fn of(model: &str, direction: &[f32]) -> Option<Self> {
        let length = direction.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if !length.is_normal() || direction.len() > MAX_DIMENSIONS {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "between -127 and 127")]
        let round = |value: &f32| (f64::from(*value) / length * 127.0).round() as i8;
        Some(Self { model: model.into(), values: direction.iter().map(round).collect() })
    }

    /// Reads what [`fmt::Display`] writes; nothing else is a vector.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (model, values) = text.split_once(':')?;
        let bytes = BASE64.decode(values).ok().filter(|bytes| bytes.len() <= MAX_DIMENSIONS)?;
        Some(Self { model: model.into(), values: bytes.into_iter().map(u8::cast_signed).collect() })
    }

    /// The product of two vectors: 127² times the cosine, about. None if they can't be compared.
    #[must_use]
    pub fn product(&self, other: &Self) -> Option<i32> {
        let comparable = self.model == other.model && self.values.len() == other.values.len();
        let pairs = self.values.iter().zip(&other.values);
        comparable.then(|| pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum())
    }
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
        for bad in ["", "m", "m:*", "AAAA"] {
            assert_eq!(Vector::parse(bad), None, "{bad}");
        }
    }
}
