//! Reading epochs back.

use super::{JournalError, SegmentInfo, frame, io, segment};
use springline_model::{Epoch, EpochCommit, Event};
use std::{collections::VecDeque, fs};

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

    fn read(&mut self) -> Result<Option<EpochRecord>, JournalError> {
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
            let events = decode(open, &located)?;
            self.next = self.next.next();
            return Ok(Some(EpochRecord { commit: located.commit, events }));
        }
    }
}

fn decode(open: &Open, located: &segment::Located) -> Result<Vec<Event>, JournalError> {
    let damaged = |offset: usize, reason: String| JournalError::Damaged {
        path: open.info.path.clone(),
        offset: offset as u64,
        reason,
    };
    let mut events = Vec::new();
    let mut offset = located.start;
    while offset < located.end {
        match frame::read(&open.bytes, offset) {
            frame::Read::Frame { kind: frame::Kind::Events, mut payload, next } => {
                while !payload.is_empty() {
                    let (event, rest) = postcard::take_from_bytes(payload)
                        .map_err(|error| damaged(offset, format!("an event does not decode: {error}")))?;
                    events.push(event);
                    payload = rest;
                }
                offset = next;
            }
            frame::Read::Frame { next, .. } => offset = next,
            frame::Read::End => break,
            frame::Read::Broken(reason) => return Err(damaged(offset, reason.into())),
        }
    }
    if events.len() as u64 != located.commit.events {
        let reason = format!(
            "epoch {} has {} of its {} events",
            located.commit.epoch,
            events.len(),
            located.commit.events
        );
        return Err(damaged(located.start, reason));
    }
    Ok(events)
}

impl Iterator for Replay {
    type Item = Result<EpochRecord, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
