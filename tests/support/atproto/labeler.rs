//! A labeler with a key of its own.

use super::accounts::{did, key, time};
use serde_json::{Value, json};
use springline_sources::atproto::{
    frame::{Frame, Label, Labels},
    key::SigningKey,
};

/// What a label says.
#[derive(Clone, Debug)]
pub struct Says {
    /// Of what.
    pub uri: String,
    /// What.
    pub val: &'static str,
    /// That it is taken back.
    pub neg: bool,
    /// When, in seconds after the beginning of all tests.
    pub secs: u64,
}

impl Says {
    /// That something has a value.
    #[must_use]
    pub fn of(uri: impl Into<String>, val: &'static str, secs: u64) -> Self {
        Self { uri: uri.into(), val, neg: false, secs }
    }

    /// That it has not.
    #[must_use]
    pub fn taken_back(self) -> Self {
        Self { neg: true, ..self }
    }
}

/// A labeler.
pub struct Labeler {
    did: String,
    key: SigningKey,
}

impl Labeler {
    /// The one of a number.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self { did: did(number), key: key(number) }
    }

    /// Its DID.
    #[must_use]
    pub fn did(&self) -> &str {
        &self.did
    }

    /// Signs with another key from now on.
    pub fn rotate(&mut self, number: u64) {
        self.key = key(number);
    }

    /// Its DID document, which names where its labels can be followed.
    #[must_use]
    pub fn document(&self, stream: &str) -> Value {
        let did = &self.did;
        json!({
            "id": did,
            "verificationMethod": [{
                "id": format!("{did}#atproto_label"), "type": "Multikey", "controller": did,
                "publicKeyMultibase": self.key.public().to_multikey(),
            }],
            "service": [{
                "id": "#atproto_labeler", "type": "AtprotoLabeler",
                "serviceEndpoint": stream.replacen("ws", "http", 1),
            }],
        })
    }

    /// A message of signed labels.
    ///
    /// # Panics
    /// The key does not sign.
    #[must_use]
    pub fn frame(&self, seq: i64, says: &[Says]) -> Vec<u8> {
        let texts: Vec<String> = says.iter().map(|says| time(says.secs * 1_000_000)).collect();
        let mut labels: Vec<Label<'_>> = says
            .iter()
            .zip(&texts)
            .map(|(says, cts)| Label {
                ver: Some(1),
                src: &self.did,
                uri: &says.uri,
                val: says.val,
                neg: says.neg.then_some(true),
                cts,
                ..Label::default()
            })
            .collect();
        let signatures: Vec<[u8; 64]> =
            labels.iter().map(|label| label.sign(&self.key).expect("the key signs")).collect();
        for (label, signature) in labels.iter_mut().zip(&signatures) {
            label.sig = Some(signature);
        }
        Frame::Labels(Labels { seq, labels }).write()
    }
}
