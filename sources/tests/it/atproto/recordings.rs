//! What is recorded is what is replayed.

use super::{Versions, World};
use crate::{
    network::{Account, Recorded, Said, Stream, like},
    support::{Host, HostOptions, wait_for},
};
use springline_sources::{
    Bound, Range, SourceConfig, SourceError, SourceState,
    atproto::{
        live::{Recording, Verification, record},
        replay::{Form, ReplayConfig},
        syntax::Tid,
    },
};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

fn config(paths: Vec<PathBuf>) -> ReplayConfig {
    ReplayConfig {
        paths,
        form: None,
        range: Range::default(),
        speed_percent: 0,
        verification: Verification::Hash,
        legacy: false,
        records: Default::default(),
    }
}

async fn replayed(config: ReplayConfig) -> World {
    let world = World::new().await;
    let host = world.start_offline(&SourceConfig::Replay(config));
    host.live().await;
    host.stop().await;
    world
}

async fn versions_of(paths: Vec<PathBuf>) -> Versions {
    replayed(config(paths)).await.versions()
}

/// Frames of a few accounts.
fn frames(count: u64) -> Vec<Vec<u8>> {
    let mut accounts: Vec<_> = (0..5).map(Account::new).collect();
    (1..=count)
        .map(|seq| {
            let account = &mut accounts[(seq % 5) as usize];
            account.create(&format!("app.bsky.feed.like/{seq:04}"), &like("at://did:plc:x/a.b.c/d"), seq)
        })
        .collect()
}

fn framed(frames: &[Vec<u8>]) -> Vec<u8> {
    let one = |frame: &Vec<u8>| [&u32::try_from(frame.len()).unwrap().to_le_bytes()[..], frame].concat();
    frames.iter().flat_map(one).collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_relay_is_replayed() {
    let (stream, folder) = (Stream::relay().await, tempfile::tempdir().unwrap());
    let frames = frames(500);
    for (frame, seq) in frames.iter().zip(1..) {
        stream.frame(seq, frame.clone());
    }
    // It is broken off again and again, and by no fault of its own.
    stream.next(crate::network::Manner::CloseAfter(120));
    stream.next(crate::network::Manner::CutAfter(7));
    let out = folder.path().join("out");
    let recording = Recording {
        host: stream.url(),
        lines: false,
        from: Some(0),
        out: out.clone(),
        messages: Some(500),
        file_bytes: 100_000,
    };
    let done = record(&recording, &CancellationToken::new()).await.unwrap();
    assert_eq!((done.messages, done.bytes), (500, frames.iter().map(|frame| frame.len() as u64).sum()));
    assert!(done.files > 3);
    let names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len() as u64, done.files);
    assert!(names.iter().all(|name| name.to_string_lossy().ends_with(".frames.zst")), "{names:?}");
    let plain = put(folder.path(), "all.frames", framed(&frames));
    let wanted = versions_of(vec![plain]).await;
    assert_eq!(wanted.len(), 500);
    assert_eq!(versions_of(vec![out]).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_jetstream_is_replayed_until_told_to_stop() {
    let Some(data) = Recorded::data() else { return };
    let (stream, folder) = (Stream::jetstream().await, tempfile::tempdir().unwrap());
    for (line, number) in data.lines().into_iter().zip(1..) {
        stream.say(Some(number), Said::Text(line));
    }
    let (stop, out) = (CancellationToken::new(), folder.path().join("out"));
    let recording = Recording {
        host: stream.url(),
        lines: true,
        from: Some(0),
        out: out.clone(),
        messages: None,
        file_bytes: 1 << 20,
    };
    let stopping = stop.clone();
    let recorded = tokio::spawn(async move { record(&recording, &stopping).await });
    wait_for("all is sent", || if stream.sent() == 152 { Ok(()) } else { Err(stream.sent()) }).await;
    super::a_while().await;
    stop.cancel();
    assert_eq!(recorded.await.unwrap().unwrap().messages, 152);
    let wanted = versions_of(vec![data.path("jetstream-corpus/expected_v1.jsonl")]).await;
    assert_eq!(versions_of(vec![out]).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_by_their_names_or_what_they_begin_with() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = framed(&frames(50));
    let wanted = versions_of(vec![put(folder.path(), "a.frames", &bytes)]).await;
    assert_eq!(wanted.len(), 50);
    for (name, bytes) in [
        ("b.frames.gz", gzipped(&bytes)),
        ("c.frames.zst", zstd::encode_all(&bytes[..], 1).unwrap()),
        ("d.bin", bytes.clone()),
        ("nameless", bytes.clone()),
        ("packed", gzipped(&bytes)),
    ] {
        assert_eq!(versions_of(vec![put(folder.path(), name, bytes)]).await, wanted, "{name}");
    }
    let mut account = Account::new(1);
    account.create("app.bsky.feed.like/a", &like("at://did:plc:x/a.b.c/d"), 1);
    let car = account.repo.car();
    for (name, bytes) in [("a.car", car.clone()), ("b.car.gz", gzipped(&car)), ("unnamed", car.clone())] {
        assert_eq!(versions_of(vec![put(folder.path(), name, bytes)]).await.len(), 1, "{name}");
    }
    let line = r#"{"did":"did:plc:a","time_us":1,"kind":"commit","commit":{"rev":"3mmoojp7vgo2g","operation":"create","collection":"a.b.c","rkey":"x","record":{"$type":"a.b.c"}}}"#;
    for (name, text) in
        [("a.jsonl", format!("{line}\n")), ("b.ndjson", line.to_owned()), ("c", line.to_owned())]
    {
        assert_eq!(versions_of(vec![put(folder.path(), name, text)]).await.len(), 1, "{name}");
    }
    let odd = put(folder.path(), "odd", b"what is this?");
    for paths in [
        vec![odd.clone()],
        vec![folder.path().join("nothing")],
        vec![tempfile::tempdir().unwrap().path().into()],
    ] {
        let world = World::new().await;
        let host = world.start_offline(&SourceConfig::Replay(config(paths)));
        assert!(matches!(host.ended().await, Err(SourceError::Config(_) | SourceError::Io { .. })));
    }
    // Said to be lines it is one, that makes no sense.
    let said = ReplayConfig { form: Some(Form::Lines), ..config(vec![odd]) };
    assert_eq!(replayed(said).await.ledger.reasons().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_broken_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = put(folder.path(), "a.frames", framed(&frames(400)));
    let config = SourceConfig::Replay(config(vec![path.clone()]));
    let wanted = replayed_once(&config).await;
    for dies_at in 0..7 {
        let world = World::new().await;
        let options = HostOptions { capacity: 1, dies_at: Some(dies_at), ..HostOptions::default() };
        let host = Host::start_with(&config, &world.ledger, world.data.path(), options);
        wait_for("its death or its end", || {
            let is_live = host.status().state == SourceState::Live;
            if host.is_dead() || is_live { Ok(()) } else { Err(()) }
        })
        .await;
        if host.is_dead() {
            host.bury().await;
        } else {
            host.stop().await;
        }
        let done: u64 = world.ledger.position(path.to_str().unwrap()).map_or(0, |at| at.parse().unwrap());
        let (before, _) = world.ledger.counts();
        let host = world.start_offline(&config);
        host.live().await;
        host.stop().await;
        assert_eq!(world.versions(), wanted);
        let (after, _) = world.ledger.counts();
        assert_eq!(after - before, 400 - done, "only what was left is read");
    }
}

async fn replayed_once(config: &SourceConfig) -> Versions {
    let world = World::new().await;
    let host = world.start_offline(config);
    host.live().await;
    host.stop().await;
    world.versions()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_read_as_far_as_it_goes_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = framed(&frames(50));
    let packed = zstd::encode_all(&bytes[..], 1).unwrap();
    let mut long = bytes.clone();
    long.extend([0xff; 4]);
    for (name, bytes, least, why) in [
        ("cut.frames", bytes[..bytes.len() - 10].to_vec(), 49, "in the middle of a frame"),
        ("cut.frames.zst", packed[..packed.len() - 50].to_vec(), 0, ""),
        ("long.frames", long, 50, "damaged"),
    ] {
        let world = World::new().await;
        let path = put(folder.path(), name, bytes);
        let host = world.start_offline(&SourceConfig::Replay(config(vec![path.clone()])));
        let error = springline_sources::chain(&host.ended().await.unwrap_err());
        assert!(error.contains(name) && error.contains(why), "{error}");
        wait_for("what was good", || {
            let found = world.versions().len();
            if found >= least { Ok(()) } else { Err(found) }
        })
        .await;
    }
    // A repository that is broken is kept aside, and the next one read.
    let mut account = Account::new(1);
    account.create("app.bsky.feed.like/a", &like("at://did:plc:x/a.b.c/d"), 1);
    let car = account.repo.car();
    let one = put(folder.path(), "a.car", &car[..car.len() - 40]);
    let two = put(folder.path(), "b.car", &car);
    let world = replayed(config(vec![one, two])).await;
    assert_eq!((world.versions().len(), world.ledger.reasons().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_read_and_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let line = |number: u64| {
        let rev = Tid::new(1_780_000_000_000_000 + number, 0).to_string();
        let line = serde_json::json!({
            "did": crate::network::did(0), "time_us": number * 1_000_000, "kind": "commit",
            "commit": {
                "rev": rev, "operation": "create", "collection": "app.bsky.feed.post", "rkey": rev,
                "record": {
                    "$type": "app.bsky.feed.post", "createdAt": "2026-05-01T00:00:00.000Z", "text": format!("post {number}"),
                },
                "cid": "bafyreidqpc7si3dbimffi64lz3xsx2qt45ip7rpna2qpslcddp23itjjzm",
            },
        });
        line.to_string() + "\n"
    };
    let path = put(folder.path(), "a.jsonl", (2..=10).map(line).collect::<String>());
    let read = async |since: Option<&str>, until: Option<&str>| {
        let bound = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let range = Range { since: bound(since), until: bound(until) };
        replayed(ReplayConfig { range, ..config(vec![path.clone()]) }).await.versions().len()
    };
    assert_eq!(read(None, None).await, 9);
    assert_eq!(read(Some("4"), Some("6")).await, 2);
    assert_eq!(read(Some("1970-01-01T00:00:04Z"), Some("1970-01-01T00:00:09Z")).await, 5);
    // Broken off behind the first two of a range, it goes on with its third.
    let world = World::new().await;
    for (until, found) in [("6", 2), ("9", 5)] {
        let range = Range { since: Some(Bound::Offset(4)), until: Some(until.parse().unwrap()) };
        let host =
            world.start_offline(&SourceConfig::Replay(ReplayConfig { range, ..config(vec![path.clone()]) }));
        host.live().await;
        host.stop().await;
        assert_eq!(world.versions().len(), found);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_can_keep_the_pace() {
    let folder = tempfile::tempdir().unwrap();
    let line = |number: u64| {
        format!("{{\"did\":\"did:plc:a\",\"time_us\":{},\"kind\":\"news\"}}\n", 1_000_000 + number * 200_000)
    };
    let path = put(folder.path(), "a.jsonl", (0..11).map(line).collect::<String>());
    for (percent, least) in [(100, 1_950), (400, 450), (0, 0)] {
        let started = Instant::now();
        replayed(ReplayConfig { speed_percent: percent, ..config(vec![path.clone()]) }).await;
        assert!(started.elapsed() >= Duration::from_millis(least), "{percent} %: {:?}", started.elapsed());
    }
    // And be stopped meanwhile.
    let world = World::new().await;
    let slow = ReplayConfig { speed_percent: 1, ..config(vec![path]) };
    let host = world.start_offline(&SourceConfig::Replay(slow));
    host.state(SourceState::Indexing).await;
    super::a_while().await;
    host.stop().await;
}
