//! What every engine has to do, checked on every engine against a sorted map.

use super::{Engine, Pair, Store, StoreConfig, StoreError, Write, open, remove};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    ops::Bound,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn opened(engine: Engine, dir: &Path) -> Arc<dyn Store> {
    open(&StoreConfig::of(engine), dir).unwrap()
}

const ON_DISK: [Engine; 2] = [Engine::Sled, Engine::Fjall];

fn put(key: &[u8], value: &[u8]) -> Write {
    Write::Put(key.to_vec(), value.to_vec())
}

/// All but the store's own keys.
fn all(store: &dyn Store) -> Vec<Pair> {
    store.range(Bound::Excluded(b"\0format"), Bound::Unbounded, false, usize::MAX).unwrap()
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-d]{1,3}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(prop_oneof![Just(0), Just(0xFE), Just(0xFF), any::<u8>()], 0..3)
            .prop_map(|rest| [&[1], &rest[..]].concat()),
        1 => Just(vec![b'k'; 3000]),
    ]
}

/// Short values, and such that an engine might treat in a way of its own.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![6 => 0..50_usize, 2 => 6000..6300_usize, 1 => 12_000..40_000_usize];
    (any::<u8>(), length).prop_map(|(byte, length)| vec![byte; length])
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let batch = proptest::collection::vec((key(), proptest::option::weighted(0.7, value())), 0..30);
    let step = prop_oneof![5 => batch.prop_map(Step::Commit), 1 => Just(Step::Reopen)];
    proptest::collection::vec(step, 1..10)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
    }
}

fn is_a_map(engine: Engine, steps: Vec<Step>, ranges: Vec<(Bound<Vec<u8>>, Bound<Vec<u8>>, usize)>) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = opened(engine, dir.path());
    let mut oracle = Map::new();
    for step in steps {
        match step {
            Step::Reopen if engine != Engine::Memory => {
                store.sync().unwrap();
                drop(store);
                store = opened(engine, dir.path());
            }
            Step::Reopen => {}
            Step::Commit(batch) => {
                let mut writes = Vec::new();
                for (key, value) in batch {
                    match value {
                        Some(value) => {
                            oracle.insert(key.clone(), value.clone());
                            writes.push(Write::Put(key, value));
                        }
                        None => {
                            oracle.remove(&key);
                            writes.push(Write::Delete(key));
                        }
                    }
                }
                store.commit(writes).unwrap();
            }
        }
    }
    assert_eq!(all(&*store), oracle.clone().into_iter().collect::<Vec<_>>());
    for (key, value) in &oracle {
        assert_eq!(store.get(key).unwrap().as_ref(), Some(value));
    }
    assert_eq!(store.get(b"not there").unwrap(), None);
    for (from, to, limit) in ranges {
        let (from, to) = (borrowed(&from), borrowed(&to));
        let above = |key: &[u8]| match from {
            Bound::Unbounded => key > b"\0format".as_slice(),
            Bound::Included(from) => key >= from,
            Bound::Excluded(from) => key > from,
        };
        let below = |key: &[u8]| match to {
            Bound::Unbounded => true,
            Bound::Included(to) => key <= to,
            Bound::Excluded(to) => key < to,
        };
        let inside = oracle.iter().filter(|(key, _)| above(key) && below(key));
        let inside: Vec<Pair> = inside.map(|(key, value)| (key.clone(), value.clone())).collect();
        let from = if from == Bound::Unbounded { Bound::Excluded(b"\0format".as_slice()) } else { from };
        let forward = store.range(from, to, false, limit).unwrap();
        assert_eq!(forward, inside.iter().take(limit).cloned().collect::<Vec<_>>());
        let backward = store.range(from, to, true, limit).unwrap();
        assert_eq!(backward, inside.iter().rev().take(limit).cloned().collect::<Vec<_>>());
    }
}

/// No write of a batch shows without the others, however often a reader looks; and after a crash (the folder as it
/// lies on disk, copied between two batches while the store is open) there are whole batches only.
fn is_atomic(engine: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(engine, dir.path());
    let batch = |number: u32| {
        let write =
            |key: u8| put(&[1, key], &[&number.to_be_bytes()[..], &vec![key; key as usize * 97]].concat());
        (0..100).map(write).collect::<Vec<_>>()
    };
    let whole = |store: &dyn Store| {
        let pairs = all(store);
        let numbers: Vec<&[u8]> = pairs.iter().map(|(_, value)| &value[..4]).collect();
        assert!(pairs.is_empty() || pairs.len() == 100);
        assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]), "parts of two batches: {numbers:?}");
        numbers.first().map_or(0, |number| u32::from_be_bytes((*number).try_into().unwrap()))
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop(store.get(&[1, 5]).unwrap());
                std::thread::yield_now();
            }
        });
        for number in 1..40 {
            store.commit(batch(number)).unwrap();
            assert_eq!(whole(&*store), number);
            if number % 13 == 0 && engine != Engine::Memory {
                store.sync().unwrap();
                store.commit(batch(number + 1000)).unwrap();
                let crashed = tempfile::tempdir().unwrap();
                copy(dir.path(), crashed.path());
                let found = whole(&*opened(engine, crashed.path()));
                assert!(found == number || found == number + 1000, "{found} after {number} was synced");
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// Copies a folder, as a crash would leave it.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn refuses_keys(engine: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(engine, dir.path());
    for key in [vec![], vec![0xFF], vec![1; super::MAX_KEY_BYTES + 1]] {
        let refused = store.commit(vec![put(b"good", b""), Write::Put(key, vec![])]);
        assert!(matches!(refused, Err(StoreError::Key { .. })));
    }
    assert!(all(&*store).is_empty(), "nothing of a refused batch is written");
    let long = vec![1; super::MAX_KEY_BYTES];
    store.commit(vec![put(&long, b"x")]).unwrap();
    assert_eq!(store.get(&long).unwrap().unwrap(), b"x");
}

macro_rules! engines {
    ($($name:ident: $engine:ident, $cases:literal;)*) => {$(
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases($cases))]
                #[test]
                fn is_a_map(
                    steps in steps(),
                    ranges in proptest::collection::vec((bound(), bound(), 0..20_usize), 10),
                ) {
                    super::is_a_map(Engine::$engine, steps, ranges);
                }
            }

            #[test]
            fn is_atomic() {
                super::is_atomic(Engine::$engine);
            }

            #[test]
            fn refuses_keys() {
                super::refuses_keys(Engine::$engine);
            }
        }
    )*};
}

engines! {
    memory: Memory, 100;
    sled: Sled, 24;
    fjall: Fjall, 24;
}

#[test]
fn a_store_in_use_is_refused() {
    for engine in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(engine, dir.path());
        let second = open(&StoreConfig::of(engine), dir.path());
        assert!(matches!(second, Err(StoreError::InUse { .. })), "{engine}: {:?}", second.err());
        drop(store);
        opened(engine, dir.path());
    }
}

#[test]
fn another_engines_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(opened(Engine::Sled, dir.path()));
    let other = open(&StoreConfig::of(Engine::Fjall), dir.path());
    let Err(StoreError::OtherEngine { found: Engine::Sled, asked: Engine::Fjall, .. }) = other else {
        panic!("{:?}", other.err())
    };
    remove(Engine::Sled, dir.path()).unwrap();
    drop(opened(Engine::Fjall, dir.path()));
}

/// Keys with long runs of `0xFF`, as inverted counts have: pages begin within them, and with what follows.
#[test]
fn runs_of_the_highest_byte_are_walked_backwards() {
    for &engine in Engine::ALL {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(engine, dir.path());
        let key = |table, tag, last| [&[table, tag][..], &[0xFF; 8], &[last]].concat();
        let mut keys = Vec::new();
        for table in 1..40 {
            let both = (0..table).flat_map(|last| [key(table, 2, last), key(table, 3, last)]);
            keys.extend(both);
        }
        keys.sort();
        for batch in keys.chunk_by(|one, other| one[0] == other[0]) {
            store.commit(batch.iter().map(|key| put(key, &[7; 200])).collect()).unwrap();
        }
        let upwards: Vec<Pair> = keys.iter().map(|key| (key.clone(), vec![7; 200])).collect();
        assert_eq!(all(&*store), upwards);
        for table in 1..40 {
            let below =
                store.range(Bound::Included(&[table]), Bound::Included(&[table, 3]), true, 3).unwrap();
            let expected: Vec<Pair> =
                (0..table).rev().take(3).map(|last| (key(table, 2, last), vec![7; 200])).collect();
            assert_eq!(below, expected, "{engine:?}, {table}");
        }
    }
}

/// A torn tail is cut away; any other damage is an error that says so, never a panic, and the store can be made
/// anew.
#[test]
fn damage_is_told() {
    for engine in ON_DISK {
        for position in [0.1, 0.5, 0.9] {
            let dir = tempfile::tempdir().unwrap();
            let store = opened(engine, dir.path());
            let rows = (0..2000_u32).map(|n| put(&[&[1], &n.to_be_bytes()[..]].concat(), &[n as u8; 300]));
            store.commit(rows.collect()).unwrap();
            store.sync().unwrap();
            drop(store);
            overwrite_largest_file(dir.path(), position);
            match open(&StoreConfig::of(engine), dir.path()) {
                Ok(store) => drop(store.range(Bound::Unbounded, Bound::Unbounded, false, usize::MAX)),
                Err(error) => {
                    assert!(error.rebuild_helps() || matches!(error, StoreError::Engine { .. }), "{error:?}");
                }
            }
            remove(engine, dir.path()).unwrap();
            assert!(all(&*opened(engine, dir.path())).is_empty());
        }
    }
}

fn overwrite_largest_file(dir: &Path, position: f64) {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            } else {
                files.push((entry.metadata().unwrap().len(), entry.path()));
            }
        }
    }
    let (_, path) = files.into_iter().max().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = (bytes.len() as f64 * position) as usize;
    let end = (at + 4096).min(bytes.len());
    bytes[at..end].fill(0xA5);
    fs::write(&path, bytes).unwrap();
}
