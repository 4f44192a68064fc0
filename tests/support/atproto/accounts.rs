//! Accounts of ours, with keys and repositories.

use serde_json::{Value, json};
use springline_sources::atproto::{
    data,
    frame::{self, Frame},
    json::from_json_text,
    key::{Curve, SigningKey},
    syntax::{Did, Tid},
    writer::{RepoWriter, Write, Written},
};

/// When they begin, in microseconds since 1970.
const BEGIN: u64 = 1_780_000_000_000_000;

/// The DID of a number.
#[must_use]
pub fn did(number: u64) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digit = |place: u32| char::from(DIGITS[((number >> (5 * place)) & 31) as usize]);
    format!(
        "did:plc:{}",
        (0..12).rev().map(digit).fold("a".repeat(12), |text, digit| text + &digit.to_string())
    )
}

/// The DIDs of the first numbers.
#[must_use]
pub fn dids(count: u64) -> Vec<String> {
    (0..count).map(did).collect()
}

/// A time as text, so many microseconds after all begins.
pub(super) fn time(micros: u64) -> String {
    let (secs, micros) = ((BEGIN + micros) / 1_000_000, (BEGIN + micros) % 1_000_000);
    let millis = i64::try_from(secs * 1000 + micros / 1000).expect("a time");
    springline_model::Timestamp(millis).to_rfc3339()
}

/// A like of a record, as DAG-CBOR.
#[must_use]
pub fn like(subject: &str) -> Vec<u8> {
    record(&json!({
        "$type": "app.bsky.feed.like",
        "createdAt": "2026-05-01T00:00:00.000Z",
        "subject": { "uri": subject, "cid": "bafyreidqpc7si3dbimffi64lz3xsx2qt45ip7rpna2qpslcddp23itjjzm" },
    }))
}

/// A post, as DAG-CBOR.
#[must_use]
pub fn post(text: &str) -> Vec<u8> {
    record(&json!({ "$type": "app.bsky.feed.post", "createdAt": "2026-05-01T00:00:00.000Z", "text": text }))
}

fn record(json: &Value) -> Vec<u8> {
    data::encode(&from_json_text(&json.to_string()).expect("JSON of the data model")).expect("a record")
}

/// An account with a repository.
pub struct Account {
    /// Its repository.
    pub repo: RepoWriter,
    clock: u64,
}

impl Account {
    /// The account of a number, with a key of its own.
    ///
    /// # Panics
    /// The key is none.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let did = Did::new(&did(number)).expect("a DID");
        let repo = RepoWriter::new(did, key(number), BEGIN).expect("a repository");
        Self { repo, clock: BEGIN }
    }

    /// Its DID.
    #[must_use]
    pub fn did(&self) -> &str {
        self.repo.did()
    }

    /// Its authority.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("at://{}/", self.did())
    }

    /// Its DID document.
    #[must_use]
    pub fn document(&self, pds: &str) -> Value {
        let did = self.did();
        json!({
            "id": did,
            "alsoKnownAs": [format!("at://{}.example.com", &did[8..])],
            "verificationMethod": [{
                "id": format!("{did}#atproto"), "type": "Multikey", "controller": did,
                "publicKeyMultibase": self.repo.public().to_multikey(),
            }],
            "service": [{
                "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": pds,
            }],
        })
    }

    /// Commits writes, a second after the last commit.
    ///
    /// # Panics
    /// They can't be done.
    pub fn commit(&mut self, writes: &[Write<'_>]) -> Written {
        self.clock += 1_000_000;
        self.repo.apply(writes, self.clock).expect("the writes can be done")
    }

    /// Commits one new record, and gives its frame.
    pub fn create(&mut self, path: &str, record: &[u8], seq: u64) -> Vec<u8> {
        self.frame(&[Write::Create(path, record)], seq)
    }

    /// Commits writes, and gives their frame.
    ///
    /// # Panics
    /// They can't be done.
    pub fn frame(&mut self, writes: &[Write<'_>], seq: u64) -> Vec<u8> {
        let written = self.commit(writes);
        written.frame(i64::try_from(seq).expect("a number"), &self.time())
    }

    /// When it last did something.
    #[must_use]
    pub fn time(&self) -> String {
        time(self.clock - BEGIN)
    }

    /// Signs with another key from now on.
    pub fn rotate(&mut self, number: u64) {
        self.repo.rotate(key(number));
    }

    /// An `#account` frame, a second later.
    ///
    /// # Panics
    /// The number is too large.
    pub fn status(&mut self, active: bool, status: Option<&str>, seq: u64) -> Vec<u8> {
        self.clock += 1_000_000;
        let (seq, time) = (i64::try_from(seq).expect("a number"), self.time());
        Frame::Account(frame::Account { seq, did: self.did(), time: &time, active, status }).write()
    }

    /// An `#identity` frame.
    ///
    /// # Panics
    /// The number is too large.
    #[must_use]
    pub fn identity(&self, handle: &str, seq: u64) -> Vec<u8> {
        let (seq, time) = (i64::try_from(seq).expect("a number"), self.time());
        Frame::Identity(frame::Identity { seq, did: self.did(), time: &time, handle: Some(handle) }).write()
    }

    /// A `#sync` frame of its present state.
    ///
    /// # Panics
    /// The number is too large.
    #[must_use]
    pub fn sync(&self, seq: u64) -> Vec<u8> {
        self.repo.sync(i64::try_from(seq).expect("a number"), &self.time())
    }

    /// The version it is at.
    #[must_use]
    pub fn rev(&self) -> Tid {
        self.repo.rev()
    }
}

pub(super) fn key(number: u64) -> SigningKey {
    let curve = if number.is_multiple_of(2) { Curve::K256 } else { Curve::P256 };
    let mut secret = [1; 32];
    secret[24..].copy_from_slice(&(number + 1).to_be_bytes());
    SigningKey::from_bytes(curve, &secret).expect("a key")
}
