//! Many segments into one, a bounded piece at a time.
//!
//! The inputs' numbers follow on each other and stay as they are, so a term's postings are those of the inputs one
//! behind the other, without the documents that were dead when the merge began. Documents that die while it runs
//! come through and stay dead. Nothing of the result is to be seen before all of it is written.

use super::{
    Blocks, DocumentCursor, Head, LastPage, NewPage, Part, Segment, SegmentInfo, SegmentWriter, TermCursor,
};
use crate::search::{SearchError, dead::Dead};
use std::sync::Arc;

/// A merge under way.
pub(in crate::search) struct Merge {
    inputs: Vec<Arc<Segment>>,
    drop: Dead,
    writer: SegmentWriter,
    /// Which input's documents come next; behind the last: terms.
    documents: usize,
    terms: Vec<Source>,
    name: Vec<u8>,
}

/// An input's terms.
struct Source {
    cursor: TermCursor,
    postings: LastPage,
    positions: LastPage,
}

/// What a step of a merge wrote.
pub(in crate::search) struct Step {
    pub(in crate::search) pages: Vec<NewPage>,
    /// What the result is, if this was the last step.
    pub(in crate::search) done: Option<(SegmentInfo, Head)>,
}

impl Merge {
    /// `inputs` by number, `dead` as of now.
    pub(in crate::search) fn new(id: u32, inputs: Vec<Arc<Segment>>, dead: &Dead) -> Self {
        let writer = SegmentWriter::new(id);
        Self { inputs, drop: dead.clone(), writer, documents: 0, terms: Vec::new(), name: Vec::new() }
    }

    /// What it has written so far.
    pub(in crate::search) const fn info(&self) -> &SegmentInfo {
        self.writer.info()
    }

    /// What it merges.
    pub(in crate::search) fn inputs(&self) -> &[Arc<Segment>] {
        &self.inputs
    }

    /// The documents that it leaves out, and perhaps others outside of its inputs' numbers.
    pub(in crate::search) const fn dropped(&self) -> &Dead {
        &self.drop
    }

    /// Reads about so many bytes and writes what comes of them; a term's postings are never divided.
    pub(in crate::search) fn step(mut self, budget: u64) -> Result<(Option<Self>, Step), SearchError> {
        let mut read = 0;
        while self.documents < self.inputs.len() {
            if read >= budget {
                return Ok(self.pause());
            }
            read += self.copy_documents()?;
        }
        if self.terms.is_empty() {
            let source = |segment: &Arc<Segment>| {
                let cursor = TermCursor::first(segment.clone())?;
                Ok(Source { cursor, postings: None, positions: None })
            };
            self.terms = self.inputs.iter().map(source).collect::<Result<_, SearchError>>()?;
        }
        while self.next_name() {
            if read >= budget {
                return Ok(self.pause());
            }
            read += self.copy_term()?;
        }
        let (info, head, pages) = self.writer.finish();
        Ok((None, Step { pages, done: Some((info, head)) }))
    }

    fn pause(mut self) -> (Option<Self>, Step) {
        let pages = self.writer.take_pages();
        (Some(self), Step { pages, done: None })
    }

    /// The documents of one input; about how many bytes they are.
    fn copy_documents(&mut self) -> Result<u64, SearchError> {
        let mut cursor = DocumentCursor::first(self.inputs[self.documents].clone())?;
        let mut read = 0;
        while let Some(document) = cursor.document() {
            read += document.uri.len() as u64;
            if !self.drop.contains(document.number) {
                self.writer.document(document);
            }
            cursor.advance()?;
        }
        self.documents += 1;
        Ok(read)
    }

    /// Finds the next term's name; whether there is one.
    fn next_name(&mut self) -> bool {
        let names = self.terms.iter().filter_map(|source| source.cursor.term());
        let Some(name) = names.map(|(name, _)| name).min() else { return false };
        self.name.clear();
        self.name.extend_from_slice(name);
        true
    }

    /// The term of that name, from every input that has it; about how many bytes it is.
    fn copy_term(&mut self) -> Result<u64, SearchError> {
        let mut read = 0;
        self.writer.begin(&self.name);
        for source in &mut self.terms {
            let Some((_, info)) = source.cursor.term().filter(|(name, _)| *name == self.name) else {
                continue;
            };
            let segment = source.cursor.segment();
            let postings = segment.read(Part::Postings, info.postings.clone(), &mut source.postings)?;
            let positions = segment.read(Part::Positions, info.positions.clone(), &mut source.positions)?;
            copy(&postings, &positions, &self.drop, &mut self.writer)?;
            read += (self.name.len() + postings.len() + positions.len()) as u64;
            source.cursor.advance()?;
        }
        self.writer.end();
        Ok(read)
    }
}

fn copy(
    postings: &[u8],
    positions: &[u8],
    drop: &Dead,
    writer: &mut SegmentWriter,
) -> Result<(), SearchError> {
    let mut blocks = Blocks::new(postings);
    while let Some(block) = blocks.next()? {
        block.each_with_positions(positions, |posting, positions| {
            if !drop.contains(posting.document) {
                writer.posting(posting, positions);
            }
        })?;
    }
    Ok(())
}
