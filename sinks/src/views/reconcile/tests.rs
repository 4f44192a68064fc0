//! A view that is made anew: whichever write is the last before a crash, its rows are those of before or those that
//! follow, and its log leads from the ones to the others.

use super::super::{
    Scan,
    log::tests::{every, fold, mark},
    tests::{commit, row},
};
use super::*;
use crate::{
    Engine, StoreConfig,
    store::{self, Store, StoreError},
};
use std::{
    ops::Bound,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A store in memory that takes so many batches, and no more.
struct Failing {
    store: Arc<dyn Store>,
    left: AtomicUsize,
}

impl Store for Failing {
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let one_less = |left: usize| left.checked_sub(1);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
            Ok(_) => self.store.commit(writes),
            Err(_) => Err(StoreError::Key { bytes: 0 }),
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key)
    }

    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.store.range(from, to, reverse, limit)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.store.size_on_disk()
    }
}

/// Rows of two tables of the catalog.
fn edition(number: u8) -> BTreeMap<Table, Vec<Pair>> {
    let keys = |step| (0..400_u16).step_by(step);
    let nodes = keys(1 + usize::from(number % 2)).map(|key| row(key, (number, 100))).collect();
    let authors = keys(2 + usize::from(number % 2)).map(|key| row(key, (number, 50))).collect();
    BTreeMap::from([(Table::Nodes, nodes), (Table::Authors, authors)])
        .into_iter()
        .map(|(table, rows): (Table, Vec<Pair>)| (table, sorted(table, rows).unwrap()))
        .collect()
}

fn stored(views: &Views) -> BTreeMap<Table, Vec<Pair>> {
    let scan = Scan { limit: usize::MAX, ..Scan::default() };
    let rows = |table| (table, views.reader().read(|snapshot| snapshot.scan_raw(table, &scan).unwrap()));
    BTreeMap::from([Table::Nodes, Table::Authors].map(rows))
}

fn opened(store: Arc<dyn Store>) -> Views {
    let views = Views::over(store).unwrap();
    views.follow(&every(u64::MAX)).unwrap();
    views
}

#[test]
fn a_crash_leaves_one_edition_or_the_other() {
    for batches in 0.. {
        let kept = store::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
        let failing = Arc::new(Failing { store: kept.clone(), left: AtomicUsize::new(usize::MAX) });
        let views = opened(failing.clone());
        views.apply(&commit(1), Default::default()).unwrap();
        views.reconcile(View::Catalog, edition(1), vec![]).unwrap();
        let before = mark(&views, View::Catalog);
        failing.left.store(batches, Ordering::Relaxed);
        let done = views.reconcile(View::Catalog, edition(2), vec![]);
        let now = stored(&views);
        assert!(now == edition(1) || now == edition(2), "what is served is whole");
        drop(views);

        let views = opened(kept.clone());
        assert_eq!(stored(&views), now, "{batches} batches");
        assert_eq!(views.verify(View::Catalog).unwrap(), Views::fingerprint_of(&now));
        let leads = |views: &Views| {
            views.reader().read(|snapshot| {
                let folded = fold(snapshot, View::Catalog, &before, 7).unwrap();
                let folded: BTreeMap<Table, Vec<Pair>> =
                    folded.into_iter().map(|(table, rows)| (table, rows.into_iter().collect())).collect();
                assert_eq!(folded, stored(views));
            });
        };
        leads(&views);
        let tags = View::Catalog.tables().map(|table| views.0.shared.blocks.other_tag(table));
        for tag in tags {
            let below = kept.range(Bound::Included(&[tag]), Bound::Excluded(&[tag + 1]), false, 1).unwrap();
            assert!(below.is_empty(), "nothing is left behind");
        }
        // Life goes on, whether it is tried again or not.
        views.apply(&commit(2), Default::default()).unwrap();
        views.reconcile(View::Catalog, edition(3), vec![]).unwrap();
        assert_eq!(stored(&views), edition(3));
        leads(&views);
        if done.is_ok() {
            assert_eq!(now, edition(2));
            assert!(batches > 20, "it took {batches} batches");
            return;
        }
    }
}
