//! The index at one moment, for those who ask.

use super::{
    SearchError,
    query::{self, Highlighter, Hits, Page, Part, Query, Stats},
    segment::each_occurrence,
    state::State,
};
use springline_model::{
    Timestamp, Uri,
    text::{Lang, term::Meaning},
};
use std::sync::Arc;

/// That a document has a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting<'a> {
    /// The term.
    pub meaning: Meaning<'a>,
    /// The document.
    pub uri: &'a str,
    /// How often in the title.
    pub title: u32,
    /// How often in the body.
    pub body: u32,
    /// The document's words.
    pub length: u32,
    /// When it was said.
    pub at: Timestamp,
}

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
        Ok(self.part(query, page, None, texts)?.hits)
    }

    /// This index' part of what several that share the documents find. Their [`Searcher::stats`] added up give all of them
    /// the same scores; [`Hits::merged`] puts the parts together.
    ///
    /// # Errors
    /// As [`Searcher::search`].
    pub fn part(
        &self,
        query: &Query,
        page: &Page,
        stats: Option<&Stats>,
        texts: &dyn Fn(&Uri) -> Option<String>,
    ) -> Result<Part, SearchError> {
        query::run(&self.state, query, page, stats, texts)
    }

    /// What the scores of a query's hits are made of.
    ///
    /// # Errors
    /// As [`Searcher::search`].
    pub fn stats(&self, query: &Query, texts: &dyn Fn(&Uri) -> Option<String>) -> Result<Stats, SearchError> {
        query::stats(&self.state, query, texts)
    }

    /// The languages that there are documents in.
    #[must_use]
    pub fn langs(&self) -> Vec<Lang> {
        self.state.counts.langs.keys().copied().collect()
    }

    /// Shows every term of every document, segment by segment. Holds a segment's documents in memory.
    ///
    /// # Errors
    /// The first that `visit` gives; or the store fails or is damaged.
    pub fn each_posting<E: From<SearchError>>(
        &self,
        mut visit: impl FnMut(&Posting<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for segment in self.state.segments() {
            let documents = self.state.live(segment)?;
            let mut seen = Ok(());
            each_occurrence(segment, |number, term| {
                let at = documents.binary_search_by_key(&number, |document| document.number);
                if let (Ok(()), Ok(at), Some(meaning)) = (&seen, at, Meaning::of(term.name)) {
                    seen = documents[at].uri().map_err(E::from).and_then(|uri| {
                        visit(&Posting {
                            meaning,
                            uri,
                            title: u32::from(term.title),
                            body: u32::from(term.body),
                            length: documents[at].length,
                            at: documents[at].at,
                        })
                    });
                }
            })?;
            seen?;
        }
        Ok(())
    }

    /// What finds a query's words in the texts of its hits.
    #[must_use]
    pub fn highlighter(&self, query: &Query) -> Highlighter {
        Highlighter::new(query, &self.state.counts.langs.keys().copied())
    }
}
