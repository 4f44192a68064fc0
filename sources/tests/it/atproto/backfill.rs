//! Whole repositories, from hosts that have them and hosts that have not.

use super::{World, a_while, relay};
use crate::{
    network::{Account, Directory, Reply, Stream, dids, like, post},
    support::{Chance, Host, HostOptions, wait_for},
};
use springline_model::{Hosting, Rev, Uri};
use springline_sources::{
    Command, SourceConfig,
    atproto::{
        Cid,
        car::{self, Car, Hashes, Limits},
        live::Verification,
        repo::Repo,
        repos::BackfillConfig,
        writer::Write,
    },
};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::oneshot;

const SUBJECT: &str = "at://did:plc:x/a.b.c/d";

/// An account with so many records.
fn account(number: u64, records: u64) -> Account {
    let mut account = Account::new(number);
    for record in 0..records {
        account.create(&format!("app.bsky.feed.like/{number:02}-{record:03}"), &like(SUBJECT), 1);
    }
    account
}

fn config(dids: Vec<String>) -> BackfillConfig {
    BackfillConfig { dids, poll_millis: 20, backoff_secs: (1, 2), ..BackfillConfig::default() }
}

/// Waits until nothing has to be fetched.
async fn complete(world: &World, repositories: usize) {
    wait_for("all are fetched", || {
        world.ledger.with(|inner| match (inner.resyncs.len(), inner.fetched.len()) {
            (0, fetched) if fetched >= repositories => Ok(()),
            left => Err(left),
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_fetched_side_by_side_and_once() {
    let world = World::new().await;
    let accounts: Vec<_> = (0..12).map(|number| account(number, 30)).collect();
    for account in &accounts {
        world.directory.publish(account);
        let car = Reply::bytes(account.repo.car()).after(Duration::from_millis(100));
        world.directory.repo(account.did(), car);
    }
    let source = SourceConfig::Backfill(BackfillConfig { concurrency: 3, ..config(dids(12)) });
    let host = world.start(&source);
    complete(&world, 12).await;
    assert_eq!(world.versions().len(), 360);
    assert!((2..=3).contains(&world.directory.busiest()), "{}", world.directory.busiest());
    for account in &accounts {
        assert_eq!(world.directory.hits(&Directory::get_repo(account.did())), 1, "{}", account.did());
        let rev = Rev(account.rev().to_u64());
        let authority = Uri::new(account.authority());
        assert!(world.ledger.with(|inner| inner.fetched.contains(&(authority, rev))));
    }
    host.stop().await;
    // Configured accounts are asked for once, over restarts.
    let host = world.start(&source);
    a_while().await;
    assert_eq!(world.directory.hits(&Directory::get_repo(accounts[0].did())), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_repository_has_no_more_is_deleted() {
    let (world, stream) = (World::new().await, Stream::relay().await);
    let mut account = Account::new(1);
    world.directory.publish(&account);
    for seq in 1..=10 {
        stream.frame(seq, account.create(&format!("app.bsky.feed.like/{seq:02}"), &like(SUBJECT), seq));
    }
    let relay = SourceConfig::Relay(relay(&[&stream], Verification::Full));
    let following = world.start(&relay);
    world.at(&stream.url(), 10).await;
    following.stop().await;
    // Nobody tells of these.
    account.commit(&[
        Write::Delete("app.bsky.feed.like/03"),
        Write::Update("app.bsky.feed.like/04", &like("at://did:plc:y/a.b.c/d")),
        Write::Create("app.bsky.feed.like/99", &like(SUBJECT)),
    ]);
    world.directory.publish(&account);
    let host = world.start(&SourceConfig::Backfill(config(vec![account.did().into()])));
    complete(&world, 1).await;
    let paths = world.paths();
    assert!(!paths.contains(&"03".into()) && paths.contains(&"99".into()) && paths.len() == 10, "{paths:?}");
    let versions = world.versions();
    let updated = &versions[&format!("{}app.bsky.feed.like/04", account.authority())].1;
    assert_eq!(updated.links[0].target.as_str(), "at://did:plc:y/a.b.c/d");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_fail_are_asked_again_and_hold_up_nobody() {
    let world = World::new().await;
    let accounts: Vec<_> = (0..12).map(|number| account(number, 5)).collect();
    accounts.iter().for_each(|account| world.directory.publish(account));
    let car = |number: usize| accounts[number].repo.car();
    let broken = |change: fn(&mut Vec<u8>)| {
        let mut bytes = car(0);
        change(&mut bytes);
        Reply::bytes(bytes)
    };
    let replies = [
        (Reply::error(500, "Oops"), "500"),
        (Reply::bytes(car(0)).after(Duration::from_secs(30)), "too long"),
        (Reply::bytes(vec![0; 3_000_000]), "bytes"),
        (Reply::bytes(car(11)), "another"),
        (broken(|bytes| bytes.truncate(500)), ""),
        (broken(|bytes| bytes[300] ^= 1), ""),
        (broken(Vec::clear), ""),
        (Reply::bytes("<html>"), ""),
        (Reply::error(400, "RepoNotFound"), "RepoNotFound"),
        (Reply::error(400, "RepoTakendown"), "RepoTakendown"),
    ];
    for (number, (reply, _)) in replies.iter().enumerate() {
        world.directory.repo(accounts[number].did(), reply.clone());
    }
    // Signed by a key that is not its own (10), and one that is as it should be (11).
    let mut other = Account::new(10);
    other.rotate(999);
    other.create("app.bsky.feed.like/x", &like(SUBJECT), 1);
    world.directory.repo(other.did(), Reply::bytes(other.repo.car()));

    let source = BackfillConfig { concurrency: 4, max_bytes: 1_000_000, ..config(dids(12)) };
    let host = world.start(&SourceConfig::Backfill(source));
    wait_for("the good one, and each of the others once", || {
        let asked =
            accounts.iter().filter(|a| world.directory.hits(&Directory::get_repo(a.did())) > 0).count();
        let good = world.ledger.with(|inner| inner.fetched.len());
        if (asked, good) == (12, 1) { Ok(()) } else { Err((asked, good)) }
    })
    .await;
    wait_for("they fail", || {
        let left = world.ledger.with(|inner| inner.resyncs.len());
        let again = world.directory.hits(&Directory::get_repo(accounts[0].did()));
        if left == 11 && again > 1 { Ok(()) } else { Err((left, again)) }
    })
    .await;
    let of_good = accounts[11].authority();
    assert!(world.versions().keys().all(|uri| uri.starts_with(&of_good)), "nothing of the others is taken");
    // The one that is taken down is: that is told.
    let hosting = world.ledger.with(|inner| inner.hosting.clone());
    assert_eq!(hosting, [(Uri::new(accounts[9].authority()), Hosting::Takendown)]);
    // When they are well again they are fetched. The operator need not wait for it.
    accounts.iter().for_each(|account| world.directory.publish(account));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(host.pull().await.partitions.is_empty());
    complete(&world, 12).await;
    assert_eq!(world.versions().len(), 60);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_has_moved_is_found() {
    let (world, new) = (World::new().await, Directory::start().await);
    let account = account(1, 5);
    world.directory.publish(&account);
    let host = world.start(&SourceConfig::Backfill(config(vec![])));
    // Its document is known before it moves.
    world.ledger.with(|inner| inner.resyncs.insert(Uri::new(account.authority())));
    complete(&world, 1).await;
    world.directory.repo(account.did(), Reply::error(400, "RepoNotFound"));
    world.directory.document(account.did(), &account.document(&new.url()));
    new.publish(&account);
    world.ledger.with(|inner| inner.resyncs.insert(Uri::new(account.authority())));
    complete(&world, 2).await;
    assert_eq!(new.hits(&Directory::get_repo(account.did())), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_repositories_of_a_host_are_fetched_page_by_page() {
    let world = World::new().await;
    let accounts: Vec<_> = (0..20).map(|number| account(number, 3)).collect();
    accounts.iter().for_each(|account| world.directory.publish(account));
    // Its list is broken off in the middle.
    let names = dids(20);
    world.directory.list(&[names[..8].to_vec(), names[8..16].to_vec(), names[16..].to_vec()]);
    let second = "/xrpc/com.atproto.sync.listRepos?limit=500&cursor=page%2B1";
    world.directory.set(second, Reply::error(500, "Oops"));
    let url = world.directory.url();
    let source = SourceConfig::Backfill(BackfillConfig { hosts: vec![url.clone()], ..config(vec![]) });
    let host = world.start(&source);
    complete(&world, 8).await;
    assert_eq!(world.ledger.position(&url), Some("page+1".into()));
    host.stop().await;
    // A restart goes on where it was, and the host is asked again without one.
    let host = world.start(&source);
    wait_for("it asks", || if world.directory.hits(second) > 1 { Ok(()) } else { Err(()) }).await;
    world.directory.list(&[names[..8].to_vec(), names[8..16].to_vec(), names[16..].to_vec()]);
    complete(&world, 20).await;
    assert_eq!(world.ledger.position(&url), Some("all".into()));
    assert_eq!(world.versions().len(), 60);
    assert_eq!(world.directory.hits("/xrpc/com.atproto.sync.listRepos?limit=500"), 1);
    // Asked for by an operator it is read again.
    let (done, answer) = oneshot::channel();
    host.command(Command::Fetch { host: url, done }).await;
    answer.await.unwrap().unwrap();
    complete(&world, 40).await;
    let (done, answer) = oneshot::channel();
    host.command(Command::Fetch { host: "http://127.0.0.1:9".into(), done }).await;
    assert!(answer.await.unwrap().is_err());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_too_old_are_left_out() {
    let world = World::new().await;
    let mut account = Account::new(1);
    account.create("app.bsky.feed.post/old", &post("of May 2026"), 1);
    let year = springline_model::Timestamp::now().0 / 1000 + 86_400;
    account
        .repo
        .apply(
            &[Write::Create("app.bsky.feed.like/new", b"\xa1e$typefa.b.cd")],
            u64::try_from(year).unwrap() * 1_000_000,
        )
        .unwrap();
    world.directory.publish(&account);
    let source = BackfillConfig { days: 7, ..config(vec![account.did().into()]) };
    let host = world.start(&SourceConfig::Backfill(source));
    complete(&world, 1).await;
    assert_eq!(world.paths(), ["new"]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_fetches_what_is_left() {
    let world = World::new().await;
    let accounts: Vec<_> = (0..10).map(|number| account(number, 40)).collect();
    accounts.iter().for_each(|account| world.directory.publish(account));
    let source = SourceConfig::Backfill(BackfillConfig { concurrency: 2, ..config(dids(10)) });
    for dies_at in [1, 5, 12, 20, 28, 33] {
        let options = HostOptions { capacity: 1, dies_at: Some(dies_at), ..HostOptions::default() };
        let host = Host::start_on(world.identities(), &source, &world.ledger, world.data.path(), options);
        wait_for("its death or its end", || {
            let is_done = world.ledger.with(|inner| inner.resyncs.is_empty() && inner.fetched.len() >= 10);
            if host.is_dead() || is_done { Ok(()) } else { Err(()) }
        })
        .await;
        if host.is_dead() {
            host.bury().await;
        } else {
            host.stop().await;
        }
    }
    let host = world.start(&source);
    complete(&world, 10).await;
    assert_eq!(world.versions().len(), 400);
    host.stop().await;
}

/// What a host gives as changed: the blocks of a repository that an earlier one has not.
fn changed(old: &[u8], new: &[u8]) -> Vec<u8> {
    let read = |bytes| Car::read(bytes, &Limits::REPO, Hashes::Check).unwrap();
    let (old, new) = (read(old), read(new));
    let is_new = |(cid, _): &(&Cid, &[u8])| old.blocks.get(cid).is_none();
    car::write(&new.root().unwrap(), new.blocks.iter().filter(is_new))
}

/// Collection and key by CID, of a ledger and of a repository.
fn held(world: &World, account: &Account) -> [BTreeMap<String, String>; 2] {
    let authority = account.authority();
    let ledger = world.versions().into_iter().map(|(uri, (_, record))| {
        (uri.strip_prefix(&authority).unwrap().to_owned(), record.attrs["cid"].clone())
    });
    let car = account.repo.car();
    let repo = Repo::from_bytes(&car, &Limits::REPO).unwrap();
    let (mut paths, mut there) = (repo.paths(), BTreeMap::new());
    while let Some((path, cid)) = paths.next().unwrap() {
        there.insert(path.to_owned(), cid.to_string());
    }
    [ledger.collect(), there]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_changed_is_enough_where_the_rest_is_here() {
    let mut chance = Chance::new(5);
    for turn in 0..12_u64 {
        let (world, stream) = (World::new().await, Stream::relay().await);
        let mut account = Account::new(1);
        world.directory.publish(&account);
        let relay = SourceConfig::Relay(relay(&[&stream], Verification::Full));
        for seq in 1..=30 + turn * 5 {
            let path = format!("app.bsky.feed.like/{:04}", seq * 7 % 1_000);
            stream.frame(seq, account.create(&path, &like(SUBJECT), seq));
        }
        let seq = 30 + turn * 5;
        let following = world.start(&relay);
        world.at(&stream.url(), seq).await;
        following.stop().await;
        let (since, before) = (account.rev(), account.repo.car());
        // Nobody tells of these, and of the last one somebody does.
        let [paths, _] = held(&world, &account);
        for (number, path) in paths.keys().enumerate() {
            match chance.below(12) {
                0 => drop(account.commit(&[Write::Delete(path)])),
                1 => drop(account.commit(&[Write::Update(path, &like("at://did:plc:y/a.b.c/d"))])),
                2 => {
                    let path = format!("app.bsky.feed.post/{number}");
                    account.commit(&[Write::Create(&path, &post("anew"))]);
                }
                _ => {}
            }
        }
        let host = world.start(&SourceConfig::Backfill(BackfillConfig {
            verification: Verification::Full,
            ..config(vec![account.did().into()])
        }));
        world.directory.document(account.did(), &account.document(&world.directory.url()));
        let target = format!("{}&since={since}", Directory::get_repo(account.did()));
        world.directory.set(&Directory::get_repo(account.did()), Reply::error(500, "NotTheWhole"));
        world.directory.set(&target, Reply::bytes(changed(&before, &account.repo.car())));
        complete(&world, 1).await;
        let [ledger, repo] = held(&world, &account);
        assert_eq!(ledger, repo, "turn {turn}");
        let rev = Rev(account.rev().to_u64());
        assert!(world.versions().values().all(|(at, _)| *at == rev), "all of it is named");
        assert!(world.directory.hits(&target) >= 1);
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_changed_is_not_enough_where_something_is_missing() {
    let (world, stream) = (World::new().await, Stream::relay().await);
    let mut account = Account::new(1);
    let mut relay = relay(&[&stream], Verification::Full);
    relay.records.collections = ["app.bsky.feed.like".to_owned()].into();
    world.directory.publish(&account);
    for seq in 1..=40 {
        let kind = if seq % 2 == 0 { "like" } else { "post" };
        let frame = account.create(&format!("app.bsky.feed.{kind}/{seq:02}"), &like(SUBJECT), seq);
        stream.frame(seq, frame);
    }
    let following = world.start(&SourceConfig::Relay(relay));
    world.at(&stream.url(), 40).await;
    following.stop().await;
    assert_eq!(world.versions().len(), 20);
    let (since, before) = (account.rev(), account.repo.car());
    account.commit(&[Write::Delete("app.bsky.feed.like/02")]);
    world.directory.publish(&account);
    let diff = changed(&before, &account.repo.car());
    let whole = Directory::get_repo(account.did());
    let target = format!("{whole}&since={since}");
    world.directory.set(&target, Reply::bytes(diff));
    let host = world.start(&SourceConfig::Backfill(config(vec![account.did().into()])));
    complete(&world, 1).await;
    assert_eq!((world.directory.hits(&target), world.directory.hits(&whole)), (1, 1));
    let [ledger, repo] = held(&world, &account);
    assert_eq!(ledger, repo);
    host.stop().await;
    // Nor is it asked for where everything is to be read anew.
    let config = BackfillConfig { diffs: false, ..config(vec![account.did().into()]) };
    world.ledger.with(|inner| inner.positions.clear());
    let host = world.start(&SourceConfig::Backfill(config));
    complete(&world, 2).await;
    assert_eq!((world.directory.hits(&target), world.directory.hits(&whole)), (1, 2));
    host.stop().await;
}
