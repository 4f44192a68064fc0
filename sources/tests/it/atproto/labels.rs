//! A labeler, followed over a WebSocket.

use super::{World, told};
use crate::{
    network::{Labeler, Manner, Says, Stream},
    support::{HostOptions, wait_for},
};
use springline_sources::{
    Command, SourceConfig,
    atproto::{
        frame::{Frame, Info},
        live::{LabelsConfig, SocketConfig},
    },
};

const ALICE: &str = "did:plc:alice";
const POST: &str = "at://did:plc:alice/app.bsky.feed.post/a";

/// A labeler, where its labels are, and what was heard of it.
struct Followed {
    world: World,
    stream: Stream,
    labeler: Labeler,
}

impl Followed {
    async fn new() -> Self {
        let followed =
            Self { world: World::new().await, stream: Stream::relay().await, labeler: Labeler::new(40) };
        followed.publish();
        followed
    }

    fn publish(&self) {
        self.world.directory.document(self.labeler.did(), &self.labeler.document(&self.stream.url()));
    }

    /// It is found by its DID document.
    fn config(&self) -> SourceConfig {
        SourceConfig::Labels(LabelsConfig {
            did: self.labeler.did().to_owned(),
            hosts: Vec::new(),
            hides: vec!["!takedown".into()],
            verify: true,
            socket: SocketConfig { backoff_secs: (1, 1), ..SocketConfig::default() },
        })
    }

    fn say(&self, seq: u64, says: &[Says]) {
        self.stream.frame(seq, self.labeler.frame(i64::try_from(seq).unwrap(), says));
    }

    async fn at(&self, seq: u64) {
        self.world.at(&self.stream.url(), seq).await;
    }

    /// Subject, value, whether it is taken back and whether it hides, each once.
    fn heard(&self) -> Vec<(String, String, bool, bool)> {
        let labels = self.world.ledger.with(|inner| inner.labels.clone());
        let mut heard: Vec<_> = labels
            .into_iter()
            .map(|label| (label.cts, label.uri.to_string(), label.val, label.neg, label.hides))
            .collect();
        heard.sort();
        heard.dedup();
        heard.into_iter().map(|(_, uri, val, neg, hides)| (uri, val, neg, hides)).collect()
    }

    fn asked(&self) -> Vec<String> {
        self.stream.asked().iter().map(|asked| asked.rsplit('=').next().unwrap().to_owned()).collect()
    }
}

fn label(uri: &str, val: &str, neg: bool, hides: bool) -> (String, String, bool, bool) {
    (uri.into(), val.into(), neg, hides)
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_believed_if_their_labeler_has_signed_them() {
    let mut followed = Followed::new().await;
    followed.say(1, &[Says::of(ALICE, "!takedown", 1), Says::of(POST, "spam", 2)]);
    // Signed by another, of another, without a value, of nothing; what stands beside them counts.
    let mut other = Labeler::new(40);
    other.rotate(41);
    followed.stream.frame(2, other.frame(2, &[Says::of(POST, "forged", 3)]));
    followed.stream.frame(3, Labeler::new(42).frame(3, &[Says::of(POST, "of another", 4)]));
    followed.say(
        4,
        &[Says::of(POST, "", 5), Says::of("https://x.example/", "page", 5), Says::of(POST, "good", 6)],
    );
    followed.say(5, &[Says::of(ALICE, "!takedown", 7).taken_back()]);
    let host = followed.world.start(&followed.config());
    followed.at(5).await;
    let wanted = [
        label(ALICE, "!takedown", false, true),
        label(POST, "spam", false, false),
        label(POST, "good", false, false),
        label(ALICE, "!takedown", true, true),
    ];
    assert_eq!(followed.heard(), wanted);
    let reasons: Vec<String> = followed.world.ledger.reasons().into_values().collect();
    assert_eq!((reasons.len(), host.status().quarantined), (4, 4), "{reasons:?}");
    for why in [
        "not signed by its labeler",
        "by somebody else",
        "without a value",
        "neither an account nor a record",
    ] {
        assert!(reasons.iter().any(|reason| reason.contains(why)), "{why}: {reasons:?}");
    }
    // It signs with another key by now, which its document tells.
    followed.labeler.rotate(43);
    followed.publish();
    followed.say(6, &[Says::of(POST, "anew", 8)]);
    followed.at(6).await;
    assert_eq!(followed.heard().last(), Some(&label(POST, "anew", false, false)));
    assert_eq!((followed.world.ledger.reasons().len(), followed.asked()), (4, vec!["0".to_owned()]));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_its_reader_dies_a_restart_goes_on_with_its_labels() {
    for dies_at in 0..4 {
        let followed = Followed::new().await;
        let says = |seq: u64| Says::of(format!("{POST}{seq}"), "spam", seq);
        (1..=200).for_each(|seq| followed.say(seq, &[says(seq)]));
        let options = HostOptions { capacity: 1, dies_at: Some(dies_at), ..HostOptions::default() };
        let host = followed.world.start_with(&followed.config(), options);
        wait_for("its death or its end", || {
            let is_done = followed.world.ledger.position(&followed.stream.url()) == Some("200".into());
            if host.is_dead() || is_done { Ok(()) } else { Err(()) }
        })
        .await;
        if host.is_dead() {
            host.bury().await;
        } else {
            host.stop().await;
        }
        let left_at = followed.world.ledger.position(&followed.stream.url());
        let host = followed.world.start(&followed.config());
        followed.at(200).await;
        let heard: Vec<String> = followed.heard().into_iter().map(|(uri, ..)| uri).collect();
        let wanted: Vec<String> = (1..=200).map(|seq| format!("{POST}{seq}")).collect();
        assert_eq!(heard, wanted, "dead at batch {dies_at}");
        assert_eq!(followed.asked(), ["0".to_owned(), left_at.unwrap_or("0".into())], "{dies_at}");
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_labelers_cursors_may_be_too_old_or_of_the_future() {
    let followed = Followed::new().await;
    (1..=3).for_each(|seq| followed.say(seq, &[Says::of(POST, "spam", seq)]));
    followed.stream.next(Manner::CloseAfter(3));
    let host = followed.world.start(&followed.config());
    followed.at(3).await;
    // It has forgotten what was said while nobody listened, and says so.
    followed
        .stream
        .frame(None, Frame::Info(Info { name: "OutdatedCursor", message: Some("too old") }).write());
    followed.say(90, &[Says::of(POST, "late", 90)]);
    followed.at(90).await;
    told(&host, "OutdatedCursor too old").await;
    let gaps = followed.world.ledger.with(|inner| inner.gaps.clone());
    let [gap] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.from.as_str(), gap.to.as_str()), ("3", "90"));
    host.stop().await;

    // It numbers anew: that is told, and nothing is begun again unless the operator says so.
    let fresh = Stream::relay().await;
    fresh.frame(1, followed.labeler.frame(1, &[Says::of(POST, "first", 100)]));
    followed.world.directory.document(followed.labeler.did(), &followed.labeler.document(&fresh.url()));
    followed.world.ledger.with(|inner| {
        let (mut partition, position) = inner.positions.pop_first().unwrap();
        partition.name = fresh.url();
        inner.positions.insert(partition, position);
    });
    let host = followed.world.start(&followed.config());
    told(&host, "FutureCursor").await;
    wait_for("it asks again", || if fresh.asked().len() > 1 { Ok(()) } else { Err(()) }).await;
    assert!(fresh.asked().iter().all(|asked| asked.ends_with("cursor=90")), "{:?}", fresh.asked());
    assert!(!followed.heard().contains(&label(POST, "first", false, false)));
    host.command(Command::Reset).await;
    followed.world.at(&fresh.url(), 1).await;
    assert!(followed.heard().contains(&label(POST, "first", false, false)));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_labeler_says_badly_holds_it_up_once() {
    let followed = Followed::new().await;
    followed.say(1, &[Says::of(POST, "one", 1)]);
    followed.stream.frame(None, b"\xff\xff not CBOR".to_vec());
    followed.say(3, &[Says::of(POST, "three", 3)]);
    followed.stream.frame(4, vec![0xa1; 16_500_000]);
    followed.say(5, &[Says::of(POST, "five", 5)]);
    let host = followed.world.start(&followed.config());
    followed.at(5).await;
    let heard: Vec<String> = followed.heard().into_iter().map(|(_, val, ..)| val).collect();
    assert_eq!(heard, ["one", "three", "five"]);
    assert_eq!(followed.world.ledger.reasons().len(), 2);
    assert!(followed.asked().len() <= 3, "{:?}", followed.asked());
    host.stop().await;
}
