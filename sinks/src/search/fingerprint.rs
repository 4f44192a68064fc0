//! The sum over the documents that says whether an index is what it should be.
//!
//! A document's hash is a wrapping sum over its terms, so it can be added up from postings in any order: by
//! document from a row, by term from a segment. A collision would have to be made on purpose, and would hide
//! nothing but our own mistakes: speed counts more here than resistance.

use springline_model::{Timestamp, rows::PostingsRow};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

/// What a document's terms are hashed with.
pub(super) struct Seed {
    seed: u64,
    document: u128,
}

impl Seed {
    pub(super) fn new(uri: &[u8], at: Timestamp, length: u32) -> Self {
        let bytes = [uri, at.0.to_le_bytes().as_slice(), length.to_le_bytes().as_slice()].concat();
        Self { seed: xxh3_64(&bytes), document: xxh3_128(&bytes) }
    }

    /// What the document itself adds.
    pub(super) const fn document(&self) -> u128 {
        self.document
    }

    /// What hashes the terms: small enough to keep for every document.
    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }
}

/// What a term adds; `encoded` as [`springline_model::rows::Term::encode`] has it.
pub(super) fn term(seed: u64, encoded: &[u8]) -> u128 {
    xxh3_128_with_seed(encoded, seed)
}

/// A whole row's hash.
pub(super) fn row(row: &PostingsRow) -> u128 {
    let seed = Seed::new(row.uri.as_str().as_bytes(), row.at, row.length);
    let mut sum = seed.document();
    let mut terms = row.terms.iter();
    while let Some((_, encoded)) = terms.next_encoded() {
        sum = sum.wrapping_add(term(seed.seed(), encoded));
    }
    sum
}
