//! Where each block lies: the store, and what is known of its keys.
//!
//! ```text
//!   known:   a ──► c ──► f     k ──► m     "c, then f": no block lies between them
//!   floor(d) = c               floor(h) = ?   asked of the store, and known from then on
//! ```
//!
//! A store with levels (fjall) answers a range by opening an iterator on each of them, which costs many times a
//! lookup of one key: most of what an epoch costs. So the keys of blocks are remembered as they are met, with whether
//! the next one that is known is also the next one that there is.
//!
//! Invariants: what is known is so: a write takes effect here together with the store, while the views' gate keeps
//! readers out; only packed tables are asked for.
//! Limits: [`MOST_KNOWN`] keys, about a hundred bytes each; then all is forgotten.

use crate::store::{Pair, Store, StoreError, Write};
use parking_lot::RwLock;
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included, Unbounded},
    sync::Arc,
};

/// How many blocks are remembered.
const MOST_KNOWN: usize = 1 << 20;

/// A store, and where its blocks are.
pub(super) struct Blocks {
    store: Arc<dyn Store>,
    /// A block's key, and whether the next one here is the next one of its table.
    known: RwLock<BTreeMap<Vec<u8>, bool>>,
}

impl Blocks {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: RwLock::default() }
    }

    /// The store itself, to read.
    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Writes all or nothing. Nobody reads meanwhile.
    pub(super) fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut known = self.known.write();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        for write in &writes {
            match write {
                Write::Put(key, _) => put(&mut known, key),
                Write::Delete(key) => delete(&mut known, key),
            }
        }
        self.store.commit(writes)
    }

    /// The block with the greatest key that is not above one, of the same table.
    pub(super) fn floor(&self, key: &[u8]) -> Result<Option<Pair>, StoreError> {
        let found = {
            let known = self.known.read();
            before(&known, Included(key), key[0])
                .filter(|(_, joined)| **joined)
                .map(|(found, _)| found.clone())
        };
        if let Some(found) = found
            && let Some(block) = self.store.get(&found)?
        {
            return Ok(Some((found, block)));
        }
        let table = [key[0]];
        let below = self.store.range(Included(&table), Included(key), true, 1)?.pop();
        if let Some((found, _)) = &below {
            self.above(found)?;
        }
        Ok(below)
    }

    /// The block behind one.
    pub(super) fn above(&self, key: &[u8]) -> Result<Option<Pair>, StoreError> {
        let next = {
            let known = self.known.read();
            (known.get(key) == Some(&true)).then(|| {
                let next = known.range::<[u8], _>((Excluded(key), Unbounded)).next();
                next.map(|(next, _)| next.clone()).filter(|next| next[0] == key[0])
            })
        };
        match next {
            Some(None) => return Ok(None),
            Some(Some(next)) => {
                if let Some(block) = self.store.get(&next)? {
                    return Ok(Some((next, block)));
                }
            }
            None => {}
        }
        let end = [key[0] + 1];
        let found = self.store.range(Excluded(key), Excluded(&end), false, 1)?.pop();
        let mut known = self.known.write();
        known.insert(key.to_vec(), true);
        if let Some((next, _)) = &found {
            known.entry(next.clone()).or_insert(false);
        }
        Ok(found)
    }
}

/// The known key below a bound, of a table.
fn before<'k>(
    known: &'k BTreeMap<Vec<u8>, bool>,
    bound: std::ops::Bound<&[u8]>,
    table: u8,
) -> Option<(&'k Vec<u8>, &'k bool)> {
    known.range::<[u8], _>((Unbounded, bound)).next_back().filter(|(found, _)| found[0] == table)
}

fn put(known: &mut BTreeMap<Vec<u8>, bool>, key: &[u8]) {
    // What follows a key of which nothing is known stays unknown.
    if before(known, Included(key), key[0]).is_some_and(|(found, joined)| *joined && found != key) {
        known.insert(key.to_vec(), true);
    }
}

fn delete(known: &mut BTreeMap<Vec<u8>, bool>, key: &[u8]) {
    let Some(joined) = known.remove(key) else { return };
    let below = known.range_mut::<[u8], _>((Unbounded, Excluded(key))).next_back();
    if let Some((_, below)) = below.filter(|(found, _)| found[0] == key[0]) {
        *below &= joined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Engine, StoreConfig};
    use proptest::prelude::*;
    use std::path::Path;

    #[derive(Clone, Debug)]
    enum Step {
        Write(Vec<(Vec<u8>, bool)>),
        Floor(Vec<u8>),
        Above(Vec<u8>),
    }

    /// Few keys, of two tables.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        (1..3_u8, proptest::collection::vec(0..3_u8, 0..4)).prop_map(|(table, mut key)| {
            key.insert(0, table);
            key
        })
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            proptest::collection::vec((key(), any::<bool>()), 1..6).prop_map(Step::Write),
            key().prop_map(Step::Floor),
            key().prop_map(Step::Above),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_is_known_is_what_the_store_says(steps in proptest::collection::vec(step(), 1..60)) {
            let blocks = Blocks::new(store::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap());
            for step in steps {
                match step {
                    Step::Write(writes) => {
                        let write = |(key, put)| if put { Write::Put(key, vec![1]) } else { Write::Delete(key) };
                        blocks.commit(writes.into_iter().map(write).collect()).unwrap();
                    }
                    Step::Floor(key) => {
                        let floor = blocks.store.range(Included(&key[..1]), Included(&key), true, 1).unwrap();
                        prop_assert_eq!(blocks.floor(&key).unwrap(), floor.into_iter().next());
                    }
                    // Only what is there is asked for what follows it.
                    Step::Above(key) if blocks.store.get(&key).unwrap().is_some() => {
                        let end = [key[0] + 1];
                        let above = blocks.store.range(Excluded(&key), Excluded(&end), false, 1).unwrap();
                        prop_assert_eq!(blocks.above(&key).unwrap(), above.into_iter().next());
                    }
                    Step::Above(_) => {}
                }
            }
        }
    }
}
