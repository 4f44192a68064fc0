//! A lexicon document, as it is written.
//!
//! ```text
//!  { lexicon: 1, id: "app.bsky.feed.post", defs: { main: { type: "record", … }, textSlice: { type: "object", … } } }
//! ```
//!
//! Only what decides whether a record is valid is kept. Requests and permission sets are known by name.

use super::format;
use serde::Deserialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// The name of the definition that an id without a fragment refers to.
pub(super) const MAIN: &str = "main";

/// A longer document is refused; the longest official one has 36 KB.
const MAX_DOCUMENT_BYTES: usize = 1 << 20;

/// A document can't be used as a lexicon.
#[derive(Debug, Error)]
pub enum LexiconError {
    /// It isn't JSON, or not of the shape of a lexicon.
    #[error("no lexicon document: {0}")]
    Json(#[source] serde_json::Error),
    /// It is too long.
    #[error("a lexicon document of {0} bytes; at most {MAX_DOCUMENT_BYTES} are read")]
    TooLong(usize),
    /// It is in another version of the language.
    #[error("lexicon `{id}` is in version {version} of the language; known is version 1")]
    Version {
        /// Which one.
        id: String,
        /// Its version.
        version: u64,
    },
    /// Its id is no NSID.
    #[error("`{0}` is no NSID")]
    Id(String),
    /// One of its definitions isn't allowed where it is.
    #[error("lexicon `{id}`: definition `{name}` {what}")]
    Definition {
        /// Which lexicon.
        id: String,
        /// Which definition.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The lexicons in the program can't be unpacked.
    #[error("the packed lexicons: {0}")]
    Packed(#[source] std::io::Error),
}

#[derive(Debug, Deserialize)]
pub(super) struct Document {
    lexicon: u64,
    pub(super) id: String,
    pub(super) defs: BTreeMap<String, Schema>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Schema {
    Record {
        record: Box<Schema>,
    },
    Query,
    Procedure,
    Subscription,
    PermissionSet,
    Params,
    Null,
    Boolean {
        #[serde(rename = "const")]
        constant: Option<bool>,
    },
    Integer {
        #[serde(rename = "const")]
        constant: Option<i64>,
        #[serde(rename = "enum")]
        values: Option<Vec<i64>>,
        minimum: Option<i64>,
        maximum: Option<i64>,
    },
    String(Box<Text>),
    Bytes {
        #[serde(flatten)]
        length: Length,
    },
    CidLink,
    Blob {
        accept: Option<Vec<String>>,
        max_size: Option<u64>,
    },
    Array {
        items: Box<Schema>,
        #[serde(flatten)]
        length: Length,
    },
    Object {
        #[serde(default)]
        properties: BTreeMap<String, Schema>,
        #[serde(default)]
        required: Vec<String>,
        #[serde(default)]
        nullable: Vec<String>,
    },
    Ref {
        #[serde(rename = "ref")]
        target: String,
    },
    Union {
        refs: Vec<String>,
        #[serde(default)]
        closed: bool,
    },
    Unknown,
    Token,
}

/// A string's limits.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Text {
    #[serde(rename = "const")]
    pub(super) constant: Option<String>,
    #[serde(rename = "enum")]
    pub(super) values: Option<Vec<String>>,
    pub(super) format: Option<String>,
    pub(super) min_length: Option<usize>,
    pub(super) max_length: Option<usize>,
    pub(super) min_graphemes: Option<usize>,
    pub(super) max_graphemes: Option<usize>,
}

/// How long something may be.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Length {
    min_length: Option<usize>,
    max_length: Option<usize>,
}

impl Length {
    pub(super) fn bounds(self) -> (usize, usize) {
        (self.min_length.unwrap_or(0), self.max_length.unwrap_or(usize::MAX))
    }
}

impl Document {
    pub(super) fn parse(json: &str) -> Result<Self, LexiconError> {
        if json.len() > MAX_DOCUMENT_BYTES {
            return Err(LexiconError::TooLong(json.len()));
        }
        serde_json::from_str(json).map_err(LexiconError::Json)
    }

    /// Says what the shape alone doesn't.
    pub(super) fn check(&self) -> Result<(), LexiconError> {
        if self.lexicon != 1 {
            return Err(LexiconError::Version { id: self.id.clone(), version: self.lexicon });
        }
        if !format::is_nsid(&self.id) {
            return Err(LexiconError::Id(self.id.clone()));
        }
        for (name, schema) in &self.defs {
            if let Some(what) = schema.misplaced(name == MAIN) {
                return Err(LexiconError::Definition { id: self.id.clone(), name: name.clone(), what });
            }
        }
        Ok(())
    }
}

impl Schema {
    /// What is wrong with it as a definition.
    fn misplaced(&self, is_main: bool) -> Option<&'static str> {
        match self {
            Self::Record { .. }
            | Self::Query
            | Self::Procedure
            | Self::Subscription
            | Self::PermissionSet
                if !is_main =>
            {
                Some("is of a kind that only `main` can be")
            }
            Self::Record { record } if !matches!(**record, Self::Object { .. }) => {
                Some("is a record of something else than an object")
            }
            // They name or leave open what something is, and so are nothing by themselves.
            Self::Ref { .. } | Self::Union { .. } | Self::Unknown | Self::Params => {
                Some("is of a kind that can only be part of another")
            }
            _ => None,
        }
    }
}
