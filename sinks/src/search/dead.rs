//! Which documents are dead: numbered in a segment, but changed or deleted since.
//!
//! A chunk holds 65,536 numbers. Chunks are shared between snapshots and copied when they change, and only changed
//! ones are written: so a deletion costs the same however many were before it.

use super::SearchError;
use roaring::RoaringBitmap;
use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

/// A set of document numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Dead(BTreeMap<u16, Arc<RoaringBitmap>>);

const fn chunk(document: u32) -> u16 {
    (document >> 16) as u16
}

impl Dead {
    pub(super) fn contains(&self, document: u32) -> bool {
        self.0.get(&chunk(document)).is_some_and(|dead| dead.contains(document))
    }

    /// Whether it was not there before.
    pub(super) fn insert(&mut self, document: u32) -> bool {
        Arc::make_mut(self.0.entry(chunk(document)).or_default()).insert(document)
    }

    /// Takes out what another set has in a range.
    pub(super) fn remove_all(&mut self, other: &Self, range: &RangeInclusive<u32>) {
        for (chunk, gone) in other.0.range(chunk(*range.start())..=chunk(*range.end())) {
            let Some(dead) = self.0.get_mut(chunk) else { continue };
            let mut gone = (**gone).clone();
            if *range.start() > 0 {
                gone.remove_range(..*range.start());
            }
            if *range.end() < u32::MAX {
                gone.remove_range(*range.end() + 1..);
            }
            if dead.is_disjoint(&gone) {
                continue;
            }
            *Arc::make_mut(dead) -= gone;
        }
        self.0.retain(|_, dead| !dead.is_empty());
    }

    /// How many there are in a range.
    pub(super) fn count(&self, range: &RangeInclusive<u32>) -> u64 {
        let chunks = self.0.range(chunk(*range.start())..=chunk(*range.end()));
        chunks.map(|(_, dead)| dead.range_cardinality(range.clone())).sum()
    }

    /// Whether there are any in a range.
    pub(super) fn any_in(&self, range: RangeInclusive<u32>) -> bool {
        let mut chunks = self.0.range(chunk(*range.start())..=chunk(*range.end()));
        chunks.any(|(_, dead)| dead.range_cardinality(range.clone()) > 0)
    }

    /// The chunks that differ from an older set, encoded; `None` for those that are gone.
    pub(super) fn changes(&self, since: &Self) -> Vec<(u16, Option<Vec<u8>>)> {
        let gone = since.0.keys().filter(|chunk| !self.0.contains_key(chunk)).map(|chunk| (*chunk, None));
        let same = |chunk, dead| since.0.get(chunk).is_some_and(|before| Arc::ptr_eq(before, dead));
        let changed = self.0.iter().filter(|(chunk, dead)| !same(chunk, dead));
        let encoded = changed.map(|(chunk, dead)| {
            let mut bytes = Vec::with_capacity(dead.serialized_size());
            // Writing into memory can't fail; if it did, the chunk would not decode, and be rebuilt.
            drop(dead.serialize_into(&mut bytes));
            (*chunk, Some(bytes))
        });
        gone.chain(encoded).collect()
    }

    /// Takes back a chunk that [`Self::changes`] encoded.
    pub(super) fn restore(&mut self, chunk: u16, bytes: &[u8]) -> Result<(), SearchError> {
        let dead = RoaringBitmap::deserialize_from(bytes)
            .map_err(|_| SearchError::Damaged { what: "the set of its dead documents" })?;
        self.0.insert(chunk, Arc::new(dead));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_changes() {
        let mut dead = Dead::default();
        assert!(dead.insert(5) && dead.insert(70_000) && dead.insert(70_001) && !dead.insert(5));
        assert_eq!((dead.count(&(0..=u32::MAX)), dead.count(&(6..=70_000))), (3, 1));
        let before = dead.clone();
        assert!(dead.changes(&before).is_empty());
        let mut range = Dead::default();
        range.insert(70_001);
        range.insert(5);
        dead.remove_all(&range, &(6..=80_000));
        assert!(dead.contains(5) && dead.contains(70_000) && !dead.contains(70_001));
        let changes = dead.changes(&before);
        assert_eq!(changes.iter().map(|(chunk, _)| *chunk).collect::<Vec<_>>(), [1]);
        let mut restored = before.clone();
        for (chunk, bytes) in changes {
            restored.restore(chunk, &bytes.unwrap()).unwrap();
        }
        assert_eq!(restored.count(&(0..=u32::MAX)), 2);
        assert!(restored.restore(0, &[1, 2, 3]).is_err());
        dead.remove_all(&before, &(0..=u32::MAX));
        assert_eq!(dead.changes(&before), [(0, None), (1, None)]);
    }
}
