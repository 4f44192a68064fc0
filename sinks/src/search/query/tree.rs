//! AND, OR and NOT over the documents of the leaves.

use super::{
    Leaf, Node, Query,
    leaves::{self, Match, Select},
    phrase, rank,
    rank::{Page, Part, Scored, Stats},
    substring,
};
use crate::search::{SearchError, segment::DocumentCursor, state::State};
use springline_model::{Timestamp, Uri, text::term};
use std::{cmp::Ordering, ops::RangeInclusive};

/// The text of a document, if there still is one.
pub(crate) type Texts<'a> = dyn Fn(&Uri) -> Option<String> + 'a;

/// Answers a query. `stats` are those of all indexes that share the documents; without them, those of this one.
pub(in crate::search) fn run(
    state: &State,
    query: &Query,
    page: &Page,
    stats: Option<&Stats>,
    texts: &Texts<'_>,
) -> Result<Part, SearchError> {
    let mut run = Run::new(state, stats, texts);
    let scored = run.node(&query.root)?;
    rank::page(state, &scored, query.by_score(), page, run.complete)
}

/// What the scores of a query's hits are made of.
pub(in crate::search) fn stats(
    state: &State,
    query: &Query,
    texts: &Texts<'_>,
) -> Result<Stats, SearchError> {
    let mut run = Run::new(state, None, texts);
    run.node(&query.root)?;
    let (documents, length) = (state.counts.documents, state.counts.length);
    Ok(Stats { documents, length, matches: run.matches })
}

struct Run<'a> {
    state: &'a State,
    stats: Option<&'a Stats>,
    texts: &'a Texts<'a>,
    /// How many documents match each leaf of words so far.
    matches: Vec<u64>,
    /// Whether every document was looked at that had to be.
    complete: bool,
}

impl<'a> Run<'a> {
    fn new(state: &'a State, stats: Option<&'a Stats>, texts: &'a Texts<'a>) -> Self {
        Self { state, stats, texts, matches: Vec::new(), complete: true }
    }

    /// The documents that a node matches, by number, with their scores.
    fn node(&mut self, node: &Node) -> Result<Vec<Scored>, SearchError> {
        match node {
            Node::And(nodes) => self.all(nodes),
            Node::Or(nodes) => {
                let mut found = Vec::new();
                for node in nodes {
                    found = either(&found, &self.node(node)?);
                }
                Ok(found)
            }
            Node::Not(_) | Node::Leaf(Leaf::Time(_)) => self.all(std::slice::from_ref(node)),
            Node::Leaf(leaf) => {
                let matches = self.leaf(leaf)?;
                Ok(if leaf.is_words() { self.score(&matches) } else { rank::unscored(&matches) })
            }
        }
    }

    /// What has it all: first what must be there, then what must not, and last the times, which are read from the
    /// documents.
    fn all(&mut self, nodes: &[Node]) -> Result<Vec<Scored>, SearchError> {
        let mut found: Option<Vec<Scored>> = None;
        for node in nodes.iter().filter(|node| !matches!(node, Node::Not(_) | Node::Leaf(Leaf::Time(_)))) {
            let next = self.node(node)?;
            found = Some(match found {
                Some(found) => both(found, &next),
                None => next,
            });
        }
        let mut found = match found {
            Some(found) => found,
            None => rank::unscored(&leaves::term(self.state, term::EVERY)?),
        };
        for node in nodes {
            match node {
                Node::Not(node) => found = without(found, &self.node(node)?),
                Node::Leaf(Leaf::Time(times)) => found = at(self.state, found, times)?,
                _ => {}
            }
        }
        Ok(found)
    }

    fn score(&mut self, matches: &[Match]) -> Vec<Scored> {
        let (counts, here) = (&self.state.counts, matches.len() as u64);
        let (documents, length, frequency) = match self.stats {
            None => (counts.documents, counts.length, here),
            // Others may know of more; of fewer only if they were asked something else.
            Some(stats) => {
                let all = stats.matches.get(self.matches.len()).map_or(here, |all| here.max(*all));
                (stats.documents.max(all), stats.length, all)
            }
        };
        self.matches.push(here);
        rank::score(matches, documents, length, frequency)
    }

    fn leaf(&mut self, leaf: &Leaf) -> Result<Vec<Match>, SearchError> {
        let state = self.state;
        let (mut matches, title) = match leaf {
            Leaf::Word { word, title } => (leaves::word(state, word)?, *title),
            Leaf::Prefix { word, title, stems, at } => (leaves::prefix(state, word, *stems, *at)?, *title),
            Leaf::Phrase { items, title, at } => return phrase::phrase(state, items, *title, *at),
            Leaf::Filter { term, prefix: false, .. } => (leaves::term(state, term)?, false),
            Leaf::Filter { term, prefix: true, at } => {
                (leaves::sum(state, &[Select::Prefix(term.clone())], *at)?, false)
            }
            Leaf::Substring(text) => {
                let (matches, complete) = substring::substring(state, text, self.texts)?;
                self.complete &= complete;
                return Ok(matches);
            }
            // Only ever a filter of others: `all` takes it.
            Leaf::Time(_) => return Ok(Vec::new()),
        };
        if title {
            matches.retain_mut(|found| {
                found.body = 0;
                found.title > 0
            });
        }
        Ok(matches)
    }
}

fn both(mut a: Vec<Scored>, b: &[Scored]) -> Vec<Scored> {
    let mut b = b.iter().peekable();
    a.retain_mut(|found| {
        while b.next_if(|next| next.document < found.document).is_some() {}
        let same = b.peek().filter(|next| next.document == found.document);
        found.score += same.map_or(0.0, |same| same.score);
        same.is_some()
    });
    a
}

fn without(mut a: Vec<Scored>, b: &[Scored]) -> Vec<Scored> {
    let mut b = b.iter().peekable();
    a.retain(|found| {
        while b.next_if(|next| next.document < found.document).is_some() {}
        b.peek().is_none_or(|next| next.document != found.document)
    });
    a
}

fn either(a: &[Scored], b: &[Scored]) -> Vec<Scored> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (Some(a), Some(b)) => a.document.cmp(&b.document),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return merged,
        };
        let (first, second) = match order {
            Ordering::Less => (a.next(), None),
            Ordering::Greater => (b.next(), None),
            Ordering::Equal => (a.next(), b.next()),
        };
        let more = second.map_or(0.0, |second| second.score);
        merged.extend(first.map(|first| Scored { score: first.score + more, ..first }));
    }
}

/// What was said in a time.
fn at(
    state: &State,
    mut found: Vec<Scored>,
    times: &RangeInclusive<Timestamp>,
) -> Result<Vec<Scored>, SearchError> {
    let mut kept = Vec::with_capacity(found.len());
    let mut rest = found.drain(..).peekable();
    for segment in state.segments() {
        let mut documents = DocumentCursor::new(segment.clone());
        while let Some(next) = rest.next_if(|next| next.document <= segment.info.last) {
            let fits = match documents.times(next.document) {
                // Most pages need not be read.
                Some((oldest, newest)) if newest < *times.start() || oldest > *times.end() => false,
                Some((oldest, newest)) if times.contains(&oldest) && times.contains(&newest) => true,
                _ => documents.find(next.document)?.is_some_and(|document| times.contains(&document.at)),
            };
            kept.extend(fits.then_some(next));
        }
    }
    Ok(kept)
}
