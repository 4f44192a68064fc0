//! Words one behind the other.

use super::{
    Item,
    leaves::{Match, Select, each_term},
};
use crate::search::{
    SearchError,
    codec::Input,
    query::MAX_PREFIX_TERMS,
    segment::{Block, Blocks, Bytes, Part, Posting, Segment, TermInfo},
    state::State,
};
use springline_model::{rows::Positions, text::term};
use std::{ops::Range, sync::Arc};

/// The documents that have the phrase, by number, and how often. What stands in the path is found, not counted.
pub(super) fn phrase(
    state: &State,
    items: &[Item],
    title: bool,
    at: usize,
) -> Result<Vec<Match>, SearchError> {
    let mut matches = Vec::new();
    let mut left = MAX_PREFIX_TERMS;
    for segment in state.segments() {
        let mut words = Vec::with_capacity(items.len());
        for item in items {
            words.push(Word::open(segment, item, &mut left, at)?);
        }
        for document in common(&words).into_iter().filter(|document| !state.dead.contains(*document)) {
            matches.extend(find(&mut words, document, title)?);
        }
    }
    Ok(matches)
}

/// The documents that have all the words, by number.
fn common(words: &[Word]) -> Vec<u32> {
    let mut rarest: Vec<&Word> = words.iter().collect();
    rarest.sort_by_key(|word| word.documents.len());
    let Some((first, others)) = rarest.split_first() else { return Vec::new() };
    let mut documents = first.documents.clone();
    for word in others {
        let mut rest = word.documents.iter().copied().peekable();
        documents.retain(|document| {
            while rest.next_if(|next| next < document).is_some() {}
            rest.peek() == Some(document)
        });
    }
    documents
}

/// The phrase in one document; asked by number.
fn find(words: &mut [Word], document: u32, title: bool) -> Result<Option<Match>, SearchError> {
    for word in &mut *words {
        word.go_to(document)?;
    }
    let Some((first, others)) = words.split_first() else { return Ok(None) };
    let mut found = Match { document, title: 0, body: 0, length: first.length };
    let mut anywhere = false;
    for (position, place) in &first.positions {
        let there = others.iter().all(|word| {
            let wanted = position.saturating_add(word.offset);
            word.positions.binary_search_by_key(&wanted, |(position, _)| *position).is_ok()
        });
        if there && (!title || *place == Place::Title) {
            anywhere = true;
            found.title += u32::from(*place == Place::Title);
            found.body += u32::from(*place == Place::Body);
        }
    }
    Ok(anywhere.then_some(found))
}

/// In which part of a document a position lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Title,
    Body,
    Path,
}

/// A word of the phrase, in one segment: the postings of the terms that it stands for.
struct Word {
    offset: u32,
    terms: Vec<TermPositions>,
    /// All that any of them has, by number.
    documents: Vec<u32>,
    /// In the document that was gone to.
    positions: Vec<(u32, Place)>,
    length: u32,
}

impl Word {
    fn open(segment: &Arc<Segment>, item: &Item, left: &mut usize, at: usize) -> Result<Self, SearchError> {
        let name = term::word(&item.word);
        let select = if item.prefix { Select::Prefix(name) } else { Select::Exact(name) };
        let mut terms = Vec::new();
        each_term(segment, &[select], left, at, |info| {
            terms.push(TermPositions::open(segment, info)?);
            Ok(())
        })?;
        let numbers = terms.iter().flat_map(|term| &term.postings).map(|posting| posting.document);
        let mut documents: Vec<u32> = numbers.collect();
        if terms.len() > 1 {
            documents.sort_unstable();
            documents.dedup();
        }
        Ok(Self { offset: item.offset, terms, documents, positions: Vec::new(), length: 0 })
    }

    fn go_to(&mut self, document: u32) -> Result<(), SearchError> {
        self.positions.clear();
        for term in &mut self.terms {
            let Some(posting) = term.go_to(document) else { continue };
            self.length = posting.length;
            let (title, body) = (usize::from(posting.title), usize::from(posting.body));
            // A count that is full has lost track of where the body ends; there, everything is body.
            let body = if posting.body == u16::MAX { usize::MAX } else { title + body };
            let places = |index: usize| match index {
                _ if index < title => Place::Title,
                _ if index < body => Place::Body,
                _ => Place::Path,
            };
            let positions = term.positions()?.into_iter().enumerate();
            self.positions.extend(positions.map(|(index, position)| (position, places(index))));
        }
        if self.terms.len() > 1 {
            self.positions.sort_unstable();
        }
        Ok(())
    }
}

/// A term's postings, and the way to each one's positions.
struct TermPositions {
    segment: Arc<Segment>,
    postings: Vec<Posting>,
    /// For each block: where its postings begin, and its positions in the stream.
    blocks: Vec<(usize, Range<u64>)>,
    /// The posting that was gone to.
    at: usize,
    /// The block that is open, and the posting whose positions come next in it.
    open: Option<(usize, Bytes)>,
    next: usize,
    consumed: usize,
}

impl TermPositions {
    fn open(segment: &Arc<Segment>, info: &TermInfo) -> Result<Self, SearchError> {
        let bytes = segment.read(Part::Postings, info.postings.clone(), &mut None)?;
        let (mut postings, mut blocks) = (Vec::new(), Vec::new());
        let mut reader = Blocks::new(&bytes);
        while let Some(block) = reader.next()? {
            let Block { positions, .. } = &block;
            let start = info.positions.start;
            blocks.push((postings.len(), start + positions.start..start + positions.end));
            block.each(|posting| postings.push(posting))?;
        }
        Ok(Self { segment: segment.clone(), postings, blocks, at: 0, open: None, next: 0, consumed: 0 })
    }

    /// Goes forward to a document; its posting, if it has one.
    fn go_to(&mut self, document: u32) -> Option<Posting> {
        while self.postings.get(self.at).is_some_and(|posting| posting.document < document) {
            self.at += 1;
        }
        self.postings.get(self.at).copied().filter(|posting| posting.document == document)
    }

    /// The positions of the posting that was gone to.
    fn positions(&mut self) -> Result<Positions<'_>, SearchError> {
        let block = self.blocks.partition_point(|(start, _)| *start <= self.at).saturating_sub(1);
        if self.open.as_ref().is_none_or(|(open, _)| *open != block) {
            let (start, range) = self.blocks[block].clone();
            let bytes = self.segment.read(Part::Positions, range, &mut None)?;
            self.open = Some((block, bytes));
            (self.next, self.consumed) = (start, 0);
        }
        let Some((_, bytes)) = &self.open else { return Ok(Positions::default()) };
        let mut input = Input::new(&bytes[self.consumed..], "a block of positions");
        let mut positions = &[][..];
        while self.next <= self.at && !input.is_empty() {
            positions = input.bytes()?;
            self.next += 1;
        }
        self.consumed = bytes.len() - input.left();
        Ok(Positions::from_bytes(positions))
    }
}
