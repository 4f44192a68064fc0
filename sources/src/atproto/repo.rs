//! A whole repository, as `getRepo` exports it, or the part that `getRecord` proves a record with.
//!
//! ```text
//!   CAR in memory ─ Car ─────┐
//!   CAR in a file ─ FileBlocks ┴─► Repo: commit ─► tree ─► records in the order of their paths
//! ```
//!
//! Nothing is copied from a CAR in memory. From a file, what is in memory is an index of 48 bytes a block, the nodes
//! on the way to where the walk is, and one record; so a repository of any size can be read.
//!
//! Invariants: what [`Records`] gives are all records of the commit's tree, each once, or an error: a node or record
//! that is missing, a wrong hash, a tree that breaks a rule. Whose the repository is has to be asked for with
//! [`Repo::verify`].
//!
//! Limits: [`Limits::REPO`](super::car::Limits::REPO), or others. Records and paths that the protocol doesn't allow
//! are given as they are; [`RepoRecord::names`] says whether the path is one.

use super::{
    blocks::{BlockError, BlockSource},
    car::{Blocks, Car, CarError, FileBlocks, Hashes, Limits},
    cid::Cid,
    commit::{Commit, CommitError},
    key::PublicKey,
    mst::{MstError, Walk, lookup},
    syntax::{Nsid, RecordKey, Tid},
};
use std::{borrow::Cow, fs::File};

/// Not a repository, or not the one that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepoError {
    /// It isn't a CAR.
    #[error(transparent)]
    Car(#[from] CarError),
    /// A block can't be had.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Its root isn't a commit, or isn't signed by the key.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Its tree isn't one.
    #[error(transparent)]
    Mst(#[from] MstError),
    /// It is another account's.
    #[error("a repository of another account")]
    OtherDid,
}

/// A repository in a store of blocks.
#[derive(Debug)]
pub struct Repo<S> {
    blocks: S,
    root: Cid,
    commit: Vec<u8>,
    /// Of the commit.
    did: Box<str>,
    rev: Option<Tid>,
    data: Cid,
}

impl<'a> Repo<Blocks<'a>> {
    /// Of a CAR in memory.
    ///
    /// # Errors
    /// It isn't one, or its root isn't a commit.
    pub fn from_bytes(bytes: &'a [u8], limits: &Limits) -> Result<Self, RepoError> {
        let car = Car::read(bytes, limits, Hashes::Check)?;
        Self::open(car.root()?, car.blocks)
    }
}

impl Repo<FileBlocks> {
    /// Of a CAR in a file.
    ///
    /// # Errors
    /// It isn't one, or its root isn't a commit.
    pub fn from_file(file: File, limits: Limits) -> Result<Self, RepoError> {
        let blocks = FileBlocks::open(file, limits)?;
        Self::open(blocks.root(), blocks)
    }
}

impl<S: BlockSource> Repo<S> {
    /// Of blocks, one of which is its commit.
    ///
    /// # Errors
    /// It isn't there, or isn't a commit.
    pub fn open(root: Cid, blocks: S) -> Result<Self, RepoError> {
        let block = blocks.block(&root)?.into_owned();
        let commit = Commit::read(&block)?;
        let (did, rev, data) = (commit.did.into(), commit.rev, commit.data);
        Ok(Self { blocks, root, commit: block, did, rev, data })
    }

    /// The commit's block.
    #[must_use]
    pub const fn root(&self) -> Cid {
        self.root
    }

    /// Whose it says it is: a valid DID.
    #[must_use]
    pub const fn did(&self) -> &str {
        &self.did
    }

    /// Its rev. Only a commit of version 2 can be without.
    #[must_use]
    pub const fn rev(&self) -> Option<Tid> {
        self.rev
    }

    /// The root of its tree.
    #[must_use]
    pub const fn data(&self) -> Cid {
        self.data
    }

    /// Its blocks.
    #[must_use]
    pub const fn blocks(&self) -> &S {
        &self.blocks
    }

    /// That it is that account's, by its key.
    ///
    /// # Errors
    /// It isn't.
    pub fn verify(&self, did: &str, key: &PublicKey) -> Result<(), RepoError> {
        if *self.did != *did {
            return Err(RepoError::OtherDid);
        }
        Ok(Commit::read(&self.commit)?.verify(key)?)
    }

    /// A record, by its path. That there is none is proved as well: an error means that it isn't known.
    ///
    /// # Errors
    /// A node on the way, or the record, is missing or not valid.
    pub fn get(&self, path: &str) -> Result<Option<(Cid, Cow<'_, [u8]>)>, RepoError> {
        match lookup(&self.blocks, &self.data, path.as_bytes())? {
            Some(cid) => Ok(Some((cid, self.blocks.block(&cid)?))),
            None => Ok(None),
        }
    }

    /// All paths and CIDs, in order. Records aren't read.
    #[must_use]
    pub const fn paths(&self) -> Walk<'_, S> {
        Walk::new(&self.blocks, self.data)
    }

    /// All records, in the order of their paths.
    #[must_use]
    pub const fn records(&self) -> Records<'_, S> {
        Records { walk: self.paths(), blocks: &self.blocks }
    }

    /// Reads everything once: that all of it is there and valid. Says how many records there are.
    ///
    /// # Errors
    /// It isn't.
    pub fn check(&self) -> Result<u64, RepoError> {
        let mut records = self.records();
        let mut count = 0;
        while records.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

/// Records in the order of their paths.
#[derive(Debug)]
pub struct Records<'s, S> {
    walk: Walk<'s, S>,
    blocks: &'s S,
}

/// A record of a repository.
#[derive(Clone, Debug)]
pub struct RepoRecord<'r, 's> {
    /// Where it is: mostly a collection and a key.
    pub path: &'r str,
    /// Its CID.
    pub cid: Cid,
    /// Its block: not decoded yet.
    pub block: Cow<'s, [u8]>,
}

impl<'r> RepoRecord<'r, '_> {
    /// Collection and key, if the path is valid.
    #[must_use]
    pub fn names(&self) -> Option<(&'r str, &'r str)> {
        names(self.path)
    }
}

/// Collection and key of a path, if it is valid.
#[must_use]
pub fn names(path: &str) -> Option<(&str, &str)> {
    let (collection, rkey) = path.split_once('/')?;
    (Nsid::check(collection).is_ok() && RecordKey::check(rkey).is_ok()).then_some((collection, rkey))
}

impl<'s, S: BlockSource> Records<'s, S> {
    /// The next record; none at the end, and after an error of the tree.
    ///
    /// # Errors
    /// A node or a record is missing or not valid. After a record's error the others can still be had.
    #[expect(clippy::should_implement_trait, reason = "the path is lent, which an iterator can't do")]
    pub fn next(&mut self) -> Result<Option<RepoRecord<'_, 's>>, RepoError> {
        let Some((path, cid)) = self.walk.next()? else { return Ok(None) };
        Ok(Some(RepoRecord { path, cid, block: self.blocks.block(&cid)? }))
    }
}
