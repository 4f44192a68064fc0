//! Asking the index.
//!
//! ```text
//!  text ─ parse ─► Query: a tree of leaves ─ execute ─► documents with scores ─ rank ─► a page of hits
//!                    word, prefix, phrase,      leaf: union or phrase of postings ─► tf, df, BM25
//!                    filter, time               AND, OR, NOT: merges by document number
//! ```
//!
//! The language ([`Mode::Ranked`]):
//!
//! | | |
//! |---|---|
//! | `digital garden` | both words, in any form (`gardens`), anywhere |
//! | `"digital garden"` | the words as they are, one behind the other; `state-of-the-art` is such a phrase, too |
//! | `gard*` | words that begin so |
//! | `a OR b`, `NOT a`, `-a`, `( )` | `OR` binds weaker than the space between words |
//! | `title:word`, `title:"two words"`, `title:pre*` | only in the title |
//! | `author:` `node:` `source:` `tag:` `kind:` `lang:` `mentions:` | exactly so: `author:flancian`, `node:"digital garden"`, `tag:pre*` |
//! | `url:` `domain:` | links to that page, or to any page of that host (`www.` or not) |
//! | `since:` `until:` | from the start, to the end of a year, a month, a day (`2024`, `2024-05`, `2024-05-31`) or a time (RFC 3339) |
//!
//! Upper-case `AND`, `OR`, `NOT` are operators, in lower case words; what stands before a `:` and is no field is a
//! word. What has no letter or digit is left out.
//!
//! [`Mode::Broad`]: every word of the text or its stem begins a word of the document. [`Mode::Exact`]: the whole text
//! as one phrase. [`Mode::Substring`]: the characters of the text, in either case, in the document's own text.
//!
//! **Scores** are BM25 over all leaves that are words (k1 1.2, b 0.75), a word in the title counting as three in the
//! body. A leaf's term frequency is that of all it stands for, its document frequency the number of live documents
//! that it matches. They are computed in one order from exact counts, then rounded to millionths: the same whatever
//! segments there are. Without words, the newest come first. Equal ones come by URI.
//!
//! Limits: [`MAX_QUERY_BYTES`], [`MAX_LEAVES`], [`MAX_DEPTH`], [`MAX_PREFIX_TERMS`]; more is an error that says so.
//! Time and memory are those of all postings of the query's terms: nothing is cut short, so counts are exact.

mod highlight;
mod leaves;
mod parse;
mod phrase;
pub(super) mod rank;
mod substring;
mod tree;
mod wire;
mod words;

pub use highlight::{Highlighter, Snippet};
pub use rank::{Cursor, Hit, Hits, Page, Part, Stats};

pub(super) use tree::{run, stats};

use serde::{Deserialize, Serialize};
use springline_model::{
    Timestamp,
    text::term::{Filter, Meaning},
};
use std::{fmt, ops::RangeInclusive, str::FromStr};
use thiserror::Error;

/// The longest query, in bytes.
pub const MAX_QUERY_BYTES: usize = 4096;

/// The most words, phrases and filters of a query.
pub const MAX_LEAVES: usize = 64;

/// How deep parentheses may be.
pub const MAX_DEPTH: usize = 32;

/// The most terms that a prefix may stand for, counted in every segment.
pub const MAX_PREFIX_TERMS: usize = 500_000;

/// How a query's text is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The language.
    #[default]
    Ranked,
    /// Every word begins a word.
    Broad,
    /// One phrase.
    Exact,
    /// The characters as they are.
    Substring,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Ranked, Self::Broad, Self::Exact, Self::Substring];

    /// Its name in addresses and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ranked => "ranked",
            Self::Broad => "broad",
            Self::Exact => "exact",
            Self::Substring => "substring",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        Self::ALL.into_iter().find(|mode| mode.name() == name).ok_or(UnknownMode)
    }
}

/// No mode of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there are the search modes ranked, broad, exact and substring")]
pub struct UnknownMode;

/// What is wrong with a query, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} (at byte {at} of the query)")]
pub struct QueryError {
    /// What.
    pub message: String,
    /// The byte of the query's text that it begins at.
    pub at: usize,
}

impl QueryError {
    pub(super) fn new(message: impl Into<String>, at: usize) -> Self {
        Self { message: message.into(), at }
    }
}

/// A query that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "wire::Flat", try_from = "wire::Flat")]
pub struct Query {
    mode: Mode,
    pub(super) root: Node,
    pub(super) newest_first: bool,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// It breaks the rules of the language, a limit, or has nothing to ask for.
    pub fn parse(mode: Mode, text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY_BYTES {
            let message = format!("a query has at most {MAX_QUERY_BYTES} bytes, this one {}", text.len());
            return Err(QueryError::new(message, MAX_QUERY_BYTES));
        }
        let root = match mode {
            Mode::Ranked => parse::parse(text)?,
            Mode::Broad => words::broad(text),
            Mode::Exact => words::exact(text),
            Mode::Substring => words::substring(text),
        };
        let root = root.ok_or_else(|| QueryError::new("there is nothing to search for", 0))?;
        let leaves = root.leaves();
        if leaves > MAX_LEAVES {
            let message =
                format!("a query has at most {MAX_LEAVES} words, phrases and filters, this one {leaves}");
            return Err(QueryError::new(message, 0));
        }
        Ok(Self { mode, root, newest_first: false })
    }

    /// What this and another one both ask for.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.root = Node::And(vec![self.root, other.root]);
        self
    }

    /// The newest come first, however well they match.
    #[must_use]
    pub const fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Puts other values in the place of whole ones of filters: people type names that only the caller can resolve.
    /// `resolve` gets a value as the index has it (`user:flancian`).
    ///
    /// # Errors
    /// The first that `resolve` gives.
    pub fn resolve<E>(
        &mut self,
        resolve: &mut impl FnMut(Filter, &str) -> Result<Option<String>, E>,
    ) -> Result<(), E> {
        self.root.each_filter(&mut |term| {
            let Some(meaning) = Meaning::of(term) else { return Ok(()) };
            let filter = Filter::ALL.into_iter().find(|filter| filter.name() == meaning.field);
            if let Some(filter) = filter
                && let Some(value) = resolve(filter, meaning.value)?
            {
                *term = filter.term(&value);
            }
            Ok(())
        })
    }

    /// Whether its hits have scores: it has words, and the best are to come first.
    #[must_use]
    pub fn by_score(&self) -> bool {
        let mut has_words = false;
        self.root.each_wanted(&mut |leaf| has_words |= leaf.is_words());
        has_words && !self.newest_first
    }

    /// How it was read.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }
}

/// A node of a query's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Leaf(Leaf),
}

impl Node {
    fn leaves(&self) -> usize {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().map(Self::leaves).sum(),
            Self::Not(node) => node.leaves(),
            Self::Leaf(_) => 1,
        }
    }

    /// Shows each whole filter's term.
    fn each_filter<E>(&mut self, visit: &mut impl FnMut(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::And(nodes) | Self::Or(nodes) => {
                nodes.iter_mut().try_for_each(|node| node.each_filter(visit))
            }
            Self::Not(node) => node.each_filter(visit),
            Self::Leaf(Leaf::Filter { term, prefix: false, .. }) => visit(term),
            Self::Leaf(_) => Ok(()),
        }
    }

    /// Shows each leaf that a document is found by, not those that it must not have.
    pub(super) fn each_wanted<'a>(&'a self, visit: &mut impl FnMut(&'a Leaf)) {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.each_wanted(visit)),
            Self::Not(_) => {}
            Self::Leaf(leaf) => visit(leaf),
        }
    }
}

/// What a document has or has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Leaf {
    /// A folded word in any of its forms.
    Word { word: String, title: bool },
    /// Words that begin so; `stems`: or whose stems begin as the word's does.
    Prefix { word: String, title: bool, stems: bool, at: usize },
    /// Words at these distances from the first's position.
    Phrase { items: Vec<Item>, title: bool, at: usize },
    /// A filter's term, or the beginning of one.
    Filter { term: Vec<u8>, prefix: bool, at: usize },
    /// A record's time.
    Time(RangeInclusive<Timestamp>),
    /// Characters of the text, lower-cased.
    Substring(String),
}

impl Leaf {
    /// Whether it adds to the score.
    pub(super) const fn is_words(&self) -> bool {
        !matches!(self, Self::Filter { .. } | Self::Time(_))
    }
}

/// A word of a phrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    /// How many words behind the first.
    pub(super) offset: u32,
    pub(super) word: String,
    /// Whether more may follow in the word.
    pub(super) prefix: bool,
}

#[cfg(test)]
mod tests;
