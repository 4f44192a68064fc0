//! DIDs: who an account is, whatever its handle and its host.

use super::{SyntaxError, name};
use std::sync::Arc;

name! {
    /// `did:method:id`, any method.
    Did, Arc::from
}

impl Did {
    /// Of the longest one.
    pub const MAX_BYTES: usize = 2_048;

    /// Whether the text is one.
    ///
    /// # Errors
    /// It isn't.
    pub fn check(text: &str) -> Result<(), SyntaxError> {
        let refuse = |why| Err(SyntaxError::Did(why));
        if text.len() > Self::MAX_BYTES {
            return refuse("too long");
        }
        let Some((method, id)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else {
            return refuse("not did:method:id");
        };
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return refuse("a method is of lower-case letters");
        }
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte)) {
            return refuse("a character that isn't allowed");
        }
        if id.is_empty() || id.ends_with([':', '%']) {
            return refuse("it is cut off");
        }
        Ok(())
    }

    /// Its method: `plc`, `web`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.split(':').nth(1).unwrap_or_default()
    }

    /// What follows the method.
    #[must_use]
    pub fn id(&self) -> &str {
        self.splitn(3, ':').nth(2).unwrap_or_default()
    }
}
