//! A term's postings: blocks of up to 128.
//!
//! ```text
//!  block      count │ first number │ last − first │ bytes of postings │ bytes of positions │ postings
//!  posting    step from the number before (but for the first) │ tf body·2 + (tf title ≠ 0) │ [tf title] │ length
//!  positions  of each posting: bytes, positions as the row has them
//! ```

use super::BLOCK_POSTINGS;
use crate::search::{SearchError, codec::Input};
use springline_model::text::varint;
use std::ops::Range;

/// Positions after which a block is closed early, in bytes: so that one phrase match does not read a whole book.
const POSITIONS_BYTES: usize = 16 * 1024;

/// A term in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::search) struct Posting {
    /// The document's number.
    pub(in crate::search) document: u32,
    /// How often in its title.
    pub(in crate::search) title: u16,
    /// How often in its body.
    pub(in crate::search) body: u16,
    /// Words in title and body.
    pub(in crate::search) length: u32,
}

/// A block, read.
#[derive(Clone, Debug)]
pub(in crate::search) struct Block<'a> {
    /// How many postings.
    pub(in crate::search) count: usize,
    pub(in crate::search) first: u32,
    pub(in crate::search) last: u32,
    /// Where its positions lie, from where the term's positions begin.
    pub(in crate::search) positions: Range<u64>,
    postings: Input<'a>,
}

impl Block<'_> {
    /// Each posting, in order.
    #[inline]
    pub(in crate::search) fn each(&self, mut visit: impl FnMut(Posting)) -> Result<(), SearchError> {
        let mut input = self.postings;
        let mut document = self.first;
        for at in 0..self.count {
            if at > 0 {
                document = document.checked_add(input.u32()?).ok_or_else(|| input.damaged())?;
            }
            let code = input.u32()?;
            let title = if code & 1 == 1 { input.u16()? } else { 0 };
            let body = u16::try_from(code >> 1).map_err(|_| input.damaged())?;
            visit(Posting { document, title, body, length: input.u32()? });
        }
        Ok(())
    }

    /// Each posting with its encoded positions, given all of the term's.
    pub(in crate::search) fn each_with_positions(
        &self,
        positions: &[u8],
        mut visit: impl FnMut(Posting, &[u8]),
    ) -> Result<(), SearchError> {
        let range = self.positions.start as usize..self.positions.end as usize;
        let mut positions = Input::new(positions.get(range).unwrap_or_default(), "a block of positions");
        if self.positions.is_empty() {
            return self.each(|posting| visit(posting, &[]));
        }
        let mut failed = None;
        self.each(|posting| match positions.bytes() {
            Ok(positions) => visit(posting, positions),
            Err(error) => failed = Some(error),
        })?;
        failed.map_or(Ok(()), Err)
    }
}

/// Goes through a term's blocks.
#[derive(Clone, Debug)]
pub(in crate::search) struct Blocks<'a> {
    input: Input<'a>,
    positions: u64,
}

impl<'a> Blocks<'a> {
    /// `bytes` are the term's postings.
    pub(in crate::search) const fn new(bytes: &'a [u8]) -> Self {
        Self { input: Input::new(bytes, "a term's postings"), positions: 0 }
    }

    /// The next.
    pub(in crate::search) fn next(&mut self) -> Result<Option<Block<'a>>, SearchError> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let input = &mut self.input;
        let (count, first, span) = (input.u32()? as usize, input.u32()?, input.u32()?);
        let (bytes, positions) = (input.number()?, input.number()?);
        let start = self.positions;
        self.positions = start.checked_add(positions).ok_or_else(|| input.damaged())?;
        let last = first.checked_add(span).ok_or_else(|| input.damaged())?;
        let bytes = input.take(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        let postings = Input::new(bytes, "a block of postings");
        Ok(Some(Block { count, first, last, positions: start..self.positions, postings }))
    }
}

/// Collects a term's postings into blocks.
#[derive(Debug, Default)]
pub(super) struct BlockWriter {
    count: usize,
    first: u32,
    last: u32,
    postings: Vec<u8>,
    positions: Vec<u8>,
}

/// Where closed blocks go.
pub(super) trait BlockSink {
    fn postings(&mut self, bytes: &[u8]);
    fn positions(&mut self, bytes: &[u8]);
}

impl BlockWriter {
    /// The next posting, by number.
    pub(super) fn push(&mut self, posting: Posting, positions: &[u8], sink: &mut impl BlockSink) {
        if self.count == BLOCK_POSTINGS || self.positions.len() >= POSITIONS_BYTES {
            self.close(sink);
        }
        if self.count == 0 {
            self.first = posting.document;
        } else {
            varint::put(u64::from(posting.document - self.last), &mut self.postings);
        }
        self.last = posting.document;
        self.count += 1;
        let title = posting.title != 0;
        varint::put(u64::from(posting.body) * 2 + u64::from(title), &mut self.postings);
        if title {
            varint::put(u64::from(posting.title), &mut self.postings);
        }
        varint::put(u64::from(posting.length), &mut self.postings);
        varint::put_bytes(positions, &mut self.positions);
    }

    /// The term is through.
    pub(super) fn close(&mut self, sink: &mut impl BlockSink) {
        if self.count == 0 {
            return;
        }
        // Terms that never have positions need no zeroes to say so.
        if self.positions.iter().all(|byte| *byte == 0) {
            self.positions.clear();
        }
        let mut head = Vec::with_capacity(16);
        let numbers = [self.count as u64, u64::from(self.first), u64::from(self.last - self.first)];
        let lengths = [self.postings.len() as u64, self.positions.len() as u64];
        numbers.into_iter().chain(lengths).for_each(|number| varint::put(number, &mut head));
        sink.postings(&head);
        sink.postings(&self.postings);
        sink.positions(&self.positions);
        self.postings.clear();
        self.positions.clear();
        self.count = 0;
    }
}
