//! A repository of our own: for tests, generators and benches, not for keeping anybody's records.
//!
//! ```text
//!   writes ─► tree changed ─► commit signed ─► a #commit frame that verification accepts in full
//!                    └─ and undone, to see which nodes that takes: these go with it
//! ```
//!
//! Invariants: what it gives is what a host of the network gives: `since`, `prevData`, `prev` of every op, all new
//! nodes, all records, and the nodes that undoing asks for. The same calls with the same key give the same bytes.
//!
//! Everything is in memory: nodes and records of the present state, none of the past. A commit of one record takes
//! about a tenth of a millisecond, most of it the signature.

use super::{
    blocks::{BlockSource, Both, NoBlocks, Recording},
    car::{write_block, write_header},
    cid::Cid,
    commit,
    data::MAX_RECORD,
    frame::{self, Action, Frame, MAX_OPS},
    key::{KeyError, PublicKey, SigningKey},
    mst::{Change, Layers, MstError, Node, Tree, invert},
    syntax::{Did, Nsid, RecordKey, Tid},
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A write that can't be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The path isn't a collection and a key.
    #[error("a path that isn't a collection and a key")]
    Path,
    /// The record is too large.
    #[error("a record of more than {MAX_RECORD} bytes")]
    TooLarge,
    /// More writes than a commit may have.
    #[error("more than {MAX_OPS} writes")]
    TooMany,
    /// Two writes to one path.
    #[error("two writes to one path")]
    SamePath,
    /// The record is there already, or isn't.
    #[error(transparent)]
    Mst(#[from] MstError),
    /// The key doesn't sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A write of a record's DAG-CBOR at a path.
#[derive(Clone, Copy, Debug)]
pub enum Write<'w> {
    /// Where there is none.
    Create(&'w str, &'w [u8]),
    /// Where there is one.
    Update(&'w str, &'w [u8]),
    /// Removes the one that is there.
    Delete(&'w str),
}

impl<'w> Write<'w> {
    const fn path(&self) -> &'w str {
        match self {
            Self::Create(path, _) | Self::Update(path, _) | Self::Delete(path) => path,
        }
    }

    const fn record(&self) -> Option<&'w [u8]> {
        match self {
            Self::Create(_, record) | Self::Update(_, record) => Some(record),
            Self::Delete(_) => None,
        }
    }
}

/// A commit that was made.
#[derive(Clone, Debug)]
pub struct Written {
    /// Whose repository.
    pub did: Did,
    /// Its rev.
    pub rev: Tid,
    /// The rev before.
    pub since: Tid,
    /// The commit's block.
    pub commit: Cid,
    /// The root of the tree.
    pub data: Cid,
    /// The root of the tree before.
    pub prev_data: Cid,
    /// What changed: action, path, the record after and the one before.
    pub ops: Vec<(Action, String, Option<Cid>, Option<Cid>)>,
    /// A CAR of the commit, the records, and the nodes that prove them.
    pub blocks: Vec<u8>,
}

impl Written {
    /// As a #commit.
    #[must_use]
    pub fn frame(&self, seq: i64, time: &str) -> Vec<u8> {
        let ops = self.ops.iter();
        let ops =
            ops.map(|(action, path, cid, prev)| frame::Op { action: *action, path, cid: *cid, prev: *prev });
        let (rev, since) = (self.rev.to_string(), self.since.to_string());
        Frame::Commit(frame::Commit {
            seq,
            repo: &self.did,
            rev: &rev,
            since: Some(&since),
            commit: self.commit,
            prev_data: Some(self.prev_data),
            ops: ops.collect(),
            blocks: &self.blocks,
            time,
            too_big: false,
            rebase: false,
        })
        .write()
    }
}

/// A repository that is written to.
#[derive(Debug)]
pub struct RepoWriter {
    did: Did,
    key: SigningKey,
    rev: Tid,
    commit: (Cid, Vec<u8>),
    data: Cid,
    nodes: HashMap<Cid, Vec<u8>>,
    /// How many paths have the record, and its block.
    records: HashMap<Cid, (usize, Vec<u8>)>,
}

impl RepoWriter {
    /// An empty one, made at a time in microseconds since 1970.
    ///
    /// # Errors
    /// The key doesn't sign.
    pub fn new(did: Did, key: SigningKey, micros: u64) -> Result<Self, KeyError> {
        let mut nodes = HashMap::new();
        let data = Tree::new(&NoBlocks).finish(|cid, block| drop(nodes.insert(cid, block)));
        let rev = Tid::new(micros, 0);
        let block = commit::sign(&did, rev, &data, &key)?;
        let commit = (Cid::of_cbor(&block), block);
        Ok(Self { did, key, rev, commit, data, nodes, records: HashMap::new() })
    }

    /// Whose it is.
    #[must_use]
    pub const fn did(&self) -> &Did {
        &self.did
    }

    /// What verifies its commits.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Its rev.
    #[must_use]
    pub const fn rev(&self) -> Tid {
        self.rev
    }

    /// The root of its tree.
    #[must_use]
    pub const fn data(&self) -> Cid {
        self.data
    }

    /// Signs with another key from now on, as after a move to another host.
    pub fn rotate(&mut self, key: SigningKey) {
        self.key = key;
    }

    /// Makes a commit of writes, at a time in microseconds since 1970: its rev rises in any case.
    ///
    /// # Errors
    /// A write can't be done: then nothing is.
    pub fn apply(&mut self, writes: &[Write<'_>], micros: u64) -> Result<Written, WriteError> {
        check(writes)?;
        let (ops, data, nodes, read) = self.change(writes)?;
        let new: HashMap<Cid, Vec<u8>> = nodes.into_iter().collect();
        // What undoing asks for, of the new nodes and of those that stay.
        let both = Both(&new, &self.nodes);
        let recording = Recording::new(&both);
        let mut back = Tree::stored(&recording, data, Layers::Trust);
        let changes =
            ops.iter().map(|(_, key, after, before)| Change { key, before: *before, after: *after });
        invert(&mut back, changes)?;
        let asked = recording.into_asked();
        let rev = Tid::from_u64(Tid::new(micros, 0).to_u64().max(self.rev.to_u64() + 1));
        let block = commit::sign(&self.did, rev, &data, &self.key)?;
        let commit = Cid::of_cbor(&block);
        // In the order of their CIDs, so that the bytes don't depend on a map's order.
        let mut proof = BTreeMap::new();
        for cid in new.keys().chain(&asked) {
            proof.insert(*cid, both.block(cid).map_err(MstError::from)?);
        }
        let mut blocks = Vec::new();
        write_header(&mut blocks, &commit);
        write_block(&mut blocks, &commit, &block);
        for (cid, node) in &proof {
            write_block(&mut blocks, cid, node);
        }
        for (write, op) in writes.iter().zip(&ops) {
            if let (Some(record), Some(cid)) = (write.record(), op.2) {
                write_block(&mut blocks, &cid, record);
            }
        }
        // From here on nothing fails.
        drop(proof);
        for cid in read.iter().filter(|cid| !new.contains_key(cid)) {
            self.nodes.remove(cid);
        }
        self.nodes.extend(new);
        for (write, (_, _, after, before)) in writes.iter().zip(&ops) {
            self.count(*after, *before, write.record().unwrap_or_default());
        }
        let prev_data = std::mem::replace(&mut self.data, data);
        let since = std::mem::replace(&mut self.rev, rev);
        self.commit = (commit, block);
        Ok(Written { did: self.did.clone(), rev, since, commit, data, prev_data, ops, blocks })
    }

    /// The ops, the new root, all nodes of the new tree that were loaded, and those of the old one that were.
    fn change(&self, writes: &[Write<'_>]) -> Result<Changed, MstError> {
        let recording = Recording::new(&self.nodes);
        let mut tree = Tree::stored(&recording, self.data, Layers::Trust);
        let mut ops = Vec::with_capacity(writes.len());
        for write in writes {
            let (path, key) = (write.path().to_owned(), write.path().as_bytes());
            let cid = write.record().map(Cid::of_cbor);
            let (action, prev) = match (write, cid) {
                (Write::Create(..), Some(cid)) => {
                    tree.insert(key, cid)?;
                    (Action::Create, None)
                }
                (Write::Update(..), Some(cid)) => (Action::Update, Some(tree.update(key, cid)?)),
                _ => (Action::Delete, Some(tree.remove(key)?)),
            };
            ops.push((action, path, cid, prev));
        }
        let mut nodes = Vec::new();
        let data = tree.finish(|cid, block| nodes.push((cid, block)));
        Ok((ops, data, nodes, recording.into_asked().into_iter().collect()))
    }

    fn count(&mut self, after: Option<Cid>, before: Option<Cid>, record: &[u8]) {
        if let Some(cid) = after {
            self.records.entry(cid).or_insert_with(|| (0, record.to_vec())).0 += 1;
        }
        let Some(cid) = before else { return };
        if let Some((count, _)) = self.records.get_mut(&cid) {
            *count -= 1;
            if *count == 0 {
                self.records.remove(&cid);
            }
        }
    }

    /// A #sync of its present state.
    #[must_use]
    pub fn sync(&self, seq: i64, time: &str) -> Vec<u8> {
        let mut blocks = Vec::new();
        write_header(&mut blocks, &self.commit.0);
        write_block(&mut blocks, &self.commit.0, &self.commit.1);
        let rev = self.rev.to_string();
        Frame::Sync(frame::Sync { seq, did: &self.did, rev: &rev, blocks: &blocks, time }).write()
    }

    /// The whole of it, as `getRepo` gives it: the commit, then each node before what is under it, in order.
    #[must_use]
    pub fn car(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_header(&mut out, &self.commit.0);
        write_block(&mut out, &self.commit.0, &self.commit.1);
        self.write_tree(&self.data, &mut out);
        out
    }

    fn write_tree(&self, cid: &Cid, out: &mut Vec<u8>) {
        let Some(block) = self.nodes.get(cid) else { return };
        write_block(out, cid, block);
        let Ok(node) = Node::read(block, Layers::Trust) else { return };
        node.left.iter().for_each(|left| self.write_tree(left, out));
        for entry in &node.entries {
            if let Some((_, record)) = self.records.get(&entry.value) {
                write_block(out, &entry.value, record);
            }
            entry.right.iter().for_each(|right| self.write_tree(right, out));
        }
    }
}

type Changed = (Vec<(Action, String, Option<Cid>, Option<Cid>)>, Cid, Vec<(Cid, Vec<u8>)>, HashSet<Cid>);

fn check(writes: &[Write<'_>]) -> Result<(), WriteError> {
    if writes.len() > MAX_OPS {
        return Err(WriteError::TooMany);
    }
    let mut paths = HashSet::new();
    for write in writes {
        let (collection, rkey) = write.path().split_once('/').ok_or(WriteError::Path)?;
        if Nsid::check(collection).is_err() || RecordKey::check(rkey).is_err() {
            return Err(WriteError::Path);
        }
        if write.record().is_some_and(|record| record.len() > MAX_RECORD) {
            return Err(WriteError::TooLarge);
        }
        if !paths.insert(write.path()) {
            return Err(WriteError::SamePath);
        }
    }
    Ok(())
}
