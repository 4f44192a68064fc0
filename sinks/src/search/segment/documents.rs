//! The documents of a segment: number → time, length, URI.
//!
//! ```text
//!  page      count │ document, document, …
//!  document  step from the number before │ zigzag step from the time before │ length │
//!            bytes shared with the URI before │ bytes, the rest of the URI
//! ```

use super::{DocumentsPage, Head, PAGE_DOCUMENTS, Page, Part, Segment};
use crate::search::{
    SearchError,
    codec::{Input, unzigzag, zigzag},
};
use springline_model::{Timestamp, text::varint};
use std::sync::Arc;

/// A document of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::search) struct Document {
    pub(in crate::search) number: u32,
    pub(in crate::search) at: Timestamp,
    /// Words in title and body.
    pub(in crate::search) length: u32,
    pub(in crate::search) uri: Vec<u8>,
}

impl Document {
    const fn none() -> Self {
        Self { number: 0, at: Timestamp(0), length: 0, uri: Vec::new() }
    }

    /// Its URI as text.
    pub(in crate::search) fn uri(&self) -> Result<&str, SearchError> {
        std::str::from_utf8(&self.uri)
            .map_err(|_| SearchError::Damaged { what: "a document's URI is no text" })
    }
}

/// Goes through a segment's documents, by number.
pub(in crate::search) struct DocumentCursor {
    segment: Arc<Segment>,
    number: usize,
    page: Page,
    at: usize,
    document: Document,
    valid: bool,
}

impl DocumentCursor {
    /// On the first document.
    pub(in crate::search) fn first(segment: Arc<Segment>) -> Result<Self, SearchError> {
        let mut cursor = Self::new(segment);
        cursor.open(0)?;
        Ok(cursor)
    }

    /// On no document yet: [`Self::find`].
    pub(in crate::search) fn new(segment: Arc<Segment>) -> Self {
        Self {
            segment,
            number: usize::MAX,
            page: Page::default(),
            at: 0,
            document: Document::none(),
            valid: false,
        }
    }

    /// The document that it is on; `None` behind the last.
    pub(in crate::search) fn document(&self) -> Option<&Document> {
        self.valid.then_some(&self.document)
    }

    /// The document of a number, if the segment has it. Cheapest asked in order.
    pub(in crate::search) fn find(&mut self, document: u32) -> Result<Option<&Document>, SearchError> {
        let number = self.segment.head.page_of_document(document);
        if number != self.number || !self.valid || self.document.number > document {
            self.open(number)?;
        }
        while self.valid && self.document.number < document {
            self.advance()?;
        }
        Ok(self.document().filter(|found| found.number == document))
    }

    /// What is known of a document's time without reading its page: oldest and newest of the page's.
    pub(in crate::search) fn times(&self, document: u32) -> Option<(Timestamp, Timestamp)> {
        let head = &self.segment.head;
        head.documents.get(head.page_of_document(document)).map(|page| (page.oldest, page.newest))
    }

    /// Goes to the next document.
    pub(in crate::search) fn advance(&mut self) -> Result<(), SearchError> {
        if self.at == self.page.len() {
            return self.open(self.number + 1);
        }
        let mut input = Input::new(&self.page[self.at..], "the documents of a segment");
        let before = input.left();
        let document = &mut self.document;
        document.number = document.number.checked_add(input.u32()?).ok_or_else(|| input.damaged())?;
        document.at = Timestamp(document.at.0.wrapping_add(unzigzag(input.number()?)));
        document.length = input.u32()?;
        let shared = input.number()?;
        let shared = usize::try_from(shared).ok().filter(|shared| *shared <= document.uri.len());
        document.uri.truncate(shared.ok_or_else(|| input.damaged())?);
        document.uri.extend_from_slice(input.bytes()?);
        self.at += before - input.left();
        Ok(())
    }

    fn open(&mut self, number: usize) -> Result<(), SearchError> {
        self.valid = false;
        if number >= self.segment.head.documents.len() {
            return Ok(());
        }
        if number != self.number {
            self.page = self.segment.page(Part::Documents, number as u32)?;
            self.number = number;
        }
        self.at = 0;
        self.document = Document::none();
        self.valid = true;
        self.advance()
    }
}

/// Collects documents into pages.
#[derive(Debug, Default)]
pub(super) struct DocumentsWriter {
    page: Vec<u8>,
    count: usize,
    number: u32,
    at: i64,
    uri: Vec<u8>,
}

impl DocumentsWriter {
    /// The next document, by number; gives a page if this fills one.
    pub(super) fn push(&mut self, document: &Document, head: &mut Head) -> Option<Vec<u8>> {
        let (number, at) = (document.number, document.at);
        if self.count == 0 {
            (self.number, self.at) = (0, 0);
            self.uri.clear();
            head.documents.push(DocumentsPage { first: number, oldest: at, newest: at });
        }
        if let Some(page) = head.documents.last_mut() {
            (page.oldest, page.newest) = (page.oldest.min(at), page.newest.max(at));
        }
        let shared = self.uri.iter().zip(&document.uri).take_while(|(a, b)| a == b).count();
        varint::put(u64::from(number - self.number), &mut self.page);
        varint::put(zigzag(at.0.wrapping_sub(self.at)), &mut self.page);
        varint::put(u64::from(document.length), &mut self.page);
        varint::put(shared as u64, &mut self.page);
        varint::put_bytes(&document.uri[shared..], &mut self.page);
        (self.number, self.at) = (number, at.0);
        self.uri.clone_from(&document.uri);
        self.count += 1;
        if self.count < PAGE_DOCUMENTS {
            return None;
        }
        self.finish()
    }

    /// The last page, if it has anything.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        self.count = 0;
        (!self.page.is_empty()).then(|| std::mem::take(&mut self.page))
    }
}
