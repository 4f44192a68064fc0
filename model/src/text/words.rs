//! Cutting a text into words.

use super::{
    MAX_WORD_BYTES,
    fold::{fold, is_unspaced, is_word_char},
    head,
};
use std::ops::ControlFlow;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// A word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// Its folded form, at most [`MAX_WORD_BYTES`] long; never empty.
    pub text: &'a str,
    /// First byte of what it was made from, in the text.
    pub start: usize,
    /// One behind the last byte.
    pub end: usize,
    /// How it was cut.
    pub shape: Shape,
    /// Whether the folded form had to be cut.
    pub cut: bool,
}

/// How a word was cut from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A whole run.
    Run,
    /// Two characters of a run in a script without spaces.
    Pair,
    /// The last character of such a run.
    Last,
}

/// Cuts texts into words. Holds only scratch space: use one for many texts.
#[derive(Clone, Debug, Default)]
pub struct Segmenter {
    lower: String,
    folded: String,
    pair: String,
}

impl Segmenter {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows each word of a text, in order, until told to stop.
    pub fn each(
        &mut self,
        text: &str,
        mut visit: impl FnMut(Word<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.lower.clear();
        self.lower.push_str(text);
        self.lower.make_ascii_lowercase();
        let bytes = self.lower.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at].is_ascii() && !bytes[at].is_ascii_alphanumeric() {
                at += 1;
                continue;
            }
            let start = at;
            while at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
                at += 1;
            }
            if at == bytes.len() || bytes[at].is_ascii() {
                let word = head(&self.lower[start..at], MAX_WORD_BYTES);
                let cut = word.len() < at - start;
                visit(Word { text: word, start, end: at, shape: Shape::Run, cut })?;
                continue;
            }
            // Not ASCII: where the run ends depends on what the characters are.
            let run = &self.lower[start..];
            let length = run.find(|c| !is_word_char(c)).unwrap_or(run.len());
            at = start + length;
            if length == 0 {
                at += run.chars().next().map_or(1, char::len_utf8);
                continue;
            }
            each_script(&run[..length], |part, offset, unspaced| {
                let start = start + offset;
                if unspaced {
                    pairs(part, start, &mut self.folded, &mut self.pair, &mut visit)
                } else {
                    whole(part, start, &mut self.folded, &mut visit)
                }
            })?;
        }
        ControlFlow::Continue(())
    }
}

/// Cuts a run where scripts without spaces begin and end. Marks go with what is before them.
fn each_script(run: &str, mut visit: impl FnMut(&str, usize, bool) -> ControlFlow<()>) -> ControlFlow<()> {
    let mut start = 0;
    let mut unspaced = None;
    for (at, c) in run.char_indices() {
        let class = is_unspaced(c);
        match unspaced {
            None => unspaced = Some(class),
            Some(before) if before != class && !is_combining_mark(c) => {
                visit(&run[start..at], start, before)?;
                (start, unspaced) = (at, Some(class));
            }
            Some(_) => {}
        }
    }
    visit(&run[start..], start, unspaced == Some(true))
}

fn whole(
    run: &str,
    start: usize,
    folded: &mut String,
    visit: &mut impl FnMut(Word<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    folded.clear();
    fold(run, folded);
    let text = head(folded, MAX_WORD_BYTES);
    if text.is_empty() {
        return ControlFlow::Continue(());
    }
    let cut = text.len() < folded.len();
    visit(Word { text, start, end: start + run.len(), shape: Shape::Run, cut })
}

fn pairs(
    run: &str,
    start: usize,
    folded: &mut String,
    pair: &mut String,
    visit: &mut impl FnMut(Word<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // Marks are composed with the letter before them, so fold a grapheme at a time: that also tells which bytes
    // of the text a folded letter stands for.
    let mut before: Option<(char, usize, usize)> = None;
    for (at, grapheme) in run.grapheme_indices(true) {
        folded.clear();
        fold(grapheme, folded);
        let (from, to) = (start + at, start + at + grapheme.len());
        for c in folded.chars() {
            if let Some((first, start, _)) = before.replace((c, from, to)) {
                pair.clear();
                pair.extend([first, c]);
                visit(Word { text: pair, start, end: to, shape: Shape::Pair, cut: false })?;
            }
        }
    }
    let Some((last, start, end)) = before else { return ControlFlow::Continue(()) };
    pair.clear();
    pair.push(last);
    visit(Word { text: pair, start, end, shape: Shape::Last, cut: false })
}
