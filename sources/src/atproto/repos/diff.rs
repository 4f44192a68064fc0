//! A repository since a version: what its host gives as changed, put together with what the ledger has.
//!
//! ```text
//!  getRepo?since=… ─► commit, nodes and records that are new ─┐
//!  ledger: paths and CIDs ─► a tree ─► its nodes ─────────────┴─► blocks by their hashes ─► Repo ─► as a whole one
//! ```
//!
//! A node is a function of the keys below it, so where nothing has changed the ledger's tree has the very nodes that the
//! host left out. All are found by their hashes, from the signed commit down: nothing of the ledger has to be believed,
//! and what is not there (because records are left out here, or were lost) is missing. Then the whole is fetched.
//!
//! Limits: repositories of [`MOST_RECORDS`] here; their paths, CIDs and nodes are in memory.

use crate::{
    KnownRecord,
    atproto::{
        blocks::{Both, NoBlocks},
        car::FileBlocks,
        cid::Cid,
        mst::Tree,
    },
};
use std::collections::HashMap;

/// Of the largest repository that is put together.
pub(super) const MOST_RECORDS: usize = 200_000;

/// The blocks of a CAR, and nodes of the tree that the ledger has.
pub(super) type Patched = Both<FileBlocks, HashMap<Cid, Vec<u8>>>;

/// The nodes of the tree of an authority's records; none if they make no tree.
pub(super) fn nodes(authority: &str, records: &[KnownRecord]) -> Option<HashMap<Cid, Vec<u8>>> {
    let mut tree = Tree::new(&NoBlocks);
    for record in records {
        let path = record.uri.as_str().strip_prefix(authority)?;
        let cid = record.cid.as_deref()?.parse().ok()?;
        tree.insert(path.as_bytes(), cid).ok()?;
    }
    let mut nodes = HashMap::new();
    tree.finish(|cid, block| drop(nodes.insert(cid, block)));
    Some(nodes)
}
