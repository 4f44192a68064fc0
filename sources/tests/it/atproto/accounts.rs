//! Accounts that change: their keys, their standing, their names.

use super::{World, relay};
use crate::{
    network::{Account, Reply, Stream, like},
    support::wait_for,
};
use serde_json::json;
use springline_model::Hosting;
use springline_sources::{SourceConfig, SourceError, atproto::live::Verification};

const SUBJECT: &str = "at://did:plc:x/a.b.c/d";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_looked_up_once_and_a_wrong_one_is_refused() {
    let (world, stream, mut account) = (World::new().await, Stream::relay().await, Account::new(1));
    world.directory.publish(&account);
    let document = format!("/{}", account.did());
    stream.frame(1, account.create("app.bsky.feed.like/a", &like(SUBJECT), 1));
    let host = world.start(&SourceConfig::Relay(relay(&[&stream], Verification::Full)));
    world.at(&stream.url(), 1).await;
    assert_eq!(world.directory.hits(&document), 1);

    account.rotate(100);
    world.directory.publish(&account);
    stream.frame(2, account.create("app.bsky.feed.like/b", &like(SUBJECT), 2));
    world.at(&stream.url(), 2).await;
    assert_eq!((world.directory.hits(&document), world.versions().len()), (2, 2));
    assert_eq!(world.ledger.reasons(), [].into());
    stream.frame(3, account.create("app.bsky.feed.like/c", &like(SUBJECT), 3));
    world.at(&stream.url(), 3).await;
    assert_eq!(world.directory.hits(&document), 2, "the new key is known");

    // Somebody else's key: the directory still has the one before.
    account.rotate(200);
    stream.frame(4, account.create("app.bsky.feed.like/d", &like(SUBJECT), 4));
    stream.frame(5, account.status(true, None, 5));
    world.at(&stream.url(), 5).await;
    assert_eq!((world.directory.hits(&document), world.versions().len()), (3, 3), "the old index is kept");
    let reasons = world.ledger.reasons();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[&format!("{}/seq/4", stream.url())].contains("signature"), "{reasons:?}");
    assert!(world.ledger.with(|inner| inner.resyncs.iter().any(|uri| uri.as_str() == account.authority())));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_whose_keys_cannot_be_had_hold_up_nobody() {
    let (world, stream, mut known, mut unknown) =
        (World::new().await, Stream::relay().await, Account::new(1), Account::new(2));
    world.directory.publish(&known);
    for seq in 1..=40 {
        let of = if seq % 2 == 0 { &mut known } else { &mut unknown };
        stream.frame(seq, of.create(&format!("app.bsky.feed.like/{seq:03}"), &like(SUBJECT), seq));
    }
    let host = world.start(&SourceConfig::Relay(relay(&[&stream], Verification::Full)));
    world.at(&stream.url(), 40).await;
    assert_eq!(world.versions().len(), 20);
    assert_eq!(world.ledger.reasons().len(), 20);
    let resyncs = world.ledger.with(|inner| inner.resyncs.clone());
    assert_eq!(resyncs.iter().map(ToString::to_string).collect::<Vec<_>>(), [unknown.authority()]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_accounts_is_passed_on_and_deletion_is_asked_about() {
    let (world, stream) = (World::new().await, Stream::relay().await);
    let mut accounts: Vec<_> = (0..4).map(Account::new).collect();
    accounts.iter().for_each(|account| world.directory.publish(account));
    let mut seq = 0;
    let mut wanted = Vec::new();
    for (active, status, hosting) in [
        (true, None, Hosting::Active),
        (false, Some("takendown"), Hosting::Takendown),
        (false, Some("suspended"), Hosting::Suspended),
        (false, Some("deactivated"), Hosting::Deactivated),
        (false, None, Hosting::Inactive),
        (false, Some("asleep"), Hosting::Inactive),
        (true, Some("throttled"), Hosting::Active),
        (true, Some("desynchronized"), Hosting::Active),
    ] {
        seq += 1;
        stream.frame(seq, accounts[0].status(active, status, seq));
        wanted.push((accounts[0].authority(), hosting));
    }
    // One that its host still has, one that its host says is gone, and one whose host does not know it.
    let said = [
        (json!({ "active": true }), Hosting::Inactive),
        (json!({ "active": false, "status": "deleted" }), Hosting::Deleted),
    ];
    for (account, (status, hosting)) in accounts[1..3].iter_mut().zip(said) {
        world.directory.status(account.did(), &status);
        seq += 1;
        stream.frame(seq, account.status(false, Some("deleted"), seq));
        wanted.push((account.authority(), hosting));
    }
    let gone = format!("/xrpc/com.atproto.sync.getRepoStatus?did={}", accounts[3].did());
    world.directory.set(&gone, Reply::error(400, "RepoNotFound"));
    seq += 1;
    stream.frame(seq, accounts[3].status(false, Some("deleted"), seq));
    wanted.push((accounts[3].authority(), Hosting::Deleted));
    let host = world.start(&SourceConfig::Relay(relay(&[&stream], Verification::Full)));
    world.at(&stream.url(), seq).await;
    let found = world.ledger.with(|inner| inner.hosting.clone());
    let found: Vec<_> = found.into_iter().map(|(uri, status)| (uri.to_string(), status)).collect();
    assert_eq!(found, wanted);
    assert_eq!(world.directory.hits(&gone), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_are_looked_up_and_never_believed() {
    let (world, stream, mut account) = (World::new().await, Stream::relay().await, Account::new(1));
    world.directory.publish(&account);
    stream.frame(1, account.create("app.bsky.feed.like/a", &like(SUBJECT), 1));
    stream.frame(2, account.identity("liar.example.com", 2));
    // The key is another from here on, and the frame before has said so.
    account.rotate(50);
    stream.frame(3, account.identity("liar.example.com", 3));
    let host = world.start(&SourceConfig::Relay(relay(&[&stream], Verification::Full)));
    world.at(&stream.url(), 3).await;
    let identities = world.ledger.with(|inner| inner.identities.clone());
    assert_eq!(identities.len(), 2);
    assert!(identities.iter().all(|identity| identity.did.as_str() == account.did()));
    assert!(identities.iter().all(|identity| identity.handle.is_none()), "nobody vouches for it");
    assert_eq!(identities[1].pds.as_deref(), Some(world.directory.url().as_str()));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_nobody_is_asked() {
    let (world, stream, mut account) = (World::new().await, Stream::relay().await, Account::new(1));
    world.directory.publish(&account);
    stream.frame(1, account.create("app.bsky.feed.like/a", &like(SUBJECT), 1));
    stream.frame(2, account.identity("a.example.com", 2));
    stream.frame(3, account.status(false, Some("deleted"), 3));
    let host = world.start_offline(&SourceConfig::Relay(relay(&[&stream], Verification::Hash)));
    world.at(&stream.url(), 3).await;
    assert_eq!(world.directory.all_hits(), 0);
    assert_eq!(world.ledger.with(|inner| inner.hosting.len()), 1);
    host.stop().await;

    // Signatures can't be verified without keys: that is said at once.
    let host = world.start_offline(&SourceConfig::Relay(relay(&[&stream], Verification::Full)));
    wait_for("it says no", || if host.is_dead() { Ok(()) } else { Err(()) }).await;
    assert!(matches!(host.ended().await, Err(SourceError::Config(why)) if why.contains("verification")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_slow_holds_back_but_loses_nothing() {
    let (world, stream) = (World::new().await, Stream::relay().await);
    let mut accounts: Vec<_> = (0..30).map(Account::new).collect();
    for (account, seq) in accounts.iter_mut().zip(1..) {
        world.directory.publish(account);
        let document = Reply::json(&account.document(&world.directory.url()));
        world
            .directory
            .set(&format!("/{}", account.did()), document.after(std::time::Duration::from_millis(300)));
        stream.frame(seq, account.create("app.bsky.feed.like/a", &like(SUBJECT), seq));
    }
    let host = world.start(&SourceConfig::Relay(relay(&[&stream], Verification::Full)));
    let started = std::time::Instant::now();
    world.at(&stream.url(), 30).await;
    assert_eq!(world.versions().len(), 30);
    assert!(started.elapsed().as_secs() < 8, "they are asked side by side: {:?}", started.elapsed());
    host.stop().await;
}
