//! What a text is about, told by its words alone: the lexical representation of the clusters and of `similar`.
//!
//! ```text
//!  title ─┐ words ─ stems ─ weight of the stem × 3 ─┐ the greater
//!  text  ─┘                 weight of the stem × 1 ─┴─────────────► Sparse (64 heaviest, length 127)
//! ```
//!
//! A stem weighs the more the rarer it is in general, by a table shipped with the program: (ln(10 + rank))^1.5, where
//! rank is the place among some 20,000 English words by frequency; what the table does not know is rare. Nothing is
//! counted over the texts at hand, so a vector is a function of its text alone: it does not matter what came
//! before. Words count once, wherever they stand. A number weighs half, a single letter nearly nothing.
//!
//! The table (`english.txt`: a weight, then the stems that have it) is computed from the order of the vocabulary of
//! BERT (uncased, base), which is published under the Apache License 2.0.
//!
//! A text without words (emoji) is its characters. One with nothing to see has no features.
//!
//! Limits: 200 words of a title and 2,000 of a text are read, and of either 64 KiB; 64 features are kept. The frequencies are those
//! of English: words of other languages all weigh the same. Features are 32-bit hashes of stems: about one pair in
//! four billion is taken for one word.

use super::{
    Lang, Segmenter, Shape, Sparse, head,
    stem::{StemCache, stem_language},
};
use std::{collections::HashMap, ops::ControlFlow, sync::OnceLock};
use xxhash_rust::xxh3::xxh3_64;

/// Words of a title that are read.
pub(super) const MAX_TITLE_WORDS: usize = 200;

/// Words of a text that are read.
pub(super) const MAX_TEXT_WORDS: usize = 2_000;

/// Bytes of either that are read.
const MAX_BYTES: usize = 64 * 1024;

/// How much more a word of the title weighs.
const TITLE: u32 = 3;

/// The weight of a word that the table does not know.
const RARE: u8 = 255;

/// The weight of a single letter.
const LETTER: u8 = 4;

/// Weights of stems, by feature.
fn table() -> &'static HashMap<u32, u8> {
    static TABLE: OnceLock<HashMap<u32, u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines = include_str!("english.txt").lines().filter_map(|line| line.split_once(' '));
        let stems = lines.filter_map(|(weight, stems)| Some((weight.parse::<u8>().ok()?, stems)));
        stems.flat_map(|(weight, stems)| stems.split(' ').map(move |stem| (feature(stem), weight))).collect()
    })
}

/// The number that stands for a stem.
fn feature(stem: &str) -> u32 {
    (xxh3_64(stem.as_bytes()) >> 32) as u32
}

/// Makes vectors of texts. Holds scratch space and remembered stems (about 3 MB): use one for many.
pub struct Lexical {
    segmenter: Segmenter,
    stems: StemCache,
    weights: &'static HashMap<u32, u8>,
    found: HashMap<u32, u32>,
}

impl Default for Lexical {
    fn default() -> Self {
        Self::new()
    }
}

impl Lexical {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        Self { segmenter: Segmenter::new(), stems: StemCache::new(), weights: table(), found: HashMap::new() }
    }

    /// The vector of a text with a title; either may be empty.
    pub fn vector(&mut self, title: &str, text: &str) -> Sparse {
        self.found.clear();
        for (part, factor, most) in [(title, TITLE, MAX_TITLE_WORDS), (text, 1, MAX_TEXT_WORDS)] {
            self.features(part, most, |found, feature, weight, _| {
                let before = found.entry(feature).or_default();
                *before = (*before).max(factor * u32::from(weight));
            });
        }
        if self.found.is_empty() {
            let characters =
                title.chars().chain(text.chars()).filter(|c| !c.is_whitespace() && !c.is_control());
            let mut bytes = [0; 4];
            for c in characters.take(MAX_TEXT_WORDS) {
                self.found.insert(feature(c.encode_utf8(&mut bytes)), RARE.into());
            }
        }
        Sparse::unit(self.found.drain().collect())
    }

    /// The `most` words of a text whose features score highest (0: not at all), the best first, as they are
    /// written. Of words with one stem the first.
    pub fn best_words(&mut self, text: &str, most: usize, score: impl Fn(u32) -> u32) -> Vec<String> {
        let mut words: Vec<(u32, usize, &str)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        self.features(text, MAX_TITLE_WORDS, |_, feature, weight, (start, end)| {
            let score = if weight > LETTER { score(feature) } else { 0 };
            if score > 0 && seen.insert(feature) {
                words.extend(text.get(start..end).map(|word| (score, start, word)));
            }
        });
        words.sort_by_key(|(score, start, _)| (std::cmp::Reverse(*score), *start));
        words.into_iter().take(most).map(|(.., word)| word.to_lowercase()).collect()
    }

    fn features(
        &mut self,
        text: &str,
        most: usize,
        mut visit: impl FnMut(&mut HashMap<u32, u32>, u32, u8, (usize, usize)),
    ) {
        let Self { segmenter, stems, weights, found } = self;
        let mut read = 0;
        // It ends early only because it was told to.
        let _ = segmenter.each(head(text, MAX_BYTES), |word| {
            if word.shape == Shape::Last {
                return ControlFlow::Continue(());
            }
            let language: Option<Lang> = stem_language(None, word.text);
            let hash = xxh3_64(word.text.as_bytes());
            let stem =
                language.and_then(|language| stems.stem(language, word.text, hash)).unwrap_or(word.text);
            let feature = feature(stem);
            let weight = match stem.as_bytes() {
                [_] => LETTER,
                digits if digits.iter().all(u8::is_ascii_digit) => RARE / 2,
                _ => weights.get(&feature).copied().unwrap_or(RARE),
            };
            visit(found, feature, weight, (word.start, word.end));
            read += 1;
            if read < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_make_texts_alike() {
        let mut lexical = Lexical::new();
        let crash = lexical.vector("The app crashes when I open a photo", "");
        let again = lexical.vector("App crashed opening photos!", "");
        let other = lexical.vector("How do I change my billing address?", "");
        assert!(crash.dot(&again) > 8_000, "{}", crash.dot(&again));
        assert!(crash.dot(&other) < 500, "{}", crash.dot(&other));
        assert!(crash.is_near_duplicate(&lexical.vector("the app CRASHES when I open a photo...", "")));
    }

    #[test]
    fn anything_can_be_a_text() {
        let mut lexical = Lexical::new();
        assert!(lexical.vector(" \n", "").is_empty());
        assert_eq!(lexical.vector("👍", ""), lexical.vector("", "👍 👍"));
        assert!(!lexical.vector("שלום עולם", "").is_empty());
        assert!(!lexical.vector("中", "").is_empty());
        assert_eq!(lexical.vector(&"word ".repeat(1_000_000), "").iter().len(), 1);
        assert_eq!(lexical.best_words("The crash of a Photo", 2, |_| 1), ["the", "crash"]);
    }

    proptest! {
        #[test]
        fn is_a_function_of_the_text(title: String, text: String) {
            let mut used = Lexical::new();
            used.vector("something before", "and more of it");
            let vector = used.vector(&title, &text);
            prop_assert_eq!(&vector, &Lexical::new().vector(&title, &text));
            prop_assert!(vector.iter().len() <= crate::text::sparse::MAX_FEATURES);
        }
    }
}
