//! Records that come over the network.

use super::world::{World, complete, followed, framed, replay, replayer, views};
use crate::dice::Dice;
use springline_sources::atproto::writer::Write;
use springline_tests::{
    atproto::{Account, Recorded, dids, like, post},
    encode, eventually,
};
use std::time::Duration;

#[test]
fn frames_over_a_socket_and_lines_from_a_file_give_the_same_views() {
    let Some(data) = Recorded::data() else { return };
    let world = World::new();
    for (did, document) in data.documents() {
        world.directory.document(&did, &document);
    }
    let frames = data.frames();
    let last = frames[149].0;
    frames.into_iter().for_each(|(seq, frame)| world.stream.frame(seq, frame));
    let follower = world.follower("follower", "full", "");
    let server = follower.serve_configured();
    followed(&server, &world.stream, last);
    server.stop();

    let lines = replayer(&world.path("lines"));
    replay(&lines, "hash", &[&data.path("jetstream-corpus/expected_v1.jsonl")]);
    let file = replayer(&world.path("file"));
    replay(&file, "hash", &[&data.path("jetstream-corpus/frames.bin.zst")]);
    let wanted = views(&lines);
    assert_eq!(views(&file), wanted);
    assert_eq!(views(&follower), wanted);
}

/// Commits of a few accounts: posts with words and links, likes, changes, deletes.
fn history(world: &World, accounts: &mut [Account], commits: u64, dice: &mut Dice) {
    let mut posts: Vec<(usize, String)> = Vec::new();
    for seq in 1..=commits {
        let whose = dice.roll(accounts.len() as u64) as usize;
        let path = format!("app.bsky.feed.post/{seq:05}");
        let subject = posts.get(dice.roll(posts.len().max(1) as u64) as usize).cloned();
        let account = &mut accounts[whose];
        let own = posts.iter().rposition(|(of, _)| *of == whose);
        let frame = match (dice.roll(10), subject, own) {
            (0, _, Some(own)) => {
                let (_, path) = posts.remove(own);
                account.frame(&[Write::Delete(&path)], seq)
            }
            (1, _, Some(own)) => {
                let text = post(&format!("changed {seq} [[node {}]]", dice.roll(20)));
                account.frame(&[Write::Update(&posts[own].1, &text)], seq)
            }
            (2..=6, Some((of, path)), _) => {
                let subject = like(&format!("at://{}/{path}", dids(10)[of]));
                account.create(&format!("app.bsky.feed.like/{seq:05}"), &subject, seq)
            }
            _ => {
                posts.push((whose, path.clone()));
                account.create(&path, &post(&format!("words {seq} [[node {}]]", dice.roll(20))), seq)
            }
        };
        world.stream.frame(seq, frame);
    }
}

#[test]
fn killed_again_and_again_while_it_follows() {
    let world = World::new();
    let mut accounts: Vec<_> = (0..10).map(Account::new).collect();
    let mut dice = Dice::new(0xA7);
    accounts.iter().for_each(|account| world.directory.publish(account));
    history(&world, &mut accounts, 600, &mut dice);
    let undisturbed = world.follower("undisturbed", "hash", "");
    let server = undisturbed.serve_configured();
    followed(&server, &world.stream, 600);
    server.stop();
    let wanted = views(&undisturbed);
    for engine in ["sled", "fjall"] {
        let survivor =
            world.follower(engine, "full", "").with("store.engine", engine).with("runtime.epoch_events", &4);
        for _ in 0..5 {
            let server = survivor.serve_configured();
            std::thread::sleep(Duration::from_millis(dice.roll(300)));
            server.kill();
        }
        let server = survivor.serve_configured();
        followed(&server, &world.stream, 600);
        server.stop();
        assert_eq!(views(&survivor), wanted, "{engine}");
    }
}

#[test]
fn a_commit_that_was_missed_is_made_up_for() {
    let world = World::new();
    let mut account = Account::new(1);
    let post_of = |number: u64| format!("app.bsky.feed.post/{number}");
    let text = |number: u64| post(&format!("[[node {number}]] words"));
    for number in 1..=3 {
        world.stream.frame(number, account.create(&post_of(number), &text(number), number));
    }
    // Nobody is told of these: one more, one changed, one gone.
    account.commit(&[Write::Create(&post_of(4), &text(4)), Write::Delete(&post_of(1))]);
    account.commit(&[Write::Update(&post_of(2), &text(22))]);
    world.stream.frame(6, account.create(&post_of(6), &text(6), 6));
    world.directory.publish(&account);
    let backfill = "[sources.backfill]\ntype = 'backfill'\npoll_millis = 20\nbackoff_secs = [1, 1]\n";
    let follower = world.follower("follower", "full", backfill);
    let server = follower.serve_configured();
    followed(&server, &world.stream, 6);
    let has = |number: u64| {
        let uri = encode(&format!("{}{}", account.authority(), post_of(number)));
        server.get(&format!("/v1/records?uri={uri}")).status == 200
    };
    eventually("it is fetched", Duration::from_secs(30), || has(4).then_some(()));
    complete(&server);
    assert_eq!([1, 2, 3, 4, 6].map(has), [false, true, true, true, true]);
    assert_eq!(world.directory.hits(&springline_tests::atproto::Directory::get_repo(account.did())), 1);
    let said = |number: u64| {
        let uri = encode(&format!("{}{}", account.authority(), post_of(number)));
        server.get(&format!("/v1/records?uri={uri}")).json()["text"].clone()
    };
    assert_eq!([2, 3].map(said), ["[[node 22]] words", "[[node 3]] words"]);
    // The stream goes on as if nothing had been.
    world.stream.frame(7, account.create(&post_of(7), &text(7), 7));
    followed(&server, &world.stream, 7);
    assert_eq!(server.get("/v1/backfill").json()["waiting"], 0);
    server.stop();

    // A fresh copy of it gives the same records, links and words.
    let car = world.path("fresh.car");
    std::fs::write(&car, account.repo.car()).unwrap();
    let fresh = replayer(&world.path("fresh"));
    replay(&fresh, "hash", &[&car]);
    let (found, wanted) = (views(&follower), views(&fresh));
    for view in ["rankings", "notifications"] {
        assert_eq!(found[view], wanted[view], "{view}");
    }
    // The others say from which source each came.
    let rows = |views: &std::collections::BTreeMap<String, String>, view: &str| {
        views[view].split(' ').next().unwrap().to_owned()
    };
    for view in ["backlinks", "search"] {
        assert_eq!(rows(&found, view), rows(&wanted, view), "{view}");
    }
}

#[test]
fn a_repository_is_fetched_while_it_is_written_to() {
    let world = World::new();
    let mut account = Account::new(2);
    for number in 0..300 {
        account.create(&format!("app.bsky.feed.like/{number:04}"), &like("at://did:plc:x/a.b.c/d"), 1);
    }
    world.directory.publish(&account);
    // What its host gives is late and old by then: it has no more of the first, and much of the second is new.
    let car = springline_tests::atproto::Reply::bytes(account.repo.car()).after(Duration::from_millis(800));
    world.directory.repo(account.did(), car);
    let backfill = format!(
        "[sources.backfill]\ntype = 'backfill'\npoll_millis = 20\nbackoff_secs = [1, 1]\ndids = ['{}']\n",
        account.did()
    );
    let follower = world.follower("follower", "full", &backfill);
    let server = follower.serve_configured();
    let target = springline_tests::atproto::Directory::get_repo(account.did());
    eventually("it is being fetched", Duration::from_secs(30), || {
        (world.directory.hits(&target) > 0).then_some(())
    });
    for seq in 1..=40 {
        let path = format!("app.bsky.feed.like/{:04}", seq * 2);
        let frame = match seq % 2 {
            0 => account.frame(&[Write::Delete(&path)], seq),
            _ => account.frame(&[Write::Update(&path, &like("at://did:plc:y/a.b.c/d"))], seq),
        };
        world.stream.frame(seq, frame);
    }
    world.stream.frame(41, account.create("app.bsky.feed.like/new", &like("at://did:plc:y/a.b.c/d"), 41));
    world.directory.repo(account.did(), springline_tests::atproto::Reply::bytes(account.repo.car()));
    followed(&server, &world.stream, 41);
    let count = |target: &str| {
        let answer = server.get(&format!("/v1/backlinks/count?target={}", encode(target))).json();
        answer["links"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    };
    complete(&server);
    eventually("the merge", Duration::from_secs(30), || {
        let counts = (count("at://did:plc:x/a.b.c/d"), count("at://did:plc:y/a.b.c/d"));
        (counts == (260, 21)).then_some(())
    });
    server.stop();
    assert!(!views(&follower).is_empty(), "every view is right");
}

#[test]
fn a_recording_that_is_damaged_is_named_and_no_success() {
    let world = World::new();
    let mut account = Account::new(1);
    let frames: Vec<_> =
        (1..=5).map(|seq| account.create(&format!("a.b.c/{seq}"), &post("words"), seq)).collect();
    let mut bytes = framed(&frames);
    bytes.truncate(bytes.len() - 3);
    let path = world.path("cut.frames");
    std::fs::write(&path, bytes).unwrap();
    let springline = replayer(&world.path("data"));
    let output = springline.output(&["replay", &path.to_string_lossy()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("cut.frames") && said.contains("in the middle of a frame"), "{said}");
    // What could be read is there.
    let search = views(&springline)["search"].clone();
    assert!(search.starts_with("4 rows"), "{search}");
}
