//! Appending epochs, cutting the torn tail, trimming what a snapshot covers.

use super::{JournalError, Replay, SegmentInfo, frame, io, segment};
use springline_model::{Epoch, EpochCommit};
use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// How the journal lies on disk.
#[derive(Clone, Copy, Debug)]
pub struct JournalOptions {
    /// A segment that has grown beyond this is followed by a new one.
    pub segment_bytes: u64,
    /// Whether each epoch is synced to disk before it counts. Off, a power cut (not a crash of the process) can
    /// lose the last epochs.
    pub sync: bool,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 * 1024 * 1024, sync: true }
    }
}

/// What an append wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Bytes, frames and all.
    pub bytes: u64,
}

/// The journal, open for appending. One process has it at a time (the data folder's lock sees to that).
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    options: JournalOptions,
    segments: Vec<SegmentInfo>,
    file: File,
    last: Option<EpochCommit>,
    /// Bytes cut from the tail at start.
    cut: u64,
}

impl Journal {
    /// Opens or makes the journal in a folder, and cuts the torn tail of a crash. A new one begins with epoch 1: one
    /// that was lost is not told from a new one here, but by the store that is ahead of it.
    ///
    /// # Errors
    /// I/O; or damage before the tail, with the file and the offset.
    pub fn open(dir: &Path, options: JournalOptions) -> Result<Self, JournalError> {
        fs::create_dir_all(dir).map_err(io("cannot make", dir))?;
        let mut segments = segment::list(dir)?;
        let mut cut = 0;
        let mut last = None;
        let mut reopened = None;
        while let Some(info) = segments.last_mut() {
            let bytes = fs::read(&info.path).map_err(io("cannot read", &info.path))?;
            let scan = segment::scan(&info.path, &bytes, info.first)?;
            if scan.end == 0 {
                // The crash came while the segment was made: it never counted.
                cut += info.bytes;
                fs::remove_file(&info.path).map_err(io("cannot remove", &info.path))?;
                segments.pop();
                continue;
            }
            let mut file =
                OpenOptions::new().write(true).open(&info.path).map_err(io("cannot open", &info.path))?;
            if (scan.end as u64) < info.bytes {
                cut += info.bytes - scan.end as u64;
                file.set_len(scan.end as u64).map_err(io("cannot cut", &info.path))?;
                file.sync_all().map_err(io("cannot sync", &info.path))?;
                info.bytes = scan.end as u64;
            }
            file.seek(SeekFrom::End(0)).map_err(io("cannot seek in", &info.path))?;
            last = scan.epochs.into_iter().next_back().map(|located| located.commit);
            reopened = Some(file);
            break;
        }
        if last.is_none() && segments.len() > 1 {
            // The newest segment is empty: the last epoch stands in the one before.
            let info = &segments[segments.len() - 2];
            let bytes = fs::read(&info.path).map_err(io("cannot read", &info.path))?;
            let scan = segment::scan(&info.path, &bytes, info.first)?;
            last = scan.epochs.into_iter().next_back().map(|located| located.commit);
        }
        let file = match reopened {
            Some(file) => file,
            None => {
                let (info, file) = create(dir, Epoch(1))?;
                segments.push(info);
                file
            }
        };
        Ok(Self { dir: dir.to_path_buf(), options, segments, file, last, cut })
    }

    /// Bytes of an unfinished epoch that were cut when the journal was opened.
    #[must_use]
    pub const fn cut_bytes(&self) -> u64 {
        self.cut
    }

    /// The first epoch that can be replayed (or, of an empty journal, will be appended).
    #[must_use]
    pub fn first(&self) -> Epoch {
        self.segments.first().map_or(Epoch(1), |segment| segment.first)
    }

    /// The newest epoch: one before [`Self::first`] if the journal is empty.
    #[must_use]
    pub fn last(&self) -> Epoch {
        match (&self.last, self.segments.last()) {
            (Some(commit), _) => commit.epoch,
            (None, Some(segment)) => Epoch(segment.first.0.saturating_sub(1)),
            (None, None) => Epoch::ZERO,
        }
    }

    /// What closed the newest epoch, if its segment is still there.
    #[must_use]
    pub const fn last_commit(&self) -> Option<&EpochCommit> {
        self.last.as_ref()
    }

    /// All bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> &[SegmentInfo] {
        &self.segments
    }

    /// Writes an epoch and returns when it is on disk: from now on it is definite.
    ///
    /// `chunks` are its events, each chunk concatenated postcard ([`springline_model::Event`]).
    ///
    /// # Errors
    /// I/O (the file is cut back to where it was, so the same epoch can be tried again), or the epoch does not
    /// follow the last.
    pub fn append(&mut self, commit: &EpochCommit, chunks: &[Vec<u8>]) -> Result<Appended, JournalError> {
        if commit.epoch != self.last().next() {
            return Err(JournalError::Order { last: self.last(), next: commit.epoch });
        }
        self.roll(commit.epoch)?;
        let mut bytes = Vec::with_capacity(
            chunks.iter().map(|chunk| chunk.len() + frame::HEADER_BYTES).sum::<usize>() + 256,
        );
        for chunk in chunks {
            frame::write(frame::Kind::Events, chunk, &mut bytes);
        }
        frame::write(
            frame::Kind::Commit,
            &postcard::to_stdvec(commit).map_err(JournalError::Encode)?,
            &mut bytes,
        );

        let info = &mut self.segments;
        let info = info.last_mut().ok_or(JournalError::Order { last: Epoch::ZERO, next: commit.epoch })?;
        let written = self
            .file
            .write_all(&bytes)
            .and_then(|()| if self.options.sync { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // Best effort: if this fails too, the next start cuts the tail.
            let _ = self.file.set_len(info.bytes);
            let _ = self.file.seek(SeekFrom::Start(info.bytes));
            return Err(io("cannot write", &info.path)(error));
        }
        info.bytes += bytes.len() as u64;
        self.last = Some(commit.clone());
        Ok(Appended { bytes: bytes.len() as u64 })
    }

    fn roll(&mut self, next: Epoch) -> Result<(), JournalError> {
        if self.segments.last().is_some_and(|segment| segment.bytes >= self.options.segment_bytes) {
            let (info, file) = create(&self.dir, next)?;
            self.segments.push(info);
            self.file = file;
        }
        Ok(())
    }

    /// The epochs from one on, in order.
    ///
    /// # Errors
    /// The epoch was trimmed.
    pub fn replay(&self, from: Epoch) -> Result<Replay, JournalError> {
        if from < self.first() {
            return Err(JournalError::Trimmed { first: self.first(), wanted: from });
        }
        Ok(Replay::new(self.segments.clone().into(), from))
    }

    /// Removes the segments that hold nothing behind `covered`, which a snapshot on disk must cover, and nothing from
    /// `needed` on. A segment is removed whole or not at all; to let go of all that `covered` covers, the next append
    /// starts a new one.
    ///
    /// # Errors
    /// I/O.
    pub fn trim(&mut self, covered: Epoch, needed: Epoch) -> Result<u64, JournalError> {
        if covered >= self.last()
            && self.segments.last().is_some_and(|newest| newest.bytes > segment::HEADER_BYTES as u64)
        {
            let (info, file) = create(&self.dir, self.last().next())?;
            self.segments.push(info);
            self.file = file;
        }
        let mut freed = 0;
        let first = covered.next().min(needed);
        while self.segments.len() > 1 && self.segments[1].first <= first {
            let info = self.segments.remove(0);
            fs::remove_file(&info.path).map_err(io("cannot remove", &info.path))?;
            freed += info.bytes;
        }
        Ok(freed)
    }

    /// Forgets the epochs behind `last`: the next one is to follow it (or the newest before it, if there is none).
    ///
    /// # Errors
    /// I/O, or a segment is damaged.
    pub fn cut_behind(&mut self, last: Epoch) -> Result<(), JournalError> {
        // From the end on: a crash in between leaves a whole beginning.
        while let Some(info) = self.segments.pop_if(|segment| segment.first > last) {
            fs::remove_file(&info.path).map_err(io("cannot remove", &info.path))?;
        }
        sync_dir(&self.dir)?;
        let Some(info) = self.segments.last_mut() else { return self.restart(last.next()) };
        let bytes = fs::read(&info.path).map_err(io("cannot read", &info.path))?;
        let scan = segment::scan(&info.path, &bytes, info.first)?;
        let newest = scan.epochs.into_iter().rfind(|located| located.commit.epoch <= last);
        let end = newest.as_ref().map_or(segment::HEADER_BYTES, |located| located.end) as u64;
        self.file = OpenOptions::new().write(true).open(&info.path).map_err(io("cannot open", &info.path))?;
        let cut = self.file.set_len(end).and_then(|()| self.file.sync_all());
        cut.and_then(|()| self.file.seek(SeekFrom::End(0))).map_err(io("cannot cut", &info.path))?;
        info.bytes = end;
        self.last = newest.map(|located| located.commit);
        Ok(())
    }

    /// Forgets everything: `first` is the next epoch.
    ///
    /// # Errors
    /// I/O.
    pub fn restart(&mut self, first: Epoch) -> Result<(), JournalError> {
        while let Some(info) = self.segments.pop() {
            fs::remove_file(&info.path).map_err(io("cannot remove", &info.path))?;
        }
        let (info, file) = create(&self.dir, first)?;
        (self.segments, self.file, self.last) = (vec![info], file, None);
        Ok(())
    }
}

fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("cannot sync", dir))
}

/// Makes a segment and its name durable.
fn create(dir: &Path, first: Epoch) -> Result<(SegmentInfo, File), JournalError> {
    let path = segment::path(dir, first);
    let header = segment::header(first);
    let mut file = File::create(&path).map_err(io("cannot make", &path))?;
    file.write_all(&header).and_then(|()| file.sync_all()).map_err(io("cannot write", &path))?;
    sync_dir(dir)?;
    Ok((SegmentInfo { path, first, bytes: header.len() as u64 }, file))
}
