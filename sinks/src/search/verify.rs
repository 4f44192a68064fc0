//! What is stored, added up anew.

use super::{
    SearchError, fingerprint,
    segment::{Document, Segment, each_occurrence},
    state::State,
};
use crate::views::Fingerprint;
use std::{collections::HashMap, sync::Arc};

/// The fingerprint of the live documents, from their postings. Holds the largest segment's documents.
pub(super) fn verify(state: &State) -> Result<Fingerprint, SearchError> {
    let mut fingerprint = Fingerprint::default();
    for segment in state.segments() {
        for (_, sum) in hashes(state, segment)? {
            fingerprint += Fingerprint { rows: 1, sum };
        }
    }
    Ok(fingerprint)
}

/// A segment's live documents, each with its hash.
pub(super) fn hashes(state: &State, segment: &Arc<Segment>) -> Result<Vec<(Document, u128)>, SearchError> {
    let mut hashed = Vec::new();
    let mut live: HashMap<u32, (u64, usize)> = HashMap::new();
    for document in state.live(segment)? {
        let seed = fingerprint::Seed::new(&document.uri, document.at, document.length);
        live.insert(document.number, (seed.seed(), hashed.len()));
        hashed.push((document, seed.document()));
    }
    let mut encoded = Vec::new();
    each_occurrence(segment, |document, term| {
        if let Some((seed, at)) = live.get(&document) {
            encoded.clear();
            term.encode(&mut encoded);
            let sum: &mut u128 = &mut hashed[*at].1;
            *sum = sum.wrapping_add(fingerprint::term(*seed, &encoded));
        }
    })?;
    Ok(hashed)
}
