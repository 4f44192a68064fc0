//! Another relay's scenarios: what it drops must leave no trace, and the rest must be there.

use super::world::{World, followed, framed, replay, replayer, views};
use serde_json::Value;
use springline_sources::atproto::{data, frame::Frame, json};
use springline_tests::atproto::Recorded;

const ALL: [&str; 7] = [
    "account_lifecycle",
    "deactivation",
    "legacy",
    "post_lifecycle",
    "post_lifecycle_legacy",
    "rev_ordering",
    "seq_ordering",
];

/// A frame of its header and body in JSON.
fn frame(message: &Value) -> Vec<u8> {
    let part = |name: &str| data::encode(&json::from_json(&message["frame"][name]).unwrap()).unwrap();
    [part("header"), part("body")].concat()
}

#[test]
fn what_another_relay_drops_is_not_seen() {
    let Some(recorded) = Recorded::data() else { return };
    for name in ALL {
        let world = World::new();
        let scenario: Value = serde_json::from_slice(
            &recorded.bytes(&format!("indigo/cmd/relay/testing/testdata/{name}.json")),
        )
        .unwrap();
        for account in scenario["accounts"].as_array().unwrap() {
            let identity = &account["identity"];
            let did = identity["did"].as_str().unwrap();
            let key = &identity["keys"]["atproto"];
            let document = serde_json::json!({
                "id": did,
                "verificationMethod": [{
                    "id": format!("{did}#atproto"), "controller": did,
                    "type": key["type"], "publicKeyMultibase": key["publicKeyMultibase"],
                }],
            });
            world.directory.document(did, &document);
        }
        let messages = scenario["messages"].as_array().unwrap();
        let mut last = 0;
        for message in messages {
            let bytes = frame(message);
            let seq = Frame::read(&bytes)
                .ok()
                .and_then(|frame| frame.seq())
                .and_then(|seq| u64::try_from(seq).ok());
            last = last.max(seq.unwrap_or(0));
            world.stream.frame(seq, bytes);
        }
        let legacy = if scenario["lenient"] == true { "legacy = true\n" } else { "" };
        let follower = world.follower("follower", "full", legacy);
        let server = follower.serve_configured();
        followed(&server, &world.stream, last);
        server.stop();

        let kept = messages.iter().filter(|message| message["drop"] == false).map(frame).collect::<Vec<_>>();
        let file = world.path("kept.frames");
        std::fs::write(&file, framed(&kept)).unwrap();
        let wanted = replayer(&world.path("wanted"));
        replay(&wanted, "none", &[&file]);
        assert_eq!(views(&follower), views(&wanted), "{name}");
    }
}
