//! Segment files: names, headers, and what a scan of one finds.

use super::{JournalError, frame, io};
use springline_model::{Epoch, EpochCommit};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The format that this program writes and reads. Raise it with a golden file for the old one in the tests.
pub const VERSION: u16 = 1;
const MAGIC: [u8; 4] = *b"SPRJ";
/// What stands before the first frame.
pub(super) const HEADER_BYTES: usize = 16;

/// A segment as `inspect journal` shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SegmentInfo {
    /// The file.
    pub path: PathBuf,
    /// The first epoch that it holds (or would hold: a segment may be empty).
    pub first: Epoch,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The header of a segment that begins at an epoch.
pub(super) fn header(first: Epoch) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC);
    header[4..6].copy_from_slice(&VERSION.to_le_bytes());
    header[8..].copy_from_slice(&first.0.to_le_bytes());
    header
}

/// Where the segment that begins at an epoch lies.
pub(super) fn path(dir: &Path, first: Epoch) -> PathBuf {
    dir.join(format!("{:020}.seg", first.0))
}

/// The segments of a folder, oldest first. Files with other names are left alone.
pub(super) fn list(dir: &Path) -> Result<Vec<SegmentInfo>, JournalError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(io("cannot list", dir))? {
        let entry = entry.map_err(io("cannot list", dir))?;
        let path = entry.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let first = stem.filter(|stem| stem.len() == 20).and_then(|stem| stem.parse().ok());
        if let Some(first) = first.filter(|_| path.extension().is_some_and(|extension| extension == "seg")) {
            let bytes = entry.metadata().map_err(io("cannot read", &path))?.len();
            segments.push(SegmentInfo { path, first: Epoch(first), bytes });
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// One epoch's place in a segment.
#[derive(Clone, Debug)]
pub(super) struct Located {
    /// What closed it.
    pub commit: EpochCommit,
    /// Where its event frames begin.
    pub start: usize,
    /// Behind its commit frame.
    pub end: usize,
}

/// What a segment's bytes hold.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Its whole epochs, in order.
    pub epochs: Vec<Located>,
    /// Behind the last whole epoch; the header's end if there is none.
    pub end: usize,
    /// What stands behind that, if anything: the offset of the first broken frame (or of the first frame of an
    /// epoch that was never closed) and why.
    pub torn: Option<(usize, String)>,
}

/// Reads a segment's structure.
///
/// # Errors
/// The header is wrong, an epoch does not follow the one before, or whole commits stand behind a broken frame:
/// damage, not a torn tail.
pub(super) fn scan(path: &Path, bytes: &[u8], first: Epoch) -> Result<Scan, JournalError> {
    let damaged = |offset: usize, reason: String| JournalError::Damaged {
        path: path.to_path_buf(),
        offset: offset as u64,
        reason,
    };
    let Some(found) = bytes.first_chunk::<HEADER_BYTES>() else {
        // A crash while the segment was made. It holds nothing.
        return Ok(Scan {
            epochs: vec![],
            end: 0,
            torn: Some((0, "the segment's header is cut off".into())),
        });
    };
    if found[..4] != MAGIC {
        return Err(damaged(0, "this is no journal segment".into()));
    }
    let version = u16::from_le_bytes([found[4], found[5]]);
    if version != VERSION {
        return Err(JournalError::Version { path: path.to_path_buf(), found: version });
    }
    if found != &header(first) {
        return Err(damaged(8, "the header names another epoch than the file's name".into()));
    }
    let mut scan = Scan { epochs: vec![], end: HEADER_BYTES, torn: None };
    let (mut offset, mut expected, mut events) = (HEADER_BYTES, first, 0usize);
    loop {
        match frame::read(bytes, offset) {
            frame::Read::End => {
                if offset != scan.end {
                    scan.torn = Some((scan.end, "the epoch was never closed".into()));
                }
                return Ok(scan);
            }
            frame::Read::Frame { kind: frame::Kind::Events, next, .. } => {
                events += 1;
                offset = next;
            }
            frame::Read::Frame { kind: frame::Kind::Commit, payload, next } => {
                let commit: EpochCommit = postcard::from_bytes(payload)
                    .map_err(|error| damaged(offset, format!("a commit does not decode: {error}")))?;
                if commit.epoch != expected {
                    return Err(damaged(
                        offset,
                        format!("epoch {} stands where {expected} should", commit.epoch),
                    ));
                }
                if (commit.events == 0) != (events == 0) {
                    return Err(damaged(offset, format!("epoch {expected} has lost its events")));
                }
                scan.epochs.push(Located { commit, start: scan.end, end: next });
                (scan.end, offset, expected, events) = (next, next, expected.next(), 0);
            }
            frame::Read::Broken(reason) => {
                // One epoch at a time is written and synced, and a power cut may keep its pages in any order. So a
                // torn tail ends in the epoch that was being written: a later epoch behind it means damage.
                if let Some(found) = later_commit(bytes, offset + 1, expected) {
                    return Err(damaged(
                        offset,
                        format!("{reason}, but a later epoch stands whole at byte {found}"),
                    ));
                }
                scan.torn = Some((offset, reason.into()));
                return Ok(scan);
            }
        }
    }
}

/// Where a commit of an epoch behind `expected` stands, at or behind an offset.
fn later_commit(bytes: &[u8], mut offset: usize, expected: Epoch) -> Option<usize> {
    while let Some(at) = frame::find(bytes, offset) {
        if let frame::Read::Frame { kind: frame::Kind::Commit, payload, .. } = frame::read(bytes, at)
            && postcard::from_bytes::<EpochCommit>(payload).is_ok_and(|commit| commit.epoch > expected)
        {
            return Some(at);
        }
        offset = at + 1;
    }
    None
}
