//! The marker that says whose store it is and how it is laid out.
//!
//! `[0] "format"` → `springline store` · version (u16, big-endian) · engine's name. Raise [`VERSION`] when rows,
//! blocks, the views' state or search segments are laid out differently.

use super::{Engine, Store, StoreError, Write};
use std::{ops::Bound, path::Path};

/// The layout that this program reads and writes.
pub(super) const VERSION: u16 = 3;

const KEY: &[u8] = b"\0format";
const MAGIC: &[u8] = b"springline store";

/// Refuses a store of another layout; marks an empty one.
pub(super) fn check(store: &dyn Store, engine: Engine, dir: &Path) -> Result<(), StoreError> {
    let foreign = || StoreError::Foreign { dir: dir.to_owned() };
    let Some(marker) = store.get(KEY)? else {
        if !store.range(Bound::Unbounded, Bound::Unbounded, false, 1)?.is_empty() {
            return Err(foreign());
        }
        let marker = [MAGIC, &VERSION.to_be_bytes(), engine.name().as_bytes()].concat();
        return store.commit(vec![Write::Put(KEY.to_vec(), marker)]);
    };
    let rest = marker.strip_prefix(MAGIC).ok_or_else(foreign)?;
    let (version, name) = rest.split_first_chunk().ok_or_else(foreign)?;
    let found = u16::from_be_bytes(*version);
    if found != VERSION {
        return Err(StoreError::Version { dir: dir.to_owned(), found });
    }
    if name != engine.name().as_bytes() {
        return Err(foreign());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    fn checked(marker: &[u8]) -> Result<(), StoreError> {
        let store = MemoryStore::default();
        store.commit(vec![Write::Put(KEY.to_vec(), marker.to_vec())]).unwrap();
        check(&store, Engine::Memory, Path::new("dir"))
    }

    #[test]
    fn only_this_layout_is_opened() {
        let store = MemoryStore::default();
        check(&store, Engine::Memory, Path::new("dir")).unwrap();
        check(&store, Engine::Memory, Path::new("dir")).unwrap();
        assert!(matches!(
            checked(b"springline store\0\x01memory"),
            Err(StoreError::Version { found: 1, .. })
        ));
        assert!(matches!(checked(b"springline store\0\x03sled"), Err(StoreError::Foreign { .. })));
        assert!(matches!(checked(b"springline store\0"), Err(StoreError::Foreign { .. })));
        assert!(matches!(checked(b"else"), Err(StoreError::Foreign { .. })));
        let foreign = MemoryStore::default();
        foreign.commit(vec![Write::Put(vec![9], vec![])]).unwrap();
        assert!(matches!(check(&foreign, Engine::Memory, Path::new("dir")), Err(StoreError::Foreign { .. })));
    }
}
