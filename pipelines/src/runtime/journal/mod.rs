//! The journal: the definite history of everything that came in. What is not in it has not happened; everything
//! else on disk can be rebuilt from it.
//!
//! ```text
//!  journal/00000000000000000001.seg     one file a segment, named by its first epoch
//!    header   "SPRJ" | version u16 | 0 u16 | first epoch u64                             16 bytes
//!    frame*   "SPLF" | length u32 | CRC-32 of length and payload u32 | kind u8 | payload
//!             kind 1: a chunk of an epoch's events      kind 2: the EpochCommit that closes it
//! ```
//! Numbers are little-endian, payloads postcard.
//!
//! Invariants:
//! 1. An epoch is in the journal if and only if its commit frame is: [`Journal::append`] returns behind one
//!    `fdatasync`, and until then nobody is told.
//! 2. Epochs follow each other without gaps, within a segment and from one to the next.
//! 3. A crash can only tear the epoch that was being written, the last: that is cut at start. Damage before it is
//!    refused with file and offset: guessing around it would lose what people were promised.
//!
//! Limits: a frame holds at most [`frame::MAX_FRAME_BYTES`]; a segment is closed at the first epoch behind
//! [`JournalOptions::segment_bytes`].

mod events;
pub mod frame;
mod read;
mod segment;
mod tail;
mod write;

pub use events::JournalEvents;
pub use read::{EpochRecord, Replay};
pub use segment::{SegmentInfo, VERSION};
pub use tail::Tail;
pub use write::{Appended, Journal, JournalOptions};

use springline_model::Epoch;
use std::path::PathBuf;

/// What goes wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system said no.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried: "cannot read".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Bytes before the tail are not what was written.
    #[error("{} is damaged at byte {offset}: {reason}. Restore the file from a copy; nothing was changed", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// Written by a version that this program does not know.
    #[error("{} has journal format {found}; this program reads {}", path.display(), segment::VERSION)]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// The next epoch is not the one that should follow.
    #[error("the journal is at epoch {last}, {next} cannot follow it")]
    Order {
        /// The newest in the journal.
        last: Epoch,
        /// What was to be appended.
        next: Epoch,
    },
    /// Epochs that are asked for were trimmed.
    #[error("the journal begins at epoch {first}; epoch {wanted} was trimmed")]
    Trimmed {
        /// The oldest there is.
        first: Epoch,
        /// What was asked for.
        wanted: Epoch,
    },
    /// Something that should fit into memory does not encode.
    #[error("an event does not encode")]
    Encode(#[source] postcard::Error),
}

pub(crate) fn io(
    action: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |source| JournalError::Io { action, path, source }
}

#[cfg(test)]
mod tests;
