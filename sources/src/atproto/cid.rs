//! CIDs as the protocol uses them: version 1, of a DAG-CBOR or raw block, by its SHA-256.
//!
//! ```text
//!   text    b + base32 of the bytes           59 characters
//!   bytes   01  71|55  12 20  digest          36 bytes
//!   CBOR    tag 42 of 00 + the bytes          41 bytes
//! ```
//!
//! No other kind occurs in a valid record, node or commit, so a [`Cid`] is a small copyable value and two of them
//! are equal exactly when their blocks are. What else a CAR may hold is skipped by its reader.

use ipld_core::cid::{self, multibase, multihash::Multihash};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Bytes: a blob.
    Raw = 0x55,
    /// DAG-CBOR: a record, a node, a commit.
    DagCbor = 0x71,
}

/// The address of a block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid {
    digest: [u8; 32],
    codec: Codec,
}

/// No such CID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidError {
    /// Not the text form: base32, 59 characters.
    #[error("not a CID in base32")]
    Text,
    /// Cut off, or longer than it says.
    #[error("a CID of a wrong length")]
    Length,
    /// Of a version, codec or hash that the protocol doesn't use.
    #[error("a CID of a kind that isn't used here")]
    Kind,
}

const SHA_256: u64 = 0x12;

impl Cid {
    /// Of the byte form.
    pub const BYTES: usize = 36;
    /// Of the text form.
    pub const CHARS: usize = 59;

    /// Of a block's content.
    #[must_use]
    pub fn of(codec: Codec, block: &[u8]) -> Self {
        Self { codec, digest: Sha256::digest(block).into() }
    }

    /// Of a record's, a node's or a commit's DAG-CBOR.
    #[must_use]
    pub fn of_cbor(block: &[u8]) -> Self {
        Self::of(Codec::DagCbor, block)
    }

    /// Whether the block is the one that is meant.
    #[must_use]
    pub fn is_of(&self, block: &[u8]) -> bool {
        self.digest == <[u8; 32]>::from(Sha256::digest(block))
    }

    /// What kind of block it is the address of.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The SHA-256.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// From the byte form.
    ///
    /// # Errors
    /// It is another kind of CID, or none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        let Some((&[version, codec, hash, length], digest)) = bytes.split_first_chunk::<4>() else {
            return Err(CidError::Length);
        };
        let codec = match codec {
            0x55 => Codec::Raw,
            0x71 => Codec::DagCbor,
            _ => return Err(CidError::Kind),
        };
        if version != 1 || u64::from(hash) != SHA_256 || length != 32 {
            return Err(CidError::Kind);
        }
        Ok(Self { codec, digest: digest.try_into().map_err(|_| CidError::Length)? })
    }

    /// The byte form.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&[1, self.codec as u8, SHA_256 as u8, 32]);
        bytes[4..].copy_from_slice(&self.digest);
        bytes
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        // The check of the length bounds the work, that of the base keeps one text for one CID.
        if text.len() != Self::CHARS || !text.starts_with('b') {
            return Err(CidError::Text);
        }
        let (_, bytes) = multibase::decode(text).map_err(|_| CidError::Text)?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&multibase::encode(multibase::Base::Base32Lower, self.to_bytes()))
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

impl From<Cid> for cid::Cid {
    fn from(cid: Cid) -> Self {
        // A digest of 32 bytes always fits into one of 64: the default is never taken.
        let hash = Multihash::wrap(SHA_256, &cid.digest).unwrap_or_default();
        Self::new_v1(cid.codec as u64, hash)
    }
}

impl TryFrom<&cid::Cid> for Cid {
    type Error = CidError;

    fn try_from(cid: &cid::Cid) -> Result<Self, CidError> {
        let codec = match cid.codec() {
            0x55 => Codec::Raw,
            0x71 => Codec::DagCbor,
            _ => return Err(CidError::Kind),
        };
        if cid.version() != cid::Version::V1 || cid.hash().code() != SHA_256 {
            return Err(CidError::Kind);
        }
        Ok(Self { codec, digest: cid.hash().digest().try_into().map_err(|_| CidError::Length)? })
    }
}

impl serde::Serialize for Cid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Cid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cid_has_one_text() {
        let cid = Cid::of(Codec::Raw, b"text");
        let text = cid.to_string();
        assert_eq!((text.len(), text.parse()), (Cid::CHARS, Ok(cid)));
        assert_eq!(Cid::from_bytes(&cid.to_bytes()), Ok(cid));
        assert_eq!(Cid::try_from(&cid::Cid::from(cid)), Ok(cid));
        assert_eq!(text.parse::<cid::Cid>().unwrap(), cid.into());
        for wrong in [text.to_uppercase(), text.replace('b', "c"), format!("{text}a"), String::new()] {
            assert!(wrong.parse::<Cid>().is_err(), "{wrong}");
        }
        // Bits that no byte has.
        let last = text.chars().last().unwrap() as u8;
        let other = format!("{}{}", &text[..58], (last + 1) as char);
        assert!(other.parse::<Cid>().is_err(), "{other}");
        assert!(Cid::from_bytes(&cid.to_bytes()[..35]).is_err());
        assert!(Cid::from_bytes(&[&cid.to_bytes()[..], &[0]].concat()).is_err());
    }
}
