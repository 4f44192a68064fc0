//! The views against a map of maps, in every engine.

use super::*;
use crate::store::Engine;
use proptest::prelude::*;
use springline_model::{
    Advance, NodeName, Row as _, SourceId, Timestamp, Uri,
    rows::{AuthorRow, NodeRow, NoteMeta, SubnodeRow},
};

pub(super) const TABLES: [Table; 4] = [Table::Nodes, Table::Authors, Table::Backlinks, Table::Records];

pub(super) type Tables = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

fn memory() -> Views {
    Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap()
}

pub(super) fn commit(epoch: u64) -> EpochCommit {
    let partition = Partition { source: SourceId::new("s"), name: format!("p{}", epoch % 3) };
    let advance = Advance { partition, from: None, to: Position(epoch.to_string()) };
    let at = Timestamp(epoch.cast_signed() * 10);
    EpochCommit { epoch: Epoch(epoch), at, execution: 0, advances: vec![advance], events: 1 }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// New values of some keys.
    Epoch(BTreeMap<(usize, u16), Option<(u8, usize)>>),
    Reopen,
    /// A view's rows are given anew, after some of the stored ones were broken by hand.
    Reconcile(usize, BTreeMap<u16, (u8, usize)>),
}

fn value() -> impl Strategy<Value = (u8, usize)> {
    (any::<u8>(), prop_oneof![9 => 0..200_usize, 1 => 4000..9000_usize])
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let cell = (0..TABLES.len(), 0..300_u16);
    let epoch = proptest::collection::btree_map(cell, proptest::option::weighted(0.7, value()), 0..60);
    let rows = proptest::collection::btree_map(0..300_u16, value(), 0..60);
    let step = prop_oneof![
        8 => epoch.prop_map(Step::Epoch),
        1 => Just(Step::Reopen),
        1 => (0..TABLES.len(), rows).prop_map(|(table, rows)| Step::Reconcile(table, rows)),
    ];
    proptest::collection::vec(step, 1..12)
}

pub(super) fn row(key: u16, (byte, length): (u8, usize)) -> Pair {
    (format!("key {key}").into_bytes(), vec![byte; length])
}

/// The changes that lead an oracle on, given as an operator might: out of order and with noise that cancels.
pub(super) fn changes(oracle: &mut Tables, cells: BTreeMap<(usize, u16), Option<(u8, usize)>>) -> Changes {
    let mut changes = Changes::default();
    for ((table, key), new) in cells {
        let table = TABLES[table];
        let rows = oracle.entry(table).or_default();
        let (key, new) = (row(key, (0, 0)).0, new.map(|new| row(key, new).1));
        let old = match &new {
            Some(new) => rows.insert(key.clone(), new.clone()),
            None => rows.remove(&key),
        };
        let list = changes.tables.entry(table).or_default();
        let mut push =
            |value: &Vec<u8>, diff| list.push(Change { key: key.clone(), value: value.clone(), diff });
        push(&vec![1], 1);
        new.iter().for_each(|new| push(new, 1));
        old.iter().for_each(|old| push(old, -1));
        push(&vec![1], -1);
    }
    changes
}

fn check(views: &Views, oracle: &Tables, epoch: u64) {
    assert_eq!(views.applied(), Epoch(epoch));
    let reader = views.reader();
    reader.read(|snapshot| {
        assert_eq!((snapshot.epoch(), snapshot.clock()), (Epoch(epoch), Timestamp(epoch.cast_signed() * 10)));
        for table in TABLES {
            let rows: Vec<Pair> =
                oracle.get(&table).into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
            let scan = Scan { limit: usize::MAX, ..Scan::default() };
            assert_eq!(snapshot.scan_raw(table, &scan).unwrap(), rows);
            packed::tests::check(&views.0.shared.blocks, table);
        }
    });
    for view in [View::Catalog, View::Backlinks, View::Ledger] {
        let rows = oracle.iter().filter(|(table, _)| table.view() == view);
        let rows = rows.map(|(table, rows)| (*table, rows.clone().into_iter().collect())).collect();
        let expected = Views::fingerprint_of(&rows);
        assert_eq!(views.status(view).fingerprint, expected);
        assert_eq!(views.verify(view).unwrap(), expected);
        assert_eq!(views.status(view).applied, Epoch(epoch));
    }
    let last = |name: u64| (1..=epoch).rev().find(|epoch| epoch % 3 == name);
    for name in 0..3 {
        let partition = Partition { source: SourceId::new("s"), name: format!("p{name}") };
        let expected = last(name).map(|epoch| Position(epoch.to_string()));
        assert_eq!(views.positions().get(&partition), expected.as_ref());
    }
}

fn follow(engine: Engine, steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let open = || Views::open(&StoreConfig::of(engine), dir.path()).unwrap();
    let mut views = open();
    let (mut oracle, mut epoch) = (Tables::new(), 0);
    for step in steps {
        match step {
            Step::Epoch(cells) => {
                epoch += 1;
                let changes = changes(&mut oracle, cells);
                let written = views.apply(&commit(epoch), changes.clone()).unwrap();
                assert!(matches!(written, Applied::Written { .. }));
                assert_eq!(views.apply(&commit(epoch), changes).unwrap(), Applied::Already);
            }
            Step::Reopen if engine != Engine::Memory => {
                assert_eq!(views.sync().unwrap(), Epoch(epoch));
                drop(views);
                views = open();
            }
            Step::Reopen => {}
            Step::Reconcile(table, rows) => {
                let table = TABLES[table];
                let garbage = rows
                    .keys()
                    .take(1)
                    .map(|_| Write::Put(vec![views.0.shared.blocks.tag(table)], vec![0xFF; 9]));
                views.0.shared.blocks.commit(garbage.collect()).unwrap();
                let rows: BTreeMap<_, _> = rows.into_iter().map(|(key, value)| row(key, value)).collect();
                let mut given: BTreeMap<Table, Vec<Pair>> = BTreeMap::new();
                oracle.insert(table, rows);
                for (table, rows) in oracle.iter().filter(|(other, _)| other.view() == table.view()) {
                    given.insert(*table, rows.clone().into_iter().rev().collect());
                }
                views.reconcile(table.view(), given.clone(), vec![]).unwrap();
                let again = views.reconcile(table.view(), given, vec![]).unwrap();
                assert_eq!(again, Corrections::default());
            }
        }
        check(&views, &oracle, epoch);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn views_are_maps_in_memory(steps in steps()) {
        follow(Engine::Memory, steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn views_are_maps_in_sled(steps in steps()) {
        follow(Engine::Sled, steps);
    }

    #[test]
    fn views_are_maps_in_fjall(steps in steps()) {
        follow(Engine::Fjall, steps);
    }
}

fn node(number: u32) -> NodeRow {
    let node = NodeName::from_canonical(&format!("node {number:05}"));
    NodeRow { node, subnodes: number.into(), authors: 1, links: 0, linkers: 0 }
}

fn nodes(views: &Views, scan: &Scan) -> Vec<u64> {
    let rows = views.reader().read(|snapshot| snapshot.scan::<NodeRow>(scan)).unwrap();
    rows.into_iter().map(|row| row.subnodes).collect()
}

#[test]
fn cursors_page_in_both_directions() {
    let views = memory();
    let mut changes = Changes::default();
    (0..1000).for_each(|number| changes.push(&node(number), 1));
    views.apply(&commit(1), changes).unwrap();
    let mut prefix = springline_model::key::KeyWriter::new();
    prefix.text_prefix("node 003");
    let prefix = prefix.into_bytes();
    for reverse in [false, true] {
        let mut scan = Scan { prefix: prefix.clone(), after: None, reverse, limit: 7 };
        let mut seen = Vec::new();
        loop {
            let page = nodes(&views, &scan);
            seen.extend(page.iter().copied());
            let Some(last) = page.last().filter(|_| page.len() == scan.limit) else { break };
            scan.after = Some(node(*last as u32).key_bytes());
        }
        let mut expected: Vec<u64> = (300..400).collect();
        if reverse {
            expected.reverse();
        }
        assert_eq!(seen, expected);
    }
    let outside =
        Scan { prefix: prefix.clone(), after: Some(node(500).key_bytes()), reverse: false, limit: 9 };
    assert!(nodes(&views, &outside).is_empty());
    assert_eq!(nodes(&views, &Scan { reverse: true, ..outside.clone() })[0], 399);
    assert_eq!(nodes(&views, &Scan { after: Some(node(5).key_bytes()), ..outside.clone() })[0], 300);
    assert!(nodes(&views, &Scan { limit: 0, ..outside }).is_empty());
    let last = Scan { prefix: vec![0xFF], after: None, reverse: false, limit: 1 };
    assert!(nodes(&views, &last).is_empty());
    assert_eq!(nodes(&views, &Scan { prefix: vec![], reverse: true, ..last }), [999]);
}

#[test]
fn epochs_come_once_and_in_order() {
    let views = memory();
    let mut watch = views.reader().watch();
    assert_eq!(views.apply(&commit(0), Changes::default()).unwrap(), Applied::Already);
    let early = views.apply(&commit(2), Changes::default());
    assert!(matches!(early, Err(ViewsError::Gap { applied: Epoch(0), epoch: Epoch(2) })));
    views.apply(&commit(1), Changes::default()).unwrap();
    assert!(watch.has_changed().unwrap());
    assert_eq!(*watch.borrow_and_update(), Epoch(1));
}

#[test]
fn a_refused_epoch_leaves_nothing() {
    let views = memory();
    let mut changes = Changes::default();
    changes.push(&node(1), 1);
    changes.push(&AuthorRow { author: Uri::user("a"), records: 1, links: 1, bytes: 1 }, -1);
    let before = views.status(View::Catalog);
    assert!(matches!(
        views.apply(&commit(1), changes.clone()),
        Err(ViewsError::Conflict { table: Table::Authors, conflict: Conflict::Missing, .. })
    ));
    assert_eq!((views.status(View::Catalog), views.applied()), (before, Epoch::ZERO));
    assert_eq!(views.verify(View::Catalog).unwrap(), Fingerprint::default());
    changes.tables = BTreeMap::from([(Table::Search, vec![])]);
    assert!(matches!(views.apply(&commit(1), changes), Err(ViewsError::Misplaced(Table::Search))));
}

#[test]
fn a_view_without_version_waits_for_its_rows() {
    let views = memory();
    let mut changes = Changes::default();
    changes.push(&node(1), 1);
    views.apply(&commit(1), changes).unwrap();
    views.invalidate(View::Catalog).unwrap();
    views.apply(&commit(2), Changes::default()).unwrap();
    let status = views.status(View::Catalog);
    assert_eq!((status.version, status.applied), (None, Epoch(1)));
    assert_eq!(views.status(View::Backlinks).applied, Epoch(2));
    let mut changes = Changes::default();
    changes.push(&node(2), 1);
    assert!(matches!(views.apply(&commit(3), changes.clone()), Err(ViewsError::Stale(View::Catalog))));
    let rows = [node(1), node(3)].map(|row| (row.key_bytes(), row.value_bytes()));
    let done =
        views.reconcile(View::Catalog, BTreeMap::from([(Table::Nodes, rows.to_vec())]), vec![]).unwrap();
    assert_eq!(done, Corrections { added: 1, removed: 0, changed: 0 });
    assert_eq!(views.status(View::Catalog).applied, Epoch(2));
    views.apply(&commit(3), changes).unwrap();
    assert_eq!(nodes(&views, &Scan { limit: 9, ..Scan::default() }), [1, 2, 3]);
}

#[test]
fn a_large_reconciliation_goes_in_batches() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(&StoreConfig::of(Engine::Sled), dir.path()).unwrap();
    let rows: Vec<Pair> = (0..20_000).map(node).map(|row| (row.key_bytes(), row.value_bytes())).collect();
    let given = BTreeMap::from([(Table::Nodes, rows)]);
    let done = views.reconcile(View::Catalog, given.clone(), vec![]).unwrap();
    assert_eq!(done, Corrections { added: 20_000, removed: 0, changed: 0 });
    assert_eq!(views.status(View::Catalog).version, Some(View::Catalog.version()));
    assert_eq!(views.verify(View::Catalog).unwrap(), Views::fingerprint_of(&given));
    let done = views.reconcile(View::Catalog, BTreeMap::new(), vec![]).unwrap();
    assert_eq!(done.removed, 20_000);
    assert_eq!(views.status(View::Catalog).fingerprint, Fingerprint::default());
}

#[test]
fn a_snapshot_fills_an_empty_store_only() {
    let views = memory();
    let positions =
        BTreeMap::from([(Partition { source: SourceId::new("s"), name: "p".into() }, Position("9".into()))]);
    let ledger = BTreeMap::from([(Table::Records, vec![row(1, (1, 1))])]);
    views.restore(Epoch(7), Timestamp(70), positions.clone(), ledger.clone()).unwrap();
    assert_eq!((views.applied(), views.positions()), (Epoch(7), positions.clone()));
    let ledger_status = views.status(View::Ledger);
    assert_eq!((ledger_status.version, ledger_status.applied), (Some(View::Ledger.version()), Epoch(7)));
    assert_eq!(views.status(View::Catalog).version, None);
    let again = views.restore(Epoch(7), Timestamp(70), positions, ledger);
    assert!(matches!(again, Err(ViewsError::NotEmpty(Epoch(7)))));
}

#[test]
fn readers_see_whole_epochs() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(&StoreConfig::of(Engine::Sled), dir.path()).unwrap();
    let note = |epoch: u64| NoteMeta {
        uri: "garden://a/b.md".into(),
        kind: "note".into(),
        author: Uri::user("a"),
        node: None,
        title: epoch.to_string(),
        at: Timestamp(0),
        bytes: epoch,
    };
    let row = |epoch: u64| SubnodeRow { node: NodeName::from_canonical("b"), note: note(epoch) };
    let author = |epoch: u64| AuthorRow { author: Uri::user("a"), records: epoch, links: 0, bytes: 0 };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = views.reader();
            scope.spawn(move || {
                while reader.applied() < Epoch(200) {
                    reader.read(|snapshot| {
                        let epoch = snapshot.epoch().0;
                        let note = snapshot.get::<SubnodeRow>(&row(0).key_bytes()).unwrap();
                        let author = snapshot.get::<AuthorRow>(&author(0).key_bytes()).unwrap();
                        assert_eq!(note.map_or(0, |row| row.note.bytes), epoch);
                        assert_eq!(author.map_or(0, |row| row.records), epoch);
                    });
                }
            });
        }
        for epoch in 1..=200 {
            let mut changes = Changes::default();
            changes.push(&row(epoch), 1);
            changes.push(&author(epoch), 1);
            if epoch > 1 {
                changes.push(&row(epoch - 1), -1);
                changes.push(&author(epoch - 1), -1);
            }
            views.apply(&commit(epoch), changes).unwrap();
        }
    });
}

fn document(name: &str, word: &str) -> PostingsRow {
    let mut terms = springline_model::rows::TermsBuilder::new();
    terms.push(word.as_bytes(), 0, 1, [0]);
    PostingsRow { uri: name.into(), at: Timestamp(0), length: 1, terms: terms.finish() }
}

#[test]
fn documents_come_and_go_with_their_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Views::open(&StoreConfig::of(Engine::Sled), dir.path()).unwrap();
    let views = open();
    let (a, b, c) = (document("a", "one"), document("b", "two"), document("c", "three"));
    let put = |rows: &[&PostingsRow]| rows.iter().map(|row| ((*row).clone(), 1)).collect();
    views.apply(&commit(1), Changes { postings: put(&[&a, &b]), ..Changes::default() }).unwrap();
    let check = |views: &Views, rows: &[PostingsRow]| {
        let expected = Views::fingerprint_of_documents(rows);
        assert_eq!(views.status(View::Search).fingerprint, expected);
        assert_eq!(views.verify(View::Search).unwrap(), expected);
        assert_eq!(views.reader().read(|snapshot| snapshot.search().unwrap().documents()), rows.len() as u64);
    };
    check(&views, &[a.clone(), b.clone()]);
    let refused = views.apply(&commit(2), Changes { postings: put(&[&a]), ..Changes::default() });
    assert!(matches!(refused, Err(ViewsError::Search(_))));
    views.apply(&commit(2), Changes { postings: vec![(a.clone(), -1)], ..Changes::default() }).unwrap();
    check(&views, std::slice::from_ref(&b));
    views.sync().unwrap();
    drop(views);

    let views = open();
    check(&views, std::slice::from_ref(&b));
    let many: Vec<PostingsRow> = (0..3000).map(|n| document(&format!("d{n}"), "word")).collect();
    let done = views.reconcile(View::Search, BTreeMap::new(), many.clone()).unwrap();
    assert_eq!(done, Corrections { added: 3000, removed: 1, changed: 0 });
    check(&views, &many);
    let more = [&many[..], std::slice::from_ref(&c)].concat();
    let done = views.reconcile(View::Search, BTreeMap::new(), more.clone()).unwrap();
    assert_eq!(done, Corrections { added: 1, removed: 0, changed: 0 });
    check(&views, &more);

    // Its state is broken: it is emptied, and the others stay as they are.
    views.0.shared.blocks.commit(vec![Write::Put(vec![Table::Search as u8, b'm'], vec![0xFF; 3])]).unwrap();
    views.sync().unwrap();
    drop(views);
    let views = open();
    assert_eq!(views.status(View::Search).version, None);
    assert_eq!(views.status(View::Catalog).version, Some(View::Catalog.version()));
    check(&views, &[]);
    let refused = views.apply(&commit(3), Changes { postings: put(&[&c]), ..Changes::default() });
    assert!(matches!(refused, Err(ViewsError::Stale(View::Search))));
    views.reconcile(View::Search, BTreeMap::new(), more.clone()).unwrap();
    check(&views, &more);
}
