//! A CAR in memory.

use super::{
    super::{
        blocks::{BlockError, BlockSource},
        cid::Cid,
    },
    CarError, Hashes, Limits, MAX_HEADER, header, section_cid, varint,
};
use std::borrow::Cow;

/// Blocks by their CIDs, in the bytes that they came in.
#[derive(Clone, Debug, Default)]
pub struct Blocks<'a> {
    /// Sorted, each CID once: a search beats hashing for the ten of a commit, and takes less memory for a million.
    entries: Vec<(Cid, &'a [u8])>,
}

impl<'a> Blocks<'a> {
    /// A block.
    #[must_use]
    pub fn get(&self, cid: &Cid) -> Option<&'a [u8]> {
        let at = self.entries.binary_search_by(|(other, _)| other.cmp(cid)).ok()?;
        self.entries.get(at).map(|(_, block)| *block)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them, by their CIDs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Cid, &'a [u8])> {
        self.entries.iter().map(|(cid, block)| (cid, *block))
    }
}

impl BlockSource for Blocks<'_> {
    fn block(&self, cid: &Cid) -> Result<Cow<'_, [u8]>, BlockError> {
        self.get(cid).map(Cow::Borrowed).ok_or(BlockError::Missing(*cid))
    }
}

/// Roots and blocks.
#[derive(Clone, Debug)]
pub struct Car<'a> {
    /// What the header names: at least one.
    pub roots: Vec<Cid>,
    /// What follows it.
    pub blocks: Blocks<'a>,
}

impl<'a> Car<'a> {
    /// Of bytes.
    ///
    /// # Errors
    /// They aren't a CAR, beyond a limit, or a hash that is to be checked is wrong.
    pub fn read(bytes: &'a [u8], limits: &Limits, hashes: Hashes) -> Result<Self, CarError> {
        if bytes.len() as u64 > limits.bytes {
            return Err(CarError::TooLarge);
        }
        let (first, mut rest) = section(bytes, MAX_HEADER)?;
        let roots = header(first)?;
        let mut entries = Vec::new();
        let mut count = 0;
        while !rest.is_empty() {
            let (section, after) = section(rest, limits.block.saturating_add(super::MAX_CID))?;
            rest = after;
            count += 1;
            if count > limits.blocks {
                return Err(CarError::TooMany);
            }
            let (cid, length) = section_cid(section)?;
            let block = section.get(length..).unwrap_or_default();
            let Some(cid) = cid else { continue };
            if hashes == Hashes::Check && !cid.is_of(block) {
                return Err(CarError::Hash(cid));
            }
            entries.push((cid, block));
        }
        // Stable, so that of two with one CID the first is kept.
        entries.sort_by_key(|(cid, _)| *cid);
        entries.dedup_by_key(|(cid, _)| *cid);
        if roots.is_empty() {
            return Err(CarError::NoRoot);
        }
        Ok(Self { roots, blocks: Blocks { entries } })
    }

    /// The first root: the commit.
    ///
    /// # Errors
    /// There is none.
    pub fn root(&self) -> Result<Cid, CarError> {
        self.roots.first().copied().ok_or(CarError::NoRoot)
    }
}

/// What a length announces, and what follows.
fn section(bytes: &[u8], longest: usize) -> Result<(&[u8], &[u8]), CarError> {
    let (length, at) = varint(bytes)?.ok_or(CarError::Truncated)?;
    if length > longest as u64 {
        return Err(CarError::LargeBlock);
    }
    bytes[at..].split_at_checked(length as usize).ok_or(CarError::Truncated)
}
