//! Recorded files, piece by piece.
//!
//! Frames stand one after the other, each behind its length (32 bits, little-endian); lines end in a newline. Files may
//! be packed with gzip or zstd: what they are is told by their first bytes.

use super::super::{
    frame::{Frame, MAX_MESSAGE},
    jetstream::MAX_LINE_BYTES,
    syntax::datetime::micros_of,
};
use crate::SourceError;
use indicatif::ProgressBar;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Frames of a relay.
    Frames,
    /// Lines of a Jetstream.
    Lines,
    /// A whole repository.
    Car,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// When it was recorded, in microseconds, if that was asked for.
    pub(super) micros: Option<u64>,
}

fn io(path: &Path) -> impl Fn(io::Error) -> SourceError + '_ {
    |source| SourceError::Io { path: path.to_path_buf(), source }
}

/// The files that paths name, those of a folder in the order of their names.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, SourceError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            File::open(path).map_err(io(path))?;
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(io(path))? {
            let entry = entry.map_err(io(path))?.path();
            if entry.is_file() && of_name(&entry).is_some() {
                inside.push(entry);
            }
        }
        inside.sort();
        files.append(&mut inside);
    }
    if files.is_empty() {
        let known = "`.frames`, `.jsonl`, `.car` (also `.gz`, `.zst`)";
        return Err(SourceError::Config(format!("there are no recordings in the folders: {known}")));
    }
    Ok(files)
}

/// What a file holds by its name.
fn of_name(path: &Path) -> Option<Form> {
    let extension = |path: &Path| path.extension().and_then(OsStr::to_str).map(str::to_lowercase);
    let of = |path: &Path| match extension(path)?.as_str() {
        "frames" | "bin" => Some(Form::Frames),
        "jsonl" | "ndjson" => Some(Form::Lines),
        "car" => Some(Form::Car),
        _ => None,
    };
    match extension(path)?.as_str() {
        "gz" | "zst" => of(Path::new(path.file_stem()?)),
        _ => of(path),
    }
}

/// What a file holds, by its name or its first bytes.
pub(super) fn form(path: &Path) -> Result<Form, SourceError> {
    if let Some(form) = of_name(path) {
        return Ok(form);
    }
    let mut head = [0; 16];
    let mut file = open(path)?;
    let mut read = 0;
    while read < head.len() {
        match file.read(&mut head[read..]).map_err(io(path))? {
            0 => break,
            more => read += more,
        }
    }
    match head {
        [b'{', ..] => Ok(Form::Lines),
        // A header of DAG-CBOR, {roots, version}, behind its length.
        [_, 0xA2, 0x65, b'r', b'o', b'o', ..] => Ok(Form::Car),
        // The header of a frame behind its length: {t, op} or {op, …}.
        [_, _, _, 0, 0xA1 | 0xA2, ..] => Ok(Form::Frames),
        _ => Err(SourceError::Config(format!(
            "{}: neither frames, nor lines, nor a CAR; say which with `form`",
            path.display()
        ))),
    }
}

/// A file, unpacked as it is read if its first bytes are those of gzip or zstd.
///
/// # Errors
/// It can't be read.
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, SourceError> {
    unpack(path, File::open(path).map_err(io(path))?)
}

fn unpack(path: &Path, file: impl Read + Send + 'static) -> Result<Box<dyn BufRead + Send>, SourceError> {
    let mut file = BufReader::with_capacity(1 << 16, file);
    let head = file.fill_buf().map_err(io(path))?;
    let (gzip, zstd) = (head.starts_with(&[0x1F, 0x8B]), head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]));
    Ok(if gzip {
        Box::new(BufReader::with_capacity(1 << 16, flate2::bufread::MultiGzDecoder::new(file)))
    } else if zstd {
        let unpacked = zstd::stream::read::Decoder::with_buffer(file).map_err(io(path))?;
        Box::new(BufReader::with_capacity(1 << 16, unpacked))
    } else {
        Box::new(file)
    })
}

/// The pieces of a file. An error ends it.
pub(super) struct Pieces {
    path: PathBuf,
    file: Box<dyn BufRead + Send>,
    form: Form,
    /// Whether their times are wanted: that takes reading them.
    timed: bool,
    ended: bool,
}

impl Pieces {
    /// The bar follows the file's bytes as they are read.
    pub(super) fn open(path: &Path, form: Form, timed: bool, bar: &ProgressBar) -> Result<Self, SourceError> {
        let file = bar.wrap_read(File::open(path).map_err(io(path))?);
        Ok(Self { path: path.to_path_buf(), file: unpack(path, file)?, form, timed, ended: false })
    }

    fn frame(&mut self) -> io::Result<Option<Piece>> {
        if self.file.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.file.read_exact(&mut length).map_err(cut)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_MESSAGE {
            let reason = format!("a frame of {length} bytes: the file is damaged, or holds something else");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes).map_err(cut)?;
        let micros = if self.timed { micros_of_frame(&bytes) } else { None };
        Ok(Some(Piece { bytes, micros }))
    }

    fn line(&mut self) -> io::Result<Option<Piece>> {
        let mut bytes = Vec::new();
        let most = MAX_LINE_BYTES as u64 + 1;
        if self.file.by_ref().take(most).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() as u64 == most {
            // Too long to be a line: what is kept of it will be refused, the rest is passed over.
            skip_line(&mut self.file)?;
        }
        let micros = if self.timed { micros_in(&bytes) } else { None };
        Ok(Some(Piece { bytes, micros }))
    }
}

fn cut(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "it ends in the middle of a frame"),
        _ => error,
    }
}

fn skip_line(file: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = file.fill_buf()?;
        match memchr::memchr(b'\n', buffer) {
            Some(at) => {
                file.consume(at + 1);
                return Ok(());
            }
            None if buffer.is_empty() => return Ok(()),
            None => {
                let length = buffer.len();
                file.consume(length);
            }
        }
    }
}

fn micros_of_frame(bytes: &[u8]) -> Option<u64> {
    match Frame::read(bytes).ok()? {
        Frame::Commit(commit) => micros_of(commit.time),
        Frame::Sync(sync) => micros_of(sync.time),
        Frame::Account(account) => micros_of(account.time),
        Frame::Identity(identity) => micros_of(identity.time),
        _ => None,
    }
}

/// The time of a line of version 1, without reading the rest.
pub(in crate::atproto) fn micros_in(line: &[u8]) -> Option<u64> {
    let key = b"\"time_us\":";
    let at = memchr::memmem::find(line, key)? + key.len();
    let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit());
    std::str::from_utf8(&line[at..at + digits.count()]).ok()?.parse().ok()
}

impl Iterator for Pieces {
    type Item = Result<Piece, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let piece = match self.form {
            Form::Frames => self.frame(),
            Form::Lines | Form::Car => self.line(),
        };
        match piece {
            Ok(piece) => piece.map(Ok),
            Err(error) => {
                self.ended = true;
                Some(Err(io(&self.path)(error)))
            }
        }
    }
}
