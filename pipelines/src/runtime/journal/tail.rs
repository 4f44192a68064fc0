//! Reading epochs behind the one who writes them.
//!
//! It reads on where it was, some of a segment at a time, and never behind the epoch that it is told: what lies behind may
//! be half written. Whoever trims the journal need not know of it: a file that is open stays readable, and what was
//! removed before it was opened is [`JournalError::Trimmed`].

use super::{EpochRecord, JournalError, frame, io, read::decode_chunk, segment};
use springline_model::{Epoch, EpochCommit};
use std::{
    fs::File,
    io::Read as _,
    mem,
    path::{Path, PathBuf},
};

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = if cfg!(test) { 64 } else { 1024 * 1024 };

/// A journal that is read while it grows.
#[derive(Debug)]
pub struct Tail {
    dir: PathBuf,
    next: Epoch,
    open: Option<Open>,
}

/// A segment that is being read.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    /// Where the buffer begins in the file.
    base: u64,
    buffer: Vec<u8>,
    /// What is read of the buffer: up to the end of an epoch.
    done: usize,
}

impl Tail {
    /// From an epoch on.
    #[must_use]
    pub fn new(dir: &Path, next: Epoch) -> Self {
        Self { dir: dir.to_path_buf(), next, open: None }
    }

    /// The first epoch that a journal has, or would have: 1 if there is nothing.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn first(dir: &Path) -> Result<Epoch, JournalError> {
        Ok(segment::list(dir)?.first().map_or(Epoch(1), |segment| segment.first))
    }

    /// Bytes of a journal's segments.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn bytes(dir: &Path) -> Result<u64, JournalError> {
        Ok(segment::list(dir)?.iter().map(|segment| segment.bytes).sum())
    }

    /// The next epoch that it gives.
    #[must_use]
    pub const fn next_epoch(&self) -> Epoch {
        self.next
    }

    /// The next epoch, if it is not behind `last`, which has to be whole.
    ///
    /// # Errors
    /// [`JournalError::Trimmed`], or a segment can't be read or is damaged.
    pub fn next(&mut self, last: Epoch) -> Result<Option<EpochRecord>, JournalError> {
        while self.next <= last {
            let open = match &mut self.open {
                Some(open) => open,
                None => self.open.insert(Open::of(&self.dir, self.next)?),
            };
            match open.epoch(self.next)? {
                Some(record) if record.commit.epoch < self.next => {}
                Some(record) if record.commit.epoch > self.next => {
                    return Err(open.damaged(open.done, format!("epoch {} is missing before it", self.next)));
                }
                Some(record) => {
                    self.next = self.next.next();
                    return Ok(Some(record));
                }
                // The next one begins with the epoch that is asked for.
                None => {
                    let ended = mem::take(&mut self.open);
                    let next = Open::of(&self.dir, self.next)?;
                    if let Some(ended) = ended.filter(|ended| ended.path == next.path) {
                        return Err(ended.damaged(ended.done, format!("epoch {} is not in it", self.next)));
                    }
                    self.open = Some(next);
                }
            }
        }
        Ok(None)
    }
}

impl Open {
    /// The segment that has an epoch.
    fn of(dir: &Path, epoch: Epoch) -> Result<Self, JournalError> {
        let segments = segment::list(dir)?;
        let first = segments.first().map_or(Epoch(1), |segment| segment.first);
        let found = segments.into_iter().rfind(|segment| segment.first <= epoch);
        let info = found.ok_or(JournalError::Trimmed { first, wanted: epoch })?;
        let file = match File::open(&info.path) {
            // It was trimmed a moment ago.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Self::of(dir, epoch),
            file => file.map_err(io("cannot read", &info.path))?,
        };
        let mut open = Self { path: info.path, file, base: 0, buffer: Vec::new(), done: 0 };
        while open.buffer.len() < segment::HEADER_BYTES && open.fill()? {}
        let header = &open.buffer[..open.buffer.len().min(segment::HEADER_BYTES)];
        segment::scan(&open.path, header, info.first)?;
        open.done = header.len();
        Ok(open)
    }

    /// Reads some more; whether there was any.
    fn fill(&mut self) -> Result<bool, JournalError> {
        if self.done > CHUNK_BYTES {
            self.buffer.drain(..self.done);
            self.base += self.done as u64;
            self.done = 0;
        }
        let mut more = (&self.file).take(CHUNK_BYTES as u64);
        let count = more.read_to_end(&mut self.buffer).map_err(io("cannot read", &self.path))?;
        Ok(count > 0)
    }

    /// The next epoch; without its events if it lies before the one that is wanted. None at the end.
    fn epoch(&mut self, wanted: Epoch) -> Result<Option<EpochRecord>, JournalError> {
        let (mut at, mut chunks) = (self.done, Vec::new());
        loop {
            match frame::read(&self.buffer, at) {
                frame::Read::Frame { kind: frame::Kind::Events, next, .. } => {
                    chunks.push(at + frame::HEADER_BYTES..next);
                    at = next;
                }
                frame::Read::Frame { kind: frame::Kind::Commit, payload, next } => {
                    let commit: EpochCommit = postcard::from_bytes(payload)
                        .map_err(|error| self.damaged(at, format!("a commit does not decode: {error}")))?;
                    let mut events = Vec::new();
                    if commit.epoch >= wanted {
                        for chunk in chunks {
                            decode_chunk(&self.buffer[chunk], &mut events).map_err(|error| {
                                self.damaged(self.done, format!("an event does not decode: {error}"))
                            })?;
                        }
                        if events.len() as u64 != commit.events {
                            let reason = format!(
                                "epoch {} has {} of its {} events",
                                commit.epoch,
                                events.len(),
                                commit.events
                            );
                            return Err(self.damaged(self.done, reason));
                        }
                    }
                    self.done = next;
                    return Ok(Some(EpochRecord { commit, events }));
                }
                unfinished => {
                    let was = self.done;
                    let reason = match unfinished {
                        frame::Read::Broken(reason) => Some(reason),
                        _ => None,
                    };
                    let has_more = self.fill()?;
                    // What was done may have been let go of.
                    let moved = was - self.done;
                    at -= moved;
                    for chunk in &mut chunks {
                        *chunk = chunk.start - moved..chunk.end - moved;
                    }
                    if !has_more {
                        return match reason {
                            Some(reason) => Err(self.damaged(at, reason.to_owned())),
                            None if at == self.done => Ok(None),
                            None => Err(self.damaged(at, "the epoch was never closed".to_owned())),
                        };
                    }
                }
            }
        }
    }

    fn damaged(&self, at: usize, reason: String) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), offset: self.base + at as u64, reason }
    }
}
