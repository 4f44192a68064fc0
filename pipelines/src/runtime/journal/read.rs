//! Reading epochs back.

use super::{JournalError, SegmentInfo, frame, io, segment};
use springline_model::{Epoch, EpochCommit, Event};
use std::{collections::VecDeque, fs, path::Path};

/// An epoch as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochRecord {
    /// What closed it.
    pub commit: EpochCommit,
    /// Its events, in the order that they came.
    pub events: Vec<Event>,
}

/// Epochs in order, a segment in memory at a time.
#[derive(Debug)]
pub struct Replay {
    segments: VecDeque<SegmentInfo>,
    open: Option<Open>,
    /// The next epoch to give.
    next: Epoch,
}

#[derive(Debug)]
struct Open {
    info: SegmentInfo,
    bytes: Vec<u8>,
    epochs: VecDeque<segment::Located>,
}

impl Replay {
    /// From `next` on over segments that are in order.
    pub(super) fn new(mut segments: VecDeque<SegmentInfo>, next: Epoch) -> Self {
        while segments.get(1).is_some_and(|second| second.first <= next) {
            segments.pop_front();
        }
        Self { segments, open: None, next }
    }

    /// The epochs of a journal that nobody needs to have open: another process may write it meanwhile, its last
    /// epochs may be missing.
    ///
    /// # Errors
    /// The folder or its last segment can't be read.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let segments: VecDeque<SegmentInfo> = segment::list(dir)?.into();
        let first = segments.front().map_or(Epoch(1), |segment| segment.first);
        Ok(Self::new(segments, first))
    }

    /// The next epoch that it gives.
    #[must_use]
    pub const fn next_epoch(&self) -> Epoch {
        self.next
    }

    /// The last epoch that it gives, as of now: zero if there is none.
    ///
    /// # Errors
    /// The last segment can't be read.
    pub fn last_epoch(&self) -> Result<Epoch, JournalError> {
        let Some(info) = self.segments.back() else { return Ok(Epoch::ZERO) };
        let bytes = fs::read(&info.path).map_err(io("cannot read", &info.path))?;
        let scan = segment::scan(&info.path, &bytes, info.first)?;
        Ok(scan.epochs.last().map_or(Epoch(info.first.0.saturating_sub(1)), |last| last.commit.epoch))
    }

    fn open_next(&mut self) -> Result<bool, JournalError> {
        let Some(info) = self.segments.pop_front() else { return Ok(false) };
        let bytes = fs::read(&info.path).map_err(io("cannot read", &info.path))?;
        let scan = segment::scan(&info.path, &bytes, info.first)?;
        if let Some((offset, reason)) = scan.torn.filter(|_| !self.segments.is_empty()) {
            // Only the last segment can have a torn tail; and a reader never sees one there, for it is cut at start.
            return Err(JournalError::Damaged { path: info.path, offset: offset as u64, reason });
        }
        self.open = Some(Open { info, bytes, epochs: scan.epochs.into() });
        Ok(true)
    }

    /// The next epoch's chunks as they were appended, whatever they mean.
    ///
    /// # Errors
    /// A segment can't be read, or is damaged.
    pub fn next_chunks(&mut self) -> Result<Option<(EpochCommit, Vec<Vec<u8>>)>, JournalError> {
        let Some((open, located)) = self.locate()? else { return Ok(None) };
        let chunks = chunks(open, &located)?.into_iter().map(|(_, chunk)| chunk.to_vec()).collect();
        Ok(Some((located.commit, chunks)))
    }

    fn read(&mut self) -> Result<Option<EpochRecord>, JournalError> {
        let Some((open, located)) = self.locate()? else { return Ok(None) };
        let events = decode(open, &located)?;
        Ok(Some(EpochRecord { commit: located.commit, events }))
    }

    /// Where the next epoch stands.
    fn locate(&mut self) -> Result<Option<(&Open, segment::Located)>, JournalError> {
        loop {
            let Some(open) = &mut self.open else {
                if self.open_next()? {
                    continue;
                }
                return Ok(None);
            };
            let Some(located) = open.epochs.pop_front() else {
                self.open = None;
                continue;
            };
            if located.commit.epoch < self.next {
                continue;
            }
            if located.commit.epoch > self.next {
                return Err(JournalError::Damaged {
                    path: open.info.path.clone(),
                    offset: located.start as u64,
                    reason: format!("epoch {} is missing before it", self.next),
                });
            }
            self.next = self.next.next();
            return Ok(self.open.as_ref().map(|open| (open, located)));
        }
    }
}

/// The payloads of an epoch's frames, and where each stands.
fn chunks<'a>(open: &'a Open, located: &segment::Located) -> Result<Vec<(usize, &'a [u8])>, JournalError> {
    let mut chunks = Vec::new();
    let mut offset = located.start;
    while offset < located.end {
        match frame::read(&open.bytes, offset) {
            frame::Read::Frame { kind: frame::Kind::Events, payload, next } => {
                chunks.push((offset, payload));
                offset = next;
            }
            frame::Read::Frame { next, .. } => offset = next,
            frame::Read::End => break,
            frame::Read::Broken(reason) => return Err(damaged(open, offset, reason.into())),
        }
    }
    Ok(chunks)
}

fn damaged(open: &Open, offset: usize, reason: String) -> JournalError {
    JournalError::Damaged { path: open.info.path.clone(), offset: offset as u64, reason }
}

fn decode(open: &Open, located: &segment::Located) -> Result<Vec<Event>, JournalError> {
    let mut events = Vec::new();
    for (offset, payload) in chunks(open, located)? {
        decode_chunk(payload, &mut events)
            .map_err(|error| damaged(open, offset, format!("an event does not decode: {error}")))?;
    }
    if events.len() as u64 != located.commit.events {
        let reason = format!(
            "epoch {} has {} of its {} events",
            located.commit.epoch,
            events.len(),
            located.commit.events
        );
        return Err(damaged(open, located.start, reason));
    }
    Ok(events)
}

/// Adds the events of a frame.
pub(super) fn decode_chunk(mut payload: &[u8], events: &mut Vec<Event>) -> Result<(), postcard::Error> {
    while !payload.is_empty() {
        let (event, rest) = postcard::take_from_bytes(payload)?;
        events.push(event);
        payload = rest;
    }
    Ok(())
}

impl Iterator for Replay {
    type Item = Result<EpochRecord, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
