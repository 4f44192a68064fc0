//! A CAR that is read block by block: what is in memory is one block.

use super::{super::cid::Cid, CarError, Hashes, Limits, MAX_CID, MAX_HEADER, header, section_cid, varint};
use std::io::{ErrorKind, Read};

/// Reads a CAR. Reads in small pieces: give it a buffered reader.
#[derive(Debug)]
pub struct CarReader<R> {
    input: R,
    limits: Limits,
    hashes: Hashes,
    roots: Vec<Cid>,
    /// Of the bytes read.
    position: u64,
    blocks: usize,
    section: Vec<u8>,
}

impl<R: Read> CarReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// There is none.
    pub fn new(input: R, limits: Limits, hashes: Hashes) -> Result<Self, CarError> {
        let mut reader =
            Self { input, limits, hashes, roots: Vec::new(), position: 0, blocks: 0, section: Vec::new() };
        if !reader.next_section(MAX_HEADER)? {
            return Err(CarError::Truncated);
        }
        reader.roots = header(&reader.section)?;
        if reader.roots.is_empty() { Err(CarError::NoRoot) } else { Ok(reader) }
    }

    /// What the header names: at least one.
    #[must_use]
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// How many bytes have been read: where the block ends that was returned last.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The next block, or none at the end. Blocks of foreign kinds are skipped.
    ///
    /// # Errors
    /// What follows isn't a block, beyond a limit, or its hash is to be checked and wrong.
    pub fn next_block(&mut self) -> Result<Option<(Cid, &[u8])>, CarError> {
        loop {
            if !self.next_section(self.limits.block.saturating_add(MAX_CID))? {
                return Ok(None);
            }
            self.blocks += 1;
            if self.blocks > self.limits.blocks {
                return Err(CarError::TooMany);
            }
            let (Some(cid), length) = section_cid(&self.section)? else { continue };
            let block = self.section.get(length..).unwrap_or_default();
            if self.hashes == Hashes::Check && !cid.is_of(block) {
                return Err(CarError::Hash(cid));
            }
            // Once more: a borrow that is returned conditionally would last for the whole loop.
            return Ok(Some((cid, self.section.get(length..).unwrap_or_default())));
        }
    }

    /// Whether there is one: then it is read.
    fn next_section(&mut self, longest: usize) -> Result<bool, CarError> {
        let Some(length) = self.length()? else { return Ok(false) };
        if length > longest as u64 {
            return Err(CarError::LargeBlock);
        }
        if self.position.saturating_add(length) > self.limits.bytes {
            return Err(CarError::TooLarge);
        }
        self.section.clear();
        // What is announced isn't reserved, but read as far as it is there.
        let read = (&mut self.input).take(length).read_to_end(&mut self.section);
        let read = read.map_err(|error| CarError::Io(error.kind()))? as u64;
        self.position += read;
        if read == length { Ok(true) } else { Err(CarError::Truncated) }
    }

    /// The next length, or none at the end.
    fn length(&mut self) -> Result<Option<u64>, CarError> {
        let mut bytes = [0; 9];
        for at in 0..bytes.len() {
            match self.input.read_exact(&mut bytes[at..=at]) {
                Ok(()) => self.position += 1,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && at == 0 => return Ok(None),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(CarError::Truncated),
                Err(error) => return Err(CarError::Io(error.kind())),
            }
            if bytes[at] & 0x80 == 0 {
                return Ok(varint(&bytes[..=at])?.map(|(length, _)| length));
            }
        }
        Err(CarError::Length)
    }
}
