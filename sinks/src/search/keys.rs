//! Where the index lies in the store: under the tag of [`Table::Search`].
//!
//! ```text
//!  tag 'd' chunk            documents that are dead, by the upper half of their number
//!  tag 'l' document         a log entry, by its first document
//!  tag 'm'                  the state: what segments there are, counts
//!  tag 's' segment part n   a page of a segment
//! ```

use super::segment::Part;
use springline_model::Table;
use std::ops::Bound;

const TAG: u8 = Table::Search as u8;

/// The key of the state.
pub(super) fn state() -> Vec<u8> {
    vec![TAG, b'm']
}

/// The key of a chunk of the dead.
pub(super) fn dead(chunk: u16) -> Vec<u8> {
    let [high, low] = chunk.to_be_bytes();
    vec![TAG, b'd', high, low]
}

/// The key of a log entry.
pub(super) fn log(first: u32) -> Vec<u8> {
    [&[TAG, b'l'], first.to_be_bytes().as_slice()].concat()
}

/// The key of a page.
pub(super) fn page(segment: u32, part: Part, number: u32) -> Vec<u8> {
    [&[TAG, b's'], segment.to_be_bytes().as_slice(), &[part as u8], &number.to_be_bytes()].concat()
}

/// What a range over all keys of one letter starts with, and ends before.
pub(super) const fn all(letter: u8) -> ([u8; 2], [u8; 2]) {
    ([TAG, letter], [TAG, letter + 1])
}

/// What a range over every key of the index starts with, and ends before.
pub(super) const EVERYTHING: ([u8; 1], [u8; 1]) = ([TAG], [TAG + 1]);

/// The two ends of a range as the store takes them, going on behind a key.
pub(super) fn bounds<'a>(
    from: &'a [u8],
    after: Option<&'a [u8]>,
    to: &'a [u8],
) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (after.map_or(Bound::Included(from), Bound::Excluded), Bound::Excluded(to))
}

/// The chunk or document that a key of [`dead`] or [`log`] ends with.
pub(super) fn number(key: &[u8]) -> u32 {
    key.iter().skip(2).take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}
