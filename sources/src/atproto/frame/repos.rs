//! What `subscribeRepos` says.

use super::{
    super::{
        car::Limits,
        cbor::{CborError, Order, Reader, once},
        cid::Cid,
    },
    BodyError, MAX_OPS, positive,
};

/// What happens to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It wasn't there.
    Create,
    /// It was another.
    Update,
    /// It is no longer there.
    Delete,
    /// Something that isn't known.
    Unknown,
}

impl Action {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Unknown => "unknown",
        }
    }

    fn of(text: &str) -> Self {
        match text {
            "create" => Self::Create,
            "update" => Self::Update,
            "delete" => Self::Delete,
            _ => Self::Unknown,
        }
    }
}

/// A record's change, as a commit claims it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op<'a> {
    /// What happens to it.
    pub action: Action,
    /// Collection and key, with a slash between.
    pub path: &'a str,
    /// The record after.
    pub cid: Option<Cid>,
    /// The record before.
    pub prev: Option<Cid>,
}

/// Records of a repository changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit<'a> {
    /// Its number in the stream.
    pub seq: i64,
    /// Whose repository.
    pub repo: &'a str,
    /// The repository's new rev.
    pub rev: &'a str,
    /// The rev before.
    pub since: Option<&'a str>,
    /// The commit's block.
    pub commit: Cid,
    /// The root of the tree before. Senders of before 2025 don't have it.
    pub prev_data: Option<Cid>,
    /// What changed.
    pub ops: Vec<Op<'a>>,
    /// A CAR with the commit, the records, and the nodes that prove them.
    pub blocks: &'a [u8],
    /// When it was sent: a claim.
    pub time: &'a str,
    /// No longer in use: the blocks were too many to be sent.
    pub too_big: bool,
    /// No longer in use.
    pub rebase: bool,
}

/// A repository's state, to which commits don't lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync<'a> {
    /// Its number in the stream.
    pub seq: i64,
    /// Whose repository.
    pub did: &'a str,
    /// The repository's rev.
    pub rev: &'a str,
    /// A CAR with the commit.
    pub blocks: &'a [u8],
    /// When it was sent: a claim.
    pub time: &'a str,
}

/// An account's DID document or handle may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Its number in the stream.
    pub seq: i64,
    /// Whose.
    pub did: &'a str,
    /// A claim: it is resolved both ways before it is believed.
    pub handle: Option<&'a str>,
    /// When it was sent: a claim.
    pub time: &'a str,
}

/// An account's hosting status changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account<'a> {
    /// Its number in the stream.
    pub seq: i64,
    /// Whose.
    pub did: &'a str,
    /// Whether its records are to be shown. This is what counts.
    pub active: bool,
    /// Why not, or that something is amiss: any word.
    pub status: Option<&'a str>,
    /// When it was sent: a claim.
    pub time: &'a str,
}

impl<'a> Commit<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, BodyError> {
        let (mut seq, mut repo, mut rev, mut since, mut commit) = (None, None, None, None, None);
        let (mut prev_data, mut ops, mut blocks, mut time) = (None, None, None, None);
        let (mut too_big, mut rebase) = (None, None);
        reader.fields(Order::Any, |key, reader| {
            match key {
                "seq" => once(&mut seq, reader.integer()?)?,
                "repo" => once(&mut repo, reader.text()?)?,
                "rev" => once(&mut rev, reader.text()?)?,
                "since" => once(&mut since, reader.nullable(Reader::text)?)?,
                "commit" => once(&mut commit, reader.link()?)?,
                "prevData" => once(&mut prev_data, reader.nullable(Reader::link)?)?,
                "ops" => once(&mut ops, read_ops(reader)?)?,
                "blocks" => once(&mut blocks, reader.bytes()?)?,
                "time" => once(&mut time, reader.text()?)?,
                "tooBig" => once(&mut too_big, reader.bool()?)?,
                "rebase" => once(&mut rebase, reader.bool()?)?,
                _ => reader.skip()?,
            }
            Ok::<_, BodyError>(())
        })?;
        let blocks = blocks.ok_or(CborError::Missing("blocks"))?;
        if blocks.len() as u64 > Limits::COMMIT.bytes {
            return Err(BodyError::TooManyBlocks);
        }
        Ok(Self {
            seq: positive(seq)?,
            repo: repo.ok_or(CborError::Missing("repo"))?,
            rev: rev.ok_or(CborError::Missing("rev"))?,
            since: since.flatten(),
            commit: commit.ok_or(CborError::Missing("commit"))?,
            prev_data: prev_data.flatten(),
            ops: ops.ok_or(CborError::Missing("ops"))?,
            blocks,
            time: time.unwrap_or_default(),
            too_big: too_big.unwrap_or_default(),
            rebase: rebase.unwrap_or_default(),
        })
    }
}

fn read_ops<'a>(reader: &mut Reader<'a>) -> Result<Vec<Op<'a>>, BodyError> {
    let mut ops = Vec::new();
    reader.items(|reader| {
        if ops.len() == MAX_OPS {
            return Err(BodyError::TooManyOps);
        }
        let (mut action, mut path, mut cid, mut prev) = (None, None, None, None);
        reader.fields(Order::Any, |key, reader| match key {
            "action" => once(&mut action, Action::of(reader.text()?)),
            "path" => once(&mut path, reader.text()?),
            "cid" => once(&mut cid, reader.nullable(Reader::link)?),
            "prev" => once(&mut prev, reader.nullable(Reader::link)?),
            _ => reader.skip(),
        })?;
        ops.push(Op {
            action: action.ok_or(CborError::Missing("action"))?,
            path: path.ok_or(CborError::Missing("path"))?,
            cid: cid.flatten(),
            prev: prev.flatten(),
        });
        Ok(())
    })?;
    Ok(ops)
}

impl<'a> Sync<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, BodyError> {
        let (mut seq, mut did, mut rev, mut blocks, mut time) = (None, None, None, None, None);
        reader.fields(Order::Any, |key, reader| match key {
            "seq" => once(&mut seq, reader.integer()?),
            "did" => once(&mut did, reader.text()?),
            "rev" => once(&mut rev, reader.text()?),
            "blocks" => once(&mut blocks, reader.bytes()?),
            "time" => once(&mut time, reader.text()?),
            _ => reader.skip(),
        })?;
        let blocks = blocks.ok_or(CborError::Missing("blocks"))?;
        if blocks.len() as u64 > Limits::SYNC.bytes {
            return Err(BodyError::TooManyBlocks);
        }
        Ok(Self {
            seq: positive(seq)?,
            did: did.ok_or(CborError::Missing("did"))?,
            rev: rev.ok_or(CborError::Missing("rev"))?,
            blocks,
            time: time.unwrap_or_default(),
        })
    }
}

impl<'a> Identity<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, BodyError> {
        let (mut seq, mut did, mut handle, mut time) = (None, None, None, None);
        reader.fields(Order::Any, |key, reader| match key {
            "seq" => once(&mut seq, reader.integer()?),
            "did" => once(&mut did, reader.text()?),
            "handle" => once(&mut handle, reader.nullable(Reader::text)?),
            "time" => once(&mut time, reader.text()?),
            _ => reader.skip(),
        })?;
        Ok(Self {
            seq: positive(seq)?,
            did: did.ok_or(CborError::Missing("did"))?,
            handle: handle.flatten(),
            time: time.unwrap_or_default(),
        })
    }
}

impl<'a> Account<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, BodyError> {
        let (mut seq, mut did, mut active, mut status, mut time) = (None, None, None, None, None);
        reader.fields(Order::Any, |key, reader| match key {
            "seq" => once(&mut seq, reader.integer()?),
            "did" => once(&mut did, reader.text()?),
            "active" => once(&mut active, reader.bool()?),
            "status" => once(&mut status, reader.nullable(Reader::text)?),
            "time" => once(&mut time, reader.text()?),
            _ => reader.skip(),
        })?;
        Ok(Self {
            seq: positive(seq)?,
            did: did.ok_or(CborError::Missing("did"))?,
            active: active.ok_or(CborError::Missing("active"))?,
            status: status.flatten(),
            time: time.unwrap_or_default(),
        })
    }
}
