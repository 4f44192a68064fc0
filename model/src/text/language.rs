//! Which language a text is in.

use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_segmentation::UnicodeSegmentation as _;
use whatlang::Lang as Detected;

/// A language by its ISO 639-1 code, two letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lang([u8; 2]);

impl Lang {
    pub(super) const ENGLISH: Self = Self(*b"en");

    /// From a code or a tag that begins with one: `en`, `pt-BR`. `None` for anything else.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let code = tag.split(['-', '_']).next()?.trim();
        let &[first, second] = code.as_bytes() else { return None };
        let code = [first.to_ascii_lowercase(), second.to_ascii_lowercase()];
        // Norwegian goes by its macro-language's code as often as by its own.
        let code = if &code == b"no" { *b"nb" } else { code };
        code.iter().all(u8::is_ascii_lowercase).then_some(Self(code))
    }

    /// The language that a text is in, if there are enough words to tell.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let mut sample = Sample::default();
        for word in text.unicode_words() {
            if sample.is_full() {
                break;
            }
            sample.push(word, &word.to_lowercase());
        }
        sample.language()
    }

    /// The two letters.
    #[must_use]
    pub const fn code(self) -> [u8; 2] {
        self.0
    }

    /// The two letters as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// What it is written in, as far as stemming cares.
    pub(super) const fn script(self) -> Script {
        match &self.0 {
            b"ru" | b"uk" | b"bg" | b"mk" | b"be" | b"sr" => Script::Cyrillic,
            b"el" => Script::Greek,
            b"ar" | b"fa" | b"ur" => Script::Arabic,
            b"ta" => Script::Tamil,
            b"zh" | b"ja" | b"ko" | b"th" | b"my" | b"km" | b"he" | b"yi" | b"hi" | b"mr" | b"ne" | b"bn"
            | b"gu" | b"pa" | b"ml" | b"kn" | b"te" | b"or" | b"si" | b"ka" | b"hy" | b"am" => Script::Other,
            _ => Script::Latin,
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scripts that have stemmers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Tamil,
    Other,
}

impl Script {
    /// By the first letter.
    pub(super) fn of(word: &str) -> Self {
        match word.chars().next() {
            Some('a'..='z' | '\u{00DF}'..='\u{024F}') => Self::Latin,
            Some('\u{0400}'..='\u{052F}') => Self::Cyrillic,
            Some('\u{0370}'..='\u{03FF}') => Self::Greek,
            Some('\u{0620}'..='\u{06FF}') => Self::Arabic,
            Some('\u{0B80}'..='\u{0BFF}') => Self::Tamil,
            _ => Self::Other,
        }
    }

    /// The language that its words are stemmed in when the document says no better.
    pub(super) fn stemmed_as(self) -> Option<Lang> {
        match self {
            Self::Latin => Some(Lang::ENGLISH),
            Self::Cyrillic => Some(Lang(*b"ru")),
            Self::Greek => Some(Lang(*b"el")),
            Self::Arabic => Some(Lang(*b"ar")),
            Self::Tamil => Some(Lang(*b"ta")),
            Self::Other => None,
        }
    }
}

/// Bytes of letters to show to the detector, and fewest that it can say something about.
const SAMPLE_BYTES: std::ops::Range<usize> = 100..400;

/// How sure the detector must be. Its own mark (0.9) it misses on a plain paragraph of Tolstoy; guesses at lists of
/// names get 0.2.
const CONFIDENCE: f64 = 0.5;

/// The first words of a text, to tell its language by. Markup and addresses are noise: only words of letters.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// What is in Latin letters.
    latin: String,
    /// What is in others: markup and names are Latin in any text, so the rest weighs more.
    other: String,
    words: usize,
    /// How many are words that English cannot do without.
    english: usize,
    /// How many are words that its neighbours cannot do without.
    foreign: usize,
}

impl Sample {
    pub(super) fn clear(&mut self) {
        self.latin.clear();
        self.other.clear();
        (self.words, self.english, self.foreign) = (0, 0, 0);
    }

    pub(super) const fn is_full(&self) -> bool {
        self.latin.len() + self.other.len() >= SAMPLE_BYTES.end
    }

    /// Adds a word as it is written (accents tell much) beside its folded form.
    pub(super) fn push(&mut self, written: &str, folded: &str) {
        let letters = match written.is_ascii() {
            true => written.bytes().all(|byte| byte.is_ascii_alphabetic()),
            false => written.chars().all(char::is_alphabetic),
        };
        if !letters || matches!(folded, "http" | "https" | "www" | "com" | "org" | "html") {
            return;
        }
        let text = if Script::of(folded) == Script::Latin { &mut self.latin } else { &mut self.other };
        text.push_str(written);
        text.push(' ');
        self.words += 1;
        match folded {
            "the" | "and" | "that" | "with" | "this" | "you" | "from" | "are" | "have" | "which" | "not"
            | "but" | "what" | "when" | "how" | "will" | "your" | "they" | "there" | "would" | "about"
            | "should" | "to" | "it" | "of" | "is" | "by" | "for" | "or" | "on" | "an" | "at" | "be"
            | "as" | "was" | "if" | "we" | "my" | "who" | "more" => self.english += 1,
            "de" | "la" | "el" | "le" | "les" | "et" | "und" | "der" | "die" | "das" | "ist" | "van"
            | "het" | "een" | "en" | "il" | "che" | "di" | "que" | "los" | "un" | "una" | "yang" | "dan"
            | "och" | "att" | "se" | "er" | "du" | "je" => self.foreign += 1,
            _ => {}
        }
    }

    /// The language, if there are enough words to tell. Nearly all English is recognised by its commonest words,
    /// because the detector proper takes longer than all the rest of the analysis.
    pub(super) fn language(&self) -> Option<Lang> {
        let text = if self.other.len() * 3 > self.latin.len() { &self.other } else { &self.latin };
        if text.len() < SAMPLE_BYTES.start {
            return None;
        }
        if text.is_ascii() && self.english + self.foreign == 0 {
            return None; // names and keywords: the detector would only guess
        }
        // Without any accent it is hardly anything else: a single word tells.
        let rare = !text.is_ascii() && self.english * 8 < self.words;
        if self.english > self.foreign * 4 && !rare {
            return Some(Lang::ENGLISH);
        }
        let info = whatlang::detect(text)?;
        (info.confidence() >= CONFIDENCE).then(|| code(info.lang()))
    }
}

fn code(lang: Detected) -> Lang {
    let code = match lang {
        Detected::Epo => b"eo",
        Detected::Eng => b"en",
        Detected::Rus => b"ru",
        Detected::Cmn => b"zh",
        Detected::Spa => b"es",
        Detected::Por => b"pt",
        Detected::Ita => b"it",
        Detected::Ben => b"bn",
        Detected::Fra => b"fr",
        Detected::Deu => b"de",
        Detected::Ukr => b"uk",
        Detected::Kat => b"ka",
        Detected::Ara => b"ar",
        Detected::Hin => b"hi",
        Detected::Jpn => b"ja",
        Detected::Heb => b"he",
        Detected::Yid => b"yi",
        Detected::Pol => b"pl",
        Detected::Amh => b"am",
        Detected::Jav => b"jv",
        Detected::Kor => b"ko",
        Detected::Nob => b"nb",
        Detected::Dan => b"da",
        Detected::Swe => b"sv",
        Detected::Fin => b"fi",
        Detected::Tur => b"tr",
        Detected::Nld => b"nl",
        Detected::Hun => b"hu",
        Detected::Ces => b"cs",
        Detected::Ell => b"el",
        Detected::Bul => b"bg",
        Detected::Bel => b"be",
        Detected::Mar => b"mr",
        Detected::Kan => b"kn",
        Detected::Ron => b"ro",
        Detected::Slv => b"sl",
        Detected::Hrv => b"hr",
        Detected::Srp => b"sr",
        Detected::Mkd => b"mk",
        Detected::Lit => b"lt",
        Detected::Lav => b"lv",
        Detected::Est => b"et",
        Detected::Tam => b"ta",
        Detected::Vie => b"vi",
        Detected::Urd => b"ur",
        Detected::Tha => b"th",
        Detected::Guj => b"gu",
        Detected::Uzb => b"uz",
        Detected::Pan => b"pa",
        Detected::Aze => b"az",
        Detected::Ind => b"id",
        Detected::Tel => b"te",
        Detected::Pes => b"fa",
        Detected::Mal => b"ml",
        Detected::Ori => b"or",
        Detected::Mya => b"my",
        Detected::Nep => b"ne",
        Detected::Sin => b"si",
        Detected::Khm => b"km",
        Detected::Tuk => b"tk",
        Detected::Aka => b"ak",
        Detected::Zul => b"zu",
        Detected::Sna => b"sn",
        Detected::Afr => b"af",
        Detected::Lat => b"la",
        Detected::Slk => b"sk",
        Detected::Cat => b"ca",
        Detected::Tgl => b"tl",
        Detected::Hye => b"hy",
        Detected::Cym => b"cy",
    };
    Lang(*code)
}
