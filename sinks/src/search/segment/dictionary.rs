//! The dictionary: every term by its name.
//!
//! ```text
//!  page   where the first term's postings, positions begin │ entry, entry, …
//!  entry  bytes shared with the name before │ bytes, the rest of the name │ postings │ bytes of postings │
//!         bytes of positions
//! ```

use super::{Head, Page, Part, Segment, TERMS_PAGE_BYTES};
use crate::search::{SearchError, codec::Input};
use springline_model::text::varint;
use std::{ops::Range, sync::Arc};

/// What the dictionary says about a term.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::search) struct TermInfo {
    /// How many postings, dead ones among them.
    pub(in crate::search) count: u32,
    /// Where in the stream of postings.
    pub(in crate::search) postings: Range<u64>,
    /// Where in the stream of positions.
    pub(in crate::search) positions: Range<u64>,
}

/// Goes through a segment's terms, by name.
pub(in crate::search) struct TermCursor {
    segment: Arc<Segment>,
    number: usize,
    page: Page,
    /// Bytes of the page that are behind us.
    at: usize,
    name: Vec<u8>,
    info: TermInfo,
    valid: bool,
}

impl TermCursor {
    /// On the first term.
    pub(in crate::search) fn first(segment: Arc<Segment>) -> Result<Self, SearchError> {
        let mut cursor = Self::new(segment);
        cursor.open(0)?;
        Ok(cursor)
    }

    /// On no term yet: [`Self::seek`].
    pub(in crate::search) fn new(segment: Arc<Segment>) -> Self {
        Self {
            segment,
            number: usize::MAX,
            page: Page::default(),
            at: 0,
            name: Vec::new(),
            info: TermInfo::default(),
            valid: false,
        }
    }

    /// The term that it is on: its name and what there is. `None` behind the last.
    pub(in crate::search) fn term(&self) -> Option<(&[u8], &TermInfo)> {
        self.valid.then_some((&self.name, &self.info))
    }

    pub(in crate::search) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Goes to the first term that is not before a name.
    pub(in crate::search) fn seek(&mut self, name: &[u8]) -> Result<(), SearchError> {
        let number = self.segment.head.page_of_term(name);
        // Asked in order, the next name is mostly on the same page, further on.
        if number != self.number || !self.valid || self.name.as_slice() > name {
            self.open(number)?;
        }
        while self.valid && self.name.as_slice() < name {
            self.advance()?;
        }
        Ok(())
    }

    /// The term of a name, if the segment has it.
    pub(in crate::search) fn find(&mut self, name: &[u8]) -> Result<Option<TermInfo>, SearchError> {
        self.seek(name)?;
        Ok(self.term().filter(|(found, _)| *found == name).map(|(_, info)| info.clone()))
    }

    /// Goes to the next term.
    pub(in crate::search) fn advance(&mut self) -> Result<(), SearchError> {
        if self.at == self.page.len() {
            return self.open(self.number + 1);
        }
        let mut input = Input::new(&self.page[self.at..], "the dictionary of a segment");
        let before = input.left();
        let shared = input.number()?;
        let shared = usize::try_from(shared).ok().filter(|shared| *shared <= self.name.len());
        self.name.truncate(shared.ok_or_else(|| input.damaged())?);
        self.name.extend_from_slice(input.bytes()?);
        let count = input.u32()?;
        let (postings, positions) = (self.info.postings.end, self.info.positions.end);
        let postings = postings..postings.checked_add(input.number()?).ok_or_else(|| input.damaged())?;
        let positions = positions..positions.checked_add(input.number()?).ok_or_else(|| input.damaged())?;
        self.info = TermInfo { count, postings, positions };
        self.at += before - input.left();
        Ok(())
    }

    fn open(&mut self, number: usize) -> Result<(), SearchError> {
        self.valid = false;
        if number >= self.segment.head.name_ends.len() {
            return Ok(());
        }
        if number != self.number {
            self.page = self.segment.page(Part::Terms, number as u32)?;
            self.number = number;
        }
        let mut input = Input::new(&self.page, "the dictionary of a segment");
        let (postings, positions) = (input.number()?, input.number()?);
        self.info = TermInfo { count: 0, postings: 0..postings, positions: 0..positions };
        self.at = self.page.len() - input.left();
        self.name.clear();
        self.valid = true;
        self.advance()
    }
}

/// Collects entries into pages.
#[derive(Debug, Default)]
pub(super) struct DictionaryWriter {
    page: Vec<u8>,
    name: Vec<u8>,
}

impl DictionaryWriter {
    /// The next term, by name; gives a page if this fills one.
    pub(super) fn push(&mut self, name: &[u8], info: &TermInfo, head: &mut Head) -> Option<Vec<u8>> {
        if self.page.is_empty() {
            varint::put(info.postings.start, &mut self.page);
            varint::put(info.positions.start, &mut self.page);
            self.name.clear();
            head.push_terms(name);
        }
        let shared = self.name.iter().zip(name).take_while(|(a, b)| a == b).count();
        varint::put(shared as u64, &mut self.page);
        varint::put_bytes(&name[shared..], &mut self.page);
        varint::put(u64::from(info.count), &mut self.page);
        varint::put(info.postings.end - info.postings.start, &mut self.page);
        varint::put(info.positions.end - info.positions.start, &mut self.page);
        self.name.clear();
        self.name.extend_from_slice(name);
        (self.page.len() >= TERMS_PAGE_BYTES).then(|| std::mem::take(&mut self.page))
    }

    /// The last page, if it has anything.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        (!self.page.is_empty()).then(|| std::mem::take(&mut self.page))
    }
}
