//! CBOR written.

use super::super::cid::Cid;

/// Writes values one after the other. Its user sees to the keys' order and the containers' lengths.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Nothing yet, with room for as many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        let bytes = argument.to_be_bytes();
        match argument {
            0..24 => self.out.push(major | bytes[7]),
            24..0x100 => self.out.extend([major | 24, bytes[7]]),
            0x100..0x1_0000 => {
                self.out.push(major | 25);
                self.out.extend(&bytes[6..]);
            }
            0x1_0000..0x1_0000_0000 => {
                self.out.push(major | 26);
                self.out.extend(&bytes[4..]);
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend(&bytes);
            }
        }
    }

    /// An integer.
    pub fn integer(&mut self, number: i64) {
        if number < 0 {
            self.head(1, number.unsigned_abs() - 1);
        } else {
            self.head(0, number.unsigned_abs());
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(2, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// A text, or a key.
    pub fn text(&mut self, text: &str) {
        self.head(3, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// The head of an array.
    pub fn array(&mut self, length: usize) {
        self.head(4, length as u64);
    }

    /// The head of a map.
    pub fn map(&mut self, length: usize) {
        self.head(5, length as u64);
    }

    /// A link.
    pub fn link(&mut self, cid: &Cid) {
        self.out.extend([0xd8, 42, 0x58, 37, 0]);
        self.out.extend(cid.to_bytes());
    }

    /// A boolean.
    pub fn bool(&mut self, bool: bool) {
        self.out.push(0xf4 | u8::from(bool));
    }

    /// Null.
    pub fn null(&mut self) {
        self.out.push(0xf6);
    }

    /// Null, or what `write` writes.
    pub fn nullable<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.null(),
        }
    }

    /// Values that are written already.
    pub fn raw(&mut self, cbor: &[u8]) {
        self.out.extend_from_slice(cbor);
    }
}
