//! Keys whose byte order is the order of what they hold.
//!
//! ```text
//!  text       its bytes, 0x00 as 0x00 0xFF, closed by 0x00 0x00       "a" < "a b" < "b"
//!  u32, u64   big-endian
//!  i64        big-endian with the sign bit turned
//!  newest     i64 with every bit turned: the greatest first
//! ```
//!
//! A key is a sequence of parts, so a prefix of the parts is a prefix of the bytes: a range scan.

use crate::{Timestamp, UriId};
use thiserror::Error;

/// Bytes to have room for behind a text: its end, and what most keys have behind it.
const ROOM: usize = 20;

/// Builds a key part by part.
#[derive(Clone, Debug, Default)]
pub struct KeyWriter(Vec<u8>);

impl KeyWriter {
    /// An empty key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes so far.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The bytes so far, and starts again.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// A text of any length and content.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.reserve(text.len() + ROOM);
        for part in text.as_bytes().split_inclusive(|byte| *byte == 0) {
            self.0.extend_from_slice(part);
            if part.last() == Some(&0) {
                self.0.push(0xFF);
            }
        }
        self.0.extend_from_slice(&[0, 0]);
        self
    }

    /// The beginning of a text: for scans by prefix. Nothing may follow.
    pub fn text_prefix(&mut self, text: &str) -> &mut Self {
        self.text(text);
        self.0.truncate(self.0.len() - 2);
        self
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    /// Ascending.
    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Ascending.
    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// The greatest first.
    pub fn descending(&mut self, number: u64) -> &mut Self {
        self.u64(!number)
    }

    /// The newest first.
    pub fn newest(&mut self, at: Timestamp) -> &mut Self {
        self.u64(!(at.0.cast_unsigned() ^ (1 << 63)))
    }

    /// A fixed-size id.
    pub fn id(&mut self, id: UriId) -> &mut Self {
        self.0.extend_from_slice(&id.0.to_be_bytes());
        self
    }
}

/// The key that is one text.
#[must_use]
pub fn text_key(text: &str) -> Vec<u8> {
    KeyWriter::new().text(text).take()
}

/// What the keys begin with whose first part is a text that begins with this.
#[must_use]
pub fn text_prefix(text: &str) -> Vec<u8> {
    KeyWriter::new().text_prefix(text).take()
}

/// Reads a key part by part, in the order it was written.
#[derive(Clone, Debug)]
pub struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    /// Over a whole key.
    #[must_use]
    pub const fn new(key: &'a [u8]) -> Self {
        Self(key)
    }

    /// What is left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// # Errors
    /// The key ends before the text does, or it is not UTF-8.
    pub fn text(&mut self) -> Result<String, DecodeError> {
        let mut text = Vec::new();
        loop {
            let zero = self.0.iter().position(|byte| *byte == 0).ok_or(DecodeError::Short)?;
            text.extend_from_slice(&self.0[..zero]);
            let escape = *self.0.get(zero + 1).ok_or(DecodeError::Short)?;
            self.0 = &self.0[zero + 2..];
            match escape {
                0 => return String::from_utf8(text).map_err(|_| DecodeError::Utf8),
                0xFF => text.push(0),
                _ => return Err(DecodeError::Escape),
            }
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    /// # Errors
    /// The key is too short.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// # Errors
    /// The key is too short.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// # Errors
    /// The key is too short.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// # Errors
    /// The key is too short.
    pub fn descending(&mut self) -> Result<u64, DecodeError> {
        self.u64().map(|number| !number)
    }

    /// # Errors
    /// The key is too short.
    pub fn newest(&mut self) -> Result<Timestamp, DecodeError> {
        self.u64().map(|number| Timestamp((!number ^ (1 << 63)).cast_signed()))
    }

    /// # Errors
    /// The key is too short.
    pub fn id(&mut self) -> Result<UriId, DecodeError> {
        self.array().map(|bytes| UriId(u128::from_be_bytes(bytes)))
    }
}

/// Bytes that no version of this program wrote: our own corruption.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// It ends too early.
    #[error("the key ends in the middle of a part")]
    Short,
    /// An unknown escape in a text.
    #[error("a text in the key has an unknown escape")]
    Escape,
    /// A text that is not UTF-8.
    #[error("a text in the key is not UTF-8")]
    Utf8,
    /// The value does not decode.
    #[error("the value of a row of {table} does not decode")]
    Value {
        /// The table's name.
        table: &'static str,
        /// What the decoder said.
        #[source]
        source: postcard::Error,
    },
    /// A number that stands for nothing.
    #[error("{0} stands for nothing here")]
    Unknown(u8),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_order_as_parts_do(a: (String, i64, u64), b: (String, i64, u64)) {
            let encode = |(text, at, number): &(String, i64, u64)| {
                let mut key = KeyWriter::new();
                key.text(text).newest(Timestamp(*at)).descending(*number);
                key.into_bytes()
            };
            let order = a.0.cmp(&b.0).then(b.1.cmp(&a.1)).then(b.2.cmp(&a.2));
            prop_assert_eq!(encode(&a).cmp(&encode(&b)), order);
            let bytes = encode(&a);
            let mut key = KeyReader::new(&bytes);
            prop_assert_eq!((key.text().unwrap(), key.newest().unwrap().0, key.descending().unwrap()), a);
            prop_assert!(key.rest().is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut key = KeyReader::new(&bytes);
            while key.text().is_ok() && !key.rest().is_empty() {}
        }
    }
}
