//! Names and secrets of jobs.

use crate::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// Crockford's base 32: no I, L, O, U.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of a name: 130 bits, of which the first two are zero.
const LENGTH: u32 = 26;
/// Bits that are random.
const RANDOM: u32 = 80;

/// A job's name: 48 bits of time in milliseconds, then 80 random ones. Sorts by age as a number and as text
/// (`01kb…`, 26 digits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u128);

impl JobId {
    /// Of a time (in milliseconds, from 1970 on) and at least 80 random bits.
    #[must_use]
    pub const fn new(at: Timestamp, random: u128) -> Self {
        let millis = if at.0 < 0 { 0 } else { at.0.cast_unsigned() as u128 };
        Self(((millis & 0xFFFF_FFFF_FFFF) << RANDOM) | (random & ((1 << RANDOM) - 1)))
    }

    /// As a number.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        self.0
    }

    /// From [`Self::to_u128`].
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |place: u32| char::from(DIGITS[((self.0 >> (5 * place)) & 31) as usize]);
        f.pad(&(0..LENGTH).rev().map(digit).collect::<String>())
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// No job is called that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a job has {LENGTH} digits of 0-9 and a-z without i, l, o, u")]
pub struct ParseJobIdError;

impl FromStr for JobId {
    type Err = ParseJobIdError;

    fn from_str(text: &str) -> Result<Self, ParseJobIdError> {
        if text.len() != LENGTH as usize {
            return Err(ParseJobIdError);
        }
        text.bytes()
            .try_fold(0u128, |number, byte| {
                let digit = DIGITS.iter().position(|digit| *digit == byte.to_ascii_lowercase());
                let digit = digit.ok_or(ParseJobIdError)? as u128;
                if number >> 123 != 0 { Err(ParseJobIdError) } else { Ok((number << 5) | digit) }
            })
            .map(Self)
    }
}

/// In JSON its name, elsewhere the number.
impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => String::deserialize(deserializer)?.parse().map_err(D::Error::custom),
            false => u128::deserialize(deserializer).map(Self),
        }
    }
}

/// One run of the process that sets agents to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunnerId(pub u64);

/// What is kept of a job's token: its BLAKE3 hash. The token itself is random and long, so that the hash tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenHash(#[serde(with = "crate::base64")] pub [u8; 32]);

impl TokenHash {
    /// Of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(*blake3::hash(token.as_bytes()).as_bytes())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
