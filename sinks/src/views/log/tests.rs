//! A log against the rows that it tells of: folding what lies behind any position gives the rows as they are now.

use super::{
    super::{
        Changes, Snapshot, Views, ViewsError,
        tests::{Step, TABLES, Tables, changes, commit, row, steps},
    },
    *,
};
use crate::{
    Engine, Scan, StoreConfig,
    store::{Pair, Write, conformance::copy},
};
use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path};

const VIEWS: [View; 2] = [View::Catalog, View::Backlinks];

/// The rows of a view at a position of a log.
pub(in super::super) struct Mark {
    log: u64,
    at: At,
    rows: Tables,
}

fn rows(snapshot: &Snapshot<'_>, view: View) -> Tables {
    let scan = Scan { limit: usize::MAX, ..Scan::default() };
    let rows = |table| (table, snapshot.scan_raw(table, &scan).unwrap().into_iter().collect());
    let tables = followed_tables(view).map(rows);
    tables.filter(|(_, rows): &(_, BTreeMap<_, _>)| !rows.is_empty()).collect()
}

pub(in super::super) fn mark(views: &Views, view: View) -> Mark {
    views.reader().read(|snapshot| {
        let head = snapshot.log(view).unwrap();
        Mark { log: head.id, at: head.newest, rows: rows(snapshot, view) }
    })
}

/// Reads on from a mark to the end, a few changes at a time; what it comes to. Nothing if that is gone.
pub(in super::super) fn fold(
    snapshot: &Snapshot<'_>,
    view: View,
    mark: &Mark,
    limit: usize,
) -> Option<Tables> {
    let head = snapshot.log(view).unwrap();
    let (mut at, mut tables) = (mark.at, mark.rows.clone());
    loop {
        let page = match snapshot.changes(view, Some(mark.log), at, limit) {
            Ok(page) => page,
            Err(LogError::Gone { head: told, .. }) => {
                assert_eq!(told, head);
                assert!(mark.log != head.id || at < head.oldest, "gone without need");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        assert!(page.changes.len() <= limit);
        assert_eq!(page.has_more, page.changes.last().map_or(at, |last| last.at) < head.newest);
        for change in page.changes {
            assert_eq!(change.at, at.next(change.at.epoch), "no position is left out");
            assert!(change.before != change.after);
            at = change.at;
            let rows = tables.entry(change.table).or_default();
            assert_eq!(rows.get(&change.key), change.before.as_ref(), "it was as the change says");
            match change.after {
                Some(after) => drop(rows.insert(change.key, after)),
                None => drop(rows.remove(&change.key)),
            }
        }
        if !page.has_more {
            assert_eq!(at, head.newest);
            tables.retain(|_, rows| !rows.is_empty());
            return Some(tables);
        }
    }
}

pub(in super::super) fn every(keep_bytes: u64) -> Follow {
    Follow { views: VIEWS.into(), keep_bytes, ..Follow::default() }
}

fn follow(engine: Engine, steps: Vec<Step>, keep_bytes: u64, limit: usize) {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let views = Views::open(&StoreConfig::of(engine), dir.path()).unwrap();
        views.follow(&every(keep_bytes)).unwrap();
        views
    };
    let mut views = open();
    let (mut oracle, mut epoch) = (Tables::new(), 0);
    let mut marks: Vec<(View, Mark)> = VIEWS.map(|view| (view, mark(&views, view))).into();
    for step in steps {
        match step {
            Step::Epoch(cells) => {
                epoch += 1;
                views.apply(&commit(epoch), changes(&mut oracle, cells)).unwrap();
            }
            Step::Reopen if engine != Engine::Memory => {
                views.sync().unwrap();
                drop(views);
                views = open();
            }
            Step::Reopen => {}
            Step::Reconcile(table, given) => {
                let table = TABLES[table];
                if given.len() % 3 == 0 {
                    let garbage = Write::Put(vec![views.0.shared.blocks.tag(table)], vec![0xFF; 9]);
                    views.0.shared.blocks.commit(vec![garbage]).unwrap();
                }
                let given = given.into_iter().map(|(key, value)| row(key, value)).collect();
                oracle.insert(table, given);
                let of_view = oracle.iter().filter(|(other, _)| other.view() == table.view());
                let given = of_view.map(|(table, rows)| (*table, rows.clone().into_iter().collect()));
                views.reconcile(table.view(), given.collect(), vec![]).unwrap();
            }
        }
        views.reader().read(|snapshot| {
            for (view, mark) in &marks {
                let folded = fold(snapshot, *view, mark, limit);
                assert!(folded.is_none_or(|folded| folded == rows(snapshot, *view)));
            }
        });
        for view in VIEWS {
            let stored = chunks(&views, view);
            let head = views.log(view).unwrap();
            assert_eq!(
                stored.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>(),
                head.bytes
            );
            assert!(stored.iter().all(|(key, _)| key.starts_with(&chunk::log_prefix(view, head.id))));
            marks.push((view, mark(&views, view)));
        }
    }
}

fn chunks(views: &Views, view: View) -> Vec<Pair> {
    let (from, to) = (chunk::prefix(view), [&chunk::prefix(view)[..], &[0xFF; 21]].concat());
    let store = views.0.shared.blocks.store();
    store.range(std::ops::Bound::Included(&from), std::ops::Bound::Included(&to), false, usize::MAX).unwrap()
}

fn keep() -> impl Strategy<Value = u64> {
    prop_oneof![Just(u64::MAX), 0..60_000_u64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn folds_to_the_rows_in_memory(steps in steps(), keep in keep(), limit in 1..40_usize) {
        follow(Engine::Memory, steps, keep, limit);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn folds_to_the_rows_in_sled(steps in steps(), keep in keep(), limit in 1..40_usize) {
        follow(Engine::Sled, steps, keep, limit);
    }

    #[test]
    fn folds_to_the_rows_in_fjall(steps in steps(), keep in keep(), limit in 1..40_usize) {
        follow(Engine::Fjall, steps, keep, limit);
    }
}

/// An epoch that gives a node's row a new value of so many bytes.
fn step(views: &Views, oracle: &mut Tables, epoch: u64, bytes: usize) {
    let cells = (0..20).map(|key| ((0, key), Some((epoch as u8, bytes)))).collect();
    views.apply(&commit(epoch), changes(oracle, cells)).unwrap();
}

/// The folder as it lies on disk between two batches, while the store is open: rows and log are of one epoch, and the
/// log goes on from where it was.
#[test]
fn a_crash_leaves_rows_and_log_of_one_epoch() {
    for engine in [Engine::Sled, Engine::Fjall] {
        let dir = tempfile::tempdir().unwrap();
        let views = Views::open(&StoreConfig::of(engine), dir.path()).unwrap();
        views.follow(&every(30_000)).unwrap();
        let (mut oracle, mut marks) = (Tables::new(), vec![mark(&views, View::Catalog)]);
        for epoch in 1..40 {
            step(&views, &mut oracle, epoch, 100);
            marks.push(mark(&views, View::Catalog));
            if epoch % 7 == 0 {
                views.sync().unwrap();
            }
            if epoch % 7 != 3 {
                continue;
            }
            let crashed = tempfile::tempdir().unwrap();
            copy(dir.path(), crashed.path());
            let found = Views::open(&StoreConfig::of(engine), crashed.path()).unwrap();
            found.follow(&every(30_000)).unwrap();
            let applied = found.applied().0;
            assert!((epoch / 7 * 7..=epoch).contains(&applied));
            let mut oracle = marks[applied as usize].rows.clone();
            for epoch in applied + 1..applied + 4 {
                step(&found, &mut oracle, epoch, 100);
            }
            found.reader().read(|snapshot| {
                let now = rows(snapshot, View::Catalog);
                let folds = marks[..=applied as usize]
                    .iter()
                    .filter_map(|mark| fold(snapshot, View::Catalog, mark, 7));
                let folds: Vec<Tables> = folds.collect();
                assert!(folds.len() > 1 && folds.iter().all(|folded| *folded == now), "{}", folds.len());
            });
        }
    }
}

fn memory() -> Views {
    Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap()
}

#[test]
fn followers_hold_back_trimming_up_to_a_bound() {
    let views = memory();
    let follow = Follow {
        followers: BTreeMap::from([("slow".into(), View::Catalog), ("fast".into(), View::Catalog)]),
        keep_bytes: 10_000,
        hold_bytes: 100_000,
        ..Follow::default()
    };
    views.follow(&follow).unwrap();
    let mut oracle = Tables::new();
    let start = views.log(View::Catalog).unwrap();
    for epoch in 1.. {
        step(&views, &mut oracle, epoch, 100);
        let head = views.log(View::Catalog).unwrap();
        views.advance("fast", head.id, head.newest, false).unwrap();
        let slow = &views.followers()["slow"];
        assert_eq!(slow.at, start.newest);
        if slow.lost.is_some() {
            assert!(head.oldest > slow.at && epoch > 10);
            break;
        }
        assert!(head.oldest == start.oldest && head.bytes < 110_000);
    }
    step(&views, &mut oracle, views.applied().0 + 1, 100);
    assert!(views.log(View::Catalog).unwrap().bytes < 20_000, "nothing is kept for the lost");
    assert_eq!(views.followers()["fast"].lost, None);

    views.pause("slow", true).unwrap();
    views.reset("slow").unwrap();
    let head = views.log(View::Catalog).unwrap();
    let slow = views.followers()["slow"].clone();
    assert_eq!((slow.at, slow.lost, slow.is_reset, slow.is_paused), (head.newest, None, true, true));
    for epoch in head.newest.epoch.0 + 1..head.newest.epoch.0 + 6 {
        step(&views, &mut oracle, epoch, 100);
    }
    assert!(views.log(View::Catalog).unwrap().oldest <= slow.at, "what is paused is kept for, too");
    let end = views.log(View::Catalog).unwrap();
    views.advance("slow", end.id, end.newest, false).unwrap();
    assert_eq!(views.followers()["slow"].at, slow.at, "what it had before it was told to begin again");
    views.advance("slow", end.id, end.newest, true).unwrap();
    assert!(!views.followers()["slow"].is_reset);
    assert!(matches!(views.advance("nobody", 0, At::default(), false), Err(ViewsError::NoFollower(_))));
}

#[test]
fn what_nobody_follows_leaves_nothing() {
    let views = memory();
    let mut oracle = Tables::new();
    step(&views, &mut oracle, 1, 100);
    assert!(chunks(&views, View::Catalog).is_empty() && views.log(View::Catalog).is_none());
    views.follow(&every(u64::MAX)).unwrap();
    let first = mark(&views, View::Catalog);
    step(&views, &mut oracle, 2, 100);
    assert!(!chunks(&views, View::Catalog).is_empty());
    views.follow(&every(u64::MAX)).unwrap();
    views.reader().read(|snapshot| assert!(fold(snapshot, View::Catalog, &first, 9).is_some()));
    views.follow(&Follow::default()).unwrap();
    assert!(chunks(&views, View::Catalog).is_empty() && views.log(View::Catalog).is_none());
    let unfollowed = |snapshot: &Snapshot<'_>| snapshot.changes(View::Catalog, None, first.at, 9);
    assert!(matches!(views.reader().read(unfollowed), Err(LogError::Unfollowed(View::Catalog))));
    views.follow(&every(u64::MAX)).unwrap();
    views.reader().read(|snapshot| assert!(fold(snapshot, View::Catalog, &first, 9).is_none()));
    let search = Follow { views: [View::Search].into(), ..Follow::default() };
    assert!(matches!(views.follow(&search), Err(ViewsError::Unfollowable(View::Search))));
}

#[test]
fn positions_are_read_and_written() {
    let views = memory();
    views.follow(&every(u64::MAX)).unwrap();
    let mut oracle = Tables::new();
    step(&views, &mut oracle, 1, 10);
    let read = |at: &str| {
        let at = at.parse().unwrap();
        views.reader().read(|snapshot| snapshot.changes(View::Catalog, None, at, 100))
    };
    assert_eq!(read("0.0").unwrap().changes.len(), 20);
    assert_eq!(read("1.15").unwrap().changes.len(), 5);
    assert_eq!(read("1.15").unwrap().changes[0].at.to_string(), "1.16");
    assert!(read("1").unwrap().changes.is_empty());
    assert!(matches!(read("2.1"), Err(LogError::Ahead { .. })));
    let page =
        views.reader().read(|snapshot| snapshot.changes(View::Catalog, None, At::default(), 3)).unwrap();
    assert!(page.has_more && page.cuts_epoch);
    for text in ["", ".", "1.", ".1", "1.2.3", "-1", "1.4294967296"] {
        assert_eq!(text.parse::<At>(), Err(ParseAtError));
    }
    let refused = views.apply(&commit(3), Changes::default());
    assert!(refused.is_err());
}

/// Of the ledger only jobs are logged.
#[test]
fn what_may_not_be_seen_is_not_logged() {
    let views = memory();
    views.follow(&Follow { views: [View::Ledger].into(), ..Follow::default() }).unwrap();
    let mut oracle = Tables::new();
    let records = TABLES.iter().position(|table| *table == Table::Records).unwrap();
    let cells = [((records, 1), Some((1, 9)))].into();
    views.apply(&commit(1), changes(&mut oracle, cells)).unwrap();
    assert!(chunks(&views, View::Ledger).is_empty());
    assert!(followed_tables(View::Ledger).any(|table| table == Table::Jobs));
}
