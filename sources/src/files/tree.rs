//! What of a folder has been sent, and what has to be sent to make that equal to the disk.
//!
//! ```text
//!   ledger (at start) ─► entries: path → what we know of it ─┐
//!   changed paths ─────► scan: path → what is there ─────────┴─ compare ─► jobs by place
//! ```
//!
//! One operation does it all: [`Tree::compare`] makes everything at and below some paths equal to the disk. A
//! first index, a restart, an event, a rescan and a reset are that operation, on other paths or other entries.
//!
//! Invariants:
//! 1. A path is in `entries` exactly if something was sent of it (a record or a quarantine row) that has not been
//!    taken back.
//! 2. What can't be looked at is not gone: entries below an unreadable folder stay.
//! 3. No two jobs of a comparison have the same URI.

use super::scan::{Findings, Found, Scanner};
use super::{open::Stamp, watch::Watch};
use crate::formats::Place;
use springline_model::{Timestamp, Uri};
use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What is known of a path of which something was sent.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// The file looked like this.
    As(Stamp),
    /// The ledger has it with this time and size.
    Recorded { at: Timestamp, bytes: u64 },
    /// It was refused for this reason, or is out of reach for it.
    Refused(Box<str>),
    /// It has to be read again whatever it looks like.
    Unsure,
}

/// Something to be sent.
#[derive(Debug)]
pub(crate) enum Job {
    /// What reading the file gives; `real` is where it is, if that is not the path; `sent` says that something was
    /// sent of it before.
    Read { path: PathBuf, real: Option<PathBuf>, sent: bool },
    /// That it is gone.
    Gone { path: PathBuf },
    /// That it can't be taken; `delete` says that a record may have been sent of it before and is to go.
    Refuse { path: PathBuf, reason: String, delete: bool },
}

impl Job {
    /// The path that it is about.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Read { path, .. } | Self::Gone { path } | Self::Refuse { path, .. } => path,
        }
    }
}

/// Jobs by place.
pub(crate) type Jobs = BTreeMap<Place, Vec<Job>>;

/// The state of one folder source.
#[derive(Debug)]
pub(crate) struct Tree {
    scanner: Scanner,
    entries: BTreeMap<PathBuf, Seen>,
}

impl Tree {
    /// Of which nothing has been sent.
    pub(crate) fn new(scanner: Scanner) -> Self {
        Self { scanner, entries: BTreeMap::new() }
    }

    /// The same, with another root to compare with.
    pub(crate) fn moved(self, scanner: Scanner) -> Self {
        Self { scanner, ..self }
    }

    /// Watches what it scans from now on.
    pub(crate) fn watch(&mut self, watch: Option<Watch>) {
        self.scanner.watch = watch;
    }

    /// Why some folders of the last comparisons are not watched, if so.
    pub(crate) fn take_unwatched(&mut self) -> Option<String> {
        self.scanner.unwatched.take()
    }

    /// The places that the folder holds now.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.scanner.layout.places(&self.scanner.root)
    }

    /// Makes the next comparisons read everything again.
    pub(crate) fn doubt_all(&mut self) {
        self.entries.values_mut().for_each(|seen| *seen = Seen::Unsure);
    }

    /// Takes in that the ledger has a record. Unless it may be `trusted`, its file is read again in any case.
    pub(crate) fn recorded(&mut self, uri: &Uri, at: Timestamp, bytes: u64, trusted: bool) {
        if let Some(path) = self.scanner.layout.path(uri) {
            self.entries.insert(path, if trusted { Seen::Recorded { at, bytes } } else { Seen::Unsure });
        }
    }

    /// Makes the next comparison read a file again; gives its path, none if nothing was sent of it.
    pub(crate) fn doubt(&mut self, uri: &Uri) -> Option<PathBuf> {
        let path = self.scanner.layout.path(uri)?;
        *self.entries.get_mut(&path)? = Seen::Unsure;
        Some(path)
    }

    /// Takes in that the rules of what is ignored changed.
    pub(crate) fn reload_rules(&mut self) {
        self.scanner.ignores.reload();
    }

    /// The paths of which something is sent and not taken back, by place.
    pub(crate) fn counts(&self) -> BTreeMap<Place, u64> {
        let mut counts = BTreeMap::new();
        for path in self.entries.keys() {
            *counts.entry(self.scanner.layout.locate(path).0).or_default() += 1;
        }
        counts
    }

    /// What has to be sent to make everything at and below the paths equal to the disk. An empty path is the root.
    pub(crate) fn compare(&mut self, paths: &[PathBuf]) -> Jobs {
        let mut jobs = Jobs::new();
        for start in self.scanner.starts(paths) {
            let found = self.scanner.scan(&start);
            self.settle(&start, found, SystemTime::now(), &mut jobs);
        }
        jobs
    }

    fn settle(&mut self, start: &Path, found: Findings, now: SystemTime, jobs: &mut Jobs) {
        let layout = &self.scanner.layout;
        let mut push = |job: Job| jobs.entry(layout.locate(job.path()).0).or_default().push(job);
        for path in missing(&self.entries, start, &found) {
            self.entries.remove(&path);
            // The ledger knows a name that is not UTF-8 only by its spelling in UTF-8: that one is no file.
            let respelled = || {
                found.keys().any(|f| f.to_str().is_none() && f.to_string_lossy() == path.to_string_lossy())
            };
            if !path.to_string_lossy().contains(char::REPLACEMENT_CHARACTER) || !respelled() {
                push(Job::Gone { path });
            }
        }
        for (path, found) in found {
            let before = self.entries.get(&path);
            let sent = before.is_some();
            let (seen, job) = match found {
                Found::File { stamp, .. } if before.is_some_and(|before| before.covers(stamp)) => {
                    (Seen::As(stamp), None)
                }
                Found::File { stamp, real } => {
                    let seen = if stamp.is_fresh(now) { Seen::Unsure } else { Seen::As(stamp) };
                    (seen, Some(Job::Read { path: path.clone(), real, sent }))
                }
                Found::Refused { reason } | Found::OutOfReach { reason } if matches!(before, Some(Seen::Refused(before)) if **before == *reason) => {
                    (Seen::Refused(reason.into()), None)
                }
                Found::Refused { reason } => (
                    Seen::Refused(reason.as_str().into()),
                    Some(Job::Refuse { path: path.clone(), reason, delete: sent }),
                ),
                Found::OutOfReach { reason } => (
                    Seen::Refused(reason.as_str().into()),
                    Some(Job::Refuse { path: path.clone(), reason, delete: false }),
                ),
            };
            self.entries.insert(path, seen);
            job.map(&mut push);
        }
    }
}

impl Seen {
    /// Whether a file that now has this stamp is surely the one that was sent.
    fn covers(&self, stamp: Stamp) -> bool {
        match self {
            Self::As(before) => *before == stamp,
            Self::Recorded { at, bytes } => (*at, *bytes) == (stamp.at(), stamp.bytes),
            Self::Refused(_) | Self::Unsure => false,
        }
    }
}

/// Entries at and below a path that are gone.
fn missing(entries: &BTreeMap<PathBuf, Seen>, start: &Path, found: &Findings) -> Vec<PathBuf> {
    let blind: HashSet<&Path> = found
        .iter()
        .filter(|(_, found)| matches!(found, Found::OutOfReach { .. }))
        .map(|(path, _)| path.as_path())
        .collect();
    entries
        .range(start.to_owned()..)
        .map(|(path, _)| path)
        .take_while(|path| path.starts_with(start))
        .filter(|path| !found.contains_key(*path))
        .filter(|path| blind.is_empty() || !path.ancestors().any(|above| blind.contains(above)))
        .cloned()
        .collect()
}
