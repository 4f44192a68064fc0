//! Whether a #commit or a #sync is what it says.
//!
//! ```text
//!   hash   every block has its CID, the root is the commit, which names the repo and the rev
//!   full   … and is signed by the account's key, and the ops, undone on the tree, lead to prevData
//!   none   the blocks are looked up, and believed
//! ```
//!
//! Undoing shows that the ops are all that changed between two roots that are signed, one now and one before: with the
//! root before equal to the stored one, nothing was left out. Whether it is equal, whether `rev` rises, and what to do
//! about a repository that fails, is for the caller, who has its state; what it needs for that is in [`Verified`].
//!
//! A path that isn't valid, an action that isn't known, a record that is too large: such an op is dropped with its
//! reason, and the others stay. All ops are undone, those as well. A record that isn't there is another matter: the
//! message is incomplete, and refused.
//!
//! Not covered by any signature, so that any value passes: `seq`, `time`, `since`, the order of `ops`, `blobs`,
//! `rebase`, a missing `tooBig`, the CIDs of blocks that nothing refers to, and fields that aren't known.

use super::{
    blocks::{BlockError, BlockSource},
    car::{Blocks, Car, CarError, Hashes, Limits},
    cid::Cid,
    commit::{Commit, CommitError},
    data::MAX_RECORD,
    frame::{self, Action, Op, Sync},
    key::{KeyError, PublicKey},
    mst::{Change, Layers, MstError, Tree, invert, lookup},
    syntax::{Did, Nsid, RecordKey, Tid},
};

/// How much is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Hashes, signature, tree.
    Full,
    /// Hashes only: the sender is trusted to have looked at the rest.
    Hash,
    /// Nothing: the sender is trusted.
    None,
}

/// What is asked of a message.
#[derive(Clone, Copy, Debug)]
pub struct Checks<'k> {
    /// How much.
    pub mode: Mode,
    /// The account's key; [`Mode::Full`] needs it.
    pub key: Option<&'k PublicKey>,
    /// The time, in microseconds since 1970.
    pub now: u64,
    /// Whether commits without `prevData` are accepted, of which only the ops can be proved, not that they are all.
    pub legacy: bool,
}

/// How far a rev may lie in the future, in microseconds.
pub const MAX_AHEAD: u64 = 5 * 60 * 1_000_000;
/// Bytes of a record's key in the stream.
pub const MAX_RKEY: usize = 255;

/// A commit that holds.
#[derive(Clone, Debug)]
pub struct Verified<'a> {
    /// Whose repository: a valid DID.
    pub did: &'a str,
    /// Its rev.
    pub rev: Tid,
    /// The rev before, as the message claims.
    pub since: Option<Tid>,
    /// The commit's block.
    pub commit: Cid,
    /// The root of the tree.
    pub data: Cid,
    /// The root of the tree before: what the stored one should be.
    pub prev_data: Option<Cid>,
    /// Whether undoing the ops was tried, and led there.
    pub inverted: bool,
    /// What changed.
    pub ops: Vec<VerifiedOp<'a>>,
    /// What was left out, and why: path and reason.
    pub dropped: Vec<(&'a str, OpReject)>,
}

/// A record's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedOp<'a> {
    /// Create, update or delete.
    pub action: Action,
    /// Collection and key, with a slash between.
    pub path: &'a str,
    /// A valid NSID.
    pub collection: &'a str,
    /// A valid key.
    pub rkey: &'a str,
    /// The record after; none if it is deleted.
    pub cid: Option<Cid>,
    /// The record before, if that is known.
    pub prev: Option<Cid>,
    /// The record's block, if it isn't deleted: not decoded yet.
    pub record: Option<&'a [u8]>,
}

/// Why an op is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OpReject {
    /// Its path isn't a collection and a key.
    #[error("a path that isn't a collection and a key")]
    Path,
    /// Its key is too long.
    #[error("a record key of more than {MAX_RKEY} bytes")]
    LongKey,
    /// Its action isn't known.
    #[error("an action that isn't known")]
    Action,
    /// It has no CID, or one of something else than CBOR.
    #[error("no CID of a record")]
    NoCid,
    /// Its record is too large.
    #[error("a record of more than {MAX_RECORD} bytes")]
    TooLarge,
}

impl OpReject {
    /// A short name, for counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "op_path",
            Self::LongKey => "op_long_key",
            Self::Action => "op_action",
            Self::NoCid => "op_no_cid",
            Self::TooLarge => "op_record_too_large",
        }
    }
}

/// Why a commit or a #sync is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// It says that it doesn't have its blocks.
    #[error("a commit without its blocks")]
    TooBig,
    /// The repository's name isn't a DID.
    #[error("a repo that isn't a DID")]
    Did,
    /// The rev isn't a TID.
    #[error("a rev that isn't a TID")]
    Rev,
    /// The rev is from the future.
    #[error("a rev from the future")]
    Future,
    /// The blocks aren't a CAR, or one of them isn't what its CID says.
    #[error(transparent)]
    Car(#[from] CarError),
    /// The first root isn't the commit.
    #[error("the root isn't the commit")]
    Root,
    /// The commit isn't among the blocks.
    #[error("the commit isn't there")]
    NoCommit,
    /// The commit's block isn't one.
    #[error(transparent)]
    Commit(CommitError),
    /// The commit is another repository's.
    #[error("the commit is another repo's")]
    OtherRepo,
    /// The commit has another rev.
    #[error("the commit has another rev")]
    OtherRev,
    /// The account's key isn't known.
    #[error("no key to verify with")]
    NoKey,
    /// The signature doesn't hold. The key may have changed: resolve the account anew, and try once more.
    #[error(transparent)]
    Signature(KeyError),
    /// Two ops for one path.
    #[error("two ops for one path")]
    SamePath,
    /// The root before isn't said.
    #[error("no prevData")]
    NoPrevData,
    /// An op doesn't say what was there before.
    #[error("an op without what was there before")]
    NoPrev,
    /// A record isn't among the blocks.
    #[error("a record isn't there")]
    NoRecord,
    /// Undoing an op fails: the tree isn't as the op says, or a node is missing.
    #[error("undoing an op: {0}")]
    Invert(MstError),
    /// Undoing the ops leads to another root.
    #[error("undoing the ops leads to another root")]
    OtherPrevData,
}

impl Reject {
    /// A short name, for counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooBig => "too_big",
            Self::Did => "did",
            Self::Rev => "rev",
            Self::Future => "rev_future",
            Self::Car(CarError::Hash(_)) => "block_hash",
            Self::Car(_) => "car",
            Self::Root => "car_root",
            Self::NoCommit => "no_commit",
            Self::Commit(_) => "commit",
            Self::OtherRepo => "other_repo",
            Self::OtherRev => "other_rev",
            Self::NoKey => "no_key",
            Self::Signature(KeyError::HighS) => "signature_high_s",
            Self::Signature(_) => "signature",
            Self::SamePath => "same_path",
            Self::NoPrevData => "no_prev_data",
            Self::NoPrev => "op_no_prev",
            Self::NoRecord => "record_missing",
            Self::Invert(MstError::Block(BlockError::Missing(_))) => "node_missing",
            Self::Invert(_) => "invert",
            Self::OtherPrevData => "other_prev_data",
        }
    }
}

/// A #sync that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedSync<'a> {
    /// Whose repository: a valid DID.
    pub did: &'a str,
    /// Its rev.
    pub rev: Tid,
    /// The commit's block.
    pub commit: Cid,
    /// The root of the tree.
    pub data: Cid,
}

/// Verifies a #sync.
///
/// # Errors
/// It doesn't hold.
pub fn verify_sync<'a>(sync: &Sync<'a>, checks: &Checks<'_>) -> Result<VerifiedSync<'a>, Reject> {
    let rev = rev(sync.did, sync.rev, checks)?;
    let car = Car::read(sync.blocks, &Limits::SYNC, hashes(checks.mode))?;
    let root = car.root()?;
    let data = inner(&car.blocks, &root, sync.did, rev, checks)?;
    Ok(VerifiedSync { did: sync.did, rev, commit: root, data })
}

/// Verifies a #commit.
///
/// # Errors
/// It doesn't hold.
pub fn verify<'a>(commit: &frame::Commit<'a>, checks: &Checks<'_>) -> Result<Verified<'a>, Reject> {
    if commit.too_big {
        return Err(Reject::TooBig);
    }
    let rev = rev(commit.repo, commit.rev, checks)?;
    let car = Car::read(commit.blocks, &Limits::COMMIT, hashes(checks.mode))?;
    if car.root()? != commit.commit {
        return Err(Reject::Root);
    }
    let data = inner(&car.blocks, &commit.commit, commit.repo, rev, checks)?;
    let mut paths: Vec<_> = commit.ops.iter().map(|op| op.path).collect();
    paths.sort_unstable();
    if paths.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Reject::SamePath);
    }
    let inverted = checks.mode == Mode::Full && prove(commit, &data, &car.blocks, checks.legacy)?;
    let (mut ops, mut dropped) = (Vec::with_capacity(commit.ops.len()), Vec::new());
    for op in &commit.ops {
        match check_op(op, &car.blocks) {
            Ok(op) if op.cid.is_some() && op.record.is_none() => return Err(Reject::NoRecord),
            Ok(op) => ops.push(op),
            Err(why) => dropped.push((op.path, why)),
        }
    }
    Ok(Verified {
        did: commit.repo,
        rev,
        since: commit.since.and_then(|since| since.parse().ok()),
        commit: commit.commit,
        data,
        prev_data: commit.prev_data,
        inverted,
        ops,
        dropped,
    })
}

const fn hashes(mode: Mode) -> Hashes {
    match mode {
        Mode::Full | Mode::Hash => Hashes::Check,
        Mode::None => Hashes::Trust,
    }
}

fn rev(did: &str, rev: &str, checks: &Checks<'_>) -> Result<Tid, Reject> {
    Did::check(did).map_err(|_| Reject::Did)?;
    let rev: Tid = rev.parse().map_err(|_| Reject::Rev)?;
    if rev.micros() > checks.now.saturating_add(MAX_AHEAD) { Err(Reject::Future) } else { Ok(rev) }
}

/// The commit's block, compared with what the message says: the root of its tree.
fn inner(blocks: &Blocks<'_>, root: &Cid, did: &str, rev: Tid, checks: &Checks<'_>) -> Result<Cid, Reject> {
    let block = blocks.get(root).ok_or(Reject::NoCommit)?;
    let commit = Commit::read(block).map_err(Reject::Commit)?;
    if commit.did != did {
        return Err(Reject::OtherRepo);
    }
    if commit.rev != Some(rev) {
        return Err(Reject::OtherRev);
    }
    if checks.mode == Mode::Full {
        commit.verify(checks.key.ok_or(Reject::NoKey)?).map_err(|error| match error {
            CommitError::Signature(error) => Reject::Signature(error),
            error => Reject::Commit(error),
        })?;
    }
    Ok(commit.data)
}

/// That the ops are what changed: true if they are all, false if they are only some (before `prevData` was sent).
fn prove(commit: &frame::Commit<'_>, data: &Cid, blocks: &Blocks<'_>, legacy: bool) -> Result<bool, Reject> {
    let before = match commit.prev_data {
        Some(before) => before,
        None if legacy => return prove_each(&commit.ops, data, blocks).map(|()| false),
        // The first commit of a repository comes after an empty tree.
        None if commit.since.is_none() => Tree::new(blocks).finish(|_, _| ()),
        None => return Err(Reject::NoPrevData),
    };
    let has_prev = |op: &Op<'_>| op.prev.is_some() || !matches!(op.action, Action::Update | Action::Delete);
    if !commit.ops.iter().all(has_prev) {
        return Err(Reject::NoPrev);
    }
    let mut tree = Tree::stored(blocks, *data, Layers::Check);
    let changes = commit.ops.iter().filter_map(change);
    invert(&mut tree, changes).map_err(Reject::Invert)?;
    if tree.finish(|_, _| ()) == before { Ok(true) } else { Err(Reject::OtherPrevData) }
}

/// What an op does to the tree, as far as it is known.
fn change<'a>(op: &Op<'a>) -> Option<Change<'a>> {
    let (before, after) = match op.action {
        Action::Create => (None, op.cid),
        Action::Update => (op.prev, op.cid),
        Action::Delete => (op.prev, None),
        Action::Unknown => return None,
    };
    Some(Change { key: op.path, before, after })
}

fn prove_each<S: BlockSource>(ops: &[Op<'_>], data: &Cid, blocks: &S) -> Result<(), Reject> {
    for change in ops.iter().filter_map(change) {
        let found = lookup(blocks, data, change.key.as_bytes()).map_err(Reject::Invert)?;
        if found != change.after {
            return Err(Reject::Invert(MstError::Value));
        }
    }
    Ok(())
}

fn check_op<'a>(op: &Op<'a>, blocks: &Blocks<'a>) -> Result<VerifiedOp<'a>, OpReject> {
    let (collection, rkey) = op.path.split_once('/').ok_or(OpReject::Path)?;
    if Nsid::check(collection).is_err() {
        return Err(OpReject::Path);
    }
    if rkey.len() > MAX_RKEY {
        return Err(OpReject::LongKey);
    }
    if RecordKey::check(rkey).is_err() {
        return Err(OpReject::Path);
    }
    let (cid, record) = match op.action {
        Action::Delete => (None, None),
        Action::Create | Action::Update => {
            let cid = op.cid.ok_or(OpReject::NoCid)?;
            if cid.codec() != super::Codec::DagCbor {
                return Err(OpReject::NoCid);
            }
            let record = blocks.get(&cid);
            if record.is_some_and(|record| record.len() > MAX_RECORD) {
                return Err(OpReject::TooLarge);
            }
            (Some(cid), record)
        }
        Action::Unknown => return Err(OpReject::Action),
    };
    Ok(VerifiedOp { action: op.action, path: op.path, collection, rkey, cid, prev: op.prev, record })
}
