//! Whole repositories against a naive walk over them, and an account that is hidden.

use super::world::{World, replay, replayer, views};
use ipld_core::ipld::Ipld;
use springline_model::Uri;
use springline_sources::atproto::{car::Limits, repo::Repo, writer::Write};
use springline_tests::{
    atproto::{Account, Recorded, like, post},
    encode, eventually, fingerprints,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

/// Everything in a record that is, as a whole, a reference; where it stands does not count.
fn references(value: &Ipld, found: &mut Vec<String>) {
    match value {
        Ipld::String(text) => {
            let is_name = text.starts_with("at://") || text.starts_with("did:");
            let is_url = text.split_once("://").is_some_and(|(scheme, rest)| {
                !scheme.is_empty() && !rest.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric())
            });
            if (is_name || is_url) && !text.contains(char::is_whitespace) {
                found.push(text.clone());
            }
        }
        Ipld::List(items) => items.iter().for_each(|item| references(item, found)),
        Ipld::Map(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "$type");
            fields.for_each(|(_, value)| references(value, found));
        }
        _ => {}
    }
}

#[test]
fn a_repository_is_counted_and_told_as_lines() {
    let world = World::new();
    let mut account = Account::new(1);
    for number in 0..300 {
        account.create(&format!("app.bsky.feed.post/{number:03}"), &post("[[node]] words"), number);
    }
    let (car, lines) = (world.path("one.car"), world.path("one.jsonl"));
    fs::write(&car, account.repo.car()).unwrap();
    let [car_name, lines_name] = [&car, &lines].map(|path| path.to_string_lossy().into_owned());
    let whole = replayer(&world.path("whole"));
    replay(&whole, "hash", &[&car]);
    let counted = whole.run(&["replay", &car_name, "--dry-run"]);
    let posts = |line: &str| line.split_whitespace().eq(["fetched", "app.bsky.feed.post", "300"]);
    assert!(counted.lines().any(posts), "{counted}");
    whole.run(&["replay", &car_name, "--to-jsonl", &lines_name]);
    let told = replayer(&world.path("told"));
    told.run(&["replay", &lines_name]);
    let (told, whole) = (views(&told), views(&whole));
    for view in ["backlinks", "search", "rankings", "notifications"] {
        assert_eq!(told[view], whole[view], "{view}");
    }
}

#[test]
fn whole_repositories_are_what_a_naive_walk_finds() {
    let Some(data) = Recorded::data() else { return };
    let names = ["cars/empty", "cars/tiny", "cars/little", "cars/midsize", "jetstream-corpus/repo"];
    for name in names {
        let path = data.path(&format!("{name}.car"));
        let bytes = fs::read(&path).unwrap();
        let repo = Repo::from_bytes(&bytes, &Limits::REPO).unwrap();
        let (mut uris, mut counts) = (BTreeSet::new(), BTreeMap::<String, u64>::new());
        let mut records = repo.records();
        while let Some(record) = records.next().unwrap() {
            uris.insert(format!("at://{}/{}", repo.did(), record.path));
            let value: Ipld = serde_ipld_dagcbor::from_slice(&record.block).unwrap();
            let mut found = Vec::new();
            references(&value, &mut found);
            for target in found {
                *counts.entry(target).or_default() += 1;
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let springline = replayer(dir.path());
        replay(&springline, "hash", &[&path]);
        let server = springline.start(&["run", "--listen", "127.0.0.1:0"]);
        server.ready();
        // As many as an answer takes a second for: the most linked, and some of the others.
        let mut targets: Vec<(&String, &u64)> = counts.iter().collect();
        targets.sort_by_key(|(target, count)| (std::cmp::Reverse(**count), *target));
        let most = if super::is_thorough() { usize::MAX } else { 150 };
        let step = (targets.len() / most.max(1)).max(1);
        let chosen = targets.iter().take(30).chain(targets.iter().skip(30).step_by(step));
        for (target, count) in chosen {
            let answer = server
                .get(&format!("/v1/backlinks/count?target={}", encode(Uri::from(target.as_str()).as_str())))
                .json();
            assert_eq!(answer["links"].as_u64(), Some(**count), "{name}: {target}: {answer}");
        }
        for uri in uris.iter().step_by((uris.len() / most).max(1)) {
            assert_eq!(server.get(&format!("/v1/records?uri={}", encode(uri))).status, 200, "{uri}");
        }
        server.stop();
        let found = fingerprints(&springline);
        let listed = springline.run(&["views", "list"]);
        assert!(!found.is_empty(), "{listed}");
        assert_eq!(records_of(&springline, dir.path()), uris.len() as u64, "{name}");
    }
}

/// How many records there are, by an export.
fn records_of(springline: &springline_tests::Springline, dir: &std::path::Path) -> u64 {
    let out = dir.join("export");
    let said = springline.run(&["export", "--view", "records", "--out", &out.to_string_lossy()]);
    let line = said.lines().find(|line| line.starts_with("records")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn an_account_that_is_hidden_leaves_every_view_and_comes_back() {
    const RECORDS: usize = 10_000;
    let world = World::new();
    let (mut account, mut other) = (Account::new(1), Account::new(2));
    let target = format!("{}app.bsky.feed.post/target", other.authority());
    other.create("app.bsky.feed.post/target", &post("liked [[node]]"), 1);
    let (liking, text) = (like(&target), post("words [[node]]"));
    let paths: Vec<_> = (0..RECORDS)
        .map(|number| match number % 10 {
            0 => (format!("app.bsky.feed.post/{number:05}"), &text),
            _ => (format!("app.bsky.feed.like/{number:05}"), &liking),
        })
        .collect();
    for some in paths.chunks(200) {
        let writes: Vec<_> = some.iter().map(|(path, record)| Write::Create(path, record)).collect();
        account.commit(&writes);
    }
    let [hidden, shown] = [("hidden.car", &account), ("shown.car", &other)].map(|(name, account)| {
        let path = world.path(name);
        fs::write(&path, account.repo.car()).unwrap();
        path
    });
    let without = replayer(&world.path("without"));
    replay(&without, "hash", &[&shown]);
    let both = replayer(&world.path("both"));
    replay(&both, "hash", &[&hidden, &shown]);
    let before = views(&both);

    let body = format!("{{\"authority\":\"{}\"}}", account.authority());
    let count = format!("/v1/backlinks/count?target={}", encode(&target));
    for (action, links) in [("hide", 0), ("unhide", 9_000)] {
        let server = both.start(&["run", "--listen", "127.0.0.1:0"]);
        server.ready();
        let epoch = |answer: &serde_json::Value| answer["epoch"].as_u64().unwrap_or(0);
        let asked = server.get(&count).json();
        let done = server.post(&format!("/v1/moderation/{action}?wait=visible&wait_secs=60"), &body);
        assert_eq!(done.status, 200, "{}", done.text());
        let answer = server.get(&count).json();
        assert_eq!(answer["links"].as_u64(), Some(links), "{answer}");
        assert_eq!(epoch(&answer), epoch(&asked) + 1, "in one epoch");
        let uri = encode(&format!("{}app.bsky.feed.post/00000", account.authority()));
        let status = if links == 0 { 404 } else { 200 };
        eventually("the record", Duration::from_secs(10), || {
            (server.get(&format!("/v1/records?uri={uri}")).status == status).then_some(())
        });
        server.stop();
        if links == 0 {
            assert_eq!(views(&both), views(&without), "as if there had never been any of it");
        }
    }
    assert_eq!(views(&both), before);
}
