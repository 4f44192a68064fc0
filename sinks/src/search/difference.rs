//! From what is stored to what should be.

use super::{
    SearchError, fingerprint,
    segment::{Document, each_occurrence},
    state::State,
    verify::hashes,
};
use springline_model::{
    Uri,
    rows::{PostingsRow, TermsBuilder},
};
use std::collections::{BTreeMap, HashMap};

/// The changes that lead from what is stored to these documents; `None` if most of what is stored would go.
pub(super) fn difference(
    state: &State,
    mut wanted: Vec<PostingsRow>,
) -> Result<Option<Vec<(PostingsRow, isize)>>, SearchError> {
    wanted.sort_unstable_by(|a, b| a.uri.cmp(&b.uri));
    if let Some(pair) = wanted.windows(2).find(|pair| pair[0].uri == pair[1].uri) {
        return Err(SearchError::Twice { uri: pair[0].uri.clone() });
    }
    let mut there = vec![false; wanted.len()];
    let mut stale = HashMap::new();
    for segment in state.segments() {
        for (document, hash) in hashes(state, segment)? {
            let at = wanted.binary_search_by(|row| row.uri.as_str().as_bytes().cmp(&document.uri));
            match at.ok().filter(|at| !there[*at] && fingerprint::row(&wanted[*at]) == hash) {
                Some(at) => there[at] = true,
                None => drop(stale.insert(document.number, document)),
            }
        }
    }
    if stale.len() as u64 * 2 > state.counts.documents {
        return Ok(None);
    }
    let mut changes: Vec<(PostingsRow, isize)> =
        rows(state, stale)?.into_iter().map(|row| (row, -1)).collect();
    changes.extend(wanted.into_iter().zip(there).filter(|(_, there)| !there).map(|(row, _)| (row, 1)));
    Ok(Some(changes))
}

/// The rows that documents came from.
fn rows(state: &State, documents: HashMap<u32, Document>) -> Result<Vec<PostingsRow>, SearchError> {
    let mut builders: BTreeMap<u32, TermsBuilder> =
        documents.keys().map(|number| (*number, TermsBuilder::new())).collect();
    for segment in state.segments() {
        if builders.range(segment.info.range()).next().is_some() {
            // Terms come by name, so each document's come in the order that its row has them.
            each_occurrence(segment, |document, term| {
                if let Some(builder) = builders.get_mut(&document) {
                    builder.push(term.name, term.title, term.body, term.positions);
                }
            })?;
        }
    }
    let row = |document: Document| {
        let terms = builders.get_mut(&document.number).map(TermsBuilder::finish).unwrap_or_default();
        Ok(PostingsRow { uri: Uri::from(document.uri()?), at: document.at, length: document.length, terms })
    };
    documents.into_values().map(row).collect()
}
