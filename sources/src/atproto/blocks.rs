//! Where blocks come from: a slice, a file, a map; found by their CIDs.
//!
//! A tree is walked, looked up and changed over any [`BlockSource`], and reads of it only what it needs.

use super::cid::Cid;
use std::{borrow::Cow, cell::RefCell, collections::HashMap, hash::BuildHasher, io};

/// A block that can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// It isn't there.
    #[error("block {0} is missing")]
    Missing(Cid),
    /// It isn't what its CID says.
    #[error("block {0} has another hash")]
    Hash(Cid),
    /// It couldn't be read.
    #[error("block {0} can't be read: {1}")]
    Io(Cid, io::ErrorKind),
}

/// A store of blocks that can be read.
pub trait BlockSource {
    /// A block.
    ///
    /// # Errors
    /// It can't be had.
    fn block(&self, cid: &Cid) -> Result<Cow<'_, [u8]>, BlockError>;
}

impl<B: AsRef<[u8]>, H: BuildHasher> BlockSource for HashMap<Cid, B, H> {
    fn block(&self, cid: &Cid) -> Result<Cow<'_, [u8]>, BlockError> {
        self.get(cid).map(|block| Cow::Borrowed(block.as_ref())).ok_or(BlockError::Missing(*cid))
    }
}

impl<S: BlockSource> BlockSource for &S {
    fn block(&self, cid: &Cid) -> Result<Cow<'_, [u8]>, BlockError> {
        (**self).block(cid)
    }
}

/// Two stores as one: what the first has not may be in the second.
#[derive(Clone, Copy, Debug)]
pub struct Both<A, B>(pub A, pub B);

impl<A: BlockSource, B: BlockSource> BlockSource for Both<A, B> {
    fn block(&self, cid: &Cid) -> Result<Cow<'_, [u8]>, BlockError> {
        match self.0.block(cid) {
            Err(BlockError::Missing(_)) => self.1.block(cid),
            found => found,
        }
    }
}

/// Nothing: the source of a tree that is made anew.
#[derive(Clone, Copy, Debug)]
pub struct NoBlocks;

impl BlockSource for NoBlocks {
    fn block(&self, cid: &Cid) -> Result<Cow<'_, [u8]>, BlockError> {
        Err(BlockError::Missing(*cid))
    }
}

/// Another source, and the blocks that were asked of it: what somebody else needs to do the same.
#[derive(Debug)]
pub struct Recording<'s, S> {
    source: &'s S,
    asked: RefCell<Vec<Cid>>,
}

impl<'s, S: BlockSource> Recording<'s, S> {
    /// Of a source.
    pub const fn new(source: &'s S) -> Self {
        Self { source, asked: RefCell::new(Vec::new()) }
    }

    /// What was asked for, in order; once each if it was asked for once.
    #[must_use]
    pub fn into_asked(self) -> Vec<Cid> {
        self.asked.into_inner()
    }
}

impl<S: BlockSource> BlockSource for Recording<'_, S> {
    fn block(&self, cid: &Cid) -> Result<Cow<'_, [u8]>, BlockError> {
        self.asked.borrow_mut().push(*cid);
        self.source.block(cid)
    }
}
