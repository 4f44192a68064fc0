//! What a leaf matches, and how often.

use super::{MAX_PREFIX_TERMS, QueryError};
use crate::search::{
    SearchError,
    segment::{Blocks, LastPage, Part, Segment, TermCursor, TermInfo},
    state::State,
};
use springline_model::text::{
    self, Lang,
    term::{self, Filter},
};
use std::sync::Arc;

/// A document that a leaf matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) document: u32,
    /// How often in the title.
    pub(super) title: u32,
    /// How often in the body.
    pub(super) body: u32,
    /// The document's words.
    pub(super) length: u32,
}

/// Which terms are meant.
#[derive(Clone, Debug)]
pub(super) enum Select {
    /// This one.
    Exact(Vec<u8>),
    /// All that begin so.
    Prefix(Vec<u8>),
}

/// The documents that have the word in any form, by number.
///
/// In a document of a language, the word's forms are counted by the stem's term and the word that is the stem
/// itself; where the language stems nothing, by the word. A document has one language, so the greatest count is the
/// right one.
pub(super) fn word(state: &State, word: &str) -> Result<Vec<Match>, SearchError> {
    let mut matches = term(state, &term::word(word))?;
    for (nth, lang) in stem_languages(state, word).into_iter().enumerate() {
        let stem = text::stem(lang, word);
        let stem = stem.as_deref().unwrap_or(word);
        let mut found = term(state, &term::stem(lang, stem))?;
        let stems = term(state, &term::word(stem))?;
        found.extend(if nth > 0 && stem != word { in_language(state, lang, stems)? } else { stems });
        let found = added_up(found);
        matches = greatest(&matches, &found);
    }
    Ok(matches)
}

/// The documents with words that begin so; `stems`: or with words whose stem begins as the word's own does.
pub(super) fn prefix(state: &State, word: &str, stems: bool, at: usize) -> Result<Vec<Match>, SearchError> {
    let mut matches = sum(state, &[Select::Prefix(term::word(word))], at)?;
    for (nth, lang) in stem_languages(state, word).into_iter().enumerate().filter(|_| stems) {
        let stem = text::stem(lang, word);
        let stem = stem.as_deref().unwrap_or(word);
        matches = greatest(&matches, &sum(state, &[Select::Prefix(term::stem(lang, stem))], at)?);
        if stem != word {
            let mut found = sum(state, &[Select::Prefix(term::word(stem))], at)?;
            if nth > 0 {
                found = in_language(state, lang, found)?;
            }
            matches = greatest(&matches, &found);
        }
    }
    Ok(matches)
}

/// Those of the matches that are in a language. The Spanish stem of `todo` is `tod`, and `today` is not of it.
fn in_language(state: &State, lang: Lang, mut matches: Vec<Match>) -> Result<Vec<Match>, SearchError> {
    if !matches.is_empty() {
        let mut documents = term(state, &Filter::Lang.term(lang.as_str()))?.into_iter().peekable();
        matches.retain(|found| {
            while documents.next_if(|document| document.document < found.document).is_some() {}
            documents.peek().is_some_and(|document| document.document == found.document)
        });
    }
    Ok(matches)
}

/// The languages that the word may be stemmed in. The first is that of documents whose own language doesn't stem it:
/// the stem itself, as a word, is a form of the word in all documents. In the others, in those of the language.
fn stem_languages(state: &State, word: &str) -> Vec<Lang> {
    text::stem_languages(word, state.counts.langs.keys().copied())
}

/// The documents that have a term.
pub(super) fn term(state: &State, name: &[u8]) -> Result<Vec<Match>, SearchError> {
    sum(state, &[Select::Exact(name.to_vec())], 0)
}

/// The documents that have some of the terms; how often they have them all together. `at` is for errors.
pub(super) fn sum(state: &State, selects: &[Select], at: usize) -> Result<Vec<Match>, SearchError> {
    let (mut all, mut left) = (Vec::new(), MAX_PREFIX_TERMS);
    for segment in state.segments() {
        let mut matches = Vec::new();
        let mut lists = 0;
        let mut last = None;
        each_term(segment, selects, &mut left, at, |info| {
            lists += 1;
            decode(state, segment, info, &mut last, &mut matches)
        })?;
        if lists > 1 {
            matches = added_up(matches);
        }
        all.append(&mut matches);
    }
    Ok(all)
}

/// Shows each term of a segment that is meant.
pub(super) fn each_term(
    segment: &Arc<Segment>,
    selects: &[Select],
    left: &mut usize,
    at: usize,
    mut visit: impl FnMut(&TermInfo) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let mut cursor = TermCursor::new(segment.clone());
    for select in selects {
        match select {
            Select::Exact(name) => {
                if let Some(info) = cursor.find(name)? {
                    visit(&info)?;
                }
            }
            Select::Prefix(prefix) => {
                cursor.seek(prefix)?;
                while let Some((_, info)) = cursor.term().filter(|(name, _)| name.starts_with(prefix)) {
                    *left = left.checked_sub(1).ok_or_else(|| {
                        let message =
                            format!("more than {MAX_PREFIX_TERMS} words begin so: write more of the word");
                        QueryError::new(message, at)
                    })?;
                    visit(info)?;
                    cursor.advance()?;
                }
            }
        }
    }
    Ok(())
}

/// Appends a term's live documents.
fn decode(
    state: &State,
    segment: &Segment,
    info: &TermInfo,
    last: &mut LastPage,
    matches: &mut Vec<Match>,
) -> Result<(), SearchError> {
    let bytes = segment.read(Part::Postings, info.postings.clone(), last)?;
    let mut blocks = Blocks::new(&bytes);
    while let Some(block) = blocks.next()? {
        let dead = state.dead.any_in(block.first..=block.last);
        block.each(|posting| {
            if !dead || !state.dead.contains(posting.document) {
                let (title, body) = (u32::from(posting.title), u32::from(posting.body));
                matches.push(Match { document: posting.document, title, body, length: posting.length });
            }
        })?;
    }
    Ok(())
}

/// Several lists, one behind the other, into one by number.
fn added_up(mut matches: Vec<Match>) -> Vec<Match> {
    let numbers = matches.iter().map(|found| found.document);
    let (Some(low), Some(high)) = (numbers.clone().min(), numbers.max()) else { return matches };
    let span = (high - low) as usize + 1;
    if span > matches.len() * 8 {
        matches.sort_by_key(|found| found.document);
        matches.dedup_by(|next, kept| {
            let same = next.document == kept.document;
            if same {
                add(kept, next);
            }
            same
        });
        return matches;
    }
    // Dense: a place for every number is cheaper than sorting.
    let mut places: Vec<Option<Match>> = vec![None; span];
    for found in &matches {
        match &mut places[(found.document - low) as usize] {
            Some(sum) => add(sum, found),
            empty => *empty = Some(*found),
        }
    }
    places.into_iter().flatten().collect()
}

fn add(to: &mut Match, found: &Match) {
    to.title = to.title.saturating_add(found.title);
    to.body = to.body.saturating_add(found.body);
}

/// The documents of either, with the greater of both counts.
fn greatest(a: &[Match], b: &[Match]) -> Vec<Match> {
    let mut merged = Vec::with_capacity(a.len().max(b.len()));
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        let found = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.document == y.document => {
                let found = Match { title: x.title.max(y.title), body: x.body.max(y.body), ..**x };
                a.next();
                b.next();
                found
            }
            (Some(x), Some(y)) if x.document > y.document => {
                let found = **y;
                b.next();
                found
            }
            (Some(x), _) => {
                let found = **x;
                a.next();
                found
            }
            (None, Some(y)) => {
                let found = **y;
                b.next();
                found
            }
            (None, None) => return merged,
        };
        merged.push(found);
    }
}
