//! Relays that are badly run, and connections that break: whatever happens, no good record is lost.

use super::{World, a_while, relay, told};
use crate::{
    network::{Account, Manner, Stream, like, post},
    support::{HostOptions, wait_for},
};
use springline_sources::{
    SourceConfig, SourceState,
    atproto::{
        frame::{Frame, Info, StreamError},
        live::{RelayConfig, Verification},
    },
};
use std::{collections::BTreeSet, time::Duration};

/// An account's frames on a relay, with something amiss between them.
struct Bad {
    world: World,
    stream: Stream,
    account: Account,
    seq: u64,
}

impl Bad {
    async fn new() -> Self {
        let (world, stream, account) = (World::new().await, Stream::relay().await, Account::new(1));
        world.directory.publish(&account);
        Self { world, stream, account, seq: 10 }
    }

    /// Commits so many records and puts them on the stream.
    fn good(&mut self, count: u64) {
        for _ in 0..count {
            self.seq += 1;
            let path = format!("app.bsky.feed.like/{:05}", self.seq);
            let frame = self.account.create(&path, &like("at://did:plc:x/a.b.c/d"), self.seq);
            self.stream.frame(self.seq, frame);
        }
    }

    fn config(&self) -> RelayConfig {
        relay(&[&self.stream], Verification::Full)
    }

    /// Follows it, and has all that is good after a while.
    async fn all_is_there(&self) {
        let host = self.world.start(&SourceConfig::Relay(self.config()));
        self.arrives().await;
        host.stop().await;
    }

    async fn arrives(&self) {
        self.world.at(&self.stream.url(), self.seq).await;
        let wanted: Vec<_> = (11..=self.seq).map(|seq| format!("{seq:05}")).collect();
        assert_eq!(self.world.paths(), wanted);
    }

    fn connections(&self) -> usize {
        self.stream.asked().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_do_not_rise_end_the_connection_and_nothing_is_lost() {
    for back in [0, 2] {
        let mut bad = Bad::new().await;
        bad.good(5);
        let frame = Frame::Info(Info { name: "Nothing", message: None }).write();
        bad.stream.frame(None, frame); // says nothing, and has no number
        // The frame of an account that is only told of there.
        let mut other = Account::new(7);
        bad.stream.frame(bad.seq - back, other.create("a.b.c/x", &post("x"), bad.seq - back));
        bad.good(5);
        bad.all_is_there().await;
        assert_eq!(bad.connections(), 2);
        assert!(bad.stream.asked()[1].ends_with(&format!("cursor={}", bad.seq - 5)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_is_a_gap_only_between_connections() {
    let mut bad = Bad::new().await;
    bad.good(2);
    bad.stream.next(Manner::CloseAfter(2));
    let host = bad.world.start(&SourceConfig::Relay(bad.config()));
    bad.arrives().await;
    // What the relay forgot while nobody listened.
    bad.seq = 50;
    let frame = bad.account.create("app.bsky.feed.like/00050", &like("at://did:plc:x/a.b.c/d"), 50);
    bad.stream.frame(50, frame);
    bad.seq = 90;
    let frame = bad.account.create("app.bsky.feed.like/00090", &like("at://did:plc:x/a.b.c/d"), 90);
    bad.stream.frame(90, frame);
    bad.world.at(&bad.stream.url(), 90).await;
    let gaps = bad.world.ledger.with(|inner| inner.gaps.clone());
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.from.as_str(), gap.to.as_str(), &gap.partition), ("12", "50", &bad.stream.url()));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_the_future_is_told_and_never_reset() {
    let mut bad = Bad::new().await;
    bad.good(3);
    bad.all_is_there().await;
    // The relay has begun to number anew.
    let fresh = Stream::relay().await;
    let mut config = relay(&[&fresh], Verification::Full);
    config.hosts = vec![fresh.url()];
    bad.world.ledger.with(|inner| {
        let position = inner.positions.values().next().cloned().unwrap();
        let mut partition = inner.positions.keys().next().cloned().unwrap();
        partition.name = fresh.url();
        inner.positions.insert(partition, position);
    });
    fresh.frame(1, bad.account.create("app.bsky.feed.like/new", &like("at://did:plc:x/a.b.c/d"), 1));
    let host = bad.world.start(&SourceConfig::Relay(config));
    told(&host, "FutureCursor").await;
    wait_for("it asks again", || if fresh.asked().len() > 2 { Ok(()) } else { Err(()) }).await;
    assert!(fresh.asked().iter().all(|asked| asked.ends_with("?cursor=13")), "{:?}", fresh.asked());
    host.state(SourceState::Paused).await;
    assert_eq!(bad.world.versions().len(), 3);
    // Only the operator can say that it is to begin again.
    host.command(springline_sources::Command::Reset).await;
    bad.world.at(&fresh.url(), 1).await;
    assert_eq!(bad.world.versions().len(), 4);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_ends_the_connection_once() {
    let mut bad = Bad::new().await;
    bad.good(3);
    bad.stream.frame(None, b"\xff\xff not CBOR".to_vec());
    bad.good(3);
    // Cut off before its number.
    let cut = bad.account.frame(&[], 1_000);
    bad.stream.frame(None, cut[..20].to_vec());
    bad.good(3);
    bad.stream.say(None, text("hello"));
    bad.good(3);
    bad.all_is_there().await;
    // At most once for each of the three: they may have been read together.
    assert!((2..=4).contains(&bad.connections()), "{:?}", bad.stream.asked());
    assert_eq!(bad.world.ledger.reasons().len(), 3);
}

fn text(text: &str) -> crate::network::Said {
    crate::network::Said::Text(text.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_message_whose_number_can_be_read_is_passed_over() {
    let mut bad = Bad::new().await;
    bad.good(3);
    // An #account without its DID.
    bad.seq += 1;
    let seq = u8::try_from(bad.seq).unwrap();
    let broken = [&b"\xa2at\x68#accountbop\x01\xa2cseq"[..], &[seq], b"factive\xf5"].concat();
    bad.stream.frame(bad.seq, broken);
    let first = bad.seq;
    bad.good(3);
    let host = bad.world.start(&SourceConfig::Relay(bad.config()));
    bad.world.at(&bad.stream.url(), bad.seq).await;
    assert_eq!(bad.world.versions().len(), 6);
    assert_eq!((bad.connections(), bad.world.ledger.reasons().len()), (1, 1));
    assert!(first < bad.seq);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_too_large_is_passed_over() {
    let mut bad = Bad::new().await;
    bad.good(2);
    bad.stream.frame(None, vec![0xa1; 5_500_000]);
    bad.good(2);
    bad.all_is_there().await;
    let reasons = bad.world.ledger.reasons();
    assert!(reasons.values().all(|reason| reason.contains("5500000 bytes")), "{reasons:?}");
    assert_eq!((bad.connections(), reasons.len()), (2, 1));
}

/// More than a socket reads.
fn much_too_large() -> Vec<u8> {
    vec![0xa1; 16_500_000]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_socket_reads_is_passed_over_by_its_number() {
    let mut bad = Bad::new().await;
    bad.good(2);
    bad.seq += 1;
    bad.stream.frame(bad.seq, much_too_large());
    let number = bad.seq;
    bad.good(3);
    let host = bad.world.start(&SourceConfig::Relay(bad.config()));
    bad.world.at(&bad.stream.url(), bad.seq).await;
    assert_eq!(bad.world.versions().len(), 5);
    let reasons = bad.world.ledger.reasons();
    let wanted = format!("{}/seq/{number}", bad.stream.url());
    assert_eq!(reasons.keys().collect::<Vec<_>>(), [&wanted], "{reasons:?}");
    assert!(reasons[&wanted].contains("more than any may have"), "{reasons:?}");
    let asked: Vec<String> =
        bad.stream.asked().iter().map(|asked| asked.rsplit('=').next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["0", "13"]);
    assert!(bad.world.ledger.with(|inner| inner.gaps.is_empty()));
    // What came after it is as ever, and a second one, too.
    bad.seq += 1;
    bad.stream.frame(bad.seq, much_too_large());
    bad.good(2);
    bad.world.at(&bad.stream.url(), bad.seq).await;
    assert_eq!((bad.world.versions().len(), bad.world.ledger.reasons().len()), (7, 2));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_socket_reads_is_a_gap_where_its_number_is_not_known() {
    let mut bad = Bad::new().await;
    bad.good(2);
    // Numbers may be left out.
    bad.stream.frame(17, much_too_large());
    bad.seq = 29;
    bad.good(3);
    let other = Stream::relay().await;
    other.frame(5, Account::new(7).create("a.b.c/x", &post("x"), 5));
    let mut config = bad.config();
    config.hosts.push(other.url());
    let host = bad.world.start(&SourceConfig::Relay(config));
    // While it is left alone, the other one is followed; told to look again, it is passed over.
    bad.world.at(&other.url(), 5).await;
    for _ in 0..40 {
        if bad.world.ledger.position(&bad.stream.url()) == Some("32".into()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        host.command(springline_sources::Command::Pause).await;
        host.command(springline_sources::Command::Resume).await;
    }
    bad.world.at(&bad.stream.url(), 32).await;
    let gaps = bad.world.ledger.with(|inner| inner.gaps.clone());
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.from.as_str(), gap.to.as_str(), &gap.partition), ("12", "30", &bad.stream.url()));
    assert!(gap.reason.contains("was not read"), "{gap:?}");
    let asked: BTreeSet<u64> =
        bad.stream.asked().iter().map(|asked| asked.rsplit('=').next().unwrap().parse().unwrap()).collect();
    assert_eq!(asked.into_iter().take_while(|place| *place < 30).collect::<Vec<_>>(), [0, 13, 15, 19]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_to_be_sent_on_is_told() {
    let mut bad = Bad::new().await;
    bad.good(300);
    let options = HostOptions { capacity: 1, pause: Duration::from_millis(700), ..HostOptions::default() };
    let host = bad.world.start_with(&SourceConfig::Relay(bad.config()), options);
    let waiting = || host.status().partitions.get(&bad.stream.url()).map_or(0, |partition| partition.waiting);
    wait_for("some wait", || if waiting() > 0 { Ok(()) } else { Err(()) }).await;
    bad.arrives().await;
    wait_for("none do", || if waiting() == 0 { Ok(()) } else { Err(waiting()) }).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_passed_over_and_advice_is_told() {
    let mut bad = Bad::new().await;
    let info = Frame::Info(Info { name: "OutdatedCursor", message: Some("too old") }).write();
    bad.stream.frame(None, info);
    bad.good(2);
    for (op, kind) in [(1, "#news"), (1, ""), (2, "#commit"), (0, "#x")] {
        bad.stream.frame(None, Frame::Unknown { op, kind }.write());
    }
    bad.good(2);
    let host = bad.world.start(&SourceConfig::Relay(bad.config()));
    told(&host, "OutdatedCursor too old").await;
    bad.arrives().await;
    assert_eq!((bad.connections(), bad.world.ledger.reasons().len()), (1, 0));
    assert_eq!(host.status().state, SourceState::Live);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_end_in_any_way() {
    let slow = Frame::Error(StreamError { error: "ConsumerTooSlow", message: Some("hurry") }).write();
    for manner in [
        Manner::CloseAfter(3),
        Manner::CutAfter(3),
        Manner::LastWords(3, slow),
        Manner::Refuse(502, None),
        Manner::StallAfter(3),
        Manner::SilentAfter(3),
    ] {
        let mut bad = Bad::new().await;
        bad.good(8);
        bad.stream.next(manner.clone());
        let mut config = bad.config();
        (config.socket.ping_secs, config.socket.pong_secs, config.socket.stall_secs) = (1, 1, 60);
        if matches!(manner, Manner::SilentAfter(_)) {
            config.socket.stall_secs = 2;
        }
        let host = bad.world.start(&SourceConfig::Relay(config));
        if matches!(manner, Manner::LastWords(..)) {
            told(&host, "ConsumerTooSlow hurry").await;
        }
        bad.arrives().await;
        assert_eq!(bad.connections(), 2, "{manner:?}");
        let from = if matches!(manner, Manner::Refuse(..)) { 0 } else { 13 };
        assert!(bad.stream.asked()[1].ends_with(&format!("cursor={from}")), "{manner:?}");
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_quiet_but_there_is_kept() {
    let mut bad = Bad::new().await;
    bad.good(1);
    let mut config = bad.config();
    (config.socket.ping_secs, config.socket.pong_secs, config.socket.stall_secs) = (1, 3, 60);
    let host = bad.world.start(&SourceConfig::Relay(config));
    bad.arrives().await;
    tokio::time::sleep(Duration::from_millis(5_000)).await;
    bad.good(1);
    bad.arrives().await;
    assert_eq!(bad.connections(), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fast_relay_waits_for_a_slow_pipeline() {
    const BYTES: usize = 200_000;
    let (world, stream, mut account) = (World::new().await, Stream::relay().await, Account::new(1));
    world.directory.publish(&account);
    let count = 300;
    for seq in 1..=count {
        let text = post(&format!("{seq} {}", "x".repeat(BYTES)));
        stream.frame(seq, account.create(&format!("app.bsky.feed.post/{seq:05}"), &text, seq));
    }
    let mut config = relay(&[&stream], Verification::Hash);
    config.socket.queued_bytes = 2 * 1024 * 1024;
    let options = HostOptions { capacity: 1, pause: Duration::from_millis(60), ..HostOptions::default() };
    let host = world.start_with(&SourceConfig::Relay(config), options);
    let mut most = 0;
    wait_for("all of it", || {
        let taken = world.ledger.with(|inner| inner.records.len());
        most = most.max(stream.sent().saturating_sub(taken));
        if taken as u64 == count { Ok(()) } else { Err(taken) }
    })
    .await;
    // Ours are the 2 MiB and a batch or two; the rest is what the system keeps for a socket.
    let held = most * BYTES;
    assert!(held < 20_000_000, "{held} bytes of 60 MB were under way");
    assert_eq!(stream.asked().len(), 1);
    host.stop().await;
    a_while().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_do_not_hold_are_kept_aside_and_their_repositories_announced() {
    let mut bad = Bad::new().await;
    bad.good(2);
    // One bit of a block.
    let mut frame = bad.account.create("app.bsky.feed.like/broken", &like("at://did:plc:x/a.b.c/d"), 13);
    let at = frame.windows(7).position(|window| window == b"subject").unwrap();
    frame[at] ^= 1;
    bad.stream.frame(13, frame);
    // A rev of next year: nothing is to be fetched for it.
    let mut other = Account::new(2);
    bad.world.directory.publish(&other);
    let written = other.repo.apply(&[], 1_900_000_000_000_000).unwrap();
    bad.stream.frame(14, written.frame(14, "2026-05-01T00:00:00Z"));
    let third = Account::new(3);
    bad.world.directory.publish(&third);
    bad.stream.frame(15, third.sync(15));
    let host = bad.world.start(&SourceConfig::Relay(bad.config()));
    bad.world.at(&bad.stream.url(), 15).await;
    assert_eq!(bad.world.paths(), ["00011", "00012"]);
    let reasons = bad.world.ledger.reasons();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[&format!("{}/seq/14", bad.stream.url())].contains("future"));
    let resyncs = bad.world.ledger.with(|inner| inner.resyncs.clone());
    let resyncs: Vec<_> = resyncs.iter().map(ToString::to_string).collect();
    assert_eq!(resyncs, [bad.account.authority(), third.authority()]);
    host.stop().await;
}
