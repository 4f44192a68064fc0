//! NSIDs: the names of lexicons and so of collections.

use super::{SyntaxError, is_label, name, starts_with_letter};
use std::sync::Arc;

name! {
    /// A reversed domain name and a name within it: `app.bsky.feed.post`.
    Nsid, Arc::from
}

impl Nsid {
    /// Of the longest one.
    pub const MAX_BYTES: usize = 317;

    /// Whether the text is one.
    ///
    /// # Errors
    /// It isn't.
    pub fn check(text: &str) -> Result<(), SyntaxError> {
        let refuse = |why| Err(SyntaxError::Nsid(why));
        if text.len() > Self::MAX_BYTES {
            return refuse("too long");
        }
        let Some((authority, name)) = text.rsplit_once('.') else { return refuse("it has one part only") };
        if !authority.contains('.') {
            return refuse("it has two parts only");
        }
        if !authority.split('.').all(is_label) || !starts_with_letter(authority) {
            return refuse("its first parts aren't a domain name");
        }
        if name.len() > 63
            || !starts_with_letter(name)
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return refuse("its last part isn't a name");
        }
        Ok(())
    }

    /// The parts before the last, from the general to the special: `app.bsky.feed`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.rsplit_once('.').map_or("", |(authority, _)| authority)
    }

    /// The last part: `post`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.rsplit_once('.').map_or("", |(_, name)| name)
    }
}
