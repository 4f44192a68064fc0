//! The reference engine: a sorted map, gone with the process.

use super::{Pair, Store, StoreError, Write, check_keys, is_empty};
use parking_lot::RwLock;
use std::{collections::BTreeMap, ops::Bound};

/// Everything in a sorted map under one lock.
#[derive(Default)]
pub(super) struct MemoryStore(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Store for MemoryStore {
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        check_keys(&writes)?;
        let mut map = self.0.write();
        for write in writes {
            match write {
                Write::Put(key, value) => drop(map.insert(key, value)),
                Write::Delete(key) => drop(map.remove(&key)),
            }
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.read().get(key).cloned())
    }

    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        if is_empty(from, to) {
            return Ok(Vec::new());
        }
        let map = self.0.read();
        let pairs = map.range::<[u8], _>((from, to)).map(|(key, value)| (key.clone(), value.clone()));
        Ok(if reverse { pairs.rev().take(limit).collect() } else { pairs.take(limit).collect() })
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}
