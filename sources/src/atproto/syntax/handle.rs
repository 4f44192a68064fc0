//! Handles: domain names of accounts.

use super::{SyntaxError, is_label, name, starts_with_letter};
use std::sync::Arc;

name! {
    /// A domain name, kept in lower case.
    Handle, |text: &str| Arc::from(text.to_ascii_lowercase())
}

impl Handle {
    /// Of the longest one.
    pub const MAX_BYTES: usize = 253;

    /// Stands for a handle that doesn't resolve to its account.
    pub const INVALID: &str = "handle.invalid";

    /// Whether the text is one, in any case.
    ///
    /// # Errors
    /// It isn't.
    pub fn check(text: &str) -> Result<(), SyntaxError> {
        let refuse = |why| Err(SyntaxError::Handle(why));
        if text.len() > Self::MAX_BYTES {
            return refuse("too long");
        }
        if !text.split('.').all(is_label) {
            return refuse("not a domain name");
        }
        match text.rsplit_once('.') {
            None => refuse("it has one part only"),
            Some((_, last)) if !starts_with_letter(last) => refuse("no such top-level domain"),
            Some(_) => Ok(()),
        }
    }
}
