//! The search view: what [`crate::search`] keeps, in the same batches as the rows of the others.

use super::{Views, error::ViewsError, fingerprint::Fingerprint, reconcile::Corrections, state::State};
use crate::{
    search::{SearchError, SearchIndex, Staged},
    store::{Store, Write},
};
use springline_model::{Table, View, rows::PostingsRow};
use std::{mem, sync::Arc};

/// Documents a batch when many are put at once.
const BATCH_DOCUMENTS: usize = 1024;
/// Pages deleted a batch.
const BATCH_PAGES: usize = 1000;

/// Opens the index. One that is damaged, or of another format, is emptied: the view then has no version.
pub(super) fn open(store: &Arc<dyn Store>, state: &mut State) -> Result<SearchIndex, ViewsError> {
    let error = match SearchIndex::open(store.clone()) {
        Ok(index) => return Ok(index),
        Err(error) if error.rebuild_helps() => error,
        Err(error) => return Err(error.into()),
    };
    tracing::warn!(%error, "the search index is emptied, to be built anew");
    state.invalidate(View::Search);
    *state.table(Table::Search) = Fingerprint::default();
    store.commit(vec![state.write()?])?;
    loop {
        let writes: Vec<Write> = SearchIndex::wipe(&**store, BATCH_PAGES)?;
        if writes.is_empty() {
            return Ok(SearchIndex::open(store.clone())?);
        }
        store.commit(writes)?;
    }
}

impl Views {
    /// Prepares an epoch's documents. An index that waits to be recomputed rests.
    pub(super) fn stage_postings(
        &self,
        state: &mut State,
        postings: Vec<(PostingsRow, isize)>,
    ) -> Result<Option<Staged>, ViewsError> {
        if !state.is_current(View::Search) {
            return if postings.is_empty() { Ok(None) } else { Err(ViewsError::Stale(View::Search)) };
        }
        let staged = self.0.shared.index.stage(postings)?;
        *state.table(Table::Search) += staged.delta;
        Ok(Some(staged))
    }

    /// Makes the index exactly these documents, and the view current.
    pub(super) fn make_index(&self, wanted: Vec<PostingsRow>) -> Result<Corrections, ViewsError> {
        let index = &self.0.shared.index;
        let stored = index.searcher().documents();
        let difference = match index.difference(wanted.clone()) {
            Err(error @ SearchError::Twice { .. }) => return Err(error.into()),
            Err(error) if error.rebuild_helps() => None,
            difference => difference?,
        };
        let mut corrections = Corrections::default();
        let mut changes = match difference {
            Some(changes) => {
                corrections.added = changes.iter().filter(|(_, diff)| *diff > 0).count() as u64;
                corrections.removed = changes.len() as u64 - corrections.added;
                changes
            }
            None => {
                (corrections.added, corrections.removed) = (wanted.len() as u64, stored);
                self.commit(self.without(View::Search), Vec::new(), Some(index.clear()))?;
                wanted.into_iter().map(|row| (row, 1)).collect()
            }
        };
        if changes.len() > BATCH_DOCUMENTS {
            // A document that changes goes and comes: both belong into one batch.
            changes.sort_unstable_by(|(a, _), (b, _)| a.uri.cmp(&b.uri));
            while changes.len() > BATCH_DOCUMENTS {
                let mut cut = BATCH_DOCUMENTS;
                while changes.get(cut).is_some_and(|(row, _)| row.uri == changes[cut - 1].0.uri) {
                    cut += 1;
                }
                let rest = changes.split_off(cut);
                let staged = index.stage(mem::replace(&mut changes, rest))?;
                self.commit(self.without(View::Search), Vec::new(), Some(staged))?;
            }
        }
        let staged = index.stage(changes)?;
        let mut state = self.state();
        *state.table(Table::Search) = index.fingerprint();
        *state.table(Table::Search) += staged.delta;
        state.complete(View::Search);
        self.commit(state, Vec::new(), Some(staged))?;
        Ok(corrections)
    }
}
