//! What was recorded from the network: frames of a relay, the same as JSON, and the keys that they are signed with.

use super::{super::key::PublicKey, recorded_bytes};
use serde_json::Value;
use std::collections::HashMap;

/// Of the recording's time, in microseconds since 1970.
pub(crate) const NOW: u64 = 1_783_176_000_000_000;

fn unpacked(path: &str) -> Option<Vec<u8>> {
    recorded_bytes(path).map(|bytes| zstd::decode_all(bytes.as_slice()).unwrap())
}

/// 150 frames in a row.
pub(crate) fn frames() -> Option<Vec<Vec<u8>>> {
    let bytes = unpacked("jetstream-corpus/frames.bin.zst")?;
    let mut rest = bytes.as_slice();
    let mut frames = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        frames.push(frame.to_vec());
        rest = after;
    }
    Some(frames)
}

/// The keys of the accounts in the frames.
pub(crate) fn keys() -> Option<HashMap<String, PublicKey>> {
    let docs: HashMap<String, Value> =
        serde_json::from_slice(&unpacked("jetstream-corpus/did_docs.json.zst")?).unwrap();
    let keys = docs.into_iter().map(|(did, doc)| {
        let key = key(&doc);
        (did, key)
    });
    Some(keys.collect())
}

/// The signing key of a DID document.
pub(crate) fn key(doc: &Value) -> PublicKey {
    let methods = doc["verificationMethod"].as_array().unwrap();
    let method = methods.iter().find(|method| method["id"].as_str().unwrap().ends_with("#atproto")).unwrap();
    let text = |field: &str| method[field].as_str().unwrap();
    PublicKey::from_method(text("type"), text("publicKeyMultibase")).unwrap()
}

/// The same messages, as another program gave them.
pub(crate) fn events() -> Option<Vec<Value>> {
    let bytes = recorded_bytes("jetstream-corpus/expected_v1.jsonl")?;
    Some(
        std::str::from_utf8(&bytes)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}
