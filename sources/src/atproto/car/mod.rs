//! CARs: blocks in a row, as a commit carries a few of them and an export all.
//!
//! ```text
//!   ├─ length ─┬─ header {roots, version: 1} ─┤├─ length ─┬─ CID ─┬─ block ─┤ …
//! ```
//!
//! | module | what |
//! |---|---|
//! | `slice` | a CAR in memory: its blocks by CID, borrowed |
//! | `stream` | a CAR of any length: one block at a time |
//! | `file` | a CAR in a file: its blocks by CID, read as they are asked for |
//! | `write` | the other way |
//!
//! Any order is accepted, a block twice, blocks that nothing refers to, and blocks of foreign kinds of CIDs, which
//! are skipped. Limits: those of [`Limits`]; a header of 64 KiB with 16 roots.

mod file;
mod slice;
mod stream;
mod write;

pub use file::FileBlocks;
pub use slice::{Blocks, Car};
pub use stream::CarReader;
pub use write::{write, write_block, write_header};

use super::{
    cbor::{CborError, Order, Reader, once},
    cid::Cid,
};
use std::io;

/// Not a CAR, or one beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarError {
    /// Cut off.
    #[error("the CAR is cut off")]
    Truncated,
    /// A length that isn't a number.
    #[error("a length in the CAR isn't well-formed")]
    Length,
    /// The header isn't valid.
    #[error("the CAR's header: {0}")]
    Header(CborError),
    /// The header names another version.
    #[error("the CAR's version isn't 1")]
    Version,
    /// The header names no root.
    #[error("the CAR has no root")]
    NoRoot,
    /// A block's address isn't a CID.
    #[error("a CID in the CAR isn't well-formed")]
    Cid,
    /// A block isn't what its address says.
    #[error("block {0} has another hash")]
    Hash(Cid),
    /// More bytes than are accepted.
    #[error("the CAR has too many bytes")]
    TooLarge,
    /// A block or the header is larger than is accepted.
    #[error("a block of the CAR is too large")]
    LargeBlock,
    /// More blocks than are accepted.
    #[error("the CAR has too many blocks")]
    TooMany,
    /// It couldn't be read.
    #[error("the CAR can't be read: {0}")]
    Io(io::ErrorKind),
}

/// How much is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes of a block.
    pub block: usize,
    /// Blocks.
    pub blocks: usize,
}

impl Limits {
    /// Of the blocks of a #commit.
    pub const COMMIT: Self = Self { bytes: 2_000_000, block: 2_000_000, blocks: 20_000 };
    /// Of the blocks of a #sync.
    pub const SYNC: Self = Self { bytes: 10_000, block: 10_000, blocks: 100 };
    /// Of a whole repository.
    pub const REPO: Self = Self { bytes: 8 << 30, block: 2_000_000, blocks: 40_000_000 };
}

/// Whether blocks are compared with their CIDs as they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashes {
    /// Yes.
    Check,
    /// No: whoever sent them is trusted.
    Trust,
}

const MAX_HEADER: usize = 1 << 16;
const MAX_ROOTS: usize = 16;
/// Of the longest CID of any kind.
const MAX_CID: usize = 100;

/// The roots, from the bytes of a header.
fn header(bytes: &[u8]) -> Result<Vec<Cid>, CarError> {
    let (mut roots, mut version) = (None, None);
    let mut reader = Reader::new(bytes);
    let mut read = || {
        reader.fields(Order::Any, |key, reader| match key {
            "roots" => {
                let mut list = Vec::new();
                reader.items(|reader| {
                    if list.len() == MAX_ROOTS {
                        return Err(CborError::TooMany);
                    }
                    list.push(reader.link()?);
                    Ok(())
                })?;
                once(&mut roots, list)
            }
            "version" => once(&mut version, reader.integer()?),
            _ => reader.skip(),
        })?;
        reader.end()
    };
    read().map_err(CarError::Header)?;
    if version == Some(1) { roots.ok_or(CarError::NoRoot) } else { Err(CarError::Version) }
}

/// An unsigned LEB128 number in its shortest form, and its length: `None` if it is cut off.
fn varint(bytes: &[u8]) -> Result<Option<(u64, usize)>, CarError> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return if *byte == 0 && at > 0 { Err(CarError::Length) } else { Ok(Some((number, at + 1))) };
        }
    }
    if bytes.len() >= 9 { Err(CarError::Length) } else { Ok(None) }
}

/// The CID that a section begins with, if it is of the protocol's kind, and its length in any case.
fn section_cid(section: &[u8]) -> Result<(Option<Cid>, usize), CarError> {
    if let Some(cid) = section.get(..Cid::BYTES).and_then(|bytes| Cid::from_bytes(bytes).ok()) {
        return Ok((Some(cid), Cid::BYTES));
    }
    // Version 0 is a bare SHA-256.
    if section.starts_with(&[0x12, 0x20]) && section.len() >= 34 {
        return Ok((None, 34));
    }
    let mut at = 0;
    let mut number = || {
        let (number, length) = varint(section.get(at..).unwrap_or_default())?.ok_or(CarError::Cid)?;
        at += length;
        Ok(number)
    };
    let version = number()?;
    let (_codec, _hash, length) = (number()?, number()?, number()?);
    let end = at.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    if version == 1 && end <= section.len().min(MAX_CID) { Ok((None, end)) } else { Err(CarError::Cid) }
}
