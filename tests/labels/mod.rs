//! An account with 10,000 records is taken down by a label, and comes back whole; and what the operator says is heard
//! by those who follow it.

use serde_json::json;
use springline_sources::atproto::{
    data,
    frame::Frame,
    key::{Curve, PublicKey, SigningKey},
    syntax::Did,
    writer::{RepoWriter, Write},
};
use springline_tests::{Server, Springline, encode, eventually, fingerprints};
use std::{collections::BTreeMap, path::Path, time::Duration};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, connect};

const ALICE: &str = "did:plc:alice";
const BOB: &str = "did:plc:bob";
const LABELER: &str = "did:web:labels.example";
/// 2026-01-01.
const THEN: u64 = 1_767_225_600_000_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(Curve::K256, &[seed; 32]).unwrap()
}

fn block(json: &serde_json::Value) -> Vec<u8> {
    let value = springline_sources::atproto::json::from_json_text(&json.to_string()).unwrap();
    data::encode(&value).unwrap()
}

fn post(text: &str) -> Vec<u8> {
    block(&json!({ "$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-01-01T00:00:00Z" }))
}

fn subject(did: &str, number: usize) -> serde_json::Value {
    let cid = "bafyreidqpc7si3dbimffi64lz3xsx2qt45ip7rpna2qpslcddp23itjjzm";
    json!({ "uri": format!("at://{did}/app.bsky.feed.post/p{number}"), "cid": cid })
}

/// A repository of so many posts, and as many likes of the other's posts.
fn repository(did: &str, other: &str, seed: u8, posts: usize, path: &Path) {
    let mut repo = RepoWriter::new(Did::new(did).unwrap(), key(seed), THEN).unwrap();
    let mut writes: Vec<(String, Vec<u8>)> = Vec::new();
    for number in 0..posts {
        let text = format!("quokka {number} [[Digital Garden]] by {did}");
        writes.push((format!("app.bsky.feed.post/p{number}"), post(&text)));
        let like = json!({ "$type": "app.bsky.feed.like", "subject": subject(other, number), "createdAt": "2026-01-01T00:00:00Z" });
        writes.push((format!("app.bsky.feed.like/l{number}"), block(&like)));
    }
    for (turn, writes) in writes.chunks(200).enumerate() {
        let writes: Vec<Write<'_>> =
            writes.iter().map(|(path, record)| Write::Create(path, record)).collect();
        repo.apply(&writes, THEN + 1_000_000 * turn as u64).unwrap();
    }
    std::fs::write(path, repo.car()).unwrap();
}

fn views(springline: &Springline) -> BTreeMap<String, String> {
    let mut views = fingerprints(springline);
    views.remove("ledger"); // it remembers the label
    views
}

fn count(server: &Server, target: &str) -> u64 {
    let answer = server.get(&format!("/v1/backlinks/count?target={}", encode(target)));
    answer.json()["links"].as_u64().unwrap()
}

fn hits(server: &Server, query: &str) -> u64 {
    server.get(&format!("/v1/search?q={}", encode(query))).json()["total"].as_u64().unwrap()
}

#[test]
fn an_account_is_gone_in_one_epoch_and_comes_back_whole() {
    let dir = TempDir::new().unwrap();
    let (alice, bob) = (dir.path().join("alice.car"), dir.path().join("bob.car"));
    repository(ALICE, BOB, 1, 5_000, &alice);
    repository(BOB, ALICE, 2, 50, &bob);
    let secret = dir.path().join("labeler.key");
    std::fs::write(&secret, "07".repeat(32)).unwrap();
    let springline = Springline::new(&dir.path().join("data"))
        .with("identity.offline", "true")
        .with("labeler.did", LABELER)
        .with("labeler.key_file", &secret.display());
    let without = Springline::new(&dir.path().join("without")).with("identity.offline", "true");
    let replay = |springline: &Springline, path: &Path| {
        let said = springline.run(&["replay", &path.to_string_lossy()]);
        assert!(said.is_empty(), "{said}");
    };
    replay(&springline, &alice);
    replay(&springline, &bob);
    replay(&without, &bob);
    let (whole, without) = (views(&springline), views(&without));
    assert_ne!(whole, without);

    let server = springline.serve_configured();
    server.ready();
    let of_bob = format!("at://{BOB}/app.bsky.feed.post/p7");
    assert_eq!((count(&server, &of_bob), hits(&server, &format!("author:{ALICE}"))), (1, 5_000));
    let label = |server: &Server, body: serde_json::Value| {
        let answer = server.post("/v1/labels?wait=visible", &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let issued = label(&server, json!({ "uri": ALICE, "val": "!takedown" }));
    let shown = server.get("/v1/latest?limit=200");
    assert_eq!(shown.header("springline-epoch"), Some(issued["epoch"].to_string().as_str()));
    assert!(!shown.text().contains(ALICE));
    assert_eq!((count(&server, &of_bob), hits(&server, &format!("author:{ALICE}"))), (0, 0));
    assert_eq!(count(&server, "node:digital garden"), 50);
    let gone = format!("at://{ALICE}/app.bsky.feed.post/p7");
    assert_eq!(server.get(&format!("/v1/records?uri={}", encode(&gone))).status, 404);
    server.stop();
    assert_eq!(views(&springline), without, "as if the account had never been");

    // One record of somebody else, and everything back.
    let server = springline.serve_configured();
    server.ready();
    label(&server, json!({ "uri": of_bob, "val": "!takedown" }));
    assert_eq!(count(&server, "node:digital garden"), 49);
    label(&server, json!({ "uri": of_bob, "val": "!takedown", "neg": true }));
    label(&server, json!({ "uri": ALICE, "val": "!takedown", "neg": true }));
    assert_eq!((count(&server, &of_bob), hits(&server, &format!("author:{ALICE}"))), (1, 5_000));
    server.stop();
    assert_eq!(views(&springline), whole, "back, to the last row");
}

#[test]
fn labels_expire_and_are_heard() {
    let dir = TempDir::new().unwrap();
    let secret = dir.path().join("labeler.key");
    std::fs::write(&secret, "07".repeat(32)).unwrap();
    let springline = Springline::new(&dir.path().join("data"))
        .with("identity.offline", "true")
        .with("labeler.did", LABELER)
        .with("labeler.key_file", &secret.display());
    let bob = dir.path().join("bob.car");
    repository(BOB, ALICE, 2, 3, &bob);
    springline.run(&["replay", &bob.to_string_lossy()]);
    let server = springline.serve_configured();
    server.ready();
    let label = |body: serde_json::Value| server.post("/v1/labels?wait=visible", &body.to_string());
    let soon = springline_model::Timestamp(springline_model::Timestamp::now().0 + 1_500).to_rfc3339();
    assert_eq!(label(json!({ "uri": BOB, "val": "!takedown", "exp": soon })).status, 200);
    assert_eq!(hits(&server, "quokka"), 0);
    eventually("the label expires", Duration::from_secs(20), || (hits(&server, "quokka") == 3).then_some(()));
    assert_eq!(label(json!({ "uri": BOB, "val": "spam" })).status, 200);
    assert_eq!(hits(&server, "quokka"), 3, "not every label hides");
    for wrong in [
        json!({ "uri": "x", "val": "y" }),
        json!({ "uri": BOB, "val": "" }),
        json!({ "uri": BOB, "val": "y", "exp": "soon" }),
    ] {
        assert_eq!(label(wrong).status, 400);
    }

    let asked =
        server.get(&format!("/xrpc/com.atproto.label.queryLabels?uriPatterns={}", encode("did:plc:*")));
    let labels = asked.json()["labels"].as_array().unwrap().clone();
    assert_eq!(labels.len(), 1, "what has expired is not in force: {labels:?}");
    assert_eq!((&labels[0]["val"], &labels[0]["src"]), (&json!("spam"), &json!(LABELER)));

    let url = |cursor: u64| {
        format!("ws://{}/xrpc/com.atproto.label.subscribeLabels?cursor={cursor}", server.address)
    };
    let (mut stream, _) = connect(url(0)).unwrap();
    let signer: PublicKey = key(7).public();
    let mut heard = Vec::new();
    for _ in 0..2 {
        let Message::Binary(frame) = stream.read().unwrap() else { continue };
        let Frame::Labels(labels) = Frame::read(&frame).unwrap() else { panic!("labels") };
        let label = &labels.labels[0];
        label.verify(&signer).unwrap();
        heard.push((labels.seq, label.val.to_owned()));
    }
    assert_eq!(heard, [(1, "!takedown".to_owned()), (2, "spam".to_owned())]);
    label(json!({ "uri": BOB, "val": "late" }));
    let late = loop {
        if let Message::Binary(frame) = stream.read().unwrap() {
            break frame;
        }
    };
    let Frame::Labels(labels) = Frame::read(&late).unwrap() else { panic!("labels") };
    assert_eq!((labels.seq, labels.labels[0].val), (3, "late"));
    drop(stream);
    let (mut stream, _) = connect(url(99)).unwrap();
    let Message::Binary(frame) = stream.read().unwrap() else { panic!("a frame") };
    let Frame::Error(error) = Frame::read(&frame).unwrap() else { panic!("an error") };
    assert_eq!(error.error, "FutureCursor");
    server.stop();
}

#[test]
fn who_opts_out_is_purged() {
    let dir = TempDir::new().unwrap();
    let bob = dir.path().join("bob.car");
    repository(BOB, ALICE, 2, 5, &bob);
    let springline = Springline::new(&dir.path().join("data")).with("identity.offline", "true");
    springline.run(&["replay", &bob.to_string_lossy()]);
    let server = springline.serve_configured();
    server.ready();
    assert_eq!(hits(&server, "quokka"), 5);
    let body = json!({ "authority": BOB }).to_string();
    assert_eq!(server.post("/v1/moderation/forbid?wait=visible", &body).status, 200);
    assert_eq!(hits(&server, "quokka"), 0);
    assert!(server.get("/v1/moderation").json()["items"][0]["forbidden"] == json!(true));
    server.stop();
    // Nothing of it is taken again, from wherever.
    std::fs::copy(&bob, dir.path().join("again.car")).unwrap();
    springline.run(&["replay", &dir.path().join("again.car").to_string_lossy()]);
    let left = springline.run(&["views", "list"]);
    let search = left.lines().find(|line| line.starts_with("search")).unwrap().split_whitespace().nth(1);
    assert_eq!(search, Some("0"), "{left}");
}
