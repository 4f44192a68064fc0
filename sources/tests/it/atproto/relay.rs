//! A relay that is well run, and a second one for when it is not there.

use super::{World, relay};
use crate::{
    network::{Account, Manner, Recorded, Stream, like},
    support::{Host, HostOptions, wait_for},
};

use springline_sources::{
    Command, SourceConfig, SourceState,
    atproto::{live::Verification, replay::ReplayConfig},
};
use std::time::Duration;

/// The recorded frames, served.
async fn recorded(data: &Recorded) -> Stream {
    let stream = Stream::relay().await;
    for (seq, frame) in data.frames() {
        stream.frame(seq, frame);
    }
    stream
}

/// What the same messages are as lines of a Jetstream, read from a file.
async fn as_lines(data: &Recorded) -> World {
    let world = World::new().await;
    let config = SourceConfig::Replay(ReplayConfig {
        paths: vec![data.path("jetstream-corpus/expected_v1.jsonl")],
        form: None,
        range: springline_sources::Range::default(),
        speed_percent: 0,
        verification: Verification::Hash,
        legacy: false,
        records: Default::default(),
    });
    let host = world.start_offline(&config);
    host.live().await;
    host.stop().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_frames_are_what_their_jetstream_said() {
    let Some(data) = Recorded::data() else { return };
    let stream = recorded(&data).await;
    let world = World::new().await;
    for (did, document) in data.documents() {
        world.directory.document(&did, &document);
    }
    let config = SourceConfig::Relay(relay(&[&stream], Verification::Full));
    let (first, last) = (data.frames()[0].0, data.frames()[149].0);
    let host = world.start(&config);
    world.at(&stream.url(), last).await;
    assert_eq!(world.ledger.reasons(), [].into(), "all of them hold");
    assert!(world.ledger.with(|inner| inner.resyncs.is_empty() && inner.gaps.is_empty()));

    let lines = as_lines(&data).await;
    assert_eq!(lines.ledger.reasons(), [].into());
    let (found, wanted) = (world.versions(), lines.versions());
    assert_eq!(found.len(), wanted.len());
    for (uri, record) in &wanted {
        assert_eq!(found.get(uri), Some(record), "{uri}");
    }
    let counts =
        |world: &World| world.ledger.with(|inner| (inner.puts, inner.deletes, inner.hosting.clone()));
    assert_eq!(counts(&world), counts(&lines));
    assert_eq!(counts(&world).1, 4);
    host.stop().await;

    // It goes on behind what was read, and a break is seen.
    let counts = world.ledger.counts();
    let mut account = Account::new(1);
    world.directory.publish(&account);
    let host = world.start(&config);
    stream.frame(last + 1, account.create("app.bsky.feed.like/a", &like("at://did:plc:x/a.b.c/d"), last + 1));
    world.at(&stream.url(), last + 1).await;
    assert_eq!(world.ledger.counts(), (counts.0 + 1, counts.1));
    let asked = stream.asked();
    let path = "/xrpc/com.atproto.sync.subscribeRepos?cursor=";
    assert_eq!(asked, [format!("{path}0"), format!("{path}{last}")]);
    assert!(world.ledger.with(|inner| inner.gaps.is_empty()));
    assert!(first < last);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_it_dies_nothing_is_lost_and_a_restart_goes_on() {
    let Some(data) = Recorded::data() else { return };
    let stream = recorded(&data).await;
    let last = data.frames()[149].0;
    let wanted = as_lines(&data).await.versions();
    let config = SourceConfig::Relay(relay(&[&stream], Verification::Hash));
    for dies_at in 0..5 {
        let world = World::new().await;
        let options = HostOptions { capacity: 1, dies_at: Some(dies_at), ..HostOptions::default() };
        let host = Host::start_with(&config, &world.ledger, world.data.path(), options);
        wait_for("its death or its end", || {
            let is_done = world.ledger.position(&stream.url()) == Some(last.to_string());
            if host.is_dead() || is_done { Ok(()) } else { Err(()) }
        })
        .await;
        if host.is_dead() {
            host.bury().await;
        } else {
            host.stop().await;
        }
        let host = world.start_offline(&config);
        world.at(&stream.url(), last).await;
        host.stop().await;
        assert_eq!(world.versions(), wanted, "dead at batch {dies_at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_to_begin_a_stream_is_followed_from_now_on() {
    let (stream, mut account, world) = (Stream::relay().await, Account::new(1), World::new().await);
    world.directory.publish(&account);
    let mut say = |seq: u64| {
        let path = format!("app.bsky.feed.like/{seq}");
        stream.frame(seq, account.create(&path, &like("at://did:plc:x/a.b.c/d"), seq));
    };
    (1..=3).for_each(&mut say);
    let mut config = relay(&[&stream], Verification::Full);
    config.from = None;
    let host = world.start(&SourceConfig::Relay(config));
    wait_for("it is followed", || if stream.asked().is_empty() { Err(()) } else { Ok(()) }).await;
    host.live().await;
    super::a_while().await;
    (4..=5).for_each(&mut say);
    world.at(&stream.url(), 5).await;
    assert_eq!(world.paths(), ["4", "5"]);
    assert!(!stream.asked()[0].contains("cursor"), "{:?}", stream.asked());
    assert!(world.ledger.with(|inner| inner.gaps.is_empty()), "what was before is no gap");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_takes_over_with_a_position_of_its_own() {
    let (one, two, mut account) = (Stream::relay().await, Stream::relay().await, Account::new(1));
    let world = World::new().await;
    world.directory.publish(&account);
    let subject = like("at://did:plc:x/a.b.c/d");
    // They number the same messages differently.
    for number in 0..30_u64 {
        let written = account.create(&format!("app.bsky.feed.like/{number:02}"), &subject, 100 + number);
        one.frame(100 + number, written.clone());
        let frame = springline_sources::atproto::frame::Frame::read(&written).unwrap();
        let springline_sources::atproto::frame::Frame::Commit(mut commit) = frame else { panic!() };
        commit.seq = 5_000 + i64::try_from(number).unwrap();
        two.frame(5_000 + number, springline_sources::atproto::frame::Frame::Commit(commit).write());
    }
    one.next(Manner::CloseAfter(10));
    one.next(Manner::Refuse(503, Some("3600".into())));
    let mut config = relay(&[&one, &two], Verification::Full);
    config.socket.backoff_secs = (1, 2);
    let host = world.start(&SourceConfig::Relay(config.clone()));
    world.at(&two.url(), 5_029).await;
    assert_eq!(world.ledger.position(&one.url()), Some("109".into()));
    assert_eq!(world.versions().len(), 30);
    assert_eq!(two.asked(), ["/xrpc/com.atproto.sync.subscribeRepos?cursor=0"]);
    let status = host.status();
    assert_eq!(status.partitions[&two.url()].state, SourceState::Live);
    host.stop().await;

    // After a restart the first one is preferred again; it said to be left alone for an hour, but to another process.
    let host = world.start(&SourceConfig::Relay(config));
    world.at(&one.url(), 109).await;
    wait_for("it is asked", || if one.asked().len() >= 2 { Ok(()) } else { Err(one.asked()) }).await;
    assert!(one.asked().last().unwrap().ends_with("?cursor=109"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_busy_is_left_alone_for_as_long_as_it_says() {
    let (stream, mut account, world) = (Stream::relay().await, Account::new(1), World::new().await);
    world.directory.publish(&account);
    stream.frame(1, account.create("app.bsky.feed.like/a", &like("at://did:plc:x/a.b.c/d"), 1));
    stream.next(Manner::Refuse(429, Some("3".into())));
    let host = world.start(&SourceConfig::Relay(relay(&[&stream], Verification::Full)));
    let started = std::time::Instant::now();
    super::told(&host, "429").await;
    assert_eq!(host.status().state, SourceState::Paused);
    world.at(&stream.url(), 1).await;
    assert!(started.elapsed() >= Duration::from_millis(2900), "{:?}", started.elapsed());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_pauses_resumes_and_begins_again() {
    let (stream, mut account, world) = (Stream::relay().await, Account::new(1), World::new().await);
    world.directory.publish(&account);
    let subject = like("at://did:plc:x/a.b.c/d");
    stream.frame(11, account.create("app.bsky.feed.like/a", &subject, 11));
    let host = world.start(&SourceConfig::Relay(relay(&[&stream], Verification::Full)));
    world.at(&stream.url(), 11).await;
    host.command(Command::Pause).await;
    host.state(SourceState::Paused).await;
    stream.frame(12, account.create("app.bsky.feed.like/b", &subject, 12));
    super::a_while().await;
    assert_eq!(world.ledger.position(&stream.url()), Some("11".into()));
    host.command(Command::Resume).await;
    world.at(&stream.url(), 12).await;
    for paused in [false, true] {
        let (puts, _) = world.ledger.counts();
        if paused {
            host.command(Command::Pause).await;
            host.state(SourceState::Paused).await;
        }
        host.command(Command::Reset).await;
        host.command(Command::Resume).await;
        wait_for("all is read again", || {
            let (now, _) = world.ledger.counts();
            if now == puts + 2 { Ok(()) } else { Err(now) }
        })
        .await;
    }
    assert!(world.ledger.with(|inner| inner.gaps.is_empty()), "0 is no place to have been left at");
    assert!(host.pull().await.partitions.is_empty());
    assert!(host.retry("at://x/y/z").await.is_err());
    host.stop().await;
}
