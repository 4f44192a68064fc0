//! The index as it is at one moment: never changed, only replaced.

use super::{
    FORMAT, SearchError,
    dead::Dead,
    keys,
    segment::{Document, DocumentCursor, Pager, Segment, SegmentInfo, TermCursor, invert, locator},
};
use crate::store::{Store, Write};
use serde::{Deserialize, Serialize};
use springline_model::{
    Uri,
    rows::PostingsRow,
    text::{Lang, varint},
};
use std::{collections::BTreeMap, sync::Arc};

/// How many pairs to take from the store at once.
const READ_AT_ONCE: usize = 256;

/// The index at one moment.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) counts: Counts,
    /// By number; those in memory hold the numbers behind those in the store.
    pub(super) stored: Vec<Arc<Segment>>,
    pub(super) memory: Vec<Arc<Segment>>,
    pub(super) logs: Vec<Log>,
    pub(super) dead: Dead,
    /// Segments whose pages are still in the store but belong to nothing: merged ones, and a merge's unfinished.
    pub(super) garbage: Vec<SegmentInfo>,
}

/// What is counted, and what comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// The next document's number.
    pub(super) next: u32,
    /// The next segment's id.
    pub(super) next_segment: u32,
    /// Live documents.
    pub(super) documents: u64,
    /// Words in all of them.
    pub(super) length: u64,
    /// The sum of their hashes.
    pub(super) sum: u128,
    /// Live documents in each language.
    pub(super) langs: BTreeMap<Lang, u64>,
}

/// A log entry: the documents of a small epoch, as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Log {
    /// The number that its first document had when it was written: its key.
    pub(super) first: u32,
    /// The number of its last.
    pub(super) last: u32,
}

/// What is stored of it under [`keys::state`].
#[derive(Serialize, Deserialize)]
struct Stored {
    counts: Counts,
    segments: Vec<SegmentInfo>,
    garbage: Vec<SegmentInfo>,
}

impl State {
    /// Every segment, by number.
    pub(super) fn segments(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        self.stored.iter().chain(&self.memory)
    }

    /// Reads it from the store.
    pub(super) fn load(pager: &Arc<Pager>) -> Result<Self, SearchError> {
        let store = &pager.store;
        let Some(bytes) = store.get(&keys::state())? else { return Ok(Self::default()) };
        let damaged = || SearchError::Damaged { what: "its state" };
        let (version, rest) = bytes.split_first_chunk::<2>().ok_or_else(damaged)?;
        let found = u16::from_be_bytes(*version);
        if found != FORMAT {
            return Err(SearchError::Version { found });
        }
        let stored: Stored = postcard::from_bytes(rest).map_err(|_| damaged())?;
        let mut state = Self { counts: stored.counts, garbage: stored.garbage, ..Self::default() };
        for info in stored.segments {
            state.stored.push(Arc::new(Segment::open(info, pager.clone())?));
        }
        each(&**store, b'd', |key, value| state.dead.restore(keys::number(key) as u16, value))?;
        let mut rows = Vec::new();
        each(&**store, b'l', |key, value| {
            let entry = decode_log(value)?;
            if let Some((last, _)) = entry.last() {
                state.logs.push(Log { first: keys::number(key), last: *last });
            }
            rows.extend(entry);
            Ok(())
        })?;
        if !rows.is_empty() {
            state.memory.push(Arc::new(invert(state.counts.next_segment, &rows)));
            state.counts.next_segment += 1;
        }
        Ok(state)
    }

    /// The write of what [`Self::load`] reads first.
    pub(super) fn write(&self) -> Write {
        let segments = self.stored.iter().map(|segment| segment.info.clone()).collect();
        let stored = Stored { counts: self.counts.clone(), segments, garbage: self.garbage.clone() };
        let bytes = postcard::to_extend(&stored, FORMAT.to_be_bytes().to_vec());
        // Plain data encodes into memory; if it did not, the index would not open and be built again.
        Write::Put(keys::state(), bytes.unwrap_or_default())
    }

    /// The number of each live document; asked in any order.
    pub(super) fn find(&self, uris: &[&Uri]) -> Result<Vec<Option<u32>>, SearchError> {
        let mut names: Vec<([u8; 9], usize)> =
            uris.iter().enumerate().map(|(at, uri)| (locator(uri), at)).collect();
        names.sort_unstable();
        let mut found = vec![None; uris.len()];
        // The newest first: what was changed lately is changed again.
        for segment in self.segments().rev() {
            let mut terms = TermCursor::new(segment.clone());
            let mut documents = DocumentCursor::new(segment.clone());
            let mut last = None;
            for (name, at) in names.iter().filter(|(_, at)| found[*at].is_none()).copied().collect::<Vec<_>>()
            {
                let Some(info) = terms.find(&name)? else { continue };
                for number in segment.numbers(&info, &mut last)? {
                    let document = documents.find(number)?;
                    let same = document.is_some_and(|document| document.uri == uris[at].as_str().as_bytes());
                    if same && !self.dead.contains(number) {
                        found[at] = Some(number);
                    }
                }
            }
        }
        Ok(found)
    }

    /// A segment's live documents, by number.
    pub(super) fn live(&self, segment: &Arc<Segment>) -> Result<Vec<Document>, SearchError> {
        let mut live = Vec::new();
        let mut documents = DocumentCursor::first(segment.clone())?;
        while let Some(document) = documents.document() {
            if !self.dead.contains(document.number) {
                live.push(document.clone());
            }
            documents.advance()?;
        }
        Ok(live)
    }

    /// Where the numbers of the documents in memory begin.
    pub(super) fn memory_start(&self) -> u32 {
        self.stored.last().map_or(0, |segment| segment.info.last + 1)
    }
}

/// Shows everything under a letter, in order.
fn each(
    store: &dyn Store,
    letter: u8,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), SearchError>,
) -> Result<(), SearchError> {
    let (from, to) = keys::all(letter);
    let mut after: Option<Vec<u8>> = None;
    loop {
        let (low, high) = keys::bounds(&from, after.as_deref(), &to);
        let pairs = store.range(low, high, false, READ_AT_ONCE)?;
        let Some((last, _)) = pairs.last() else { return Ok(()) };
        after = Some(last.clone());
        for (key, value) in &pairs {
            visit(key, value)?;
        }
    }
}

/// The value of a log entry.
pub(super) fn encode_log(rows: &[(u32, PostingsRow)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, row) in rows {
        varint::put(u64::from(*number), &mut out);
        // As for the state: plain data encodes; an entry that did not would not decode either.
        varint::put_bytes(&postcard::to_stdvec(row).unwrap_or_default(), &mut out);
    }
    out
}

/// The documents of a log entry, by number.
pub(super) fn decode_log(value: &[u8]) -> Result<Vec<(u32, PostingsRow)>, SearchError> {
    let mut input = super::codec::Input::new(value, "its log");
    let mut rows = Vec::new();
    while !input.is_empty() {
        let number = input.u32()?;
        rows.push((number, postcard::from_bytes(input.bytes()?).map_err(|_| input.damaged())?));
    }
    Ok(rows)
}
