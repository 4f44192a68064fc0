//! DRISL: the one CBOR form that a value of the protocol has, read and written piece by piece.
//!
//! ```text
//!   &[u8] ─► Reader: item, fields, items, skip ─► what a module wants to know, borrowed
//!   Writer: map, text, link, …                 ─► bytes that a Reader accepts
//! ```
//!
//! What is read often (frames, nodes, commits) is read straight into its struct, without a tree of values between;
//! [`data`](super::data) makes the tree for records.
//!
//! Invariants: what [`Order::Sorted`] accepts is canonical: writing the value again gives the same bytes. Numbers
//! are in the shortest form, lengths definite, keys texts, tags CIDs, and floats and other simple values don't occur.
//!
//! Limits: depth, length of containers and keys, integers, as the constants say. A length is never believed: what it
//! announces has to be there, byte for byte, before anything is reserved for it.

use super::cid::Cid;

/// Containers in containers.
pub const MAX_DEPTH: usize = 32;
/// Elements of an array, entries of a map.
pub const MAX_CONTAINER: usize = 131_072;
/// Bytes of a key.
pub const MAX_KEY: usize = 8_192;
/// The largest integer, and the negative of the smallest: what JSON's readers keep exact.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// Not the CBOR that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// Cut off.
    #[error("it is cut off")]
    Truncated,
    /// Something follows the value.
    #[error("something follows the value")]
    Trailing,
    /// A number or a length not in its shortest form.
    #[error("a number isn't in its shortest form")]
    NotShortest,
    /// A length that isn't said in advance.
    #[error("an indefinite length")]
    Indefinite,
    /// Another kind of value than is due.
    #[error("{0} is due")]
    Expected(&'static str),
    /// Too many containers in containers.
    #[error("deeper than {MAX_DEPTH}")]
    TooDeep,
    /// Too many elements.
    #[error("more than {MAX_CONTAINER} elements")]
    TooMany,
    /// A key that is too long.
    #[error("a key of more than {MAX_KEY} bytes")]
    LongKey,
    /// Keys that aren't sorted.
    #[error("keys aren't sorted")]
    KeyOrder,
    /// A key twice.
    #[error("a key twice")]
    DuplicateKey,
    /// An integer out of range.
    #[error("an integer beyond 53 bits")]
    Integer,
    /// A float.
    #[error("a float")]
    Float,
    /// Text that isn't UTF-8.
    #[error("text that isn't UTF-8")]
    Utf8,
    /// A tag that isn't a CID's.
    #[error("a tag that isn't a link's")]
    Tag,
    /// A link that isn't a CID of the protocol's kind.
    #[error("a link that isn't a CID of the right kind")]
    Link,
    /// Undefined, or another simple value.
    #[error("a simple value that isn't used here")]
    Simple,
    /// A field that has to be there.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// The next piece: a whole scalar, or the head of a container, whose elements follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// Within 53 bits.
    Integer(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// The number of elements that follow.
    Array(usize),
    /// The number of keys and values that follow.
    Map(usize),
    /// A link to a block.
    Link(Cid),
    /// A boolean.
    Bool(bool),
    /// Null.
    Null,
}

/// Whether a map's keys have to be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As in every block: shorter ones first, then by their bytes.
    Sorted,
    /// As in the envelopes of a stream, where nothing is hashed and not every sender sorts.
    Any,
}

/// Reads values one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Of bytes.
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// That nothing follows.
    ///
    /// # Errors
    /// Something does.
    pub fn end(&self) -> Result<(), CborError> {
        if self.at == self.input.len() { Ok(()) } else { Err(CborError::Trailing) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CborError> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or(CborError::Truncated)?;
        self.at += length;
        Ok(taken)
    }

    fn take_length(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        self.take(usize::try_from(length).map_err(|_| CborError::Truncated)?)
    }

    fn take_number<const N: usize>(&mut self) -> Result<u64, CborError> {
        let bytes = self.take(N)?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The major type and the argument of the next piece.
    fn head(&mut self) -> Result<(u8, u64), CborError> {
        let first = self.take(1)?.first().copied().unwrap_or_default();
        let (major, info) = (first >> 5, first & 31);
        if major == 7 {
            return Ok((major, u64::from(info)));
        }
        let (argument, least) = match info {
            0..24 => return Ok((major, u64::from(info))),
            24 => (self.take_number::<1>()?, 24),
            25 => (self.take_number::<2>()?, 1 << 8),
            26 => (self.take_number::<4>()?, 1 << 16),
            27 => (self.take_number::<8>()?, 1 << 32),
            _ => return Err(CborError::Indefinite),
        };
        if argument < least { Err(CborError::NotShortest) } else { Ok((major, argument)) }
    }

    /// A length of a container, of which each element takes a byte at least.
    fn length(&self, announced: u64, bytes_each: usize) -> Result<usize, CborError> {
        let length = usize::try_from(announced).map_err(|_| CborError::TooMany)?;
        if length > MAX_CONTAINER {
            return Err(CborError::TooMany);
        }
        if length * bytes_each > self.input.len() - self.at { Err(CborError::Truncated) } else { Ok(length) }
    }

    /// The next piece.
    ///
    /// # Errors
    /// It isn't a piece of a canonical value.
    pub fn item(&mut self) -> Result<Item<'a>, CborError> {
        let (major, argument) = self.head()?;
        let integer = || i64::try_from(argument).ok().filter(|number| *number <= MAX_INTEGER);
        match major {
            0 => integer().map(Item::Integer).ok_or(CborError::Integer),
            1 => match integer() {
                Some(number) if number < MAX_INTEGER => Ok(Item::Integer(-1 - number)),
                _ => Err(CborError::Integer),
            },
            2 => self.take_length(argument).map(Item::Bytes),
            3 => {
                let text = std::str::from_utf8(self.take_length(argument)?);
                text.map(Item::Text).map_err(|_| CborError::Utf8)
            }
            4 => self.length(argument, 1).map(Item::Array),
            5 => self.length(argument, 2).map(Item::Map),
            6 if argument == 42 => self.cid().map(Item::Link),
            6 => Err(CborError::Tag),
            _ => match argument {
                20 => Ok(Item::Bool(false)),
                21 => Ok(Item::Bool(true)),
                22 => Ok(Item::Null),
                25..=27 => Err(CborError::Float),
                31 => Err(CborError::Indefinite),
                _ => Err(CborError::Simple),
            },
        }
    }

    fn cid(&mut self) -> Result<Cid, CborError> {
        let Item::Bytes([0, cid @ ..]) = self.item()? else { return Err(CborError::Link) };
        Cid::from_bytes(cid).map_err(|_| CborError::Link)
    }

    /// A map: `each` is called with every key, and has to read its value.
    ///
    /// # Errors
    /// No map follows, its keys aren't in order, or `each` fails.
    pub fn fields<E: From<CborError>>(
        &mut self,
        order: Order,
        mut each: impl FnMut(&'a str, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let Item::Map(length) = self.item()? else { return Err(CborError::Expected("a map").into()) };
        let mut last = None;
        for _ in 0..length {
            let key = self.key(last)?;
            if order == Order::Sorted {
                last = Some(key);
            }
            each(key, self)?;
        }
        Ok(())
    }

    /// A key of a map, which comes after `last`.
    ///
    /// # Errors
    /// It doesn't, or isn't a key.
    pub fn key(&mut self, last: Option<&str>) -> Result<&'a str, CborError> {
        let key = self.text()?;
        if key.len() > MAX_KEY {
            return Err(CborError::LongKey);
        }
        match last.map(|last| key_order(last, key)) {
            Some(std::cmp::Ordering::Equal) => Err(CborError::DuplicateKey),
            Some(std::cmp::Ordering::Greater) => Err(CborError::KeyOrder),
            _ => Ok(key),
        }
    }

    /// An array: `each` is called for every element, and has to read it.
    ///
    /// # Errors
    /// No array follows, or `each` fails.
    pub fn items<E: From<CborError>>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let Item::Array(length) = self.item()? else { return Err(CborError::Expected("an array").into()) };
        (0..length).try_for_each(|_| each(self))
    }

    /// A value, whatever it is. The order of its keys isn't looked at.
    ///
    /// # Errors
    /// It isn't valid, or too deep.
    pub fn skip(&mut self) -> Result<(), CborError> {
        // How many values are still due on each level.
        let mut due = [0_usize; MAX_DEPTH + 1];
        due[0] = 1;
        let mut level = 0;
        loop {
            while due[level] == 0 {
                if level == 0 {
                    return Ok(());
                }
                level -= 1;
            }
            due[level] -= 1;
            let inner = match self.item()? {
                Item::Array(length) => length,
                Item::Map(length) => 2 * length,
                _ => continue,
            };
            level += 1;
            *due.get_mut(level).ok_or(CborError::TooDeep)? = inner;
        }
    }

    /// Whether null is next: then it is read.
    pub fn null(&mut self) -> bool {
        let is_null = self.input.get(self.at) == Some(&0xf6);
        self.at += usize::from(is_null);
        is_null
    }

    /// A text.
    ///
    /// # Errors
    /// Something else follows.
    pub fn text(&mut self) -> Result<&'a str, CborError> {
        if let Item::Text(text) = self.item()? { Ok(text) } else { Err(CborError::Expected("text")) }
    }

    /// Bytes.
    ///
    /// # Errors
    /// Something else follows.
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        if let Item::Bytes(bytes) = self.item()? { Ok(bytes) } else { Err(CborError::Expected("bytes")) }
    }

    /// An integer.
    ///
    /// # Errors
    /// Something else follows.
    pub fn integer(&mut self) -> Result<i64, CborError> {
        if let Item::Integer(number) = self.item()? {
            Ok(number)
        } else {
            Err(CborError::Expected("an integer"))
        }
    }

    /// A boolean.
    ///
    /// # Errors
    /// Something else follows.
    pub fn bool(&mut self) -> Result<bool, CborError> {
        if let Item::Bool(bool) = self.item()? { Ok(bool) } else { Err(CborError::Expected("a boolean")) }
    }

    /// A link.
    ///
    /// # Errors
    /// Something else follows.
    pub fn link(&mut self) -> Result<Cid, CborError> {
        if let Item::Link(cid) = self.item()? { Ok(cid) } else { Err(CborError::Expected("a link")) }
    }

    /// Null, or what `read` reads.
    ///
    /// # Errors
    /// `read` fails.
    pub fn nullable<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CborError>,
    ) -> Result<Option<T>, CborError> {
        if self.null() { Ok(None) } else { read(self).map(Some) }
    }
}

/// Of keys in a map: shorter ones first, then by their bytes.
#[must_use]
pub fn key_order(a: &str, b: &str) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// A field that was read once: with [`Order::Any`] it could come again.
///
/// # Errors
/// It did.
pub fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), CborError> {
    if slot.replace(value).is_some() { Err(CborError::DuplicateKey) } else { Ok(()) }
}

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
