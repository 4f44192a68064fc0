//! Engines that panic: here that is an error, and the store is rebuilt at the next start.
//!
//! An engine that panics has met files, or a state of its own, that it does not understand. The same call would most
//! likely panic again, at every start. So a marker is left in its folder, and the next [`super::open`] says that the
//! store is damaged: whoever has a journal then puts it aside.

use super::{Engine, Pair, Store, StoreError, Write};
use std::{
    any::Any,
    fs,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// The marker, in the engine's folder.
const MARKER: &str = "damaged";
/// Engines may print all that they have.
const MOST_SAID: usize = 200;

/// An engine that is open, and may panic.
pub(super) struct Guard {
    store: Box<dyn Store>,
    engine: Engine,
    dir: PathBuf,
}

impl Guard {
    /// Guards what was opened in an engine's folder.
    pub(super) fn new(store: impl Store + 'static, engine: Engine, dir: &Path) -> Self {
        Self { store: Box::new(store), engine, dir: dir.to_owned() }
    }

    fn call<T>(&self, call: impl FnOnce(&dyn Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        catch_unwind(AssertUnwindSafe(|| call(&*self.store))).unwrap_or_else(|panic| {
            let reason = said(&*panic);
            if let Err(error) = fs::write(self.dir.join(MARKER), &reason) {
                tracing::error!(%error, "a damaged store can't be marked as such");
            }
            Err(StoreError::damaged(self.engine, &self.dir, reason))
        })
    }
}

/// Refuses a folder whose engine has panicked.
pub(super) fn check(engine: Engine, dir: &Path) -> Result<(), StoreError> {
    match fs::read_to_string(dir.join(MARKER)) {
        Ok(reason) => Err(StoreError::damaged(engine, dir, reason)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io(&dir.join(MARKER), error)),
    }
}

/// Runs an engine's `open`.
pub(super) fn open<T, E>(
    engine: Engine,
    dir: &Path,
    open: impl FnOnce() -> Result<T, E>,
    explain: impl FnOnce(E) -> StoreError,
) -> Result<T, StoreError> {
    // What a panic leaves half done is dropped with it: nothing of the engine survives a failed `open`.
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(opened) => opened.map_err(explain),
        Err(panic) => Err(StoreError::damaged(engine, dir, said(&*panic))),
    }
}

/// What a panic says, cut.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panics");
    text.chars().take(MOST_SAID).collect()
}

impl Store for Guard {
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.call(|store| store.commit(writes))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.call(|store| store.get(key))
    }

    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        reverse: bool,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.call(|store| store.range(from, to, reverse, limit))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.call(|store| store.sync())
    }

    fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.call(|store| store.size_on_disk())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{StoreConfig, remove};

    /// An engine that has lost its way.
    struct Lost;

    impl Store for Lost {
        fn commit(&self, _: Vec<Write>) -> Result<(), StoreError> {
            panic!("{}", "nothing fits ".repeat(1000))
        }

        fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            Ok(None)
        }

        fn range(
            &self,
            _: Bound<&[u8]>,
            _: Bound<&[u8]>,
            _: bool,
            _: usize,
        ) -> Result<Vec<Pair>, StoreError> {
            Ok(vec![])
        }

        fn sync(&self) -> Result<(), StoreError> {
            Ok(())
        }

        fn size_on_disk(&self) -> Result<u64, StoreError> {
            Ok(0)
        }
    }

    #[test]
    fn a_store_whose_engine_panicked_is_damaged_from_then_on() {
        for engine in [Engine::Sled, Engine::Fjall] {
            let dir = tempfile::tempdir().unwrap();
            let config = StoreConfig::of(engine);
            let open = || crate::store::open(&config, dir.path());
            drop(open().unwrap());
            let guard = Guard::new(Lost, engine, &crate::store::folder(engine, dir.path()).unwrap());
            assert_eq!(guard.get(b"k").unwrap(), None);
            drop(open().unwrap());
            let error = guard.commit(vec![]).unwrap_err();
            assert!(error.rebuild_helps() && error.to_string().contains("nothing fits"), "{error}");
            assert!(error.to_string().len() < 2 * MOST_SAID + dir.path().as_os_str().len());
            assert!(open().err().unwrap().rebuild_helps());
            remove(engine, dir.path()).unwrap();
            open().unwrap();
        }
    }
}
