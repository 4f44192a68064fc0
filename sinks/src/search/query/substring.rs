//! Characters as they are, in the text itself.
//!
//! The words of the needle say which documents can have it: its first word ends one of theirs, its last begins one,
//! and the others are whole (see `springline_model::text` on why). Only their texts are looked at; and, if the needle
//! has no words, every text.

use super::{
    leaves::{self, Match, Select},
    rank,
    tree::Texts,
};
use crate::search::{SearchError, segment::TermCursor, state::State};
use memchr::memmem::Finder;
use springline_model::{
    Uri,
    text::{Segmenter, Shape, term},
};
use std::ops::ControlFlow;

/// Bytes of texts that one query looks at. Behind that, [`super::Hits::complete`] is false.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// The documents whose text has the needle, by number, and how often; whether all texts were looked at.
pub(super) fn substring(
    state: &State,
    needle: &str,
    texts: &Texts<'_>,
) -> Result<(Vec<Match>, bool), SearchError> {
    let finder = Finder::new(needle);
    let (mut matches, mut bytes) = (Vec::new(), 0);
    let candidates = candidates(state, needle)?;
    let mut lengths = candidates.iter().map(|found| found.length);
    rank::each_document(state, candidates.iter().map(|found| found.document), |document, _, uri| {
        let length = lengths.next().unwrap_or(0);
        if bytes > MAX_BYTES {
            return Ok(());
        }
        let Some(mut text) = texts(&Uri::from(uri)) else { return Ok(()) };
        bytes += text.len();
        // Lower case can be longer; without letters beyond ASCII in the needle it need not be made anew.
        if needle.is_ascii() {
            text.make_ascii_lowercase();
        } else {
            text = text.to_lowercase();
        }
        let count = finder.find_iter(text.as_bytes()).count();
        if count > 0 {
            let body = u32::try_from(count).unwrap_or(u32::MAX);
            matches.push(Match { document, title: 0, body, length });
        }
        Ok(())
    })?;
    Ok((matches, bytes <= MAX_BYTES))
}

/// The documents that can have it, by number.
fn candidates(state: &State, needle: &str) -> Result<Vec<Match>, SearchError> {
    let mut found: Option<Vec<Match>> = None;
    for (word, place) in words(needle) {
        let name = term::word(&word);
        let mut matches = match place {
            Place::Whole => leaves::sum(state, &[Select::Exact(name)], 0)?,
            Place::Begins => leaves::sum(state, &[Select::Prefix(name)], 0)?,
            Place::Ends | Place::Inside => within(state, &word, place)?,
        };
        matches.retain(|found| found.body > 0);
        found = Some(match found {
            Some(found) => common(found, &matches),
            None => matches,
        });
    }
    let Some(mut found) = found else { return leaves::term(state, term::EVERY) };
    // Their words don't tell all of their text.
    found.extend(leaves::term(state, term::PARTIAL)?);
    found.sort_by_key(|found| found.document);
    found.dedup_by_key(|found| found.document);
    Ok(found)
}

/// Where the needle's word lies in a word of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Whole,
    Begins,
    Ends,
    Inside,
}

fn words(needle: &str) -> Vec<(String, Place)> {
    let (mut words, mut in_pairs) = (Vec::new(), false);
    let _ = Segmenter::new().each(needle, |word| {
        let (first, last) = (word.start == 0, word.end == needle.len());
        let place = match (word.shape, first, last) {
            (Shape::Pair, ..) | (_, false, false) => Some(Place::Whole),
            (Shape::Run, true, true) => Some(Place::Inside),
            (Shape::Run, true, false) => Some(Place::Ends),
            (Shape::Run, false, true) => Some(Place::Begins),
            // The text may go on without a space: behind a pair this says nothing, alone it begins a pair.
            (Shape::Last, _, true) => (!in_pairs).then_some(Place::Begins),
            (Shape::Last, ..) => Some(Place::Whole),
        };
        words.extend(place.map(|place| (word.text.to_owned(), place)));
        in_pairs = word.shape == Shape::Pair;
        ControlFlow::Continue(())
    });
    words
}

/// The documents with a word that has the needle's in it, or at its end.
fn within(state: &State, word: &str, place: Place) -> Result<Vec<Match>, SearchError> {
    let finder = Finder::new(word);
    let fits = |name: &[u8]| match place {
        Place::Ends => name.ends_with(word.as_bytes()),
        _ => finder.find(name).is_some(),
    };
    let mut names = Vec::new();
    for segment in state.segments() {
        let mut cursor = TermCursor::new(segment.clone());
        cursor.seek(&[term::WORD])?;
        while let Some((name, _)) = cursor.term().filter(|(name, _)| name[0] == term::WORD) {
            if fits(&name[1..]) {
                names.push(name.to_vec());
            }
            cursor.advance()?;
        }
    }
    names.sort_unstable();
    names.dedup();
    let selects: Vec<Select> = names.into_iter().map(Select::Exact).collect();
    leaves::sum(state, &selects, 0)
}

fn common(mut a: Vec<Match>, b: &[Match]) -> Vec<Match> {
    let mut b = b.iter().peekable();
    a.retain(|found| {
        while b.next_if(|next| next.document < found.document).is_some() {}
        b.peek().is_some_and(|next| next.document == found.document)
    });
    a
}
