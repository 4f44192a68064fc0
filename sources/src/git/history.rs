//! Which commit last changed which file: one walk along first parents, newest first.
//!
//! ```text
//!   tip ──► parent ──► … ──► stop (or the root)
//!    └ diff ─┘└─ diff ─┘        a path's newest difference gives both its state at the tip and its commit
//! ```
//!
//! The same as `git log --raw --first-parent -m --no-renames`: a merge counts as the change of all that it brought
//! in. Only files that may be notes or images are kept, by name; blobs are not read.
//!
//! Invariants: the walk from an older tip to a newer one changes exactly the paths whose (blob, commit) differ
//! between the walks from either to the root, or that are gone. Folders nested too deep and histories too large
//! are errors or refusals, never a loop.

use super::{
    scope::Scope,
    tree::{Difference, Differences, Kind, TreeEntry},
};
use gix::{ObjectId, bstr::ByteSlice, objs::CommitRefIter, objs::Find};
use springline_model::Timestamp;
use std::{
    collections::{HashMap, HashSet},
    mem,
};
use tokio_util::sync::CancellationToken;

/// Folders nested deeper than this are refused.
const MAX_DEPTH: usize = 128;

/// The most trees that a walk may compare: no real garden comes near, a tree made to explode does.
const MAX_TREES: u64 = 20_000_000;

/// A commit that changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Its id in hexadecimal.
    pub(crate) id: String,
    /// The author's time.
    pub(crate) at: Timestamp,
    /// The author's name.
    pub(crate) author: String,
}

/// What a path is at the tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A file of this content.
    File(ObjectId),
    /// No file.
    Gone,
    /// A folder that is nested too deep to go into.
    TooDeep,
}

/// A path that a walk came across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    /// What it is at the tip.
    pub(crate) state: State,
    /// The last commit that changed it, as an index into [`History::commits`].
    pub(crate) commit: u32,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// By path, in git's bytes.
    pub(crate) paths: HashMap<Box<[u8]>, Touched>,
    /// The commits that they point to.
    pub(crate) commits: Vec<Commit>,
    /// The walk ended at the commit it was to stop at.
    pub(crate) reached: bool,
    /// All commits that were looked out for are among those walked (the stop included).
    pub(crate) met: bool,
}

impl History {
    pub(crate) fn commit(&self, touched: &Touched) -> &Commit {
        &self.commits[touched.commit as usize]
    }
}

/// Why a history can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    /// An object is missing or broken: the clone is damaged.
    #[error("object {id} of the clone can't be read: {reason}")]
    Damaged { id: ObjectId, reason: String },
    /// More than a garden can be.
    #[error("{0}")]
    TooLarge(String),
    /// The process is shutting down.
    #[error("stopped")]
    Stopped,
}

/// What a walk may cost, and what interrupts it.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) max_files: usize,
    pub(crate) stop: CancellationToken,
}

/// Walks from `tip` to `stop`, or to the root if it doesn't come by there; looks out for `lookout` on the way.
pub(crate) fn walk(
    objects: &impl Find,
    scope: &Scope,
    tip: ObjectId,
    stop: Option<ObjectId>,
    lookout: &[ObjectId],
    limits: &Limits,
) -> Result<History, HistoryError> {
    let mut missed: HashSet<ObjectId> = lookout.iter().copied().collect();
    let mut walker =
        Walker { objects, scope, limits, history: History::default(), path: Vec::new(), trees: 0 };
    let mut buffer = Vec::new();
    let mut id = tip;
    let mut head = Head::read(objects, id, &mut buffer)?;
    let (mut tree, mut parent_tree) = (Vec::new(), Vec::new());
    walker.read_tree(Some(head.tree), &mut tree)?;
    loop {
        missed.remove(&id);
        walker.history.met = missed.is_empty();
        if Some(id) == stop {
            walker.history.reached = true;
            return Ok(walker.history);
        }
        if limits.stop.is_cancelled() {
            return Err(HistoryError::Stopped);
        }
        let parent = head.parent.map(|parent| Head::read(objects, parent, &mut buffer)).transpose()?;
        let number = walker.history.commits.len() as u32;
        if parent.as_ref().is_none_or(|parent| parent.tree != head.tree) {
            walker.read_tree(parent.as_ref().map(|parent| parent.tree), &mut parent_tree)?;
            if walker.compare(&parent_tree, &tree, number, 0)? {
                walker.history.commits.push(head.commit);
            }
            mem::swap(&mut tree, &mut parent_tree);
        }
        match (head.parent, parent) {
            (Some(parent_id), Some(parent)) => (id, head) = (parent_id, parent),
            _ => return Ok(walker.history),
        }
    }
}

/// The files of a commit, without their commits: those that [`walk`] would call [`State::File`].
pub(crate) fn list(
    objects: &impl Find,
    scope: &Scope,
    tip: ObjectId,
    limits: &Limits,
) -> Result<Vec<Box<[u8]>>, HistoryError> {
    let mut walker =
        Walker { objects, scope, limits, history: History::default(), path: Vec::new(), trees: 0 };
    let mut buffer = Vec::new();
    let head = Head::read(objects, tip, &mut buffer)?;
    walker.read_tree(Some(head.tree), &mut buffer)?;
    walker.compare(&[], &buffer, 0, 0)?;
    let files = walker.history.paths.into_iter();
    Ok(files.filter(|(_, touched)| matches!(touched.state, State::File(_))).map(|(path, _)| path).collect())
}

/// What is needed of a commit.
struct Head {
    commit: Commit,
    tree: ObjectId,
    parent: Option<ObjectId>,
}

impl Head {
    fn read(objects: &impl Find, id: ObjectId, buffer: &mut Vec<u8>) -> Result<Self, HistoryError> {
        let damaged = |reason: String| HistoryError::Damaged { id, reason };
        let data = objects
            .try_find(&id, buffer)
            .map_err(|error| damaged(error.to_string()))?
            .ok_or_else(|| damaged("it is missing".into()))?;
        if data.kind != gix::objs::Kind::Commit {
            return Err(damaged(format!("it is a {}, not a commit", data.kind)));
        }
        let iter = || CommitRefIter::from_bytes(data.data, id.kind());
        let tree = iter().tree_id().map_err(|error| damaged(error.to_string()))?;
        let parent = iter().parent_ids().next();
        // A commit with an odd author is still a commit.
        let author = iter().author().ok();
        let at =
            author.and_then(|author| author.time().ok()).or_else(|| iter().committer().ok()?.time().ok());
        let commit = Commit {
            id: id.to_string(),
            at: Timestamp::from_secs(at.map_or(0, |at| at.seconds)),
            author: author.map_or_else(String::new, |author| author.name.trim().to_str_lossy().into_owned()),
        };
        Ok(Self { commit, tree, parent })
    }
}

struct Walker<'a, F> {
    objects: &'a F,
    scope: &'a Scope,
    limits: &'a Limits,
    history: History,
    /// The folder under comparison, with a closing slash.
    path: Vec<u8>,
    trees: u64,
}

impl<F: Find> Walker<'_, F> {
    fn read_tree(&self, id: Option<ObjectId>, buffer: &mut Vec<u8>) -> Result<(), HistoryError> {
        buffer.clear();
        let Some(id) = id.filter(|id| !id.is_empty_tree()) else { return Ok(()) };
        let damaged = |reason: String| HistoryError::Damaged { id, reason };
        let data = self
            .objects
            .try_find(&id, buffer)
            .map_err(|error| damaged(error.to_string()))?
            .ok_or_else(|| damaged("it is missing".into()))?;
        if data.kind != gix::objs::Kind::Tree {
            return Err(damaged(format!("it is a {}, not a tree", data.kind)));
        }
        Ok(())
    }

    /// Compares two trees and what is below; says whether a path was met for the first time.
    fn compare(&mut self, old: &[u8], new: &[u8], commit: u32, depth: usize) -> Result<bool, HistoryError> {
        let mut any = false;
        for difference in Differences::between(old, new) {
            let difference = difference.map_err(|_| HistoryError::Damaged {
                id: ObjectId::null(gix::hash::Kind::Sha1),
                reason: format!("the tree of {} is malformed", self.path.to_str_lossy()),
            })?;
            any |= self.take(difference, commit, depth)?;
        }
        Ok(any)
    }

    fn take(&mut self, (old, new): Difference<'_>, commit: u32, depth: usize) -> Result<bool, HistoryError> {
        let Some(either) = new.or(old) else { return Ok(false) };
        let length = self.path.len();
        self.path.extend_from_slice(either.name);
        let any = if either.kind() == Kind::Tree {
            self.path.push(b'/');
            self.descend(old, new, commit, depth)?
        } else {
            self.file(old, new, commit)?
        };
        self.path.truncate(length);
        Ok(any)
    }

    fn descend(
        &mut self,
        old: Option<TreeEntry<'_>>,
        new: Option<TreeEntry<'_>>,
        commit: u32,
        depth: usize,
    ) -> Result<bool, HistoryError> {
        if !self.scope.enters(&self.path) {
            return Ok(false);
        }
        if depth == MAX_DEPTH {
            let state = if new.is_some() { State::TooDeep } else { State::Gone };
            return self.touch(self.path.len() - 1, state, commit);
        }
        self.trees += 1;
        if self.trees > MAX_TREES {
            return Err(HistoryError::TooLarge(format!(
                "the history compares more than {MAX_TREES} folders"
            )));
        }
        let id = |entry: TreeEntry<'_>| ObjectId::from(*entry.id);
        let (mut old_tree, mut new_tree) = (Vec::new(), Vec::new());
        self.read_tree(old.map(id), &mut old_tree)?;
        self.read_tree(new.map(id), &mut new_tree)?;
        self.compare(&old_tree, &new_tree, commit, depth + 1)
    }

    fn file(
        &mut self,
        old: Option<TreeEntry<'_>>,
        new: Option<TreeEntry<'_>>,
        commit: u32,
    ) -> Result<bool, HistoryError> {
        let is_file = |entry: &TreeEntry<'_>| entry.kind() == Kind::Blob;
        let (old, new) = (old.filter(is_file), new.filter(is_file));
        if (old.is_none() && new.is_none()) || !self.scope.wants(&self.path) {
            return Ok(false);
        }
        let state = new.map_or(State::Gone, |new| State::File(ObjectId::from(*new.id)));
        self.touch(self.path.len(), state, commit)
    }

    fn touch(&mut self, length: usize, state: State, commit: u32) -> Result<bool, HistoryError> {
        let path = &self.path[..length];
        if let Some(touched) = self.history.paths.get_mut(path) {
            // A tree out of order names what is there behind what is gone.
            if touched.commit == commit && touched.state == State::Gone {
                touched.state = state;
            }
            return Ok(false);
        }
        if self.history.paths.len() == self.limits.max_files {
            let most = self.limits.max_files;
            return Err(HistoryError::TooLarge(format!("more than {most} files over its history")));
        }
        self.history.paths.insert(path.into(), Touched { state, commit });
        Ok(true)
    }
}
