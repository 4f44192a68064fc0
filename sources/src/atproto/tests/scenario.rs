//! Scenarios of another relay: messages in a row, and for each whether it is to be dropped.
//!
//! A [`Scenario`] is its accounts' keys and its messages as frames, to be fed to whatever decides: here what can be
//! told from a message alone, with the least state that the rest needs.

use super::{
    super::{data, json, key::PublicKey},
    recorded_json,
};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Files of scenarios, of which each can be [`load`]ed.
pub(crate) const ALL: [&str; 7] = [
    "account_lifecycle",
    "deactivation",
    "legacy",
    "post_lifecycle",
    "post_lifecycle_legacy",
    "rev_ordering",
    "seq_ordering",
];

pub(crate) struct Scenario {
    /// Whether commits of before `prevData` are accepted.
    pub(crate) lenient: bool,
    /// By DID.
    pub(crate) keys: HashMap<String, PublicKey>,
    pub(crate) messages: Vec<Message>,
}

pub(crate) struct Message {
    pub(crate) frame: Vec<u8>,
    /// Whether a relay doesn't pass it on.
    pub(crate) drop: bool,
}

/// Of a file, without the recorded data none.
pub(crate) fn load(name: &str) -> Option<Scenario> {
    let file = recorded_json(&format!("indigo/cmd/relay/testing/testdata/{name}.json"))?;
    let keys = file["accounts"].as_array().unwrap().iter().map(|account| {
        let key = &account["identity"]["keys"]["atproto"];
        let text = |field: &str| key[field].as_str().unwrap();
        let key = PublicKey::from_method(text("type"), text("publicKeyMultibase")).unwrap();
        (account["identity"]["did"].as_str().unwrap().to_owned(), key)
    });
    let messages = file["messages"].as_array().unwrap().iter().map(|message| Message {
        frame: frame(&message["frame"]["header"], &message["frame"]["body"]),
        drop: message["drop"].as_bool().unwrap(),
    });
    Some(Scenario {
        lenient: file["lenient"].as_bool().unwrap(),
        keys: keys.collect(),
        messages: messages.collect(),
    })
}

/// A frame of its header and body in JSON.
pub(crate) fn frame(header: &Value, body: &Value) -> Vec<u8> {
    let part = |json: &Value| data::encode(&json::from_json(json).unwrap()).unwrap();
    [part(header), part(body)].concat()
}

/// A commit that is recorded as the JSON of its body.
pub(crate) fn commit(path: &str) -> Option<Vec<u8>> {
    recorded_json(path).map(|body| frame(&json!({"op": 1, "t": "#commit"}), &body))
}
