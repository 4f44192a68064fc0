//! Events as lines of JSON, in the form that messages of a log have (docs/log.md): one event a line.
//!
//! A file is to its reader what a log with one partition is: what is no event is quarantined, by its line.
//!
//! Limits: a line has at most as many bytes as a message of the log; what is longer is quarantined, too.

use super::{Counts, Piece};
use crate::runtime::kafka::{Place, Received, Spot, Stretch, encode};
use serde::{Deserialize, de::IgnoredAny};
use springline_model::{Event, Timestamp};
use springline_sources::{Range, SourceError, atproto::replay::open};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufWriter, Read as _, Write},
    path::{Path, PathBuf},
};

/// A file, maybe packed with gzip or zstd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Where.
    pub path: PathBuf,
    /// The longest line that is taken, in bytes.
    pub most: usize,
}

/// What a line has at least.
#[derive(Deserialize)]
struct Sign {
    #[serde(rename = "v")]
    _version: u32,
    #[serde(rename = "body")]
    _body: IgnoredAny,
}

/// Whether a file holds events as lines, by its first one.
pub(super) fn is_events(path: &Path, most: usize) -> Result<bool, SourceError> {
    let first = line(&mut open(path)?, most).map_err(|source| failed(path, source))?;
    Ok(first.is_some_and(|line| serde_json::from_slice::<Sign>(&line).is_ok()))
}

fn failed(path: &Path, source: io::Error) -> SourceError {
    SourceError::Io { path: path.to_path_buf(), source }
}

/// The next line, cut behind one byte too many.
fn line(file: &mut Box<dyn BufRead + Send>, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if file.by_ref().take(most as u64 + 2).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else {
        file.skip_until(b'\n')?;
        line.truncate(most + 1);
    }
    Ok(Some(line))
}

impl Lines {
    /// Its events, a piece a line that lies in a range.
    ///
    /// # Errors
    /// The file can't be read.
    pub(super) fn pieces(
        &self,
        range: Range,
    ) -> Result<impl Iterator<Item = Result<Piece, SourceError>> + use<>, SourceError> {
        let Self { path, most } = self.clone();
        let mut file = open(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut stretch = Stretch::new(&Place::new(&name), 0, Spot::default());
        let now = Timestamp::now();
        let mut number: u64 = 0;
        Ok(std::iter::from_fn(move || {
            loop {
                let line = match line(&mut file, most).transpose()? {
                    Ok(line) => line,
                    Err(source) => return Some(Err(failed(&path, source))),
                };
                number += 1;
                if line.is_empty() {
                    continue;
                }
                let offset = i64::try_from(number).unwrap_or(i64::MAX);
                let received = Received { offset, at: now, key: None, value: Some(&line) };
                if let Err(error) = stretch.take(received, most) {
                    return Some(Err(SourceError::Kept(Box::new(error))));
                }
                let events = stretch.events();
                let at = events.first().map_or(now, |event| event.observed);
                if range.has(number, Some(at)) {
                    return Some(Ok(Piece { offset: number, at, events, advances: Vec::new() }));
                }
            }
        }))
    }
}

/// Writes events as lines, into a file that is there when it is whole.
pub struct LinesWriter {
    path: PathBuf,
    file: Option<Box<dyn Out>>,
    /// What was written.
    pub counts: Counts,
}

/// Where lines go; packed, maybe.
trait Out: Write {
    fn finish(self: Box<Self>) -> io::Result<File>;
}

impl Out for BufWriter<File> {
    fn finish(self: Box<Self>) -> io::Result<File> {
        Ok(self.into_inner()?)
    }
}

impl Out for BufWriter<zstd::Encoder<'static, File>> {
    fn finish(self: Box<Self>) -> io::Result<File> {
        self.into_inner()?.finish()
    }
}

impl LinesWriter {
    /// Into a new file; packed, if its name ends in `.zst`.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new(path: &Path) -> io::Result<Self> {
        let file = File::create(part(path))?;
        let file: Box<dyn Out> = if path.extension().is_some_and(|extension| extension == "zst") {
            Box::new(BufWriter::new(zstd::Encoder::new(file, 3)?))
        } else {
            Box::new(BufWriter::new(file))
        };
        Ok(Self { path: path.to_path_buf(), file: Some(file), counts: Counts::default() })
    }

    /// Writes an event.
    ///
    /// # Errors
    /// The disk says no.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        self.counts.add(event);
        let mut line = encode(event)?;
        line.push(b'\n');
        file.write_all(&line)
    }

    /// It is whole.
    ///
    /// # Errors
    /// The disk says no.
    pub fn finish(mut self) -> io::Result<Counts> {
        if let Some(file) = self.file.take() {
            file.finish()?.sync_all()?;
            fs::rename(part(&self.path), &self.path)?;
        }
        Ok(std::mem::take(&mut self.counts))
    }
}

impl Drop for LinesWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(part(&self.path));
        }
    }
}

/// What it is called until it is whole.
fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
