//! Scores, their order, and pages of it.

use super::{Query, leaves::Match};
use crate::search::{SearchError, segment::DocumentCursor, state::State};
use serde::{Deserialize, Serialize};
use springline_model::{Timestamp, Uri};
use std::ops::AddAssign;

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// As many words in the body as one in the title counts for.
const TITLE: f64 = 3.0;

/// Which part of the answer is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Go on strictly behind this.
    pub after: Option<Cursor>,
    /// At most so many hits.
    pub limit: usize,
}

/// A place in the order of an answer: behind a document. It stays good whatever happens to the index: what comes next
/// is what ranks below the document then (all scores shift when documents come and go); if it is gone, below where it
/// was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// What the answer is ordered by, the greatest first.
    pub rank: u64,
    /// What equal ones are ordered by.
    pub uri: Uri,
}

/// What scores are made of beside the documents themselves. Those of indexes that share the documents add up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Documents.
    pub documents: u64,
    /// Words in all of them.
    pub length: u64,
    /// How many documents match each of the query's leaves that are words, in the order of the query.
    pub matches: Vec<u64>,
}

impl AddAssign<&Self> for Stats {
    fn add_assign(&mut self, other: &Self) {
        self.documents = self.documents.saturating_add(other.documents);
        self.length = self.length.saturating_add(other.length);
        self.matches.resize(self.matches.len().max(other.matches.len()), 0);
        for (sum, more) in self.matches.iter_mut().zip(&other.matches) {
            *sum = sum.saturating_add(*more);
        }
    }
}

/// One index' part of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it found.
    pub hits: Hits,
    /// Where the page's cursor has gone, if its document is here and ranks elsewhere by now.
    pub moved: Option<u64>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hits {
    /// How many documents match, on all pages.
    pub total: u64,
    /// Whether `total` is all: a substring is looked for in a bounded amount of text.
    pub complete: bool,
    /// This page of them, the best first.
    pub hits: Vec<Hit>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// A document that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Which.
    pub uri: Uri,
    /// Its time.
    pub at: Timestamp,
    /// Its BM25 in millionths; 0 for a query without words.
    pub score: u64,
}

impl Hits {
    /// The same page of several indexes that share the documents, as one index would give it. Their scores must be made of
    /// the same [`Stats`].
    #[must_use]
    pub fn merged(query: &Query, limit: usize, parts: impl IntoIterator<Item = Self>) -> Self {
        let by_score = query.by_score();
        let rank = |hit: &Hit| if by_score { hit.score } else { rank_of(hit.at) };
        let mut all = Self { total: 0, complete: true, hits: Vec::new(), next: None };
        let mut more = false;
        for part in parts {
            all.total = all.total.saturating_add(part.total);
            all.complete &= part.complete;
            more |= part.next.is_some();
            all.hits.extend(part.hits);
        }
        all.hits.sort_by(|a, b| rank(b).cmp(&rank(a)).then_with(|| a.uri.cmp(&b.uri)));
        more |= all.hits.len() > limit;
        all.hits.truncate(limit);
        let last = all.hits.last().filter(|_| more);
        all.next = last.map(|hit| Cursor { rank: rank(hit), uri: hit.uri.clone() });
        all
    }
}

/// A document with its score so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scored {
    pub(super) document: u32,
    pub(super) score: f64,
}

/// What a leaf of words gives its documents. `frequency` documents match it, of `documents` with `length` words.
pub(super) fn score(matches: &[Match], documents: u64, length: u64, frequency: u64) -> Vec<Scored> {
    let idf = idf(documents, frequency);
    let average = length as f64 / documents.max(1) as f64;
    let score = |found: &Match| Scored {
        document: found.document,
        score: bm25(found.title, found.body, found.length, average, idf),
    };
    matches.iter().map(score).collect()
}

/// What any other leaf gives its documents.
pub(super) fn unscored(matches: &[Match]) -> Vec<Scored> {
    matches.iter().map(|found| Scored { document: found.document, score: 0.0 }).collect()
}

/// How rare it is to match: never negative, however common.
pub(in crate::search) fn idf(documents: u64, matches: u64) -> f64 {
    let (documents, matches) = (documents as f64, matches as f64);
    (1.0 + (documents - matches + 0.5) / (matches + 0.5)).ln()
}

/// What a leaf that is there so often adds to a document's score.
pub(in crate::search) fn bm25(title: u32, body: u32, length: u32, average: f64, idf: f64) -> f64 {
    let often = f64::from(body) + TITLE * f64::from(title);
    let relative = if average > 0.0 { f64::from(length) / average } else { 1.0 };
    let saturated = often * (K1 + 1.0) / (often + K1 * (1.0 - B + B * relative));
    idf * saturated
}

/// A score in millionths.
pub(in crate::search) fn rounded(score: f64) -> u64 {
    (score * 1e6).round() as u64
}

/// A document in the order.
struct Ranked {
    document: u32,
    rank: u64,
}

/// The page of what was found.
pub(super) fn page(
    state: &State,
    found: &[Scored],
    by_score: bool,
    page: &Page,
    complete: bool,
) -> Result<Part, SearchError> {
    let total = found.len() as u64;
    let mut ranked: Vec<Ranked> = if by_score {
        found.iter().map(|found| Ranked { document: found.document, rank: rounded(found.score) }).collect()
    } else {
        by_time(state, found)?
    };
    let after = page.after.as_ref().map(|after| moved(state, after, &ranked)).transpose()?;
    if let Some(after) = &after {
        ranked.retain(|found| found.rank <= after.rank);
    }
    // Whose URIs have to be known: all that rank with or above the last of the page, and with the cursor.
    let same =
        after.as_ref().map_or(0, |after| ranked.iter().filter(|found| found.rank == after.rank).count());
    let wanted = page.limit.saturating_add(same);
    if wanted < ranked.len() {
        let (_, last, _) = ranked.select_nth_unstable_by(wanted, |a, b| b.rank.cmp(&a.rank));
        let least = last.rank;
        ranked.retain(|found| found.rank >= least);
    }
    let mut hits = hits(state, ranked)?;
    if let Some(after) = &after {
        hits.retain(|(rank, hit)| *rank < after.rank || hit.uri > after.uri);
    }
    hits.sort_unstable_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.uri.cmp(&other.uri)));
    let more = hits.len() > page.limit;
    hits.truncate(page.limit);
    let last = hits.last().filter(|_| more);
    let next = last.map(|(rank, hit)| Cursor { rank: *rank, uri: hit.uri.clone() });
    let score = |(rank, hit): (u64, Hit)| Hit { score: if by_score { rank } else { 0 }, ..hit };
    let hits = Hits { total, complete, hits: hits.into_iter().map(score).collect(), next };
    let before = page.after.as_ref().map(|before| before.rank);
    let moved = after.map(|after| after.rank).filter(|rank| Some(*rank) != before);
    Ok(Part { hits, moved })
}

/// Where the cursor's document ranks now.
fn moved(state: &State, cursor: &Cursor, ranked: &[Ranked]) -> Result<Cursor, SearchError> {
    let number = state.find(&[&cursor.uri])?.pop().flatten();
    let at = number.and_then(|number| ranked.binary_search_by_key(&number, |found| found.document).ok());
    Ok(Cursor { rank: at.map_or(cursor.rank, |at| ranked[at].rank), uri: cursor.uri.clone() })
}

/// The rank of a time: the newest first.
const fn rank_of(at: Timestamp) -> u64 {
    at.0.cast_unsigned() ^ (1 << 63)
}

/// The newest first.
fn by_time(state: &State, found: &[Scored]) -> Result<Vec<Ranked>, SearchError> {
    let mut ranked = Vec::with_capacity(found.len());
    let numbers = found.iter().map(|found| found.document);
    each_document(state, numbers, |document, at, _| {
        ranked.push(Ranked { document, rank: rank_of(at) });
        Ok(())
    })?;
    Ok(ranked)
}

fn hits(state: &State, mut ranked: Vec<Ranked>) -> Result<Vec<(u64, Hit)>, SearchError> {
    ranked.sort_unstable_by_key(|found| found.document);
    let mut hits = Vec::with_capacity(ranked.len());
    let mut ranks = ranked.iter().map(|found| found.rank);
    each_document(state, ranked.iter().map(|found| found.document), |_, at, uri| {
        let rank = ranks.next().unwrap_or(0);
        hits.push((rank, Hit { uri: Uri::from(uri), at, score: 0 }));
        Ok(())
    })?;
    Ok(hits)
}

/// Shows documents, asked for by number: number, time, URI.
pub(super) fn each_document(
    state: &State,
    numbers: impl IntoIterator<Item = u32>,
    mut visit: impl FnMut(u32, Timestamp, &str) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let mut segments = state.segments();
    let mut cursor: Option<(u32, DocumentCursor)> = None;
    for number in numbers {
        while cursor.as_ref().is_none_or(|(last, _)| *last < number) {
            let missing = SearchError::Damaged { what: "a posting of a document that is nowhere" };
            let segment = segments.next().ok_or(missing)?;
            cursor = Some((segment.info.last, DocumentCursor::new(segment.clone())));
        }
        let Some((_, documents)) = &mut cursor else { continue };
        let missing = SearchError::Damaged { what: "a posting of a document that its segment has not" };
        let document = documents.find(number)?.ok_or(missing)?;
        visit(number, document.at, document.uri()?)?;
    }
    Ok(())
}
