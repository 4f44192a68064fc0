//! A segment: the documents of a range of numbers, inverted, and never changed again.
//!
//! ```text
//!  Head       first term of each page of Terms; first number and times of each page of Documents
//!  Documents  number → time, length, URI                128 documents a page
//!  Terms      name → how many, how many bytes below     front-coded, 4 KiB a page
//!  Postings   blocks of 128: number, tf title, tf body, document's length
//!  Positions  beside each block: the positions of each posting
//! ```
//!
//! Postings and Positions are streams cut into pages of 16 KiB wherever that falls; a term's bytes begin where the
//! last term's end, so the dictionary holds lengths only. What is needed to score stands in Postings, so that only
//! phrases read Positions, and only results read Documents.
//!
//! A segment lies in memory (the newest small epochs) or in the store; both are read by the same code.
//!
//! Invariants: numbers rise through Documents and through a term's postings; terms rise; a term has a posting; a
//! posting's document is in Documents. Which documents are dead is not the segment's business.

mod blocks;
mod dictionary;
mod documents;
mod invert;
mod merge;
mod occurrences;
mod pager;
mod writer;

pub(super) use blocks::{Block, Blocks, Posting};
pub(super) use dictionary::{TermCursor, TermInfo};
pub(super) use documents::{Document, DocumentCursor};
pub(super) use invert::{invert, locator};
pub(super) use merge::Merge;
pub(super) use occurrences::each_occurrence;
pub(super) use pager::Pager;
pub(super) use writer::SegmentWriter;

use super::{SearchError, codec::Input, keys};
use crate::store::Write;
use serde::{Deserialize, Serialize};
use springline_model::{Timestamp, text::varint};
use std::{
    ops::{Deref, Range, RangeInclusive},
    sync::Arc,
};

/// Bytes of a page of Postings or Positions, but for the last.
pub(super) const PAGE_BYTES: usize = 16 * 1024;

/// Bytes after which a page of Terms is closed.
const TERMS_PAGE_BYTES: usize = 4 * 1024;

/// Documents of a page of Documents, but for the last.
const PAGE_DOCUMENTS: usize = 128;

/// Postings of a block, but for a term's last.
const BLOCK_POSTINGS: usize = 128;

/// A part of a segment. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Part {
    Head = 0,
    Documents = 1,
    Terms = 2,
    Postings = 3,
    Positions = 4,
}

/// The parts that have numbered pages, in the order of [`SegmentInfo::pages`].
const PAGED: [Part; 4] = [Part::Documents, Part::Terms, Part::Postings, Part::Positions];

/// A page, shared by those who read it.
pub(super) type Page = Arc<Vec<u8>>;

/// A page that a writer finished.
#[derive(Clone, Debug)]
pub(super) struct NewPage {
    pub(super) part: Part,
    pub(super) number: u32,
    pub(super) bytes: Vec<u8>,
}

/// What the index's state says about a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SegmentInfo {
    pub(super) id: u32,
    /// First and last number of a document, if there are any.
    pub(super) first: u32,
    pub(super) last: u32,
    /// How many documents, dead ones among them.
    pub(super) documents: u32,
    /// Of all pages.
    pub(super) bytes: u64,
    /// How many pages of each part.
    pub(super) pages: [u32; 4],
}

impl SegmentInfo {
    /// The numbers of its documents, and perhaps of others between.
    pub(super) const fn range(&self) -> RangeInclusive<u32> {
        self.first..=self.last
    }
}

/// What tells where in the parts something is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The first term of each page, one behind the other.
    names: Vec<u8>,
    /// Where each ends.
    name_ends: Vec<u32>,
    documents: Vec<DocumentsPage>,
}

/// What there is in a page of Documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DocumentsPage {
    first: u32,
    oldest: Timestamp,
    newest: Timestamp,
}

impl Head {
    fn push_terms(&mut self, first: &[u8]) {
        self.names.extend_from_slice(first);
        self.name_ends.push(self.names.len() as u32);
    }

    fn first_term(&self, page: usize) -> &[u8] {
        let start = page.checked_sub(1).map_or(0, |before| self.name_ends[before]);
        &self.names[start as usize..self.name_ends[page] as usize]
    }

    /// The page of Terms that has the name, if any has; the first if all come after it.
    fn page_of_term(&self, name: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.name_ends.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.first_term(middle) <= name {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.saturating_sub(1)
    }

    /// The page of Documents that has the number, if any has.
    fn page_of_document(&self, document: u32) -> usize {
        self.documents.partition_point(|page| page.first <= document).saturating_sub(1)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::put(self.name_ends.len() as u64, &mut out);
        for page in 0..self.name_ends.len() {
            varint::put_bytes(self.first_term(page), &mut out);
        }
        for page in &self.documents {
            varint::put(u64::from(page.first), &mut out);
            varint::put(super::codec::zigzag(page.oldest.0), &mut out);
            varint::put(super::codec::zigzag(page.newest.0), &mut out);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, SearchError> {
        let mut input = Input::new(bytes, "the head of a segment");
        let mut head = Self::default();
        for _ in 0..input.number()? {
            head.push_terms(input.bytes()?);
        }
        while !input.is_empty() {
            head.documents.push(DocumentsPage {
                first: input.u32()?,
                oldest: Timestamp(super::codec::unzigzag(input.number()?)),
                newest: Timestamp(super::codec::unzigzag(input.number()?)),
            });
        }
        Ok(head)
    }
}

/// Where the pages are.
enum Pages {
    Memory([Vec<Page>; 4]),
    Stored(Arc<Pager>),
}

/// A segment, open.
pub(super) struct Segment {
    pub(super) info: SegmentInfo,
    head: Head,
    pages: Pages,
}

impl Segment {
    /// One whose pages lie in memory.
    pub(super) fn in_memory(info: SegmentInfo, head: Head, pages: Vec<NewPage>) -> Self {
        let mut parts = [const { Vec::new() }; 4];
        // A writer finishes the pages of a part in order.
        for page in pages {
            if let Some(at) = PAGED.iter().position(|part| *part == page.part) {
                parts[at].push(Arc::new(page.bytes));
            }
        }
        Self { info, head, pages: Pages::Memory(parts) }
    }

    /// One whose pages are being written into the store.
    pub(super) fn in_store(info: SegmentInfo, head: Head, pager: Arc<Pager>) -> Self {
        Self { info, head, pages: Pages::Stored(pager) }
    }

    /// One that was stored before.
    pub(super) fn open(info: SegmentInfo, pager: Arc<Pager>) -> Result<Self, SearchError> {
        let head = pager.store.get(&keys::page(info.id, Part::Head, 0))?;
        let head = Head::decode(&head.ok_or(SearchError::Damaged { what: "a segment has no head" })?)?;
        let [documents, terms, ..] = info.pages;
        if head.documents.len() != documents as usize || head.name_ends.len() != terms as usize {
            return Err(SearchError::Damaged { what: "a segment's head does not fit its pages" });
        }
        Ok(Self::in_store(info, head, pager))
    }

    /// A page of a part; the bytes are not checked.
    fn page(&self, part: Part, number: u32) -> Result<Page, SearchError> {
        match &self.pages {
            Pages::Memory(parts) => {
                let pages = &parts[PAGED.iter().position(|paged| *paged == part).unwrap_or(0)];
                let page = pages.get(number as usize).cloned();
                page.ok_or(SearchError::Damaged { what: "a page of a segment is missing" })
            }
            Pages::Stored(pager) => pager.page(self.info.id, part, number),
        }
    }

    /// Some bytes of a stream. `last` remembers a page, for who reads on.
    pub(super) fn read(
        &self,
        part: Part,
        range: Range<u64>,
        last: &mut LastPage,
    ) -> Result<Bytes, SearchError> {
        let page = |number: u64, last: &mut LastPage| match last {
            Some((remembered, page)) if *remembered == number => Ok(page.clone()),
            _ => {
                let page = self.page(part, u32::try_from(number).unwrap_or(u32::MAX))?;
                *last = Some((number, page.clone()));
                Ok::<_, SearchError>(page)
            }
        };
        let short = SearchError::Damaged { what: "a page of a segment is too short" };
        let (first, final_) =
            (range.start / PAGE_BYTES as u64, range.end.saturating_sub(1) / PAGE_BYTES as u64);
        let start = (range.start % PAGE_BYTES as u64) as usize;
        let length = (range.end - range.start) as usize;
        if range.is_empty() {
            return Ok(Bytes { page: Arc::default(), range: 0..0 });
        }
        if first == final_ {
            let page = page(first, last)?;
            let range = start..start + length;
            return if range.end <= page.len() { Ok(Bytes { page, range }) } else { Err(short) };
        }
        let mut bytes = Vec::new();
        for number in first..=final_ {
            let page = page(number, last)?;
            let from = if number == first { start } else { 0 };
            let to = page.len().min(from + length - bytes.len());
            bytes.extend_from_slice(page.get(from..to).unwrap_or_default());
        }
        if bytes.len() != length {
            return Err(short);
        }
        Ok(Bytes { page: Arc::new(bytes), range: 0..length })
    }

    /// The numbers of a term's documents.
    pub(super) fn numbers(&self, info: &TermInfo, last: &mut LastPage) -> Result<Vec<u32>, SearchError> {
        let bytes = self.read(Part::Postings, info.postings.clone(), last)?;
        let (mut blocks, mut numbers) = (Blocks::new(&bytes), Vec::new());
        while let Some(block) = blocks.next()? {
            block.each(|posting| numbers.push(posting.document))?;
        }
        Ok(numbers)
    }

    /// The writes that take its pages out of the store, at most so many: the last ones. What `info` still counts
    /// afterwards is still there.
    pub(super) fn delete(info: &mut SegmentInfo, limit: usize) -> Vec<Write> {
        let mut writes = Vec::new();
        for (part, pages) in PAGED.into_iter().zip(&mut info.pages) {
            while *pages > 0 && writes.len() < limit {
                *pages -= 1;
                writes.push(Write::Delete(keys::page(info.id, part, *pages)));
            }
        }
        if info.pages == [0; 4] {
            writes.push(Write::Delete(keys::page(info.id, Part::Head, 0)));
        }
        writes
    }
}

/// A page that a reader got last, and its number.
pub(super) type LastPage = Option<(u64, Page)>;

/// Bytes of a stream, in their page where they lie in one.
#[derive(Clone, Debug)]
pub(super) struct Bytes {
    page: Page,
    range: Range<usize>,
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.page[self.range.clone()]
    }
}

#[cfg(test)]
mod tests;
