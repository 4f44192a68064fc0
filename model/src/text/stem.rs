//! Stems: one name for the forms of a word.

use super::{Lang, language::Script};
use rust_stemmers::{Algorithm, Stemmer};
use std::borrow::Cow;

/// The stem of a folded word, if the language has a stemmer, the word is in its script and the stem is another
/// word: what is equal to its stem is found as a word.
#[must_use]
pub fn stem(lang: Lang, word: &str) -> Option<Cow<'_, str>> {
    if word.len() < 3 || Script::of(word) != lang.script() {
        return None;
    }
    let algorithm = algorithm(lang)?;
    if !word.chars().all(char::is_alphabetic) {
        return None;
    }
    let stem = Stemmer::create(algorithm).stem(word);
    (!stem.is_empty() && stem != word).then_some(stem)
}

/// In which languages a document may have stemmed a word, given the languages that documents are in.
pub fn stem_languages(word: &str, present: impl IntoIterator<Item = Lang>) -> Vec<Lang> {
    let Some(default) = Script::of(word).stemmed_as() else { return Vec::new() };
    let others = present
        .into_iter()
        .filter(|lang| *lang != default && stem_language(Some(*lang), word) == Some(*lang));
    std::iter::once(default).chain(others).collect()
}

/// In which language to stem a word of a document in that language: a Russian's English words are English.
pub(super) fn stem_language(document: Option<Lang>, word: &str) -> Option<Lang> {
    let script = Script::of(word);
    document.filter(|lang| lang.script() == script && algorithm(*lang).is_some()).or(script.stemmed_as())
}

fn algorithm(lang: Lang) -> Option<Algorithm> {
    Some(match &lang.code() {
        b"ar" => Algorithm::Arabic,
        b"da" => Algorithm::Danish,
        b"de" => Algorithm::German,
        b"el" => Algorithm::Greek,
        b"en" => Algorithm::English,
        b"es" => Algorithm::Spanish,
        b"fi" => Algorithm::Finnish,
        b"fr" => Algorithm::French,
        b"hu" => Algorithm::Hungarian,
        b"it" => Algorithm::Italian,
        b"nb" => Algorithm::Norwegian,
        b"nl" => Algorithm::Dutch,
        b"pt" => Algorithm::Portuguese,
        b"ro" => Algorithm::Romanian,
        b"ru" => Algorithm::Russian,
        b"sv" => Algorithm::Swedish,
        b"ta" => Algorithm::Tamil,
        b"tr" => Algorithm::Turkish,
        _ => return None,
    })
}

/// Remembers stems: the same few thousand words make up most of any text.
pub(super) struct StemCache(Box<[Option<Remembered>]>);

struct Remembered {
    lang: Lang,
    word: Box<str>,
    stem: Option<Box<str>>,
}

impl StemCache {
    pub(super) fn new() -> Self {
        Self((0..1 << 15).map(|_| None).collect())
    }

    /// [`stem`], remembered. `hash` is any hash of the word.
    pub(super) fn stem(&mut self, lang: Lang, word: &str, hash: u64) -> Option<&str> {
        let [first, second] = lang.code();
        let spread = hash ^ (u64::from(first) << 7) ^ u64::from(second);
        let at = (spread % self.0.len() as u64) as usize;
        let slot = &mut self.0[at];
        if !slot.as_ref().is_some_and(|known| known.lang == lang && *known.word == *word) {
            let stem = stem(lang, word).map(|stem| stem.into_owned().into_boxed_str());
            *slot = Some(Remembered { lang, word: word.into(), stem });
        }
        slot.as_ref().and_then(|known| known.stem.as_deref())
    }
}
