//! Where stored segments' pages are read: the store, behind a cache of those that were asked for last.
//!
//! A page never changes and its segment's id is never given again, so what is remembered stays true. The cache's policy
//! withstands scans: a merge, which reads everything once, doesn't drive the pages of queries out.
//!
//! Limits: [`CACHE_BYTES`].

use super::{Page, Part};
use crate::{
    search::{SearchError, keys},
    store::Store,
};
use quick_cache::{Weighter, sync::Cache};
use std::sync::Arc;

/// Bytes of pages that are remembered.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes of a page, about: for how many the cache makes room at once.
const TYPICAL_PAGE_BYTES: usize = 8 * 1024;

/// A segment, a part and the page's number.
type Key = (u32, Part, u32);

/// The pages of all stored segments.
pub(in crate::search) struct Pager {
    pub(in crate::search) store: Arc<dyn Store>,
    cache: Cache<Key, Page, Bytes>,
}

impl Pager {
    pub(in crate::search) fn new(store: Arc<dyn Store>) -> Self {
        let pages = CACHE_BYTES as usize / TYPICAL_PAGE_BYTES;
        Self { store, cache: Cache::with_weighter(pages, CACHE_BYTES, Bytes) }
    }

    /// A page; its bytes are not checked.
    pub(super) fn page(&self, segment: u32, part: Part, number: u32) -> Result<Page, SearchError> {
        let read = || {
            let bytes = self.store.get(&keys::page(segment, part, number))?;
            bytes.map(Arc::new).ok_or(SearchError::Damaged { what: "a page of a segment is missing" })
        };
        self.cache.get_or_insert_with(&(segment, part, number), read)
    }
}

/// What a page takes of the cache.
#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Page> for Bytes {
    fn weight(&self, _: &Key, page: &Page) -> u64 {
        // A place in the cache costs something too.
        page.len() as u64 + 64
    }
}
