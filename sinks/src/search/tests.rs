//! The index against an oracle that holds every document and looks at each of them.

mod oracle;
mod shares;
mod world;

use super::{
    query::{Cursor, Hit, Hits, Mode, Page, Query},
    *,
};
use crate::store::{Engine, StoreConfig, Write};
use oracle::Oracle;
use proptest::prelude::*;
use springline_model::{Record, SourceId, Uri, text::Analyzer};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use world::{Act, acts, queries, record};

/// So small that a few words make segments, and a merge takes many epochs.
const SMALL: Limits = Limits { flush: 2000, logs: 5, direct: 1200, merge: 300, memory: 300, stored: 1500 };

fn memory() -> Arc<dyn Store> {
    crate::store::open(&StoreConfig::of(Engine::Memory), Path::new("unused")).unwrap()
}

fn commit(index: &SearchIndex, mut staged: Staged) {
    index.pager.store.commit(std::mem::take(&mut staged.writes)).unwrap();
    index.publish(staged).unwrap();
}

fn row(record: &Record) -> PostingsRow {
    Analyzer::new().analyse(record, &SourceId::new("gardens"))
}

/// Every hit, taken a few at a time.
fn all_hits(searcher: &Searcher, query: &Query, step: usize, texts: &BTreeMap<Uri, String>) -> Hits {
    let mut page = Page { after: None, limit: step };
    let mut all: Option<Hits> = None;
    loop {
        let found = searcher.search(query, &page, &|uri| texts.get(uri).cloned()).unwrap();
        assert!(found.hits.len() <= step);
        page.after = found.next.clone();
        match &mut all {
            None => all = Some(found),
            Some(all) => {
                assert_eq!(all.total, found.total, "the total is the same on every page");
                all.hits.extend(found.hits);
            }
        }
        if page.after.is_none() {
            return all.unwrap();
        }
    }
}

fn check(searcher: &Searcher, oracle: &Oracle, mode: Mode, text: &str, step: usize) {
    let Ok(query) = Query::parse(mode, text) else { return };
    let query = if step.is_multiple_of(2) { query.newest_first() } else { query };
    let found = all_hits(searcher, &query, step, &oracle.texts());
    let expected = oracle.search(&query);
    assert_eq!(found.hits, expected, "{mode} {text}");
    assert_eq!(found.total, expected.len() as u64, "{mode} {text}");
    assert!(found.complete);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn answers_as_the_oracle(acts in acts(), queries in queries(), step in 1_usize..9) {
        let store = memory();
        let mut index = SearchIndex::with(store.clone(), SMALL).unwrap();
        let mut oracle = Oracle::default();
        let mut before: Option<(Searcher, Oracle)> = None;
        for act in acts {
            match act {
                Act::Epoch(edits) => {
                    let mut after = oracle.clone();
                    let changes = after.apply(edits);
                    // What is staged and dropped never was.
                    drop(index.stage(changes.clone()).unwrap());
                    let staged = index.stage(changes).unwrap();
                    prop_assert_eq!(index.fingerprint(), oracle.fingerprint());
                    let mut sum = index.fingerprint();
                    sum += staged.delta;
                    oracle = after;
                    prop_assert_eq!(sum, oracle.fingerprint());
                    commit(&index, staged);
                }
                Act::Reopen => {
                    before = None;
                    index = SearchIndex::with(store.clone(), SMALL).unwrap();
                }
                Act::Compact => {
                    for _ in 0..3 {
                        if let Some(staged) = index.compact().unwrap() {
                            commit(&index, staged);
                        }
                    }
                }
                Act::Remember => before = Some((index.searcher(), oracle.clone())),
                Act::Clear => {
                    commit(&index, index.clear());
                    oracle = Oracle::default();
                }
            }
            prop_assert_eq!(index.fingerprint(), oracle.fingerprint());
            prop_assert_eq!(index.verify().unwrap(), oracle.fingerprint());
            prop_assert_eq!(index.searcher().documents(), oracle.fingerprint().rows);
        }
        for (mode, text) in &queries {
            check(&index.searcher(), &oracle, *mode, text, step);
            if let Some((searcher, oracle)) = &before {
                check(searcher, oracle, *mode, text, step);
            }
        }
    }

    #[test]
    fn finds_the_difference(first in acts(), second in acts()) {
        let store = memory();
        let index = SearchIndex::with(store, SMALL).unwrap();
        let mut oracle = Oracle::default();
        for act in first {
            if let Act::Epoch(edits) = act {
                let changes = oracle.apply(edits);
                commit(&index, index.stage(changes).unwrap());
            }
        }
        for act in second {
            if let Act::Epoch(edits) = act {
                oracle.apply(edits);
            }
        }
        let changes = match index.difference(oracle.rows()).unwrap() {
            Some(changes) => changes,
            None => {
                commit(&index, index.clear());
                oracle.rows().into_iter().map(|row| (row, 1)).collect()
            }
        };
        commit(&index, index.stage(changes).unwrap());
        prop_assert_eq!(index.verify().unwrap(), oracle.fingerprint());
        prop_assert_eq!(index.difference(oracle.rows()).unwrap(), Some(Vec::new()));
    }
}

fn texts(_: &Uri) -> Option<String> {
    None
}

fn find(index: &SearchIndex, text: &str) -> Vec<Hit> {
    let query = Query::parse(Mode::Ranked, text).unwrap();
    index.searcher().search(&query, &Page { after: None, limit: 10 }, &texts).unwrap().hits
}

fn bytes_of(store: &dyn Store, needle: &[u8]) -> usize {
    let (from, to) = keys::EVERYTHING;
    let (from, to) = keys::bounds(&from, None, &to);
    let pairs = store.range(from, to, false, usize::MAX).unwrap();
    pairs
        .iter()
        .filter(|(_, value)| value.windows(needle.len().max(1)).any(|bytes| bytes.starts_with(needle)))
        .count()
}

#[test]
fn what_is_deleted_goes_from_the_store() {
    let store = memory();
    let index = SearchIndex::with(store.clone(), SMALL).unwrap();
    let secret = record("a", "Title", "zyzzyva", 1);
    commit(&index, index.stage(vec![(row(&secret), 1)]).unwrap());
    assert_eq!(find(&index, "zyzzyva").len(), 1);
    assert!(bytes_of(&*store, b"zyzzyva") > 0);
    // From the log: at once.
    commit(&index, index.stage(vec![(row(&secret), -1)]).unwrap());
    assert_eq!((find(&index, "zyzzyva").len(), bytes_of(&*store, b"zyzzyva")), (0, 0));
    // From a segment: when it is cleaned.
    let mut others: Vec<_> =
        (0..40).map(|at| (row(&record(&format!("b{at}"), "T", "filler words", at)), 1)).collect();
    others.push((row(&secret), 1));
    commit(&index, index.stage(others).unwrap());
    commit(&index, index.stage(vec![(row(&secret), -1)]).unwrap());
    assert_eq!(find(&index, "zyzzyva").len(), 0);
    assert!(bytes_of(&*store, b"zyzzyva") > 0);
    while let Some(staged) = index.compact().unwrap() {
        commit(&index, staged);
    }
    assert_eq!(bytes_of(&*store, b"zyzzyva"), 0);
    assert_eq!(find(&index, "filler").len(), 10);
}

#[test]
fn old_searchers_keep_what_they_read() {
    let store = memory();
    let index = SearchIndex::with(store.clone(), SMALL).unwrap();
    let rows: Vec<_> =
        (0..50).map(|at| (row(&record(&format!("b{at}"), "T", "common words", at)), 1)).collect();
    commit(&index, index.stage(rows.clone()).unwrap());
    let old = index.searcher();
    commit(&index, index.stage(rows[..40].iter().map(|(row, _)| (row.clone(), -1)).collect()).unwrap());
    while let Some(staged) = index.compact().unwrap() {
        commit(&index, staged);
    }
    let query = Query::parse(Mode::Ranked, "common").unwrap();
    let page = Page { after: None, limit: 100 };
    assert_eq!(old.search(&query, &page, &texts).unwrap().total, 50);
    assert_eq!(index.searcher().search(&query, &page, &texts).unwrap().total, 10);
    let before = bytes_of(&*store, b"");
    drop(old);
    while let Some(staged) = index.compact().unwrap() {
        commit(&index, staged);
    }
    assert!(bytes_of(&*store, b"") < before);
}

#[test]
fn refuses_what_does_not_fit() {
    let index = SearchIndex::with(memory(), SMALL).unwrap();
    let one = row(&record("a", "T", "text", 1));
    assert!(matches!(index.stage(vec![(one.clone(), -1)]), Err(SearchError::Missing { .. })));
    assert!(matches!(index.stage(vec![(one.clone(), 1), (one.clone(), 1)]), Err(SearchError::Twice { .. })));
    let other = row(&record("a", "T", "other", 1));
    assert!(matches!(
        index.stage(vec![(one.clone(), 1), (other.clone(), 1)]),
        Err(SearchError::Twice { .. })
    ));
    assert!(index.stage(vec![(one.clone(), 1), (one.clone(), -1)]).unwrap().delta == Fingerprint::default());
    let staged = index.stage(vec![(one.clone(), 1)]).unwrap();
    commit(&index, index.stage(vec![(one.clone(), 1)]).unwrap());
    assert!(matches!(index.publish(staged), Err(SearchError::Stale)));
    assert!(matches!(index.stage(vec![(other, 1)]), Err(SearchError::Twice { .. })));
    commit(&index, index.stage(vec![(one.clone(), -1)]).unwrap());
    assert!(matches!(index.stage(vec![(one, -1)]), Err(SearchError::Missing { .. })));
    assert_eq!(index.fingerprint(), Fingerprint::default());
}

#[test]
fn damage_is_an_error() {
    let store = memory();
    let index = SearchIndex::with(store.clone(), SMALL).unwrap();
    let rows =
        (0..60).map(|at| (row(&record(&format!("b{at}"), "T", &format!("common w{at}"), at)), 1)).collect();
    commit(&index, index.stage(rows).unwrap());
    let (from, to) = keys::EVERYTHING;
    let (from, to) = keys::bounds(&from, None, &to);
    for (key, value) in store.range(from, to, false, usize::MAX).unwrap() {
        for at in (0..value.len()).step_by(7) {
            let mut bad = value.clone();
            bad[at] ^= 0x55;
            let cut = value[..at].to_vec();
            for bad in [bad, cut] {
                store.commit(vec![Write::Put(key.clone(), bad)]).unwrap();
                // An error or another answer, never a panic; and never the right fingerprint with a wrong answer.
                if let Ok(index) = SearchIndex::with(store.clone(), SMALL) {
                    let page = Page { after: None, limit: 5 };
                    for text in ["common", "\"common w3\"", "comm*", "since:1970", "NOT w3"] {
                        drop(index.searcher().search(
                            &Query::parse(Mode::Ranked, text).unwrap(),
                            &page,
                            &texts,
                        ));
                    }
                    drop(index.verify());
                }
            }
        }
        store.commit(vec![Write::Put(key.clone(), value)]).unwrap();
    }
    assert_eq!(SearchIndex::with(store.clone(), SMALL).unwrap().verify().unwrap(), index.fingerprint());
    store.commit(vec![Write::Put(keys::state(), vec![0, 99])]).unwrap();
    assert!(matches!(SearchIndex::open(store.clone()), Err(SearchError::Version { found: 99 })));
    while let writes @ [_, ..] = &SearchIndex::wipe(&*store, 3).unwrap()[..] {
        store.commit(writes.to_vec()).unwrap();
    }
    assert_eq!(SearchIndex::open(store).unwrap().fingerprint(), Fingerprint::default());
}

#[test]
fn the_best_come_first() {
    let index = SearchIndex::with(memory(), SMALL).unwrap();
    let records = [
        record("title", "Digital garden", "a note", 1),
        record("often", "Other", "garden garden digital garden", 2),
        record(
            "once",
            "Other",
            "some words about a garden that is digital, and many more words beside it",
            3,
        ),
        record("half", "Other", "only a garden", 4),
        record("stem", "Other", "gardens, digitally", 5),
    ];
    let changes: Vec<_> = records.iter().map(|record| (row(record), 1)).collect();
    commit(&index, index.stage(changes).unwrap());
    let uris = |text: &str| {
        let name = |hit: &Hit| hit.uri.rest().trim_start_matches("ann/").trim_end_matches(".md").to_owned();
        find(&index, text).iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(uris("digital garden"), ["title", "stem", "often", "once"]);
    assert_eq!(uris("\"digital garden\""), ["title", "often"]);
    assert_eq!(uris("title:garden"), ["title"]);
    assert_eq!(uris("garden -digital"), ["half"]);
    assert_eq!(uris("kind:note"), ["stem", "half", "once", "often", "title"], "the newest first");
    assert_eq!(uris("author:ann lang:xx"), [""; 0]);
}

#[test]
fn a_stem_is_of_its_language() {
    let index = SearchIndex::with(memory(), SMALL).unwrap();
    let spanish = |name: &str, text: &str| {
        let mut record = record(name, "-", text, 1);
        record.langs = vec!["es".into()];
        record
    };
    let records = [record("english", "-", "tod today", 1), spanish("some", "toda"), spanish("stem", "tod")];
    commit(&index, index.stage(records.iter().map(|record| (row(record), 1)).collect()).unwrap());
    let uris = |mode: Mode| {
        let query = Query::parse(mode, "todo").unwrap();
        let found = index.searcher().search(&query, &Page { after: None, limit: 9 }, &texts).unwrap();
        found.hits.iter().map(|hit| hit.uri.rest().to_owned()).collect::<BTreeSet<_>>()
    };
    // `tod` is the stem of `todo` and `toda` in Spanish; in English it is none, nor is `today`.
    let expected = BTreeSet::from(["ann/some.md".to_owned(), "ann/stem.md".to_owned()]);
    assert_eq!(uris(Mode::Ranked), expected);
    assert_eq!(uris(Mode::Broad), expected);
}

#[test]
fn a_cursor_is_stable() {
    let index = SearchIndex::with(memory(), SMALL).unwrap();
    let record = |at: i64| record(&format!("n{at:02}"), "T", "same", 1);
    commit(&index, index.stage((0..20).map(|at| (row(&record(at)), 1)).collect()).unwrap());
    let query = Query::parse(Mode::Ranked, "same").unwrap();
    let first = index.searcher().search(&query, &Page { after: None, limit: 5 }, &texts).unwrap();
    assert_eq!(first.next, Some(Cursor { rank: first.hits[4].score, uri: first.hits[4].uri.clone() }));
    // What was on the first page goes, and all scores shift with it: the second begins where it would have.
    commit(&index, index.stage((0..3).map(|at| (row(&record(at)), -1)).collect()).unwrap());
    let next = |page: &Hits, limit: usize| {
        let page = Page { after: page.next.clone(), limit };
        index.searcher().search(&query, &page, &texts).unwrap()
    };
    let second = next(&first, 2);
    let uris: Vec<&str> = second.hits.iter().map(|hit| hit.uri.as_str()).collect();
    assert_eq!((second.total, uris), (17, vec!["garden://ann/n05.md", "garden://ann/n06.md"]));
    // Even its own document: then it is where it was, in a ranking that still holds it.
    commit(&index, index.stage(vec![(row(&record(6)), -1), (row(&record(30)), 1)]).unwrap());
    assert_eq!(next(&second, 1).hits[0].uri.as_str(), "garden://ann/n07.md");
    let none = index.searcher().search(&query, &Page { after: None, limit: 0 }, &texts).unwrap();
    assert_eq!((none.total, none.hits.len(), none.next), (17, 0, None));
}
