//! What an authority owns, while a tick's events happen to it one after the other.
//!
//! ```text
//!  event ─► newer than what is there now? ─► what is there now … ─► Turn { was, is } of each row
//! ```
//!
//! A row is read once, when the first event comes to it, and set once, at the end of the tick. In between an event sees
//! what those before it have left and nothing else: so what is left of a sequence of events is the same wherever it is
//! cut into ticks.

use super::{LookupError, books::Books};
use springline_model::{
    Quarantined, Record, Rev, SourceId, Uri,
    key::{text_key, text_prefix},
    rows::{QuarantineRow, RecordRow, TombRow},
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

/// A row before a tick, and after those of its events that have been applied.
#[derive(Clone)]
pub(super) struct Turn<R> {
    pub(super) was: Option<R>,
    pub(super) is: Option<R>,
}

/// What an event says that a record is now.
pub(super) enum Version {
    /// This.
    Is(Rev, SourceId, Arc<Record>),
    /// Gone.
    Gone(Rev),
    /// Gone, if it is of this very version: it is too old to be kept.
    Forgotten(Rev),
}

/// An authority's records and what is remembered of them, as far as a tick's events have come to them.
pub(super) struct Owned {
    authority: Uri,
    records: BTreeMap<Uri, Turn<RecordRow>>,
    tombs: BTreeMap<Uri, Turn<TombRow>>,
    /// The last refusal, or the release.
    filings: BTreeMap<Uri, Option<Quarantined>>,
    swept: Swept,
}

/// What has happened to all records, those too that no event was about.
#[derive(Clone, Copy, Default)]
struct Swept {
    /// All that was there has been purged.
    purged: bool,
    /// A copy of the whole has ended: what is older than this is gone, and so is every tomb. Later ones are not older.
    whole: Option<Rev>,
}

impl Swept {
    /// What is left of a record that no event was about.
    fn leaves(self, row: &RecordRow) -> Option<RecordRow> {
        let is_left = !self.purged && self.whole.is_none_or(|whole| row.rev >= whole);
        is_left.then(|| row.clone())
    }
}

impl Owned {
    pub(super) fn by(authority: Uri) -> Self {
        let (records, tombs, filings) = Default::default();
        Self { authority, records, tombs, filings, swept: Swept::default() }
    }

    /// Takes a version, if it is newer than what is there, or was while deletes are remembered.
    pub(super) fn take(
        &mut self,
        books: &Books,
        uri: Uri,
        version: Version,
        remembers: bool,
    ) -> Result<(), LookupError> {
        // What tells of feedback may be old at any time; what is put again is not dead any more.
        let remembers_for_ever = is_feedback(&self.authority);
        let remembers = remembers || remembers_for_ever;
        let there = self.record(books, &uri)?.is.as_ref().map(|row| row.rev);
        let (rev, forgets) = match version {
            Version::Is(rev, ..) | Version::Gone(rev) => (rev, false),
            Version::Forgotten(rev) => (rev, true),
        };
        let counts = match there {
            there if forgets => there == Some(rev),
            Some(there) if there >= rev => false,
            _ if remembers => self.tomb(books, &uri)?.is.as_ref().is_none_or(|tomb| tomb.rev < rev),
            _ => true,
        };
        if !counts {
            return Ok(());
        }
        let record = match version {
            Version::Is(rev, source, record) => Some(RecordRow { rev, source, record }),
            Version::Gone(_) | Version::Forgotten(_) => None,
        };
        if remembers && (record.is_none() || remembers_for_ever) {
            let tomb = record.is_none().then(|| TombRow { uri: uri.clone(), rev });
            self.tomb(books, &uri)?.is = tomb;
        }
        self.record(books, &uri)?.is = record;
        self.file(uri, None);
        Ok(())
    }

    /// Files a refusal, or takes back what there is of them.
    pub(super) fn file(&mut self, uri: Uri, refused: Option<Quarantined>) {
        self.filings.insert(uri, refused);
    }

    /// Everything is gone. What is remembered of deletes stays: a copy that was made before may yet come.
    pub(super) fn purge(&mut self) {
        self.swept.purged = true;
        self.records.values_mut().for_each(|turn| turn.is = None);
    }

    /// A copy of the whole at a version has ended: what is older was put while the copy was on its way, and deleted
    /// before it was made: nobody else will say so.
    pub(super) fn keep_since(&mut self, books: &Books, rev: Rev) -> Result<(), LookupError> {
        if self.swept.whole.is_none() {
            for tomb in books.under::<TombRow>(&text_prefix(self.authority.as_str()))? {
                if tomb.uri.authority() == self.authority.as_str() {
                    let uri = tomb.uri.clone();
                    self.tombs.entry(uri).or_insert(Turn { was: Some(tomb), is: None });
                }
            }
        }
        self.swept.whole = self.swept.whole.max(Some(rev));
        self.tombs.values_mut().for_each(|turn| turn.is = None);
        for turn in self.records.values_mut() {
            turn.is.take_if(|row| row.rev < rev);
        }
        Ok(())
    }

    /// Whether something has happened to records that no event was about.
    pub(super) const fn is_swept(&self) -> bool {
        self.swept.purged || self.swept.whole.is_some()
    }

    /// Adds every record of the authority that nothing has happened to yet.
    pub(super) fn add_all(&mut self, books: &Books) -> Result<(), LookupError> {
        for row in books.under::<RecordRow>(&text_prefix(self.authority.as_str()))? {
            // A prefix is not enough: `https://example.org` begins what `https://example.org.evil/` owns.
            if row.record.uri.authority() == self.authority.as_str() {
                let is = self.swept.leaves(&row);
                self.records.entry(row.record.uri.clone()).or_insert(Turn { was: Some(row), is });
            }
        }
        Ok(())
    }

    /// A record as it was and as it is.
    pub(super) fn record(&mut self, books: &Books, uri: &Uri) -> Result<&mut Turn<RecordRow>, LookupError> {
        match self.records.entry(uri.clone()) {
            Entry::Occupied(turn) => Ok(turn.into_mut()),
            Entry::Vacant(place) => {
                let was: Option<RecordRow> = books.get(text_key(uri.as_str()))?;
                let is = was.as_ref().and_then(|row| self.swept.leaves(row));
                Ok(place.insert(Turn { was, is }))
            }
        }
    }

    fn tomb(&mut self, books: &Books, uri: &Uri) -> Result<&mut Turn<TombRow>, LookupError> {
        match self.tombs.entry(uri.clone()) {
            Entry::Occupied(turn) => Ok(turn.into_mut()),
            // All there were have been read, and are gone.
            Entry::Vacant(place) if self.swept.whole.is_some() => {
                Ok(place.insert(Turn { was: None, is: None }))
            }
            Entry::Vacant(place) => {
                let was: Option<TombRow> = books.get(text_key(uri.as_str()))?;
                Ok(place.insert(Turn { is: was.clone(), was }))
            }
        }
    }

    /// Every record as it was and as it is.
    pub(super) fn records(&self) -> impl Iterator<Item = (&Uri, &Turn<RecordRow>)> {
        self.records.iter()
    }

    /// Sets the rows that have changed.
    pub(super) fn write(self, books: &mut Books) -> Result<(), LookupError> {
        for Turn { was, is } in self.records.into_values() {
            books.set(was, is);
        }
        for Turn { was, is } in self.tombs.into_values() {
            books.set(was, is);
        }
        for (uri, refused) in self.filings {
            let was = books.get::<QuarantineRow>(text_key(uri.as_str()))?;
            books.set(was, refused.map(QuarantineRow));
        }
        Ok(())
    }
}

/// Whether an authority is a project that feedback is about.
fn is_feedback(authority: &Uri) -> bool {
    authority.scheme() == "feedback"
}
