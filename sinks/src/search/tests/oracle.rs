//! Every document as it is; a query looks at each.

use super::row;
use crate::{
    search::{
        SearchIndex,
        query::{
            Hit, Item, Leaf, Node, Query,
            rank::{bm25, idf, rounded},
        },
    },
    views::Fingerprint,
};
use springline_model::{
    Record, Uri,
    rows::PostingsRow,
    text::{
        self, Lang,
        term::{self, Filter},
    },
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Default)]
pub(super) struct Oracle {
    documents: BTreeMap<Uri, (Record, PostingsRow)>,
}

/// In title and body.
type Counts = (u32, u32);

impl Oracle {
    /// The changes that an epoch of edits makes, and makes them.
    pub(super) fn apply(&mut self, edits: Vec<(u8, Option<Record>)>) -> Vec<(PostingsRow, isize)> {
        let before = self.documents.clone();
        for (number, note) in edits {
            match note {
                Some(note) => {
                    let row = row(&note);
                    self.documents.insert(note.uri.clone(), (note, row));
                }
                None => drop(self.documents.remove(&Uri::new(format!("garden://ann/j/n{number}.md")))),
            }
        }
        let gone = before.values().map(|(_, row)| (row.clone(), -1));
        let come = self.documents.values().map(|(_, row)| (row.clone(), 1));
        let mut changes: BTreeMap<PostingsRow, isize> = BTreeMap::new();
        for (row, diff) in gone.chain(come) {
            *changes.entry(row).or_default() += diff;
        }
        changes.into_iter().filter(|(_, diff)| *diff != 0).collect()
    }

    pub(super) fn rows(&self) -> Vec<PostingsRow> {
        self.documents.values().map(|(_, row)| row.clone()).collect()
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        SearchIndex::fingerprint_of(self.documents.values().map(|(_, row)| row))
    }

    pub(super) fn texts(&self) -> BTreeMap<Uri, String> {
        self.documents.iter().map(|(uri, (record, _))| (uri.clone(), record.text.clone())).collect()
    }

    pub(super) fn search(&self, query: &Query) -> Vec<Hit> {
        let mut by_score = false;
        query.root.each_wanted(&mut |leaf| by_score |= leaf.is_words() && !query.newest_first);
        let scores = self.node(&query.root);
        let mut hits: Vec<(u64, Hit)> = scores
            .into_iter()
            .map(|(uri, score)| {
                let at = self.documents[&uri].0.at;
                let score = if by_score { rounded(score) } else { 0 };
                let rank = if by_score { score } else { u64::try_from(at.0).unwrap() };
                (rank, Hit { uri, at, score })
            })
            .collect();
        hits.sort_by(|(a, one), (b, other)| b.cmp(a).then(one.uri.cmp(&other.uri)));
        hits.into_iter().map(|(_, hit)| hit).collect()
    }

    fn node(&self, node: &Node) -> BTreeMap<Uri, f64> {
        match node {
            Node::And(nodes) => {
                let wanted =
                    nodes.iter().filter(|node| !matches!(node, Node::Not(_) | Node::Leaf(Leaf::Time(_))));
                let mut all = wanted.map(|node| self.node(node));
                let mut found = match all.next() {
                    Some(found) => found,
                    None => self.documents.keys().map(|uri| (uri.clone(), 0.0)).collect(),
                };
                for next in all {
                    found.retain(|uri, _| next.contains_key(uri));
                    found.iter_mut().for_each(|(uri, score)| *score += next[uri]);
                }
                for node in nodes {
                    match node {
                        Node::Not(_) | Node::Leaf(Leaf::Time(_)) => {
                            let next = self.node(node);
                            found.retain(|uri, _| next.contains_key(uri));
                        }
                        _ => {}
                    }
                }
                found
            }
            Node::Or(nodes) => {
                let mut found: BTreeMap<Uri, f64> = BTreeMap::new();
                for node in nodes {
                    for (uri, score) in self.node(node) {
                        found.entry(uri).and_modify(|sum| *sum += score).or_insert(score);
                    }
                }
                found
            }
            Node::Not(node) => {
                let without = self.node(node);
                let rest = self.documents.keys().filter(|uri| !without.contains_key(*uri));
                rest.map(|uri| (uri.clone(), 0.0)).collect()
            }
            Node::Leaf(leaf) => {
                let counts = |(uri, document): (&Uri, &(Record, PostingsRow))| {
                    self.counts(leaf, &document.0, &document.1).map(|counts| (uri.clone(), counts))
                };
                let matches: BTreeMap<Uri, Counts> = self.documents.iter().filter_map(counts).collect();
                let idf = idf(self.documents.len() as u64, matches.len() as u64);
                let words: u64 = self.documents.values().map(|(_, row)| u64::from(row.length)).sum();
                let average = words as f64 / self.documents.len() as f64;
                let score = |(uri, (title, body)): (Uri, Counts)| {
                    let length = self.documents[&uri].1.length;
                    let score = if leaf.is_words() { bm25(title, body, length, average, idf) } else { 0.0 };
                    (uri, score)
                };
                matches.into_iter().map(score).collect()
            }
        }
    }

    fn counts(&self, leaf: &Leaf, record: &Record, row: &PostingsRow) -> Option<Counts> {
        let (found, title) = match leaf {
            Leaf::Word { word, title } => {
                let mut found = sum(row, |name| name == term::word(word));
                for lang in self.langs(word) {
                    let stem = text::stem(lang, word).map_or(word.clone(), Into::into);
                    let here = *word == stem || self.stems_here(word, lang, row);
                    let form =
                        |name: &[u8]| name == term::stem(lang, &stem) || here && name == term::word(&stem);
                    found = greatest(found, sum(row, form));
                }
                (found, *title)
            }
            Leaf::Prefix { word, title, stems, .. } => {
                let mut found = sum(row, |name| name.starts_with(&term::word(word)));
                for lang in self.langs(word).into_iter().filter(|_| *stems) {
                    let stem = text::stem(lang, word).map_or(word.clone(), Into::into);
                    found = greatest(found, sum(row, |name| name.starts_with(&term::stem(lang, &stem))));
                    if self.stems_here(word, lang, row) {
                        found = greatest(found, sum(row, |name| name.starts_with(&term::word(&stem))));
                    }
                }
                (found, *title)
            }
            Leaf::Phrase { items, title, .. } => return phrase(row, items, *title),
            Leaf::Filter { term, prefix, .. } => {
                (sum(row, |name| if *prefix { name.starts_with(term) } else { name == term }), false)
            }
            Leaf::Time(times) => (times.contains(&record.at).then_some((0, 0)), false),
            Leaf::Substring(needle) => {
                let count = record.text.to_lowercase().matches(needle.as_str()).count() as u32;
                ((count > 0).then_some((0, count)), false)
            }
        };
        if title { found.filter(|(title, _)| *title > 0).map(|(title, _)| (title, 0)) } else { found }
    }

    /// Is the stem, as a word of the document, a form of the word?
    fn stems_here(&self, word: &str, lang: Lang, row: &PostingsRow) -> bool {
        let of_lang = Filter::Lang.term(lang.as_str());
        self.langs(word).first() == Some(&lang) || row.terms.iter().any(|term| term.name == of_lang)
    }

    fn langs(&self, word: &str) -> Vec<Lang> {
        let present: BTreeSet<Lang> = self
            .documents
            .values()
            .flat_map(|(record, _)| &record.langs)
            .filter_map(|lang| Lang::from_tag(lang))
            .collect();
        text::stem_languages(word, present)
    }
}

fn sum(row: &PostingsRow, is: impl Fn(&[u8]) -> bool) -> Option<Counts> {
    let terms = row.terms.iter().filter(|term| is(term.name));
    terms.map(|term| (u32::from(term.title), u32::from(term.body))).reduce(|a, b| (a.0 + b.0, a.1 + b.1))
}

fn greatest(a: Option<Counts>, b: Option<Counts>) -> Option<Counts> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.max(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

fn phrase(row: &PostingsRow, items: &[Item], title: bool) -> Option<Counts> {
    // Every position of an item's words, and whether it lies in title, body or path.
    let positions = |item: &Item| -> BTreeMap<u32, usize> {
        let name = term::word(&item.word);
        let is = |found: &[u8]| if item.prefix { found.starts_with(&name) } else { found == name };
        let mut all = BTreeMap::new();
        for term in row.terms.iter().filter(|term| is(term.name)) {
            let (title, body) = (usize::from(term.title), usize::from(term.body));
            for (at, position) in term.positions.into_iter().enumerate() {
                all.insert(position, usize::from(at >= title) + usize::from(at >= title + body));
            }
        }
        all
    };
    let all: Vec<BTreeMap<u32, usize>> = items.iter().map(positions).collect();
    let mut counts = [0; 3];
    for (position, part) in &all[0] {
        if items.iter().zip(&all).all(|(item, all)| all.contains_key(&(position + item.offset))) {
            counts[*part] += 1;
        }
    }
    if title {
        counts = [counts[0], 0, 0];
    }
    (counts != [0; 3]).then_some((counts[0], counts[1]))
}
