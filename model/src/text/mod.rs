//! What a search term is: the definition that the writer of the index (the search operator) and its reader (the
//! query engine) share.
//!
//! ```text
//!  Record ─► Analyzer ─┬─ title ─┐                     ┌─ w naive        words, with positions
//!                      ├─ name   ├─► Segmenter ─► fold ┼─ s en connect   stems that differ from their word
//!                      ├─ text   │   (runs, pairs)     ├─ a user:flancian, t todo, …   filters
//!                      ├─ alt    │                     └─ *              every document
//!                      └─ path ──┘
//! ```
//!
//! **Words.** A word is a run of letters, digits and their combining marks: everything else separates, so
//! `agora-server`, `foo_bar` and `don't` are two words each, and asking for them asks for a phrase. (UAX #29
//! would keep `config.py` whole and so hide `config`.) What the class of a character is never depends on its
//! neighbours, so a piece of a text always has the words that it has inside the text, but for those at its two
//! ends: phrase and substring search stand on that.
//!
//! **Scripts without spaces** (Han, kana, hangul, Thai, Lao, Khmer, Burmese) become overlapping pairs of
//! characters, the last character standing alone: `中文字` is `中文 文字 字`. A dictionary would read the same
//! characters otherwise in a query than in its sentence, and what it does not know it loses; pairs always agree,
//! and two in a row are found as a phrase. One character is found as the beginning of a pair.
//!
//! **Folding.** Compatibility forms are made plain (NFKD), letters lower-cased, the diacritics of Latin, Greek,
//! Cyrillic, Arabic and Hebrew dropped (`naïve` is found by `naive`; `й` stays), and the rest recomposed.
//!
//! **Stems** (Snowball) come from the folded word, so that they are the same whether or not accents were typed.
//! They live in a namespace of their own, by language, and only where they differ from the word.
//!
//! **Positions** count the words of the title, the name, the text, what describes its pictures and the path, with a gap
//! between each, so that no phrase runs from one into the next. Descriptions count as text. The name is the file's, where the title says something else; it counts
//! as title. The path is there to be found by (`journal 2021`) and weighs nothing.
//!
//! **Links** are filters: the pages that a record links to, their hosts, and whom it names.
//!
//! Limits: [`MAX_SEARCHED_LINKS`], [`MAX_TEXT_BYTES`], [`MAX_WORDS`], [`MAX_WORD_BYTES`], [`MAX_TITLE_WORDS`], [`MAX_POSITIONS`]. A
//! document that reaches one of the first three of its text carries [`term::PARTIAL`], so that a search for raw text knows
//! that the words do not tell everything.

mod analyzer;
pub mod display;
mod fold;
mod interner;
mod language;
mod lexical;
pub mod sparse;
mod stem;
pub mod term;
pub mod varint;
mod words;

pub use analyzer::Analyzer;
pub use language::Lang;
pub use lexical::Lexical;
pub use sparse::Sparse;
pub use stem::{stem, stem_languages};
pub use words::{Segmenter, Shape, Word};

/// The part of a text that is indexed, in bytes.
pub const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;

/// The part of a text that is indexed, in words.
pub const MAX_WORDS: usize = 1_000_000;

/// The part of a title, and of a path, that is indexed, in words.
pub const MAX_TITLE_WORDS: usize = 1_000;

/// The part of a word that is indexed and asked for, in bytes of its folded form.
pub const MAX_WORD_BYTES: usize = 64;

/// The part of a filter's value that is indexed and asked for, in bytes.
pub const MAX_FILTER_BYTES: usize = 256;

/// The links of a record that can be searched by: the first pages, and the first people named.
pub const MAX_SEARCHED_LINKS: usize = 1_000;

/// The positions of one word in one document that are kept: the first.
pub const MAX_POSITIONS: usize = 65_535;

/// The beginning of a text, at most so many bytes, cut between characters.
fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests;
