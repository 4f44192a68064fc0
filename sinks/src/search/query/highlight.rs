//! Where in a text the query's words stand, and the piece of the text that shows most of them.

use super::{Leaf, Query};
use memchr::memmem::Finder;
use springline_model::text::{self, Lang, Segmenter, stem_languages};
use std::{
    collections::{BTreeSet, HashMap},
    ops::{ControlFlow, Range},
};

/// The part of a text that is looked at, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// The places that are looked at.
const MAX_PLACES: usize = 512;

/// Words of the query that are looked for: one bit each.
const MAX_WORDS: u32 = u64::BITS;

/// About as many characters a snippet has, and of them before the first place.
const SNIPPET_CHARS: usize = 200;
const CHARS_BEFORE: usize = 60;

/// Finds a query's words in texts. Make one a query, use it for every hit.
#[derive(Clone, Debug, Default)]
pub struct Highlighter {
    /// Whole words, and which of the query's words they are.
    whole: HashMap<String, u64>,
    prefixes: Vec<(String, u64)>,
    stems: Vec<(Lang, String, u64)>,
    /// The leaves: for each its words' distances and bits.
    leaves: Vec<Vec<(u32, u64)>>,
    substrings: Vec<String>,
    bits: u32,
}

/// A piece of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snippet {
    /// The piece as it is written, about 200 characters.
    pub text: String,
    /// What to mark: ranges of bytes of `text`, rising, not touching.
    pub marks: Vec<Range<usize>>,
    /// The byte of the whole text that the piece begins at.
    pub start: usize,
    /// Whether the whole text goes on behind the piece.
    pub more: bool,
}

/// A word of the text that is one of the query's.
struct Found {
    position: u32,
    range: Range<usize>,
    bits: u64,
}

/// A place to mark, for one leaf.
struct Mark {
    range: Range<usize>,
    leaf: usize,
}

impl Highlighter {
    pub(crate) fn new(query: &Query, langs: &(impl Iterator<Item = Lang> + Clone)) -> Self {
        let mut highlighter = Self::default();
        query.root.each_wanted(&mut |leaf| highlighter.add(leaf, langs.clone()));
        highlighter
    }

    fn add(&mut self, leaf: &Leaf, langs: impl Iterator<Item = Lang>) {
        match leaf {
            Leaf::Word { word, .. } => {
                let Some(bit) = self.bit() else { return };
                *self.whole.entry(word.clone()).or_default() |= bit;
                self.add_stems(word, langs, bit);
                self.leaves.push(vec![(0, bit)]);
            }
            Leaf::Prefix { word, stems, .. } => {
                let Some(bit) = self.bit() else { return };
                self.prefixes.push((word.clone(), bit));
                if *stems {
                    self.add_stems(word, langs, bit);
                }
                self.leaves.push(vec![(0, bit)]);
            }
            Leaf::Phrase { items, .. } => {
                let mut leaf = Vec::with_capacity(items.len());
                for item in items {
                    let Some(bit) = self.bit() else { return };
                    if item.prefix {
                        self.prefixes.push((item.word.clone(), bit));
                    } else {
                        *self.whole.entry(item.word.clone()).or_default() |= bit;
                    }
                    leaf.push((item.offset, bit));
                }
                self.leaves.push(leaf);
            }
            Leaf::Substring(text) => self.substrings.push(text.clone()),
            Leaf::Filter { .. } | Leaf::Time(_) => {}
        }
    }

    fn add_stems(&mut self, word: &str, langs: impl Iterator<Item = Lang>, bit: u64) {
        for lang in stem_languages(word, langs) {
            let stem = text::stem(lang, word).map_or_else(|| word.to_owned(), std::borrow::Cow::into_owned);
            *self.whole.entry(stem.clone()).or_default() |= bit;
            self.stems.push((lang, stem, bit));
        }
    }

    fn bit(&mut self) -> Option<u64> {
        self.bits += 1;
        (self.bits <= MAX_WORDS).then(|| 1 << (self.bits - 1))
    }

    /// What to mark in a text (a title): ranges of its bytes, rising, not touching.
    #[must_use]
    pub fn marks(&self, text: &str) -> Vec<Range<usize>> {
        joined(&self.places(text))
    }

    /// The piece of a text that shows most of what was asked for; its beginning, if nothing is found.
    #[must_use]
    pub fn snippet(&self, text: &str) -> Snippet {
        let places = self.places(text);
        let first = best(&places).map_or(0, |at| places[at].range.start);
        let start = back(text, first, CHARS_BEFORE);
        let length = text[start..].char_indices().nth(SNIPPET_CHARS).map_or(text.len() - start, |(at, _)| at);
        let end = word_end(text, start + length);
        let inside = places.into_iter().filter(|place| place.range.start >= start && place.range.end <= end);
        let marks = joined(&inside.collect::<Vec<_>>());
        let marks = marks.into_iter().map(|mark| mark.start - start..mark.end - start).collect();
        Snippet { text: text[start..end].to_owned(), marks, start, more: end < text.len() }
    }

    /// Every place of a leaf, by where it begins.
    fn places(&self, text: &str) -> Vec<Mark> {
        let text = &text[..text.floor_char_boundary(MAX_BYTES)];
        let found = self.found(text);
        let mut places = Vec::new();
        for (leaf, words) in self.leaves.iter().enumerate() {
            let Some((_, first)) = words.first() else { continue };
            for (at, word) in found.iter().enumerate().filter(|(_, word)| word.bits & first != 0) {
                let ends = words.iter().map(|(offset, bit)| {
                    let mut behind = found[at..].iter().take(words.len());
                    behind.find(|other| other.position == word.position + offset && other.bits & bit != 0)
                });
                if let Some(Some(last)) = ends.collect::<Option<Vec<_>>>().map(|words| words.last().copied())
                {
                    places.push(Mark { range: word.range.start..last.range.end, leaf });
                }
            }
        }
        for (at, needle) in self.substrings.iter().enumerate() {
            let leaf = self.leaves.len() + at;
            places.extend(occurrences(text, needle).take(MAX_PLACES).map(|range| Mark { range, leaf }));
        }
        places.sort_by_key(|place| place.range.start);
        places
    }

    /// The words of the text that are the query's.
    fn found(&self, text: &str) -> Vec<Found> {
        let (mut found, mut position) = (Vec::new(), 0);
        if self.leaves.is_empty() {
            return found;
        }
        let mut known: HashMap<String, u64> = HashMap::new();
        let _ = Segmenter::new().each(text, |word| {
            let bits = self.bits_of(word.text, &mut known);
            if bits != 0 {
                found.push(Found { position, range: word.start..word.end, bits });
            }
            position += 1;
            if found.len() < MAX_PLACES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        found
    }

    /// Which of the query's words a folded word is.
    fn bits_of(&self, word: &str, known: &mut HashMap<String, u64>) -> u64 {
        let mut bits = self.whole.get(word).copied().unwrap_or(0);
        for (prefix, bit) in &self.prefixes {
            bits |= if word.starts_with(prefix.as_str()) { *bit } else { 0 };
        }
        // Stemming takes long, and a word hardly ever shares its stem with one that begins differently.
        let alike = |stem: &str| stem.bytes().zip(word.bytes()).take(2).all(|(a, b)| a == b);
        if !self.stems.iter().any(|(_, stem, bit)| bits & bit == 0 && alike(stem)) {
            return bits;
        }
        if let Some(stemmed) = known.get(word) {
            return bits | stemmed;
        }
        let mut stemmed = 0;
        for (lang, stem, bit) in self.stems.iter().filter(|(_, stem, _)| alike(stem)) {
            if text::stem(*lang, word).as_deref() == Some(stem) {
                stemmed |= bit;
            }
        }
        known.insert(word.to_owned(), stemmed);
        bits | stemmed
    }
}

/// The place to begin the snippet at: from where most leaves, then most places, are near.
fn best(places: &[Mark]) -> Option<usize> {
    let reach = SNIPPET_CHARS - CHARS_BEFORE;
    let mut best: Option<(usize, usize, usize)> = None;
    for (at, first) in places.iter().enumerate() {
        let near =
            places[at..].iter().take(32).take_while(|place| place.range.end <= first.range.start + reach);
        let (mut leaves, mut count) = (BTreeSet::new(), 0);
        for place in near {
            leaves.insert(place.leaf);
            count += 1;
        }
        if best.is_none_or(|(most, more, _)| (leaves.len(), count) > (most, more)) {
            best = Some((leaves.len(), count, at));
        }
    }
    best.map(|(_, _, at)| at)
}

/// Places as ranges to mark.
fn joined(places: &[Mark]) -> Vec<Range<usize>> {
    let mut marks: Vec<Range<usize>> = Vec::new();
    for place in places {
        match marks.last_mut().filter(|last| place.range.start <= last.end) {
            Some(last) => last.end = last.end.max(place.range.end),
            None => marks.push(place.range.clone()),
        }
    }
    marks
}

/// At most so many characters back, not into the middle of a word.
fn back(text: &str, from: usize, chars: usize) -> usize {
    let start = text[..from].char_indices().rev().nth(chars.saturating_sub(1)).map_or(0, |(at, _)| at);
    if start == 0 {
        return 0;
    }
    let space = text[start..from].find(char::is_whitespace);
    let start = space.map_or(start, |space| start + space);
    from - text[start..from].trim_start().len()
}

/// Up to the end of the last word before, where words have ends.
fn word_end(text: &str, end: usize) -> usize {
    if end == text.len() || text[end..].starts_with(char::is_whitespace) {
        return end;
    }
    let tail = back(text, end, 20);
    let space = text[tail..end].rfind(char::is_whitespace);
    space.map_or(end, |space| tail + space)
}

/// Where a lower-cased needle stands in a text.
fn occurrences<'a>(text: &str, needle: &'a str) -> Box<dyn Iterator<Item = Range<usize>> + 'a> {
    let finder = Finder::new(needle.as_bytes());
    let found = |lower: &str| finder.find_iter(lower.as_bytes()).collect::<Vec<_>>();
    if needle.is_ascii() {
        let starts = found(&text.to_ascii_lowercase());
        return Box::new(starts.into_iter().map(|start| start..start + needle.len()));
    }
    // Lower case can have other lengths: remember which character each byte comes from.
    let (mut lower, mut from) = (String::with_capacity(text.len()), Vec::with_capacity(text.len()));
    for (at, c) in text.char_indices() {
        lower.extend(c.to_lowercase());
        from.resize(lower.len(), at);
    }
    let starts = found(&lower);
    let end = text.len();
    Box::new(starts.into_iter().map(move |start| {
        let last = start + needle.len();
        let behind = (last..from.len()).find(|at| from[*at] != from[last - 1]);
        from[start]..behind.map_or(end, |at| from[at])
    }))
}
