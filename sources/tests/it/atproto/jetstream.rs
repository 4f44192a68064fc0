//! Jetstreams of both versions, packed and plain.

use super::{Versions, World, told};
use crate::{
    network::{Manner, Recorded, Said, Stream},
    support::wait_for,
};
use serde_json::{Value, json};
use springline_sources::{
    SourceConfig, SourceState,
    atproto::live::{Compression, JetstreamConfig, SocketConfig},
};
use std::path::PathBuf;

fn config(streams: &[&Stream], version: u8, compress: Compression) -> JetstreamConfig {
    JetstreamConfig {
        hosts: streams.iter().map(|stream| stream.url()).collect(),
        version,
        compress,
        from: Some(0),
        records: Default::default(),
        socket: SocketConfig { backoff_secs: (1, 1), ..SocketConfig::default() },
    }
}

const PLAIN: Compression = Compression::Offered(false);

/// A dictionary with a number, trained with lines of ours.
fn dictionary() -> (PathBuf, Vec<u8>) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/atproto/lines.zdict"));
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

const DICTIONARY_ID: u32 = 20_260_501;

/// Lines of our own: without the recorded data, too.
fn lines(count: u64) -> Vec<String> {
    let line = |number: u64| {
        let did = crate::network::did(number % 7);
        let rev =
            springline_sources::atproto::syntax::Tid::new(1_780_000_000_000_000 + number, 0).to_string();
        json!({
            "did": did, "time_us": 1_780_000_000_000_000 + 10 * number, "kind": "commit",
            "commit": {
                "rev": rev, "operation": "create", "collection": "app.bsky.feed.post", "rkey": rev,
                "record": {
                    "$type": "app.bsky.feed.post", "createdAt": "2026-05-01T00:00:00.000Z", "text": format!("post {number}"),
                },
                "cid": "bafyreidqpc7si3dbimffi64lz3xsx2qt45ip7rpna2qpslcddp23itjjzm",
            },
        })
        .to_string()
    };
    (0..count).map(line).collect()
}

fn micros(line: &str) -> u64 {
    serde_json::from_str::<Value>(line).unwrap()["time_us"].as_u64().unwrap()
}

/// The same as an event of version 2.
fn second(line: &str, seq: u64) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    let millis = i64::try_from(line["time_us"].as_u64().unwrap() / 1000).unwrap();
    let mut payload = line["commit"].clone();
    payload["$type"] = "network.bsky.jetstream.subscribeEvents#commit".into();
    payload["did"] = line["did"].clone();
    payload["seq"] = seq.into();
    payload["time"] = springline_model::Timestamp(millis).to_rfc3339().into();
    json!({ "$type": "message", "payload": payload }).to_string()
}

/// Follows a Jetstream up to a position.
async fn followed(config: JetstreamConfig, stream: &Stream, position: u64) -> Versions {
    let world = World::new().await;
    let host = world.start(&SourceConfig::Jetstream(config));
    world.at(&stream.url(), position).await;
    assert_eq!(world.ledger.reasons(), [].into());
    host.stop().await;
    world.versions()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_packed_or_not_say_the_same() {
    let lines = lines(200);
    let last = micros(&lines[199]);
    let (path, bytes) = dictionary();
    let mut packer = zstd::bulk::Compressor::with_dictionary(3, &bytes).unwrap();

    let first = Stream::jetstream().await;
    lines.iter().for_each(|line| first.say(Some(micros(line)), Said::Text(line.clone())));
    let wanted = followed(config(&[&first], 1, PLAIN), &first, last).await;
    assert_eq!(wanted.len(), 200);
    assert_eq!(first.asked(), ["/subscribe?cursor=0"]);

    let packed = Stream::jetstream().await;
    for line in &lines {
        packed.say(Some(micros(line)), Said::Frame(packer.compress(line.as_bytes()).unwrap()));
    }
    let with = config(&[&packed], 1, Compression::Dictionary(path));
    assert_eq!(followed(with, &packed, last).await, wanted);
    assert_eq!(packed.asked(), ["/subscribe?cursor=0&compress=true"]);

    let route = "/xrpc/network.bsky.jetstream.subscribeEvents?cursor=0";
    let newer = Stream::relay().await;
    for (line, seq) in lines.iter().zip(1..) {
        newer.say(Some(seq), Said::Text(second(line, seq)));
    }
    assert_eq!(followed(config(&[&newer], 2, PLAIN), &newer, 200).await, wanted);
    assert_eq!(newer.asked(), [route]);

    let packed = Stream::relay().await;
    packed.offer("/xrpc/network.bsky.jetstream.getZstdDictionary", bytes);
    for (line, seq) in lines.iter().zip(1..) {
        packed.say(Some(seq), Said::Frame(packer.compress(second(line, seq).as_bytes()).unwrap()));
    }
    assert_eq!(followed(config(&[&packed], 2, Compression::Offered(true)), &packed, 200).await, wanted);
    assert_eq!(packed.asked(), [format!("{route}&zstdDictionary={DICTIONARY_ID}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dictionary_that_cannot_be_had_is_told() {
    let (stream, world) = (Stream::relay().await, World::new().await);
    let with = config(&[&stream], 2, Compression::Offered(true));
    let host = world.start(&SourceConfig::Jetstream(with));
    told(&host, "the dictionary can't be had").await;
    assert_eq!(host.status().state, SourceState::Paused);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_lines_are_followed_and_resumed() {
    let Some(data) = Recorded::data() else { return };
    let (stream, world) = (Stream::jetstream().await, World::new().await);
    let lines = data.lines();
    for line in &lines {
        stream.say(Some(micros(line)), Said::Text(line.clone()));
    }
    stream.next(Manner::CloseAfter(70));
    let last = lines.iter().map(|line| micros(line)).max().unwrap();
    let with = config(&[&stream], 1, PLAIN);
    let host = world.start(&SourceConfig::Jetstream(with.clone()));
    world.at(&stream.url(), last).await;
    // The last of them may come before others: all were said when nothing more comes.
    wait_for("all of them", || {
        let sent = stream.sent();
        if sent >= 152 { Ok(()) } else { Err(sent) }
    })
    .await;
    let asked = stream.asked();
    assert_eq!(asked.len(), 2);
    let from: u64 = asked[1].rsplit_once('=').unwrap().1.parse().unwrap();
    assert!(lines[..70].iter().any(|line| micros(line) == from) && from < last, "{asked:?}");
    assert_eq!(world.ledger.reasons(), [].into());
    host.stop().await;

    let mut filtered = with;
    filtered.records.collections = ["app.bsky.feed.like".to_owned(), "app.bsky.graph.*".to_owned()].into();
    filtered.records.dids = ["did:plc:a".to_owned()].into();
    let host = world.start(&SourceConfig::Jetstream(filtered));
    wait_for("it asks", || if stream.asked().len() == 3 { Ok(()) } else { Err(()) }).await;
    let wanted =
        "wantedCollections=app.bsky.feed.like&wantedCollections=app.bsky.graph.*&wantedDids=did%3Aplc%3Aa";
    assert_eq!(stream.asked()[2], format!("/subscribe?cursor={last}&{wanted}"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_make_no_sense_are_kept_aside() {
    let (stream, world) = (Stream::jetstream().await, World::new().await);
    let lines = lines(20);
    let nonsense = ["", "{", "null", "{\"did\":5}", "\u{0}", "[[[[[[[[[["];
    for (line, number) in lines.iter().zip(0..) {
        stream.say(Some(micros(line)), Said::Text(line.clone()));
        if let Some(bad) = nonsense.get(number) {
            stream.say(None, Said::Text((*bad).to_owned()));
        }
    }
    stream.say(None, Said::Frame(vec![0xff; 100]));
    let last = r#"{"did":"did:plc:a","time_us":1790000000000000,"kind":"news"}"#;
    stream.say(Some(1_790_000_000_000_000), Said::Text(last.into()));
    let host = world.start(&SourceConfig::Jetstream(config(&[&stream], 1, PLAIN)));
    world.at(&stream.url(), 1_790_000_000_000_000).await;
    assert_eq!((world.versions().len(), world.ledger.reasons().len()), (20, nonsense.len() + 1));
    assert_eq!(stream.asked().len(), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_of_a_jetstream_are_told() {
    let (stream, world) = (Stream::relay().await, World::new().await);
    let lines = lines(10);
    for (line, seq) in lines.iter().zip(1..) {
        stream.say(Some(seq), Said::Text(second(line, seq)));
    }
    let error = r#"{"$type":"error","error":"ConsumerTooSlow","message":"hurry"}"#;
    stream.next(Manner::LastWords(5, error.into()));
    let host = world.start(&SourceConfig::Jetstream(config(&[&stream], 2, PLAIN)));
    told(&host, "ConsumerTooSlow hurry").await;
    world.at(&stream.url(), 10).await;
    assert_eq!((world.versions().len(), world.ledger.reasons().len()), (10, 0));
    assert!(stream.asked()[1].ends_with("cursor=5"));
    host.stop().await;
}
