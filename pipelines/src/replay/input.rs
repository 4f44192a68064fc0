//! What can be replayed, and what it is made of.

use super::{
    lines::{self, Lines},
    topic::LogPositions,
};
use crate::runtime::{
    journal::{JournalError, Replay},
    kafka::{LogError, Part},
};
use springline_model::{Advance, Epoch, Event, EventBody, Partition, Position, Timestamp};
use springline_sinks::parquet::{ParquetError, Records};
use springline_sources::{Range, SourceError};
use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// Something that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A journal's folder. Pieces are epochs.
    Journal(PathBuf),
    /// A file of an export's table `records`. Pieces are rows, their time is what the record says.
    Records(PathBuf),
    /// A partition of a log in Kafka. Pieces are some messages; a range goes by offsets, or by when they were written.
    Topic(Box<Part>),
    /// What a log's sources had read, behind all of its partitions.
    Positions(LogPositions),
    /// A file of events, a line each. Their time is when they were observed.
    Lines(Lines),
}

/// A part of it: all or nothing of it counts as read.
#[derive(Debug)]
pub struct Piece {
    /// Rises; 0 only where nothing was read yet.
    pub offset: u64,
    /// When it was.
    pub at: Timestamp,
    /// What happened.
    pub events: Vec<Event>,
    /// How far sources were behind it.
    pub advances: Vec<Advance>,
}

/// An input that is being read.
pub(super) struct Open {
    /// The offset of the last piece, if that is known.
    pub(super) total: Option<u64>,
    pub(super) pieces: Box<dyn Iterator<Item = Result<Piece, SourceError>>>,
}

impl Input {
    /// What lies under a path: a journal (its folder, or the data folder that it is in), or the records of an export
    /// (its folder, that of the table, or a file), or a file of events as lines, of at most so many bytes each. None if
    /// it is something else.
    ///
    /// # Errors
    /// The path can't be read.
    pub fn under(path: &Path, most: usize) -> Result<Option<Vec<Self>>, SourceError> {
        let failed = |source| SourceError::Io { path: path.to_path_buf(), source };
        if is(path, "parquet") && !path.is_dir() {
            return Ok(Some(vec![Self::Records(path.to_path_buf())]));
        }
        if !path.is_dir() {
            let is_events = lines::is_events(path, most)?;
            return Ok(is_events.then(|| vec![Self::Lines(Lines { path: path.to_path_buf(), most })]));
        }
        Self::inside(path).map_err(failed)
    }

    /// The same of a folder.
    fn inside(path: &Path) -> io::Result<Option<Vec<Self>>> {
        for dir in [path.to_path_buf(), path.join("journal")] {
            if dir.is_dir()
                && fs::read_dir(&dir)?.any(|entry| entry.is_ok_and(|entry| is(&entry.path(), "seg")))
            {
                return Ok(Some(vec![Self::Journal(dir)]));
            }
        }
        let mut files = Vec::new();
        let table = path.join("records");
        records(if table.is_dir() { &table } else { path }, &mut files)?;
        files.sort();
        Ok((!files.is_empty()).then(|| files.into_iter().map(Self::Records).collect()))
    }

    /// What it goes by: where it lies.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Journal(path) | Self::Records(path) => path.display().to_string(),
            Self::Topic(part) => part.name(),
            Self::Positions(positions) => positions.name.clone(),
            Self::Lines(Lines { path, .. }) => path.display().to_string(),
        }
    }

    /// What lies in a range; what was read before, up to an offset, may be left out.
    pub(super) fn open(&self, range: Range, done: Option<u64>) -> Result<Open, SourceError> {
        let inside = move |piece: &Result<Piece, SourceError>| {
            piece.as_ref().map_or(true, |piece| range.has(piece.offset, Some(piece.at)))
        };
        match self {
            Self::Journal(dir) => {
                let epochs = Replay::open(dir).map_err(journal)?;
                let (first, total) = (epochs.next_epoch(), epochs.last_epoch().map_err(journal)?.0);
                if first > Epoch(1) && range.is_from_the_beginning() {
                    return Err(SourceError::Config(format!(
                        "{} begins at epoch {first}: what came before is only in its snapshot. Copy the whole data \
                         folder, or read the rest of it alone with --since {first}",
                        dir.display()
                    )));
                }
                let pieces = epochs.map(|epoch| {
                    let epoch = epoch.map_err(journal)?;
                    let (offset, at) = (epoch.commit.epoch.0, epoch.commit.at);
                    Ok(Piece { offset, at, events: epoch.events, advances: epoch.commit.advances })
                });
                Ok(Open { total: Some(total), pieces: Box::new(pieces.filter(inside)) })
            }
            Self::Records(path) => {
                let records = Records::open(path).map_err(parquet)?;
                let total = records.rows();
                let observed = Timestamp::now();
                let pieces = (1..).zip(records).map(move |(offset, row)| {
                    let row = row.map_err(parquet)?;
                    let at = row.record.at;
                    let body = EventBody::Put { rev: row.rev, record: row.record };
                    let events = vec![Event { source: row.source, observed, body }];
                    Ok(Piece { offset, at, events, advances: Vec::new() })
                });
                Ok(Open { total: Some(total), pieces: Box::new(pieces.filter(inside)) })
            }
            Self::Topic(part) => {
                let done = done.map(|done| i64::try_from(done).unwrap_or(i64::MAX));
                let pieces = part.read(range, done).map_err(log)?.map(|read| {
                    let read = read.map_err(log)?;
                    let offset = read.next.unsigned_abs();
                    Ok(Piece { offset, at: read.at, events: read.events, advances: Vec::new() })
                });
                Ok(Open { total: Some(part.end().unsigned_abs()), pieces: Box::new(pieces) })
            }
            Self::Positions(LogPositions { positions, offset, .. }) => {
                let advance = |(partition, to): (&Partition, &Position)| Advance {
                    partition: partition.clone(),
                    from: None,
                    to: to.clone(),
                };
                let advances = positions.iter().map(advance).collect();
                let piece = Piece { offset: *offset, at: Timestamp::now(), events: Vec::new(), advances };
                Ok(Open { total: None, pieces: Box::new(std::iter::once(Ok(piece))) })
            }
            Self::Lines(lines) => Ok(Open { total: None, pieces: Box::new(lines.pieces(range)?) }),
        }
    }
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().and_then(OsStr::to_str) == Some(extension)
}

/// The files in folders `kind=…`.
fn records(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let named =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kind="));
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() && named(&path) {
            records(&path, files)?;
        } else if is(&path, "parquet") && named(dir) {
            files.push(path);
        }
    }
    Ok(())
}

fn journal(error: JournalError) -> SourceError {
    SourceError::Kept(Box::new(error))
}

fn log(error: LogError) -> SourceError {
    SourceError::Kept(Box::new(error))
}

fn parquet(error: ParquetError) -> SourceError {
    SourceError::Kept(Box::new(error))
}
