//! What records of known types must look like: lexicons, and the check of a record against them.
//!
//! ```text
//!  lexicons/**.json ──build.rs──► one deflated array ─┐
//!  documents of the operator ─────────────────────────┴─► schema: parsed ─► compile: rules ─► check(record)
//!                                                          what is valid     references       no allocation
//!                                                          as a lexicon      are resolved     on success
//! ```
//!
//! | module | what |
//! |---|---|
//! | `schema` | a lexicon document, parsed and checked |
//! | `compile` | an arena of rules with all references resolved, entered by the type of a record |
//! | `check` | a record against its rules |
//! | `format` | the formats of strings |
//! | `reason` | why a record is refused: a name to count, a path and words for people |
//!
//! A validator serves the network as it is, so what it doesn't know it accepts: record types without a lexicon
//! ([`Verdict::Unknown`]), fields that a lexicon doesn't name, members of open unions, formats and references to
//! lexicons that aren't there.
//!
//! Limits: a record nested deeper than 64 is refused. The record key isn't looked at, nor are the lexicons of
//! requests: only what records reach is compiled. A later document with the id of an earlier one replaces it.

mod check;
mod compile;
pub(in crate::atproto) mod format;
mod reason;
mod schema;
#[cfg(test)]
mod tests;

pub use reason::{Reason, ReasonKind};
pub use schema::LexiconError;

use compile::Rules;
use flate2::read::DeflateDecoder;
use ipld_core::ipld::Ipld;
use schema::Document;
use std::{
    io::Read,
    sync::{Arc, LazyLock},
};

/// The official lexicons, packed by `build.rs`.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lexicons.json.deflate"));

/// What the official lexicons say of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no lexicon for its type.
    Unknown,
    /// It is as its lexicon wants it.
    Valid,
    /// It isn't.
    Invalid(Box<Reason>),
}

/// A set of lexicons, ready to check records.
#[derive(Debug, Default)]
pub struct Lexicons {
    rules: Rules,
}

impl Lexicons {
    /// Those of the AT Protocol and of Bluesky that the program carries. Unpacked once, at the first call.
    #[must_use]
    pub fn official() -> Arc<Self> {
        static OFFICIAL: LazyLock<Arc<Lexicons>> = LazyLock::new(|| {
            let lexicons = Lexicons::official_and([]).unwrap_or_else(|error| {
                // A test reads them; records are then as those without a lexicon.
                tracing::error!(%error, "the packed lexicons can't be read");
                Lexicons::default()
            });
            Arc::new(lexicons)
        });
        OFFICIAL.clone()
    }

    /// The official ones and these, which replace official ones of the same id.
    ///
    /// # Errors
    /// A document is no lexicon.
    pub fn official_and<'a>(documents: impl IntoIterator<Item = &'a str>) -> Result<Self, LexiconError> {
        let mut all = packed()?;
        all.extend(parse(documents)?);
        Self::of(all)
    }

    /// These, each a lexicon document in JSON.
    ///
    /// # Errors
    /// A document is no lexicon.
    pub fn from_json<'a>(documents: impl IntoIterator<Item = &'a str>) -> Result<Self, LexiconError> {
        Self::of(parse(documents)?)
    }

    fn of(documents: Vec<Document>) -> Result<Self, LexiconError> {
        documents.iter().try_for_each(Document::check)?;
        Ok(Self { rules: Rules::compile(documents) })
    }

    /// Checks a record of a collection.
    #[must_use]
    pub fn validate(&self, collection: &str, record: &Ipld) -> Verdict {
        match self.rules.check_record(collection, record) {
            None => Verdict::Unknown,
            Some(Ok(())) => Verdict::Valid,
            Some(Err(reason)) => Verdict::Invalid(reason),
        }
    }

    /// The record types it knows, in no order.
    pub fn collections(&self) -> impl Iterator<Item = &str> {
        self.rules.collections()
    }
}

fn parse<'a>(documents: impl IntoIterator<Item = &'a str>) -> Result<Vec<Document>, LexiconError> {
    documents.into_iter().map(Document::parse).collect()
}

fn packed() -> Result<Vec<Document>, LexiconError> {
    let mut json = Vec::new();
    DeflateDecoder::new(PACKED).read_to_end(&mut json).map_err(LexiconError::Packed)?;
    serde_json::from_slice(&json).map_err(LexiconError::Json)
}
