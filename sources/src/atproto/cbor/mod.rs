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

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

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
