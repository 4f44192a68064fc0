//! Record keys: the names of records within a collection.

use super::{SyntaxError, Tid, name};
use std::sync::Arc;

name! {
    /// A record's name within its collection: mostly a [`Tid`], `self`, or what a lexicon demands.
    RecordKey, Arc::from
}

impl RecordKey {
    /// Of the longest one.
    pub const MAX_BYTES: usize = 512;

    /// Whether the text is one.
    ///
    /// # Errors
    /// It isn't.
    pub fn check(text: &str) -> Result<(), SyntaxError> {
        let refuse = |why| Err(SyntaxError::RecordKey(why));
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return refuse("of 1 to 512 characters");
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:~-".contains(&byte)) {
            return refuse("a character that isn't allowed");
        }
        if text == "." || text == ".." {
            return refuse("a path's dots");
        }
        Ok(())
    }

    /// The time in it, if it is a TID.
    #[must_use]
    pub fn tid(&self) -> Option<Tid> {
        self.parse().ok()
    }
}

impl From<Tid> for RecordKey {
    fn from(tid: Tid) -> Self {
        Self(Arc::from(tid.to_string()))
    }
}
