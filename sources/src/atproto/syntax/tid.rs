//! TIDs: times as names that sort.
//!
//! ```text
//!   63          10 9        0        base32, most significant first, digits that sort as their values do:
//!   ├─ microseconds ─┤─ clock ─┤     13 characters, the first of four bits
//! ```
//!
//! The order of TIDs, of their texts and of their numbers is one. They are claims of whoever made them: a time may
//! lie anywhere.

use super::SyntaxError;
use std::{fmt, str::FromStr};

/// A time in microseconds, and a number that keeps two clocks' apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(u64);

const DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

const fn value(digit: u8) -> Option<u64> {
    match digit {
        b'2'..=b'7' => Some((digit - b'2') as u64),
        b'a'..=b'z' => Some((digit - b'a') as u64 + 6),
        _ => None,
    }
}

impl Tid {
    /// Of the text.
    pub const CHARS: usize = 13;

    /// Of a time in microseconds since 1970 and a clock's number, of which the low 53 and 10 bits are kept.
    #[must_use]
    pub const fn new(micros: u64, clock: u16) -> Self {
        Self((micros & ((1 << 53) - 1)) << 10 | (clock & 1023) as u64)
    }

    /// Of its number.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// Its time, in microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0 >> 10
    }

    /// Its clock's number.
    #[must_use]
    pub const fn clock(self) -> u16 {
        (self.0 & 1023) as u16
    }

    /// The text.
    #[must_use]
    pub fn to_chars(self) -> [u8; Self::CHARS] {
        std::array::from_fn(|at| DIGITS[(self.0 >> (60 - 5 * at)) as usize & 31])
    }
}

impl FromStr for Tid {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        if text.len() != Self::CHARS {
            return Err(SyntaxError::Tid("of 13 characters"));
        }
        let mut number = 0;
        for (at, digit) in text.bytes().enumerate() {
            let digit = value(digit).ok_or(SyntaxError::Tid("a character that isn't allowed"))?;
            if at == 0 && digit > 15 {
                return Err(SyntaxError::Tid("of more than 64 bits"));
            }
            number = number << 5 | digit;
        }
        Ok(Self(number))
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chars = self.to_chars();
        f.pad(std::str::from_utf8(&chars).unwrap_or_default())
    }
}

impl fmt::Debug for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tid({self})")
    }
}

impl serde::Serialize for Tid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Tid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
