//! Frames of the event streams: `subscribeRepos` of hosts and relays, `subscribeLabels` of labelers.
//!
//! ```text
//!   ├─ header {op: 1, t: "#commit"} ─┤├─ body {seq, repo, rev, ops, blocks, …} ─┤      a message
//!   ├─ header {op: -1} ──────────────┤├─ body {error, message} ─────────────────┤      the last words
//! ```
//!
//! | module | what |
//! |---|---|
//! | `repos` | #commit, #sync, #identity, #account |
//! | `labels` | #labels, and a label's signature |
//! | `write` | frames of ours |
//!
//! A message is read straight into its struct and borrows its texts and blocks from the frame; no tree is made.
//! Fields and messages that aren't known are ignored, and keys may come in any order, since nothing of a frame itself
//! is hashed. What a message claims isn't checked here: see [`verify`](super::verify).
//!
//! Limits: [`MAX_FRAME`], [`MAX_OPS`], those of blocks ([`Limits`](super::car::Limits)) and of CBOR. A `seq` is
//! positive and of 53 bits.

mod labels;
mod repos;
mod write;

pub use labels::{Label, Labels};
pub use repos::{Account, Action, Commit, Identity, Op, Sync};

use super::cbor::{CborError, Order, Reader, once};

/// Bytes of a frame.
pub const MAX_FRAME: usize = 5_000_000;
/// Bytes that are taken from a socket or a file at all, so that a frame which is too large can be passed over.
pub const MAX_MESSAGE: usize = 16_000_000;
/// Operations of a commit.
pub const MAX_OPS: usize = 200;

/// A frame that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is too large.
    #[error("a frame of {0} bytes")]
    TooLarge(usize),
    /// It doesn't begin with a header.
    #[error("a frame's header: {0}")]
    Header(CborError),
    /// What follows isn't the message that the header announces.
    #[error("a frame's {kind}: {error}")]
    Body {
        /// Which message.
        kind: &'static str,
        /// Its number, if it could be read: the stream goes on behind it.
        seq: Option<i64>,
        /// Why not.
        error: BodyError,
    },
}

/// Why a message can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Its CBOR isn't valid, a field is missing or of another kind.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// Its number isn't positive.
    #[error("a seq that isn't positive")]
    Seq,
    /// Too many operations.
    #[error("more than {MAX_OPS} operations")]
    TooManyOps,
    /// Too many bytes of blocks.
    #[error("too many bytes of blocks")]
    TooManyBlocks,
}

impl FrameError {
    /// Whether the sender doesn't speak the protocol, so that the connection is better ended: otherwise it is only
    /// this message that is left out.
    #[must_use]
    pub const fn ends_connection(&self) -> bool {
        use CborError::{Indefinite, NotShortest, TooDeep, TooMany, Trailing, Truncated, Utf8};
        match self {
            Self::TooLarge(_) | Self::Header(_) => true,
            Self::Body { error: BodyError::Cbor(error), .. } => {
                matches!(error, Indefinite | NotShortest | TooDeep | TooMany | Trailing | Truncated | Utf8)
            }
            Self::Body { .. } => false,
        }
    }

    /// A short name, for counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "frame_too_large",
            Self::Header(_) => "frame_header",
            Self::Body { error: BodyError::Cbor(_), .. } => "frame_body",
            Self::Body { error: BodyError::Seq, .. } => "frame_seq",
            Self::Body { error: BodyError::TooManyOps, .. } => "frame_too_many_ops",
            Self::Body { error: BodyError::TooManyBlocks, .. } => "frame_too_many_blocks",
        }
    }
}

/// A message, in its frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame<'a> {
    /// Records of a repository changed.
    Commit(Commit<'a>),
    /// A repository is in a state that commits don't lead to.
    Sync(Sync<'a>),
    /// An account's DID document or handle may have changed.
    Identity(Identity<'a>),
    /// An account's hosting status changed.
    Account(Account<'a>),
    /// Labels were made or taken back.
    Labels(Labels<'a>),
    /// Something about the stream, such as `OutdatedCursor`.
    Info(Info<'a>),
    /// The stream ends, for a reason such as `FutureCursor` or `ConsumerTooSlow`.
    Error(StreamError<'a>),
    /// A message that isn't known.
    Unknown {
        /// The operation: 1 for a message.
        op: i64,
        /// The message's name, if it has one.
        kind: &'a str,
    },
}

/// Something about the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info<'a> {
    /// What.
    pub name: &'a str,
    /// In words.
    pub message: Option<&'a str>,
}

/// Why the stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamError<'a> {
    /// What.
    pub error: &'a str,
    /// In words.
    pub message: Option<&'a str>,
}

impl<'a> Frame<'a> {
    /// Of a frame's bytes.
    ///
    /// # Errors
    /// They are no frame, or a message that is known and not well-formed.
    pub fn read(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLarge(bytes.len()));
        }
        let mut reader = Reader::new(bytes);
        let (op, kind) = header(&mut reader).map_err(FrameError::Header)?;
        let body = reader.clone();
        let read = |kind, read: fn(&mut Reader<'a>) -> Result<Self, BodyError>| {
            let mut reader = body.clone();
            let frame = read(&mut reader).and_then(|frame| Ok(reader.end().map(|()| frame)?));
            frame.map_err(|error| FrameError::Body { kind, seq: seq(body.clone()), error })
        };
        match (op, kind) {
            (1, "#commit") => read("#commit", |reader| Commit::read(reader).map(Self::Commit)),
            (1, "#sync") => read("#sync", |reader| Sync::read(reader).map(Self::Sync)),
            (1, "#identity") => read("#identity", |reader| Identity::read(reader).map(Self::Identity)),
            (1, "#account") => read("#account", |reader| Account::read(reader).map(Self::Account)),
            (1, "#labels") => read("#labels", |reader| Labels::read(reader).map(Self::Labels)),
            (1, "#info") => read("#info", |reader| {
                two_texts(reader, "name").map(|(name, message)| Self::Info(Info { name, message }))
            }),
            (-1, _) => read("error", |reader| {
                two_texts(reader, "error").map(|(error, message)| Self::Error(StreamError { error, message }))
            }),
            _ => Ok(Self::Unknown { op, kind }),
        }
    }

    /// The message's number, if it is one that has.
    #[must_use]
    pub const fn seq(&self) -> Option<i64> {
        match self {
            Self::Commit(commit) => Some(commit.seq),
            Self::Sync(sync) => Some(sync.seq),
            Self::Identity(identity) => Some(identity.seq),
            Self::Account(account) => Some(account.seq),
            Self::Labels(labels) => Some(labels.seq),
            Self::Info(_) | Self::Error(_) | Self::Unknown { .. } => None,
        }
    }

    /// Whose message it is, if it is about an account.
    #[must_use]
    pub const fn did(&self) -> Option<&'a str> {
        match self {
            Self::Commit(commit) => Some(commit.repo),
            Self::Sync(sync) => Some(sync.did),
            Self::Identity(identity) => Some(identity.did),
            Self::Account(account) => Some(account.did),
            Self::Labels(_) | Self::Info(_) | Self::Error(_) | Self::Unknown { .. } => None,
        }
    }
}

fn header<'a>(reader: &mut Reader<'a>) -> Result<(i64, &'a str), CborError> {
    let (mut op, mut kind) = (None, None);
    reader.fields(Order::Any, |key, reader| match key {
        "op" => once(&mut op, reader.integer()?),
        "t" => once(&mut kind, reader.text()?),
        _ => reader.skip(),
    })?;
    Ok((op.ok_or(CborError::Missing("op"))?, kind.unwrap_or_default()))
}

/// Of a body that can't be read otherwise.
fn seq(mut body: Reader<'_>) -> Option<i64> {
    let mut seq = None;
    // What was found before an error counts.
    let _ = body.fields(Order::Any, |key, reader| {
        if key == "seq" { reader.integer().map(|number| seq = Some(number)) } else { reader.skip() }
    });
    seq.filter(|seq| *seq > 0)
}

fn two_texts<'a>(
    reader: &mut Reader<'a>,
    name: &'static str,
) -> Result<(&'a str, Option<&'a str>), BodyError> {
    let (mut first, mut message) = (None, None);
    reader.fields(Order::Any, |key, reader| match key {
        "message" => once(&mut message, reader.nullable(Reader::text)?),
        _ if key == name => once(&mut first, reader.text()?),
        _ => reader.skip(),
    })?;
    Ok((first.ok_or(CborError::Missing(name))?, message.flatten()))
}

fn positive(seq: Option<i64>) -> Result<i64, BodyError> {
    let seq = seq.ok_or(CborError::Missing("seq"))?;
    if seq > 0 { Ok(seq) } else { Err(BodyError::Seq) }
}
