//! Opening a file that a stranger may have put there.
//!
//! Never blocks on a FIFO, never follows a link in the last component, never reads more than it was told to, and
//! notices when the file changes while it is read.

use rustix::fs::{Mode, OFlags};
use springline_model::{Timestamp, event::QUARANTINE_SAMPLE_BYTES};
use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, SystemTime},
};

/// How often a file that changes under our hands is read before we take it as it is; its next change is an event
/// of its own.
const ATTEMPTS: usize = 3;

/// A file changed so shortly before it was looked at may change again within the same tick of the file system's
/// clock, and then looks the same.
const TICK: Duration = Duration::from_millis(50);

/// What tells one state of a file from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    mtime_ns: i64,
    ctime_ns: i64,
    inode: u64,
    pub(crate) bytes: u64,
}

impl Stamp {
    pub(crate) fn of(meta: &Metadata) -> Self {
        let nanos = |secs: i64, nanos: i64| secs.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self {
            mtime_ns: nanos(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: nanos(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
            bytes: meta.size(),
        }
    }

    /// The time of the last change, as a record has it.
    pub(crate) const fn at(self) -> Timestamp {
        Timestamp(self.mtime_ns.div_euclid(1_000_000))
    }

    /// Whether an equal stamp later on proves nothing.
    pub(crate) fn is_fresh(self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_nanos(u64::try_from(self.ctime_ns.max(self.mtime_ns)).unwrap_or(0));
        changed + TICK > now
    }
}

/// Why a file gives no bytes.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is not there any more.
    Gone,
    /// It is something that is never read.
    Refused { reason: String, bytes: u64, head: Vec<u8> },
    /// The system does not let us, perhaps only now.
    Failed(io::Error),
}

/// Reads a regular file of at most `max_bytes`.
pub(crate) fn read(path: &Path, max_bytes: u64) -> Result<(Vec<u8>, Stamp), Unreadable> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let descriptor = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    let mut file = File::from(descriptor);
    let mut before = Stamp::of(&regular(&file)?);
    for attempt in 1.. {
        if before.bytes > max_bytes {
            let mut head = Vec::new();
            (&mut file).take(QUARANTINE_SAMPLE_BYTES as u64).read_to_end(&mut head).map_err(failed)?;
            let reason = format!("larger than {max_bytes} bytes");
            return Err(Unreadable::Refused { reason, bytes: before.bytes, head });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(before.bytes).unwrap_or(0) + 1);
        (&mut file).take(max_bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
        let after = Stamp::of(&file.metadata().map_err(failed)?);
        if (after == before && bytes.len() as u64 == after.bytes) || attempt == ATTEMPTS {
            return Ok((bytes, after));
        }
        before = after;
        io::Seek::rewind(&mut file).map_err(failed)?;
    }
    unreachable!("the loop returns at its last attempt")
}

fn regular(file: &File) -> Result<Metadata, Unreadable> {
    let meta = file.metadata().map_err(failed)?;
    if meta.is_file() {
        return Ok(meta);
    }
    Err(Unreadable::Refused { reason: not_regular(&meta), bytes: 0, head: Vec::new() })
}

/// Says what something is that is neither a file nor a folder.
pub(crate) fn not_regular(meta: &Metadata) -> String {
    use std::os::unix::fs::FileTypeExt;
    let kind = meta.file_type();
    let what = match () {
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () if kind.is_dir() => "a folder",
        () => "something else",
    };
    format!("not a regular file but {what}")
}

fn failed(error: io::Error) -> Unreadable {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unreadable::Gone,
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => Unreadable::Gone,
        // A socket can't be opened at all.
        _ if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            Unreadable::Refused { reason: "not a regular file".to_owned(), bytes: 0, head: Vec::new() }
        }
        _ => Unreadable::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::net::UnixListener};

    #[test]
    fn reads_files_and_refuses_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("a.md"), "hello").unwrap();
        let (bytes, stamp) = read(&path("a.md"), 100).unwrap();
        assert_eq!((bytes.as_slice(), stamp.bytes), (&b"hello"[..], 5));
        assert!(stamp.is_fresh(SystemTime::now()));
        assert!(!stamp.is_fresh(SystemTime::now() + Duration::from_secs(1)));

        match read(&path("a.md"), 4) {
            Err(Unreadable::Refused { reason, bytes: 5, head }) => {
                assert_eq!((reason.as_str(), head.as_slice()), ("larger than 4 bytes", &b"hello"[..]));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(read(&path("b.md"), 4), Err(Unreadable::Gone)));

        rustix::fs::mknodat(rustix::fs::CWD, path("f.md"), rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        let _socket = UnixListener::bind(path("s.md")).unwrap();
        std::os::unix::fs::symlink(path("a.md"), path("l.md")).unwrap();
        for name in ["f.md", "s.md", "."] {
            assert!(matches!(read(&path(name), 4), Err(Unreadable::Refused { .. })), "{name}");
        }
        assert!(matches!(read(&path("l.md"), 4), Err(Unreadable::Gone)));
    }
}
