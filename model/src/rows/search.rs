//! Where was this said.

use super::{Row, get, put};
use crate::{
    Table, Timestamp, Uri,
    key::{DecodeError, KeyWriter},
    text::varint,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, sync::Arc};

/// One document's terms: what the search operator emits for a record. The search sink inverts it into postings
/// (term → documents) and keeps those in segments; only the log of the newest small epochs stores it as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PostingsRow {
    /// The document: a record's URI.
    pub uri: Uri,
    /// The record's time, for `since:` and `until:`.
    pub at: Timestamp,
    /// Words in title and body together (BM25's document length).
    pub length: u32,
    /// Every term once, sorted by its bytes. [`crate::text`] says what terms there are.
    pub terms: Terms,
}

/// A document's terms in one run of bytes, because a document has hundreds: two allocations for each of them
/// would cost more than finding them. Cloning is cheap (shared bytes); equal terms have equal bytes.
///
/// ```text
///  term:  length, bytes │ body·2 + (title ≠ 0) │ title, if not 0 │ length of the positions, positions
///  positions: the first, then the distance to each next        all numbers as in text::varint
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms(Arc<[u8]>);

/// A term in a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Term<'a> {
    /// What it is: UTF-8, see [`crate::text::term`].
    pub name: &'a [u8],
    /// How often it stands in the title.
    pub title: u16,
    /// How often it stands in the body.
    pub body: u16,
    /// Where.
    pub positions: Positions<'a>,
}

/// Word positions in the title, then in the body, then in the path, rising; empty for terms that no phrase asks
/// for (stems, filters). As many as there are, capped at [`crate::text::MAX_POSITIONS`].
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Positions<'a>(&'a [u8]);

/// Collects a document's terms.
#[derive(Clone, Debug, Default)]
pub struct TermsBuilder {
    bytes: Vec<u8>,
    positions: Vec<u8>,
}

impl TermsBuilder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next term; the caller sorts them. `positions` must rise.
    pub fn push(&mut self, name: &[u8], title: u16, body: u16, positions: impl IntoIterator<Item = u32>) {
        self.positions.clear();
        let mut last = 0;
        for position in positions {
            varint::put(u64::from(position - last), &mut self.positions);
            last = position;
        }
        Term { name, title, body, positions: Positions(&self.positions) }.encode(&mut self.bytes);
    }

    /// What was added; starts again.
    pub fn finish(&mut self) -> Terms {
        let terms = Terms(self.bytes.as_slice().into());
        self.bytes.clear();
        terms
    }
}

impl Terms {
    /// Each term, by its bytes.
    #[must_use]
    pub fn iter(&self) -> TermsIter<'_> {
        TermsIter(&self.0)
    }

    /// The whole run.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes back what [`Self::as_bytes`] gave; `None` if the bytes are something else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut terms = TermsIter(bytes);
        let mut last: Option<&[u8]> = None;
        for term in terms.by_ref() {
            let rises = last.is_none_or(|last| last < term.name);
            if !rises || !term.positions.is_sound() {
                return None;
            }
            last = Some(term.name);
        }
        terms.0.is_empty().then(|| Self(bytes.into()))
    }
}

impl<'a> IntoIterator for &'a Terms {
    type Item = Term<'a>;
    type IntoIter = TermsIter<'a>;

    fn into_iter(self) -> TermsIter<'a> {
        self.iter()
    }
}

/// Goes through [`Terms`].
#[derive(Clone, Debug)]
pub struct TermsIter<'a>(&'a [u8]);

impl<'a> TermsIter<'a> {
    /// The next term and its whole encoding.
    pub fn next_encoded(&mut self) -> Option<(Term<'a>, &'a [u8])> {
        let before = self.0;
        let mut rest = before;
        let term = Term::decode(&mut rest)?;
        self.0 = rest;
        Some((term, &before[..before.len() - rest.len()]))
    }
}

impl<'a> Iterator for TermsIter<'a> {
    type Item = Term<'a>;

    fn next(&mut self) -> Option<Term<'a>> {
        self.next_encoded().map(|(term, _)| term)
    }
}

impl<'a> Term<'a> {
    /// Appends it; the same bytes wherever the term came from.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint::put_bytes(self.name, out);
        varint::put(u64::from(self.body) * 2 + u64::from(self.title != 0), out);
        if self.title != 0 {
            varint::put(u64::from(self.title), out);
        }
        varint::put_bytes(self.positions.0, out);
    }

    /// Takes one off the front; `None` if that is not what the bytes are.
    fn decode(bytes: &mut &'a [u8]) -> Option<Self> {
        let name = varint::take_bytes(bytes)?;
        let code = varint::take(bytes)?;
        let title = if code & 1 == 1 { u16::try_from(varint::take(bytes)?).ok()? } else { 0 };
        let body = u16::try_from(code >> 1).ok()?;
        Some(Self { name, title, body, positions: Positions(varint::take_bytes(bytes)?) })
    }
}

impl fmt::Debug for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}+{}@{:?}", self.name.escape_ascii(), self.title, self.body, self.positions)
    }
}

impl<'a> Positions<'a> {
    /// Takes the encoding as it is: what does not decode ends the positions early.
    #[must_use]
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoding.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether all of it decodes.
    fn is_sound(self) -> bool {
        let mut rest = self.0;
        let mut last = 0_u32;
        while !rest.is_empty() {
            match varint::take_u32(&mut rest).and_then(|step| last.checked_add(step)) {
                Some(position) => last = position,
                None => return false,
            }
        }
        true
    }
}

impl<'a> IntoIterator for Positions<'a> {
    type Item = u32;
    type IntoIter = PositionsIter<'a>;

    fn into_iter(self) -> PositionsIter<'a> {
        PositionsIter { rest: self.0, last: 0 }
    }
}

/// Goes through [`Positions`], rising.
#[derive(Clone, Copy, Debug)]
pub struct PositionsIter<'a> {
    rest: &'a [u8],
    last: u32,
}

impl Iterator for PositionsIter<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        self.last = self.last.saturating_add(varint::take_u32(&mut self.rest)?);
        Some(self.last)
    }
}

impl fmt::Debug for Positions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self([].into())
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl Serialize for Terms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Terms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Terms;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a document's terms")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Terms, E> {
                Terms::from_bytes(bytes).ok_or_else(|| E::custom("not the terms of a document"))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

impl Row for PostingsRow {
    const TABLE: Table = Table::Search;

    fn key(&self, key: &mut KeyWriter) {
        key.text(self.uri.as_str());
    }

    fn value(&self, value: &mut Vec<u8>) {
        put(self, value);
    }

    fn decode(_key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        get(Self::TABLE, value)
    }
}
