//! Writing a segment, front to back: its documents by number, then its terms by name, each with its postings by
//! number. Finished pages are handed out as they come, so that a large segment is never whole in memory.

use super::{
    Head, NewPage, PAGE_BYTES, PAGED, Part, Posting, SegmentInfo, TermInfo,
    blocks::{BlockSink, BlockWriter},
    dictionary::DictionaryWriter,
    documents::{Document, DocumentsWriter},
};

/// Writes a segment.
pub(in crate::search) struct SegmentWriter {
    info: SegmentInfo,
    head: Head,
    documents: DocumentsWriter,
    dictionary: DictionaryWriter,
    blocks: BlockWriter,
    streams: Streams,
    name: Vec<u8>,
    term: TermInfo,
    pages: Vec<NewPage>,
}

impl SegmentWriter {
    pub(in crate::search) fn new(id: u32) -> Self {
        let info = SegmentInfo { id, first: 0, last: 0, documents: 0, bytes: 0, pages: [0; 4] };
        Self {
            info,
            head: Head::default(),
            documents: DocumentsWriter::default(),
            dictionary: DictionaryWriter::default(),
            blocks: BlockWriter::default(),
            streams: Streams::default(),
            name: Vec::new(),
            term: TermInfo::default(),
            pages: Vec::new(),
        }
    }

    /// What it has written so far.
    pub(in crate::search) const fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// The next document.
    pub(in crate::search) fn document(&mut self, document: &Document) {
        if self.info.documents == 0 {
            self.info.first = document.number;
        }
        self.info.last = document.number;
        self.info.documents += 1;
        if let Some(page) = self.documents.push(document, &mut self.head) {
            self.push(Part::Documents, page);
        }
    }

    /// The next term begins. If it gets no posting, it is as if it had never been.
    pub(in crate::search) fn begin(&mut self, name: &[u8]) {
        self.name.clear();
        self.name.extend_from_slice(name);
        let (postings, positions) = (self.streams.postings.offset, self.streams.positions.offset);
        self.term = TermInfo { count: 0, postings: postings..postings, positions: positions..positions };
    }

    /// The term's next posting, and its encoded positions.
    pub(in crate::search) fn posting(&mut self, posting: Posting, positions: &[u8]) {
        self.term.count += 1;
        self.blocks.push(posting, positions, &mut self.streams);
    }

    /// The term is through.
    pub(in crate::search) fn end(&mut self) {
        self.blocks.close(&mut self.streams);
        self.take_streams();
        if self.term.count == 0 {
            return;
        }
        self.term.postings.end = self.streams.postings.offset;
        self.term.positions.end = self.streams.positions.offset;
        if let Some(page) = self.dictionary.push(&self.name, &self.term, &mut self.head) {
            self.push(Part::Terms, page);
        }
    }

    /// The pages that were finished since the last call.
    pub(in crate::search) fn take_pages(&mut self) -> Vec<NewPage> {
        std::mem::take(&mut self.pages)
    }

    /// Everything is written: what came of it, and the pages since the last [`Self::take_pages`].
    pub(in crate::search) fn finish(mut self) -> (SegmentInfo, Head, Vec<NewPage>) {
        if let Some(page) = self.documents.finish() {
            self.push(Part::Documents, page);
        }
        if let Some(page) = self.dictionary.finish() {
            self.push(Part::Terms, page);
        }
        for stream in [&mut self.streams.postings, &mut self.streams.positions] {
            let rest = std::mem::take(&mut stream.page);
            stream.pages.extend((!rest.is_empty()).then_some(rest));
        }
        self.take_streams();
        (self.info, self.head, self.pages)
    }

    fn take_streams(&mut self) {
        for page in std::mem::take(&mut self.streams.postings.pages) {
            self.push(Part::Postings, page);
        }
        for page in std::mem::take(&mut self.streams.positions.pages) {
            self.push(Part::Positions, page);
        }
    }

    fn push(&mut self, part: Part, bytes: Vec<u8>) {
        let Some(at) = PAGED.iter().position(|paged| *paged == part) else { return };
        self.info.bytes += bytes.len() as u64;
        self.pages.push(NewPage { part, number: self.info.pages[at], bytes });
        self.info.pages[at] += 1;
    }
}

#[derive(Default)]
struct Streams {
    postings: Stream,
    positions: Stream,
}

impl BlockSink for Streams {
    fn postings(&mut self, bytes: &[u8]) {
        self.postings.write(bytes);
    }

    fn positions(&mut self, bytes: &[u8]) {
        self.positions.write(bytes);
    }
}

/// A stream that is cut into pages.
#[derive(Default)]
struct Stream {
    /// Bytes so far.
    offset: u64,
    page: Vec<u8>,
    pages: Vec<Vec<u8>>,
}

impl Stream {
    fn write(&mut self, mut bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        while self.page.len() + bytes.len() >= PAGE_BYTES {
            let (head, rest) = bytes.split_at(PAGE_BYTES - self.page.len());
            self.page.extend_from_slice(head);
            self.pages.push(std::mem::take(&mut self.page));
            bytes = rest;
        }
        self.page.extend_from_slice(bytes);
    }
}
