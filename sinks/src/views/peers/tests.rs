//! Several stores read as one, against one that has it all.

use super::*;
use crate::{
    StoreConfig,
    store::Engine,
    views::{Change, Changes, Reader, Views},
};
use proptest::prelude::*;
use springline_model::{
    EpochCommit, UriId, home,
    key::{KeyWriter, text_key, text_prefix},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// The other processes, in this one.
pub(crate) struct Together {
    layout: Layout,
    readers: Vec<Reader>,
    down: BTreeSet<usize>,
}

impl Peers for Together {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn ask(
        &self,
        asked: Vec<(usize, Request)>,
        _: Instant,
        meanwhile: &mut dyn FnMut(),
    ) -> Vec<Result<Reply, PeerError>> {
        let answer = |(process, request): (usize, Request)| {
            assert_ne!(process, self.layout.process, "nobody asks himself");
            if self.down.contains(&process) {
                return Err(PeerError::Unreachable("it is down".into()));
            }
            let request = postcard::from_bytes(&postcard::to_stdvec(&request).unwrap()).unwrap();
            let reply = self.readers[process].answer(&request)?;
            Ok(postcard::from_bytes(&postcard::to_stdvec(&reply).unwrap()).unwrap())
        };
        let replies = asked.into_iter().map(answer).collect();
        meanwhile();
        replies
    }
}

/// Some processes' stores.
pub(crate) struct Shards {
    pub(crate) views: Vec<Views>,
    pub(crate) workers: usize,
    pub(crate) down: BTreeSet<usize>,
}

impl Shards {
    pub(crate) fn new(processes: usize, workers: usize) -> Self {
        let open = |_| Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
        Self { views: (0..processes).map(open).collect(), workers, down: BTreeSet::new() }
    }

    /// All of them, as a process sees them.
    pub(crate) fn seen_by(&self, process: usize) -> Reader {
        let layout = Layout { process, processes: self.views.len(), workers: self.workers };
        let readers = self.views.iter().map(Views::reader).collect();
        let down = self.down.clone();
        self.views[process].reader().across(Arc::new(Together { layout, readers, down }))
    }

    /// The process that keeps what has this number.
    pub(crate) fn owner(&self, number: u64) -> usize {
        Layout { process: 0, processes: self.views.len(), workers: self.workers }.owner(number)
    }
}

pub(crate) fn commit(epoch: u64) -> EpochCommit {
    let at = Timestamp(epoch.cast_signed() * 10);
    EpochCommit { epoch: Epoch(epoch), at, execution: 0, advances: vec![], events: 1 }
}

/// Tables of each sort of home.
const TABLES: [Table; 6] =
    [Table::Nodes, Table::Backlinks, Table::BacklinkCounts, Table::Records, Table::Labels, Table::Latest];
const TEXTS: [&str; 7] =
    ["", "a", "ab", "b", "at://did:plc:x/", "at://did:plc:x/app.feed/1", "at://did:plc:y/app.feed/1"];

/// What a key begins with: all that is kept together.
fn first(table: Table, text: usize) -> Vec<u8> {
    match table {
        Table::BacklinkCounts => KeyWriter::new().id(UriId::of(TEXTS[text])).take(),
        _ => text_key(TEXTS[text]),
    }
}

type Cell = (usize, usize, u8, u8, usize);

fn key((table, text, rest, _, _): &Cell) -> (Table, Vec<u8>) {
    let table = TABLES[*table];
    (table, [first(table, *text), vec![*rest]].concat())
}

/// The rows with where those are that may be anywhere.
fn rows() -> impl Strategy<Value = Vec<Cell>> {
    let cell = (0..TABLES.len(), 0..TEXTS.len(), 0..20_u8, any::<u8>(), 0..4_usize);
    proptest::collection::vec(cell, 0..120)
}

#[derive(Clone, Debug)]
struct Asked {
    table: usize,
    prefix: Option<(usize, Option<u8>)>,
    part: bool,
    after: Option<(usize, u8)>,
    reverse: bool,
    limit: usize,
}

fn scans() -> impl Strategy<Value = Vec<Asked>> {
    let prefix = proptest::option::weighted(0.7, (0..TEXTS.len(), proptest::option::weighted(0.1, 0..20_u8)));
    let after = proptest::option::of((0..TEXTS.len(), 0..20_u8));
    let limit = prop_oneof![0..4_usize, Just(17), Just(usize::MAX)];
    let asked = (0..TABLES.len(), prefix, any::<bool>(), after, any::<bool>(), limit);
    let asked = asked.prop_map(|(table, prefix, part, after, reverse, limit)| Asked {
        table,
        prefix,
        part,
        after,
        reverse,
        limit,
    });
    proptest::collection::vec(asked, 1..30)
}

impl Asked {
    fn scan(&self) -> (Table, Scan) {
        let table = TABLES[self.table];
        let mut prefix = self.prefix.map_or(Vec::new(), |(text, rest)| {
            if self.part && table != Table::BacklinkCounts {
                return text_prefix(TEXTS[text]);
            }
            first(table, text).into_iter().chain(rest).collect()
        });
        if self.part && table == Table::BacklinkCounts {
            prefix.truncate(1);
        }
        let after = self.after.map(|(text, rest)| [first(table, text), vec![rest]].concat());
        (table, Scan { prefix, after, reverse: self.reverse, limit: self.limit })
    }
}

/// One store with all rows, and several with a share each.
fn stores(rows: &[Cell], processes: usize, workers: usize) -> (Views, Shards) {
    let one = Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
    let shards = Shards::new(processes, workers);
    let rows: BTreeMap<_, _> = rows.iter().map(|cell| (key(cell), cell)).collect();
    let mut all = Changes::default();
    let mut shares: Vec<Changes> = vec![Changes::default(); processes];
    for ((table, key), (.., value, at)) in rows {
        let owner = home::of_key(table, &key).map_or(at % processes, |number| shards.owner(number));
        let change = Change { key, value: vec![*value; usize::from(*value)], diff: 1 };
        shares[owner].tables.entry(table).or_default().push(change.clone());
        all.tables.entry(table).or_default().push(change);
    }
    one.apply(&commit(1), all).unwrap();
    for (views, share) in shards.views.iter().zip(shares) {
        views.apply(&commit(1), share).unwrap();
    }
    (one, shards)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn several_stores_are_one(
        rows in rows(), scans in scans(), processes in 1..5_usize, workers in 1..4_usize, me in 0..4_usize,
    ) {
        let (one, shards) = stores(&rows, processes, workers);
        let (one, all) = (one.reader(), shards.seen_by(me % processes));
        for asked in &scans {
            let (table, scan) = asked.scan();
            let ask = |snapshot: &crate::Snapshot<'_>| snapshot.scan_raw(table, &scan).unwrap();
            let ((found, heard), expected) = (all.settled(ask), one.read(ask));
            prop_assert_eq!(found, expected, "{:?} {:?}", table, scan);
            prop_assert!(heard.is_exact() && heard.epoch() == Epoch(1));
        }
        all.read(|all| one.read(|one| {
            let missing: Cell = (0, 0, 99, 0, 0);
            for (table, key) in rows.iter().chain([&missing]).map(key) {
                // Once asked for, once remembered.
                for _ in 0..2 {
                    assert_eq!(all.get_raw(table, &key).unwrap(), one.get_raw(table, &key).unwrap());
                }
                all.fetch(table, [key.clone()]);
                assert_eq!(all.get_raw(table, &key).unwrap(), one.get_raw(table, &key).unwrap());
            }
            for view in View::ALL {
                assert_eq!(all.status(*view), one.status(*view));
            }
            assert_eq!((all.epoch(), all.clock()), (one.epoch(), one.clock()));
        }));
    }

    #[test]
    fn without_some_of_them(
        rows in rows(), scans in scans(), processes in 2..5_usize, down in proptest::collection::btree_set(0..4_usize, 1..4),
    ) {
        let (_, mut shards) = stores(&rows, processes, 2);
        shards.down = down.into_iter().filter(|process| *process > 0 && *process < processes).collect();
        let all = shards.seen_by(0);
        let is_up = |process: usize| !shards.down.contains(&process);
        for asked in &scans {
            let (table, scan) = asked.scan();
            let owner = home::of_key(table, &scan.prefix).map(|number| shards.owner(number));
            let (found, heard) = all.heard(|all| all.scan_raw(table, &scan));
            let mut expected: Vec<Pair> = Vec::new();
            for views in shards.views.iter().enumerate().filter(|(at, _)| is_up(*at)).map(|(_, views)| views) {
                expected.extend(views.reader().read(|snapshot| snapshot.scan_raw(table, &scan)).unwrap());
            }
            expected.sort();
            if scan.reverse {
                expected.reverse();
            }
            expected.truncate(scan.limit);
            match found {
                Ok(found) => {
                    prop_assert!(owner.is_none_or(is_up) || scan.limit == 0);
                    prop_assert_eq!(found, expected);
                    let asked = scan.limit > 0 && owner.is_none();
                    prop_assert_eq!(heard.missing, if asked { shards.down.clone() } else { BTreeSet::new() });
                }
                Err(ReadError::Unreachable { process, .. }) => {
                    prop_assert_eq!(owner, Some(process));
                    prop_assert!(!is_up(process) && heard.is_partial());
                }
                Err(error) => panic!("{error}"),
            }
        }
        for (table, key) in rows.iter().map(key) {
            let has = |views: &Views| views.reader().read(|one| one.get_raw(table, &key)).unwrap();
            let at = shards.views.iter().position(|views| has(views).is_some()).unwrap();
            match all.read(|all| all.get_raw(table, &key)) {
                Ok(found) => prop_assert!(is_up(at) && found == has(&shards.views[at])),
                Err(ReadError::Unreachable { .. }) => prop_assert!(!is_up(at)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn what_nobody_says_is_not_denied() {
    let mut shards = Shards::new(3, 1);
    let unknown = [0_u8; 40];
    let get = |shards: &Shards| shards.seen_by(0).read(|all| all.get_raw(Table::Latest, &unknown));
    assert_eq!(get(&shards).unwrap(), None);
    shards.down.insert(2);
    assert!(matches!(get(&shards), Err(ReadError::Unreachable { process: 2, .. })));
}

#[test]
fn names_the_oldest_epoch() {
    let shards = Shards::new(3, 1);
    for (at, views) in shards.views.iter().enumerate() {
        for epoch in 1..=(3 + at as u64) {
            views.apply(&commit(epoch), Changes::default()).unwrap();
        }
    }
    let mut reads = 0;
    let (named, heard) = shards.seen_by(1).settled(|all| {
        reads += 1;
        all.scan_raw(Table::Latest, &Scan { limit: 9, ..Scan::default() }).unwrap();
        all.epoch()
    });
    assert!(heard.is_mixed() && !heard.is_partial() && reads > 1);
    assert_eq!((named, heard.epochs), (Epoch(3), (Epoch(3), Epoch(5))));
    // One that needs only one process is of that one's epoch.
    let key = text_key("x");
    let owner = shards.owner(home::of("x"));
    let ((), heard) = shards.seen_by(0).settled(|all| drop(all.get_raw(Table::Nodes, &key).unwrap()));
    assert!(heard.is_exact());
    assert_eq!(heard.epoch(), Epoch(3 + owner as u64));
}

#[test]
fn says_who_is_missing() {
    let missing = BTreeSet::from([1, 3]);
    let heard = Heard { processes: 4, missing, epochs: (Epoch(1), Epoch(1)) };
    assert_eq!(heard.to_string(), "2 of 4 processes did not answer: 1, 3");
}
