//! Reading what we wrote, and saying so when it isn't.

use super::SearchError;
use springline_model::text::varint;

/// Reads numbers and runs of bytes off the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Input<'a> {
    /// `what` is named in errors.
    pub(super) const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, SearchError> {
        let what = self.what;
        varint::take(&mut self.rest).ok_or_else(|| SearchError::Damaged { what })
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, SearchError> {
        let what = self.what;
        varint::take_u32(&mut self.rest).ok_or_else(|| SearchError::Damaged { what })
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, SearchError> {
        let number = self.number()?;
        u16::try_from(number).map_err(|_| self.damaged())
    }

    /// So many bytes.
    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], SearchError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(head)
    }

    /// A length and that many bytes.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], SearchError> {
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(super) const fn damaged(&self) -> SearchError {
        SearchError::Damaged { what: self.what }
    }
}

/// A signed number as an unsigned one that is small when it is near zero.
pub(super) const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// The way back.
pub(super) const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}
