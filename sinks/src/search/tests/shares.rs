//! Several indexes with a share of the documents each, against one that has them all.

use super::{
    row,
    world::{Act, acts, queries},
};
use crate::{
    search::query::{Mode, Page, Query},
    store::{Engine, StoreConfig},
    views::{
        Changes, Views,
        peers::tests::{Shards, commit},
    },
};
use proptest::prelude::*;
use springline_model::{Record, Rev, SourceId, home, rows::RecordRow};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// The changes of an epoch: of all, and of each process.
fn epoch(
    notes: &mut BTreeMap<u8, Record>,
    edits: Vec<(u8, Option<Record>)>,
    shards: &Shards,
) -> (Changes, Vec<Changes>) {
    let (mut all, mut shares) = (Changes::default(), vec![Changes::default(); shards.views.len()]);
    let mut push = |note: &Record, diff| {
        let share = &mut shares[shards.owner(home::of(note.uri.authority()))];
        let record = RecordRow { rev: Rev(1), source: SourceId::new("s"), record: Arc::new(note.clone()) };
        for changes in [&mut all, share] {
            changes.push(&record, diff);
            changes.postings.push((row(note), diff));
        }
    };
    for (number, note) in edits {
        if let Some(old) = notes.remove(&number) {
            push(&old, -1);
        }
        if let Some(mut note) = note {
            note.uri = format!("garden://g{}/j/n{number}.md", number % 7).into();
            push(&note, 1);
            notes.insert(number, note);
        }
    }
    (all, shares)
}

/// Changes of a document that cancel out are no changes.
fn net(mut changes: Changes) -> Changes {
    let mut sums: BTreeMap<_, isize> = BTreeMap::new();
    for (row, diff) in changes.postings.drain(..) {
        *sums.entry(row).or_default() += diff;
    }
    changes.postings = sums.into_iter().filter(|(_, diff)| *diff != 0).collect();
    changes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn several_indexes_are_one(
        acts in acts(), queries in queries(), processes in 1..4_usize, limit in 1..6_usize, newest in any::<bool>(),
    ) {
        let one = Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
        let shards = Shards::new(processes, 2);
        let queries: Vec<Query> = queries.iter().filter_map(|(mode, text)| Query::parse(*mode, text).ok()).collect();
        let queries: Vec<Query> =
            queries.into_iter().map(|query| if newest { query.newest_first() } else { query }).collect();
        let mut pages = vec![Page { after: None, limit }; queries.len()];
        let mut notes = BTreeMap::new();
        let epochs = acts.into_iter().filter_map(|act| if let Act::Epoch(edits) = act { Some(edits) } else { None });
        for (number, edits) in (1..).zip(epochs) {
            let (all, shares) = epoch(&mut notes, edits, &shards);
            one.apply(&commit(number), net(all)).unwrap();
            for (views, share) in shards.views.iter().zip(shares) {
                views.apply(&commit(number), net(share)).unwrap();
            }
            // A page of each, then the next one of the next epoch.
            for (query, page) in queries.iter().zip(&mut pages) {
                let all = shards.seen_by(number as usize % processes);
                let (found, marks) = all.read(|snapshot| snapshot.find(query, page)).unwrap();
                let (expected, same) = one.reader().read(|snapshot| snapshot.find(query, page)).unwrap();
                prop_assert_eq!(&found, &expected, "{:?} {:?}", query, page);
                for text in ["connected gardens, maisons", "книги 中文字 naïve"] {
                    prop_assert_eq!(marks.snippet(text), same.snippet(text));
                }
                page.after = found.next;
            }
        }
    }
}

#[test]
fn a_share_that_is_missing_is_said() {
    let mut shards = Shards::new(2, 1);
    let note = super::record("a", "garden", "digital garden", 2);
    let owner = shards.owner(home::of(note.uri.authority()));
    let mut changes = Changes::default();
    changes.postings.push((row(&note), 1));
    shards.views[owner].apply(&commit(1), changes).unwrap();
    shards.views[1 - owner].apply(&commit(1), Changes::default()).unwrap();
    let query = Query::parse(Mode::Ranked, "garden").unwrap();
    let find = |shards: &Shards, me| {
        let found = shards.seen_by(me).settled(|all| all.find(&query, &Page { after: None, limit: 5 }));
        (found.0.unwrap().0, found.1)
    };
    let (hits, heard) = find(&shards, 1 - owner);
    assert_eq!((hits.total, hits.complete, heard.is_exact()), (1, true, true));
    shards.down.insert(owner);
    let (hits, heard) = find(&shards, 1 - owner);
    assert_eq!((hits.total, hits.complete, heard.is_partial()), (0, false, true));
}
