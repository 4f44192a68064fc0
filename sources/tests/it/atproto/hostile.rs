//! Messages damaged at random, through everything that reads them: each is taken or refused, and nothing fails.

use super::World;
use crate::network::{Account, Recorded, did, like, post};
use proptest::{collection, prelude::*, sample::Index, strategy::ValueTree, test_runner::TestRunner};
use springline_sources::{
    SourceConfig,
    atproto::{
        live::Verification,
        reader::{RecordsConfig, Validation},
        replay::{Form, ReplayConfig},
        writer::Write,
    },
};

/// How many are damaged in one go.
const MESSAGES: usize = 3_000;

#[derive(Clone, Debug)]
enum Damage {
    Byte(Index, u8),
    Cut(Index),
    Repeat(Index, usize),
    Insert(Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let bombs = prop::sample::select(vec![
        vec![0x9b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x81; 200],
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[".to_vec(),
        b"\\ud800".to_vec(),
        b"1e999".to_vec(),
        b"{\"$link\":\"x\"}".to_vec(),
        b"\"$type\":null,".to_vec(),
        vec![0xf0, 0x9f],
    ]);
    let one = prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), 1..50_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        1 => (any::<Index>(), bombs).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ];
    collection::vec(one, 0..4)
}

fn damaged(mut bytes: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    for damage in damage {
        if bytes.is_empty() {
            break;
        }
        match damage {
            Damage::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Repeat(at, length) => {
                let start = at.index(bytes.len());
                let part = bytes[start..(start + length).min(bytes.len())].to_vec();
                bytes.splice(start..start, part);
            }
            Damage::Insert(at, part) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, part.iter().copied());
            }
        }
    }
    bytes
}

/// Seeds, damaged; the same each time.
fn all_damaged(seeds: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let strategy = (any::<Index>(), damage());
    let mut one = || {
        let (seed, damage) = strategy.new_tree(&mut runner).unwrap().current();
        damaged(seeds[seed.index(seeds.len())].clone(), &damage)
    };
    (0..MESSAGES).map(|_| one()).collect()
}

async fn survived(messages: Vec<u8>, form: Form) {
    let world = World::new().await;
    let path = world.data.path().join("messages");
    std::fs::write(&path, messages).unwrap();
    for validation in [Validation::Reject, Validation::Flag] {
        let config = ReplayConfig {
            paths: vec![path.clone()],
            form: Some(form),
            range: springline_sources::Range::default(),
            speed_percent: 0,
            verification: Verification::None,
            legacy: true,
            records: RecordsConfig { validation, ..RecordsConfig::default() },
        };
        world.ledger.with(|inner| inner.positions.clear());
        let host = world.start_offline(&SourceConfig::Replay(config));
        host.live().await;
        host.stop().await;
        assert_eq!(world.ledger.position(path.to_str().unwrap()), Some(MESSAGES.to_string()));
        let reasons = world.ledger.reasons();
        assert!(reasons.len() > 100, "some are refused: {}", reasons.len());
        let failed: Vec<_> = reasons.iter().filter(|(_, reason)| reason.contains("failed")).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}

/// Frames of every kind.
fn frames() -> Vec<Vec<u8>> {
    let mut account = Account::new(3);
    let mut frames = vec![
        account.create("app.bsky.feed.like/a", &like("at://did:plc:x/a.b.c/d"), 1),
        account.create("app.bsky.feed.post/b", &post("hello [[world]] #tag https://example.org/"), 2),
        account.frame(&[Write::Delete("app.bsky.feed.like/a")], 3),
        account.status(false, Some("takendown"), 4),
        account.identity("a.example.com", 5),
        account.sync(6),
    ];
    if let Some(data) = Recorded::data() {
        frames.extend(data.frames().into_iter().map(|(_, frame)| frame));
    }
    frames
}

fn lines() -> Vec<Vec<u8>> {
    let did = did(1);
    let mut lines = vec![
        format!(
            r#"{{"did":"{did}","time_us":1,"kind":"commit","commit":{{"rev":"3mmoojp7vgo2g","operation":"create","collection":"app.bsky.feed.post","rkey":"x","record":{{"$type":"app.bsky.feed.post","text":"a [[b]]","createdAt":"2026-05-01T00:00:00Z","facets":[{{"index":{{"byteStart":0,"byteEnd":1}},"features":[{{"$type":"app.bsky.richtext.facet#tag","tag":"x"}}]}}]}}}}}}"#
        ),
        format!(
            r#"{{"did":"{did}","time_us":2,"kind":"account","account":{{"active":false,"did":"{did}","seq":1,"status":"takendown","time":"2026-05-25T14:23:28.778Z"}}}}"#
        ),
        format!(
            r#"{{"$type":"message","payload":{{"$type":"network.bsky.jetstream.subscribeEvents#commit","seq":77,"did":"{did}","time":"2026-05-25T14:23:29.132431Z","rev":"3mmoojp7vgo2g","operation":"delete","collection":"app.bsky.feed.post","rkey":"x"}}}}"#
        ),
    ];
    if let Some(data) = Recorded::data() {
        lines.extend(data.lines());
    }
    lines.into_iter().map(String::into_bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_frames_are_survived() {
    let frames = all_damaged(&frames());
    let one = |frame: Vec<u8>| [&u32::try_from(frame.len()).unwrap().to_le_bytes()[..], &frame].concat();
    survived(frames.into_iter().flat_map(one).collect(), Form::Frames).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_lines_are_survived() {
    let lines = all_damaged(&lines());
    // A line is one, whatever is in it.
    let one = |mut line: Vec<u8>| {
        line.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        line.push(b'\n');
        line
    };
    survived(lines.into_iter().flat_map(one).collect(), Form::Lines).await;
}
