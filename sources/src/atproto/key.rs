//! Keys of accounts and labelers: K-256 and P-256, read from DID documents, to verify and to sign.
//!
//! ```text
//!   did:key:zQ3sh…   a did:key            ┐ z + base58 of a curve's number and a compressed point
//!           zQ3sh…   a Multikey           ┘
//!           z25z9…   a key of before them: z + base58 of a point, the curve from the method's type
//! ```
//!
//! A signature is 64 bytes over a SHA-256, with the low one of its two forms: the high one is refused, or the same
//! commit could be had under two CIDs. To read a key is to find a point on a curve: keep it.

use ipld_core::cid::multibase::{self, Base};
use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use sha2::{Digest, Sha256};
use std::fmt;

/// A key that isn't one, or a signature that isn't by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the text form of a key.
    #[error("not a key in base58")]
    Text,
    /// Of a curve, or a type of verification method, that isn't used here.
    #[error("a key of another kind than K-256 or P-256")]
    Kind,
    /// Not a point of its curve, or no secret of it.
    #[error("not a key of its curve")]
    Key,
    /// A signature that isn't 64 bytes of two numbers in range.
    #[error("not a signature")]
    Malformed,
    /// The other form of a signature.
    #[error("a signature in its high form")]
    HighS,
    /// By another key, or of something else.
    #[error("the signature doesn't hold")]
    Wrong,
}

/// Which curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// secp256k1, what most accounts use.
    K256,
    /// secp256r1, what hardware knows.
    P256,
}

impl Curve {
    /// Its number among multicodecs, as a varint.
    const fn prefix(self) -> [u8; 2] {
        match self {
            Self::K256 => [0xe7, 1],
            Self::P256 => [0x80, 0x24],
        }
    }
}

/// Of the longest text of a key: an uncompressed point takes 90 characters.
const MAX_CHARS: usize = 128;

/// A key that verifies.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Public);

#[derive(Clone, PartialEq, Eq)]
enum Public {
    K256(k256::ecdsa::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// Of a did:key.
    ///
    /// # Errors
    /// It isn't one of a curve that is used here.
    pub fn from_did_key(text: &str) -> Result<Self, KeyError> {
        Self::from_multikey(text.strip_prefix("did:key:").ok_or(KeyError::Text)?)
    }

    /// Of a Multikey: the `publicKeyMultibase` of a method of that type.
    ///
    /// # Errors
    /// It isn't one of a curve that is used here.
    pub fn from_multikey(text: &str) -> Result<Self, KeyError> {
        let bytes = base58(text)?;
        let (prefix, point) = bytes.split_first_chunk::<2>().ok_or(KeyError::Text)?;
        let curves = [Curve::K256, Curve::P256];
        let curve = curves.into_iter().find(|curve| curve.prefix() == *prefix).ok_or(KeyError::Kind)?;
        if point.len() == 33 { Self::from_point(curve, point) } else { Err(KeyError::Key) }
    }

    /// Of a DID document's verification method: its `type` and `publicKeyMultibase`.
    ///
    /// # Errors
    /// It isn't one of a type and curve that is used here.
    pub fn from_method(kind: &str, multibase: &str) -> Result<Self, KeyError> {
        match kind {
            "Multikey" => Self::from_multikey(multibase),
            "EcdsaSecp256k1VerificationKey2019" => Self::from_point(Curve::K256, &base58(multibase)?),
            "EcdsaSecp256r1VerificationKey2019" => Self::from_point(Curve::P256, &base58(multibase)?),
            _ => Err(KeyError::Kind),
        }
    }

    /// Of a point, compressed or not.
    ///
    /// # Errors
    /// It isn't on the curve.
    pub fn from_point(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        let public = match curve {
            Curve::K256 => k256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Public::K256),
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Public::P256),
        };
        public.map(Self).map_err(|_| KeyError::Key)
    }

    /// Its curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        match &self.0 {
            Public::K256(_) => Curve::K256,
            Public::P256(_) => Curve::P256,
        }
    }

    /// As a Multikey.
    #[must_use]
    pub fn to_multikey(&self) -> String {
        let point = match &self.0 {
            Public::K256(key) => key.to_sec1_point(true).as_bytes().to_vec(),
            Public::P256(key) => key.to_sec1_point(true).as_bytes().to_vec(),
        };
        multibase::encode(Base::Base58Btc, [&self.curve().prefix()[..], &point].concat())
    }

    /// As a did:key.
    #[must_use]
    pub fn to_did_key(&self) -> String {
        format!("did:key:{}", self.to_multikey())
    }

    /// That a signature of a message is by this key.
    ///
    /// # Errors
    /// It isn't, or it isn't in its low form.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        self.verify_digest(&Sha256::digest(message).into(), signature)
    }

    /// The same of a message's SHA-256.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_digest(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), KeyError> {
        match &self.0 {
            Public::K256(key) => {
                let signature =
                    k256::ecdsa::Signature::from_slice(signature).map_err(|_| KeyError::Malformed)?;
                if signature.normalize_s() != signature {
                    return Err(KeyError::HighS);
                }
                key.verify_prehash(digest, &signature).map_err(|_| KeyError::Wrong)
            }
            Public::P256(key) => {
                let signature =
                    p256::ecdsa::Signature::from_slice(signature).map_err(|_| KeyError::Malformed)?;
                if signature.normalize_s() != signature {
                    return Err(KeyError::HighS);
                }
                key.verify_prehash(digest, &signature).map_err(|_| KeyError::Wrong)
            }
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_multikey())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_multikey())
    }
}

fn base58(text: &str) -> Result<Vec<u8>, KeyError> {
    if text.len() > MAX_CHARS || !text.starts_with('z') {
        return Err(KeyError::Text);
    }
    multibase::decode(text).map(|(_, bytes)| bytes).map_err(|_| KeyError::Text)
}

/// A key that signs. It shows only its public half.
#[derive(Clone)]
pub struct SigningKey(Secret);

#[derive(Clone)]
enum Secret {
    K256(k256::ecdsa::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl SigningKey {
    /// Of a secret number, big-endian.
    ///
    /// # Errors
    /// It is zero, or beyond the curve's order.
    pub fn from_bytes(curve: Curve, secret: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = match curve {
            Curve::K256 => k256::ecdsa::SigningKey::from_slice(secret).map(Secret::K256),
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(secret).map(Secret::P256),
        };
        secret.map(Self).map_err(|_| KeyError::Key)
    }

    /// What verifies its signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(match &self.0 {
            Secret::K256(key) => Public::K256(*key.verifying_key()),
            Secret::P256(key) => Public::P256(*key.verifying_key()),
        })
    }

    /// Signs a message. The same message has the same signature.
    ///
    /// # Errors
    /// Never, as far as can be said: the curves' code allows for it.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let digest = Sha256::digest(message);
        match &self.0 {
            Secret::K256(key) => {
                let signature: Result<k256::ecdsa::Signature, _> = key.sign_prehash(&digest);
                signature.map(|signature| signature.normalize_s().to_bytes().into())
            }
            Secret::P256(key) => {
                let signature: Result<p256::ecdsa::Signature, _> = key.sign_prehash(&digest);
                signature.map(|signature| signature.normalize_s().to_bytes().into())
            }
        }
        .map_err(|_| KeyError::Key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}
