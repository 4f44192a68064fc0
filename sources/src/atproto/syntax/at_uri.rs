//! AT URIs: the addresses of repositories, collections and records.
//!
//! The restricted form that records hold: no query, no fragment, no slash at the end.

use super::{Did, Handle, Nsid, RecordKey, SyntaxError, name};
use std::sync::Arc;

name! {
    /// `at://authority`, `at://authority/collection` or `at://authority/collection/rkey`, where the authority is a
    /// DID or a handle.
    AtUri, Arc::from
}

/// The parts of a well-formed AT URI, in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtUriParts<'a> {
    /// A DID, or a handle as it was written.
    pub authority: &'a str,
    /// The NSID of a collection.
    pub collection: Option<&'a str>,
    /// The key of a record.
    pub rkey: Option<&'a str>,
}

impl<'a> AtUriParts<'a> {
    /// Of a text.
    ///
    /// # Errors
    /// It isn't well-formed.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        let refuse = |why| Err(SyntaxError::AtUri(why));
        if text.len() > AtUri::MAX_BYTES {
            return refuse("too long");
        }
        let Some(rest) = text.strip_prefix("at://") else { return refuse("it doesn't start with at://") };
        let mut parts = rest.splitn(3, '/');
        let authority = parts.next().unwrap_or_default();
        let (collection, rkey) = (parts.next(), parts.next());
        if Did::check(authority).is_err() && Handle::check(authority).is_err() {
            return refuse("neither a DID nor a handle");
        }
        if collection.is_some_and(|collection| Nsid::check(collection).is_err()) {
            return refuse("its collection isn't an NSID");
        }
        if rkey.is_some_and(|rkey| RecordKey::check(rkey).is_err()) {
            return refuse("its last part isn't a record key");
        }
        Ok(Self { authority, collection, rkey })
    }

    /// The authority, if it is a DID.
    #[must_use]
    pub fn did(&self) -> Option<&'a str> {
        self.authority.starts_with("did:").then_some(self.authority)
    }
}

impl AtUri {
    /// Of the longest one.
    pub const MAX_BYTES: usize = 8_192;

    /// Whether the text is one.
    ///
    /// # Errors
    /// It isn't.
    pub fn check(text: &str) -> Result<(), SyntaxError> {
        AtUriParts::parse(text).map(drop)
    }

    /// Of a record.
    #[must_use]
    pub fn of_record(did: &Did, collection: &Nsid, rkey: &RecordKey) -> Self {
        Self(Arc::from(format!("at://{did}/{collection}/{rkey}")))
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> AtUriParts<'_> {
        let mut parts = self.0.split('/').skip(2);
        AtUriParts {
            authority: parts.next().unwrap_or_default(),
            collection: parts.next(),
            rkey: parts.next(),
        }
    }
}
