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
//! A table's rows lie under its tag, or, every other time that its view was made anew, under a second one
//! ([`super::reconcile`]): so those of before can be read until those that follow are all there.
//!
//! Invariants: what is known is so: a write takes effect here together with the store, while the views' gate keeps
//! readers out; only packed tables are asked for.
//! Limits: [`MOST_KNOWN`] keys, about a hundred bytes each; then all is forgotten.

use crate::store::{Pair, Store, StoreError, Write};
use parking_lot::RwLock;
use springline_model::{Table, View};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{self, Excluded, Included, Unbounded},
    sync::Arc,
};

/// How many blocks are remembered.
const MOST_KNOWN: usize = 1 << 20;

/// A store, and where its blocks are.
pub(super) struct Blocks {
    store: Arc<dyn Store>,
    known: RwLock<BTreeMap<Vec<u8>, Known>>,
    /// Views whose rows lie under the second tags.
    second: RwLock<BTreeSet<View>>,
}

/// Added to a table's tag: its second one.
const SECOND: u8 = 0x80;

/// What is known of a block's key.
#[derive(Clone, Copy)]
struct Known {
    /// The next key here is the next one of its table.
    joined: bool,
    /// There is such a block. One that is not is remembered only for a table's first key, `[tag]`: nothing lies below
    /// the next one.
    there: bool,
}

impl Blocks {
    pub(super) fn new(store: Arc<dyn Store>, second: BTreeSet<View>) -> Self {
        Self { store, known: RwLock::default(), second: RwLock::new(second) }
    }

    /// The tag under which a table's rows lie.
    pub(super) fn tag(&self, table: Table) -> u8 {
        if self.second.read().contains(&table.view()) { table as u8 | SECOND } else { table as u8 }
    }

    /// The tag under which they don't.
    pub(super) fn other_tag(&self, table: Table) -> u8 {
        self.tag(table) ^ SECOND
    }

    /// From now on these views' rows lie under the second tags. Nobody reads meanwhile.
    pub(super) fn turn(&self, second: BTreeSet<View>) {
        *self.second.write() = second;
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
            match before(&known, Included(key), key[0]) {
                Some((_, Known { joined: true, there: false })) => return Ok(None),
                Some((found, Known { joined: true, .. })) => Some(found.clone()),
                _ => None,
            }
        };
        if let Some(found) = found
            && let Some(block) = self.store.get(&found)?
        {
            return Ok(Some((found, block)));
        }
        let table = [key[0]];
        let below = self.store.range(Included(&table), Included(key), true, 1)?.pop();
        self.behind(below.as_ref().map_or(&table, |(found, _)| found), below.is_some())?;
        Ok(below)
    }

    /// The block behind one.
    pub(super) fn above(&self, key: &[u8]) -> Result<Option<Pair>, StoreError> {
        let next = {
            let known = self.known.read();
            known.get(key).is_some_and(|known| known.joined).then(|| {
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
        self.behind(key, true)
    }

    /// Asks the store for the block behind a key, and remembers both.
    fn behind(&self, key: &[u8], there: bool) -> Result<Option<Pair>, StoreError> {
        let end = [key[0] + 1];
        let found = self.store.range(Excluded(key), Excluded(&end), false, 1)?.pop();
        let mut known = self.known.write();
        known.insert(key.to_vec(), Known { joined: true, there });
        if let Some((next, _)) = &found {
            known.entry(next.clone()).or_insert(Known { joined: false, there: true });
        }
        Ok(found)
    }
}

/// The known key below a bound, of a table.
fn before<'k>(
    known: &'k BTreeMap<Vec<u8>, Known>,
    bound: Bound<&[u8]>,
    table: u8,
) -> Option<(&'k Vec<u8>, Known)> {
    let below = known.range::<[u8], _>((Unbounded, bound)).next_back();
    below.filter(|(found, _)| found[0] == table).map(|(found, known)| (found, *known))
}

fn put(known: &mut BTreeMap<Vec<u8>, Known>, key: &[u8]) {
    // What follows a key of which nothing is known stays unknown.
    if let Some((_, Known { joined: true, .. })) = before(known, Included(key), key[0]) {
        known.insert(key.to_vec(), Known { joined: true, there: true });
    }
}

fn delete(known: &mut BTreeMap<Vec<u8>, Known>, key: &[u8]) {
    let Some(gone) = known.remove(key) else { return };
    if key.len() == 1 {
        known.insert(key.to_vec(), Known { there: false, ..gone });
        return;
    }
    let below = known.range_mut::<[u8], _>((Unbounded, Excluded(key))).next_back();
    if let Some((_, below)) = below.filter(|(found, _)| found[0] == key[0]) {
        below.joined &= gone.joined;
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
            let blocks = Blocks::new(store::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap(), BTreeSet::new());
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
