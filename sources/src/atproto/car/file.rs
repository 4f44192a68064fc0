//! A CAR in a file: an index of where its blocks are, and the blocks as they are asked for.

use super::{
    super::{
        blocks::{BlockError, BlockSource},
        cid::Cid,
    },
    CarError, CarReader, Hashes, Limits,
};
use std::{borrow::Cow, fs::File, io::BufReader, os::unix::fs::FileExt};

/// Blocks in a file. In memory are 48 bytes a block. A block is compared with its CID each time it is read, so that
/// the file may be anybody's, and may change.
#[derive(Debug)]
pub struct FileBlocks {
    file: File,
    root: Cid,
    /// Sorted, each CID once: where the block begins, and its length.
    index: Vec<(Cid, u64, u32)>,
}

impl FileBlocks {
    /// Of a file, which is read once from its beginning.
    ///
    /// # Errors
    /// It isn't a CAR, or beyond a limit.
    pub fn open(file: File, limits: Limits) -> Result<Self, CarError> {
        let mut reader = CarReader::new(BufReader::with_capacity(1 << 18, &file), limits, Hashes::Trust)?;
        let root = reader.roots().first().copied().ok_or(CarError::NoRoot)?;
        let mut index = Vec::new();
        while let Some((cid, block)) = reader.next_block()? {
            let length = block.len();
            let short = u32::try_from(length).map_err(|_| CarError::LargeBlock)?;
            index.push((cid, reader.position() - length as u64, short));
        }
        drop(reader);
        index.sort_unstable();
        index.dedup_by_key(|(cid, ..)| *cid);
        index.shrink_to_fit();
        Ok(Self { file, root, index })
    }

    /// The first root: the commit.
    #[must_use]
    pub const fn root(&self) -> Cid {
        self.root
    }

    /// How many blocks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}

impl BlockSource for FileBlocks {
    fn block(&self, cid: &Cid) -> Result<Cow<'_, [u8]>, BlockError> {
        let found = self.index.binary_search_by_key(cid, |(cid, ..)| *cid);
        let found = found.ok().and_then(|at| self.index.get(at));
        let (_, start, length) = found.ok_or(BlockError::Missing(*cid))?;
        let mut block = vec![0; *length as usize];
        let read = self.file.read_exact_at(&mut block, *start);
        read.map_err(|error| BlockError::Io(*cid, error.kind()))?;
        if cid.is_of(&block) { Ok(Cow::Owned(block)) } else { Err(BlockError::Hash(*cid)) }
    }
}
