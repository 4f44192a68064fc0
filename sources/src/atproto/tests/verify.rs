use super::{
    super::{
        car::{Car, Hashes, Limits},
        commit::Commit,
        data,
        frame::{self, Frame},
        json::{AsJson, from_json},
        key::PublicKey,
        verify::*,
    },
    recorded::{self, NOW},
    scenario,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

const fn full(key: &PublicKey) -> Checks<'_> {
    Checks { mode: Mode::Full, key: Some(key), now: NOW, legacy: false }
}

fn commit(bytes: &[u8]) -> Option<frame::Commit<'_>> {
    match Frame::read(bytes) {
        Ok(Frame::Commit(commit)) => Some(commit),
        _ => None,
    }
}

#[test]
fn recorded_commits_hold_and_have_the_records_that_another_program_saw() {
    let (Some(frames), Some(keys), Some(events)) = (recorded::frames(), recorded::keys(), recorded::events())
    else {
        return;
    };
    let of_commit = |event: &Value| {
        let (did, commit) = (event["did"].as_str()?, event.get("commit")?);
        let text = |field: &str| commit[field].as_str().unwrap().to_owned();
        let key = (did.to_owned(), text("rev"), text("collection"), text("rkey"));
        Some((key, commit.clone()))
    };
    let mut expected: HashMap<_, _> = events.iter().filter_map(of_commit).collect();
    let count = expected.len();
    let mut verified = 0;
    for bytes in &frames {
        let Some(commit) = commit(bytes) else { continue };
        let held = verify(&commit, &full(&keys[commit.repo])).unwrap();
        assert!(held.inverted && held.dropped.is_empty() && held.since.is_some() && held.prev_data.is_some());
        verified += 1;
        for op in held.ops {
            let (collection, rkey) = (op.collection.to_owned(), op.rkey.to_owned());
            let key = (held.did.to_owned(), held.rev.to_string(), collection, rkey);
            let event = expected.remove(&key).unwrap();
            assert_eq!(event["operation"], op.action.as_str());
            match op.record {
                None => assert!(event.get("record").is_none()),
                Some(block) => {
                    let record = data::record(block).unwrap();
                    assert_eq!(from_json(&event["record"]).unwrap(), record);
                    assert_eq!(serde_json::to_value(AsJson(&record)).unwrap(), event["record"]);
                    assert_eq!(data::encode(&record).unwrap(), block);
                    assert_eq!(event["cid"], op.cid.unwrap().to_string());
                }
            }
        }
        // Less is asked: the same is had.
        for mode in [Mode::Hash, Mode::None] {
            let checks = Checks { mode, key: None, now: NOW, legacy: false };
            assert_eq!(verify(&commit, &checks).unwrap().ops.len(), commit.ops.len());
        }
    }
    assert_eq!((verified, count, expected.len()), (148, 150, 0));
}

#[test]
fn who_signed_when_and_what_is_looked_at() {
    let (Some(frames), Some(keys)) = (recorded::frames(), recorded::keys()) else { return };
    let commits: Vec<_> = frames.iter().filter_map(|bytes| commit(bytes)).collect();
    let (one, other) = (&commits[0], &commits[1]);
    let checks = full(&keys[one.repo]);
    let why = |commit: &frame::Commit<'_>, checks: &Checks<'_>| verify(commit, checks).unwrap_err().name();
    assert_eq!(why(one, &full(&keys[other.repo])), "signature");
    assert_eq!(why(one, &Checks { key: None, ..checks }), "no_key");
    assert_eq!(why(one, &Checks { now: NOW - 1_000_000_000, ..checks }), "rev_future");
    let with = |change: fn(&mut frame::Commit<'_>)| {
        let mut changed = one.clone();
        change(&mut changed);
        why(&changed, &checks)
    };
    assert_eq!(with(|commit| commit.too_big = true), "too_big");
    assert_eq!(with(|commit| commit.repo = "did:plc:44ybard66vv44zksje25o7dz"), "other_repo");
    assert_eq!(with(|commit| commit.repo = "a.test"), "did");
    assert_eq!(with(|commit| commit.rev = "3mptbypluud22"), "other_rev");
    assert_eq!(with(|commit| commit.rev = "1"), "rev");
    assert_eq!(with(|commit| commit.commit = commit.ops[0].cid.unwrap()), "car_root");
    assert_eq!(with(|commit| commit.prev_data = None), "no_prev_data");
    assert_eq!(with(|commit| commit.prev_data = commit.ops[0].cid), "other_prev_data");
    assert_eq!(with(|commit| commit.ops.clear()), "other_prev_data");
    assert_eq!(with(|commit| commit.ops.push(commit.ops[0])), "same_path");
    assert_eq!(with(|commit| commit.ops[0].cid = Some(commit.commit)), "invert");
    assert_eq!(with(|commit| commit.ops[0].action = frame::Action::Update), "op_no_prev");
    assert_eq!(with(|commit| commit.ops[0].path = "app.bsky.feed.like/3mptbyplj5d22"), "invert");
}

#[test]
fn a_bad_op_is_dropped_and_the_others_stay() {
    let Some(frames) = recorded::frames() else { return };
    let bytes = frames.iter().find(|bytes| commit(bytes).is_some_and(|commit| commit.ops.len() == 3));
    let commit = commit(bytes.unwrap()).unwrap();
    let long = format!("app.bsky.feed.like/{}", "k".repeat(256));
    let longest = format!("app.bsky.feed.like/{}", "k".repeat(255));
    let checks = Checks { mode: Mode::Hash, key: None, now: NOW, legacy: false };
    let with = |change: &dyn Fn(&mut frame::Op<'static>)| {
        let mut changed = commit.clone();
        let mut op = frame::Op { path: "app.bsky.feed.like/self", ..changed.ops[1] };
        change(&mut op);
        changed.ops[1] = op;
        let held = verify(&changed, &checks).unwrap();
        assert_eq!(held.ops.len() + held.dropped.len(), 3);
        held.dropped.first().map(|(_, why)| why.name())
    };
    let leak = |path: &str| -> &'static str { Box::leak(path.to_owned().into_boxed_str()) };
    let (long, longest) = (leak(&long), leak(&longest));
    assert_eq!(with(&|_| ()), None);
    assert_eq!(with(&|op| op.path = longest), None);
    assert_eq!(with(&|op| op.path = long), Some("op_long_key"));
    for path in
        ["", "a", "app.bsky.feed.like", "app.bsky.feed.like/", "like/a", "a.b.c/d/e", "a.b.c/d e", "/"]
    {
        assert_eq!(with(&|op| op.path = path), Some("op_path"), "{path}");
    }
    assert_eq!(with(&|op| op.cid = None), Some("op_no_cid"));
    assert_eq!(with(&|op| op.action = frame::Action::Unknown), Some("op_action"));
    let mut incomplete = commit.clone();
    incomplete.ops[1].cid = Some(super::super::Cid::of_cbor(b"another"));
    assert_eq!(verify(&incomplete, &checks).unwrap_err(), Reject::NoRecord);
}

/// What a reader acts upon.
fn facts(held: &Verified<'_>) -> String {
    let mut ops = held.ops.clone();
    ops.sort_by_key(|op| op.path);
    let prev = (held.prev_data, held.inverted, &held.dropped);
    format!("{} {} {} {} {prev:?} {ops:?}", held.did, held.rev, held.commit, held.data)
}

#[test]
fn a_flipped_bit_is_caught_or_changes_nothing_that_counts() {
    let (Some(frames), Some(keys)) = (recorded::frames(), recorded::keys()) else { return };
    let mut passed: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tried = 0;
    for (number, bytes) in frames.iter().enumerate() {
        let Some(commit) = commit(bytes) else { continue };
        let checks = full(&keys[commit.repo]);
        let before = facts(&verify(&commit, &checks).unwrap());
        let start = commit.blocks.as_ptr() as usize - bytes.as_ptr() as usize;
        let blocks = start..start + commit.blocks.len();
        // All bytes of a few, and of each kind; some of the others.
        let is_rare = commit.ops.len() > 1 || commit.ops[0].action != frame::Action::Create;
        let step = if number == 0 || (is_rare && bytes.len() < 6_000) { 1 } else { 191 };
        for at in (number % step..bytes.len()).step_by(step) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            tried += 1;
            let Some(Ok(held)) = super::verify::commit(&bytes).map(|commit| verify(&commit, &checks)) else {
                continue;
            };
            assert_eq!(facts(&held), before, "frame {number}, byte {at}");
            let field =
                if blocks.contains(&at) { "a node that isn't needed" } else { field(&frames[number], at) };
            *passed.entry(field).or_default() += 1;
        }
    }
    println!("{tried} bits flipped, passed: {passed:?}");
    // `cid` is that of a deletion, which is null.
    let uncovered = ["a node that isn't needed", "blobs", "cid", "rebase", "seq", "since", "time", "tooBig"];
    assert!(passed.keys().all(|field| uncovered.contains(field)));
}

/// The field of a commit's frame that a byte is in, or whose name.
fn field(frame: &[u8], at: usize) -> &'static str {
    let names = [
        "action", "blobs", "blocks", "cid", "commit", "op", "ops", "path", "prev", "prevData", "rebase",
        "repo", "rev", "seq", "since", "t", "time", "tooBig",
    ];
    let starts = names.into_iter().filter_map(|name| {
        let field = [&[0x60 | name.len() as u8], name.as_bytes()].concat();
        let until = frame.get(..at + field.len())?;
        until.windows(field.len()).rposition(|window| window == field).map(|start| (start, name))
    });
    starts.max().unwrap().1
}

#[test]
fn scenarios_end_as_another_relay_says() {
    for name in scenario::ALL {
        let Some(scenario) = scenario::load(name) else { return };
        // What a message alone doesn't tell.
        let (mut seq, mut rev, mut active) = (0, HashMap::new(), HashMap::new());
        for (number, message) in scenario.messages.iter().enumerate() {
            let frame = Frame::read(&message.frame).unwrap();
            let did = frame.did().unwrap().to_owned();
            let is_new = frame.seq().unwrap() > seq;
            seq = seq.max(frame.seq().unwrap());
            let key = &scenario.keys[&did];
            let checks = Checks { legacy: scenario.lenient, ..full(key) };
            let held = match &frame {
                Frame::Commit(commit) => verify(commit, &checks).map(|held| Some(held.rev)),
                Frame::Sync(sync) => verify_sync(sync, &checks).map(|held| Some(held.rev)),
                _ => Ok(None),
            };
            let kept = match held {
                Err(why) => {
                    assert!(matches!(why, Reject::Rev | Reject::OtherRev), "{name} {number}: {why}");
                    false
                }
                Ok(_) if !is_new => false,
                Ok(None) => true,
                Ok(Some(new)) => {
                    let is_active = active.get(&did).copied().unwrap_or(true);
                    let rises = rev.get(&did).is_none_or(|last| *last < new);
                    is_active && rises && rev.insert(did.clone(), new).is_none_or(|last| last < new)
                }
            };
            if let Frame::Account(account) = &frame {
                active.insert(did, account.active);
            }
            assert_eq!(kept, !message.drop, "{name} {number}");
        }
    }
}

#[test]
fn commits_of_before_are_proved_as_far_as_they_can_be() {
    for seq in ["4621317030", "4621317332", "4621332152", "4623075231"] {
        let path = format!("indigo/atproto/repo/testdata/firehose_commit_{seq}.json");
        let Some(bytes) = scenario::commit(&path) else { return };
        let commit = commit(&bytes).unwrap();
        let checks = Checks { mode: Mode::Hash, key: None, now: NOW, legacy: true };
        let held = verify(&commit, &checks).unwrap();
        assert!(!held.ops.is_empty() && held.dropped.is_empty() && !held.inverted);
        for op in &held.ops {
            assert!(op.record.is_none_or(|block| data::record(block).is_ok()));
        }
    }
}

#[test]
fn a_commit_that_is_too_big_says_so() {
    let link = json!({"$link": "bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454"});
    let body = json!({
        "seq": 1, "repo": "did:plc:a", "rev": "3mptbypluud2a", "since": null, "commit": link, "time": "now",
        "ops": [], "blocks": {"$bytes": ""}, "tooBig": true,
    });
    let bytes = scenario::frame(&json!({"op": 1, "t": "#commit"}), &body);
    let commit = commit(&bytes).unwrap();
    let checks = Checks { mode: Mode::None, key: None, now: NOW, legacy: true };
    assert_eq!(verify(&commit, &checks).unwrap_err(), Reject::TooBig);
}

/// How many frames a thread does in a second, by mode. Run with optimisation and `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let (Some(frames), Some(keys)) = (recorded::frames(), recorded::keys()) else { return };
    let run = |name: &str, work: &dyn Fn(&frame::Commit<'_>)| {
        let start = std::time::Instant::now();
        let mut count = 0_u32;
        while start.elapsed().as_millis() < 2_000 {
            for bytes in &frames {
                let Some(commit) = commit(bytes) else { continue };
                work(&commit);
                count += 1;
            }
        }
        println!("{name:<8}{:>10.0} frames/s", f64::from(count) / start.elapsed().as_secs_f64());
    };
    run("decode", &|_| ());
    for (name, mode) in [("none", Mode::None), ("hash", Mode::Hash), ("full", Mode::Full)] {
        run(name, &|commit| drop(verify(commit, &Checks { mode, ..full(&keys[commit.repo]) }).unwrap()));
    }
    run("sig", &|commit| {
        let car = Car::read(commit.blocks, &Limits::COMMIT, Hashes::Trust).unwrap();
        let inner = Commit::read(car.blocks.get(&commit.commit).unwrap()).unwrap();
        inner.verify(&keys[commit.repo]).unwrap();
    });
    run("records", &|commit| {
        let checks = Checks { mode: Mode::None, ..full(&keys[commit.repo]) };
        for op in verify(commit, &checks).unwrap().ops {
            op.record.map(data::record);
        }
    });
}
