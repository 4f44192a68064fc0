//! A commit: the signed root of a repository.
//!
//! ```text
//!   { did, rev, sig, data: root of the tree, prev: null, version: 3 }
//!               └─ of the same block without sig
//! ```
//!
//! What is signed is had by leaving the signature's bytes out of the block, not by writing the fields anew: a field
//! that isn't known here doesn't break it. Version 2, in which a rev could be missing, is still read.

use super::{
    cbor::{CborError, Order, Reader, Writer},
    cid::Cid,
    key::{KeyError, PublicKey, SigningKey},
    syntax::{Did, SyntaxError, Tid},
};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// Not a commit, or one that isn't signed by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The block isn't one.
    #[error("the commit's block: {0}")]
    Cbor(#[from] CborError),
    /// Of another version.
    #[error("a commit of another version than 2 or 3")]
    Version,
    /// A DID or a rev that isn't one.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Not signed by the key.
    #[error(transparent)]
    Signature(#[from] KeyError),
}

/// A commit, in its block.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// Whose repository it is.
    pub did: &'a str,
    /// Its number in the repository's history. Every commit of version 3 has one.
    pub rev: Option<Tid>,
    /// The root of the tree.
    pub data: Cid,
    /// The commit before, where a history is kept.
    pub prev: Option<Cid>,
    /// 2 or 3.
    pub version: i64,
    /// The signature.
    pub sig: &'a [u8],
    block: &'a [u8],
    /// The signature's field in the block.
    sig_field: Range<usize>,
    fields: u8,
}

impl<'a> Commit<'a> {
    /// Of a block. The signature isn't looked at.
    ///
    /// # Errors
    /// It isn't a commit.
    pub fn read(block: &'a [u8]) -> Result<Self, CommitError> {
        let (mut did, mut rev, mut data, mut prev, mut version, mut sig) =
            (None, None, None, None, None, None);
        let mut fields = 0;
        let mut reader = Reader::new(block);
        reader.fields(Order::Sorted, |key, reader| {
            fields += 1;
            // The head of a map of more is longer than the byte that `digest` writes.
            if fields > 23 {
                return Err(CborError::TooMany);
            }
            match key {
                "did" => did = Some(reader.text()?),
                "rev" => rev = reader.nullable(Reader::text)?,
                "data" => data = Some(reader.link()?),
                "prev" => prev = reader.nullable(Reader::link)?,
                "version" => version = Some(reader.integer()?),
                "sig" => {
                    // With the key: a byte of its length, and its three.
                    let start = reader.position() - 4;
                    let bytes = reader.bytes()?;
                    sig = Some((bytes, start..reader.position()));
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.end()?;
        let (sig, sig_field) = sig.ok_or(CborError::Missing("sig"))?;
        let did = did.ok_or(CborError::Missing("did"))?;
        Did::check(did)?;
        let rev = rev.map(str::parse).transpose()?;
        let version = version.ok_or(CborError::Missing("version"))?;
        match version {
            2 => {}
            3 if rev.is_none() => return Err(CborError::Missing("rev").into()),
            3 => {}
            _ => return Err(CommitError::Version),
        }
        let data = data.ok_or(CborError::Missing("data"))?;
        Ok(Self { did, rev, data, prev, version, sig, block, sig_field, fields })
    }

    /// That it is signed by that key.
    ///
    /// # Errors
    /// It isn't.
    pub fn verify(&self, key: &PublicKey) -> Result<(), CommitError> {
        Ok(key.verify_digest(&self.digest(), self.sig)?)
    }

    /// The SHA-256 of what is signed.
    fn digest(&self) -> [u8; 32] {
        let before = self.block.get(1..self.sig_field.start).unwrap_or_default();
        let after = self.block.get(self.sig_field.end..).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update([0xa0 | (self.fields - 1)]);
        hash.update(before);
        hash.update(after);
        hash.finalize().into()
    }
}

/// The block of a new commit.
///
/// # Errors
/// The key doesn't sign.
pub fn sign(did: &Did, rev: Tid, data: &Cid, key: &SigningKey) -> Result<Vec<u8>, KeyError> {
    let sig = key.sign(&block(did, rev, data, None))?;
    Ok(block(did, rev, data, Some(&sig)))
}

fn block(did: &Did, rev: Tid, data: &Cid, sig: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(256);
    writer.map(5 + usize::from(sig.is_some()));
    writer.text("did");
    writer.text(did);
    writer.text("rev");
    writer.text(&rev.to_string());
    if let Some(sig) = sig {
        writer.text("sig");
        writer.bytes(sig);
    }
    writer.text("data");
    writer.link(data);
    writer.text("prev");
    writer.null();
    writer.text("version");
    writer.integer(3);
    writer.into_bytes()
}
