//! The index at one moment, for those who ask.

use super::{
    SearchError,
    query::{self, Highlighter, Hits, Page, Query},
    state::State,
};
use springline_model::Uri;
use std::sync::Arc;

/// Answers queries from the index as it was when this was made. Cloning is cheap; any thread may ask.
#[derive(Clone)]
pub struct Searcher {
    state: Arc<State>,
}

impl Searcher {
    pub(super) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// How many documents there are.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.state.counts.documents
    }

    /// A page of the documents that a query matches, the best first. `texts` gives a document's text as written, or
    /// nothing if it is gone: only [`query::Mode::Substring`] asks for it.
    ///
    /// # Errors
    /// [`SearchError::Query`], if a prefix is too short; or the store fails or is damaged.
    pub fn search(
        &self,
        query: &Query,
        page: &Page,
        texts: &dyn Fn(&Uri) -> Option<String>,
    ) -> Result<Hits, SearchError> {
        query::run(&self.state, query, page, texts)
    }

    /// What finds a query's words in the texts of its hits.
    #[must_use]
    pub fn highlighter(&self, query: &Query) -> Highlighter {
        Highlighter::new(query, &self.state.counts.langs.keys().copied())
    }
}
