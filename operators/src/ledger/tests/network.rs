//! Repositories, hosts and labels: what may happen to them.

use super::*;
use springline_model::{Hosting, Label, Record, RepoNews, record::attr, rows::RepoRow};

const DIDS: [&str; 3] = ["did:plc:a", "did:plc:ab", "did:web:b.example"];

fn authority(did: &str) -> Uri {
    Uri::new(format!("at://{did}/"))
}

fn post_uri(did: &str, rkey: &str) -> Uri {
    Uri::new(format!("at://{did}/app.bsky.feed.post/{rkey}"))
}

fn post(did: &str, rkey: &str, text: u8) -> Arc<Record> {
    let change = |record: &mut Record| {
        record.uri = post_uri(did, rkey);
        record.author = Uri::from(did);
        record.text = text.to_string();
        record.attrs.insert(attr::CID.to_owned(), format!("cid{text}"));
    };
    TestRecord::note("x", "y").with(change).visible().record
}

pub(super) fn bodies() -> impl Strategy<Value = EventBody> {
    let did = || select(DIDS.to_vec());
    let rkey = || select(vec!["x", "y"]);
    let rev = || (1..28_u64).prop_map(Rev);
    let text = || 0..3_u8;
    let put = (did(), rkey(), rev(), text())
        .prop_map(|(did, rkey, rev, text)| EventBody::Put { rev, record: post(did, rkey, text) });
    let delete = (did(), rkey(), rev())
        .prop_map(|(did, rkey, rev)| EventBody::Delete { rev, uri: post_uri(did, rkey) });
    let fetched = (did(), rkey(), rev(), text())
        .prop_map(|(did, rkey, rev, text)| EventBody::Fetched { rev, record: post(did, rkey, text) });
    let missing = (did(), rkey(), rev())
        .prop_map(|(did, rkey, rev)| EventBody::Missing { rev, uri: post_uri(did, rkey) });
    let forget = (did(), rkey(), rev())
        .prop_map(|(did, rkey, rev)| EventBody::Forget { rev, uri: post_uri(did, rkey) });
    let status = select(vec![AccountStatus::Active, AccountStatus::Hidden, AccountStatus::Forbidden]);
    let account = (did(), rev(), status).prop_map(|(did, rev, status)| EventBody::Account {
        rev,
        authority: authority(did),
        status,
    });
    let status = select(vec![
        Hosting::Active,
        Hosting::Active,
        Hosting::Takendown,
        Hosting::Deactivated,
        Hosting::Deleted,
        Hosting::Deleted,
    ]);
    let hosting = (did(), rev(), status).prop_map(|(did, rev, status)| EventBody::Hosting {
        rev,
        authority: authority(did),
        status,
    });
    let news = prop_oneof![
        3 => (prop::option::of(rev()), prop::option::of(0..3_u8)).prop_map(|(since, prev)| RepoNews::Commit {
            since, prev: prev.map(|byte| [byte; 32])
        }),
        1 => select(vec![RepoNews::Announced, RepoNews::Fetching, RepoNews::Fetched]),
    ];
    let repo = (did(), rev(), 0..3_u8, news).prop_map(|(did, rev, data, news)| EventBody::Repo {
        authority: authority(did),
        rev,
        data: [data; 32],
        news,
    });
    let subject = (did(), prop::option::of(rkey()));
    let cid = prop::option::weighted(0.3, 0..3_u8);
    let label = (subject, select(vec!["did:plc:l", "did:plc:m"]), 1..6_i64, cid, any::<[bool; 3]>());
    let label = (label, prop::option::weighted(0.2, 1..4_u64));
    let label = label.prop_map(|(((did, rkey), src, cts, cid, [neg, hides, expired]), issued)| {
        let label = Label {
            src: src.into(),
            uri: rkey.map_or(Uri::from(did), |rkey| post_uri(did, rkey)),
            val: "!takedown".into(),
            cid: cid.filter(|_| rkey.is_some()).map(|text| format!("cid{text}")),
            cts: Timestamp(cts),
            neg,
            exp: expired.then_some(Timestamp(cts + 10)),
            hides: hides || src == "did:plc:l",
            expired: expired && cts % 2 == 0,
            sig: None,
        };
        EventBody::Label {
            authority: label.authority(),
            label: Box::new(label),
            issued: issued.map(|seq| seq + 10 * did.len() as u64),
        }
    });
    prop_oneof![
        6 => put, 3 => delete, 2 => fetched, 1 => missing, 1 => forget, 1 => account, 3 => hosting, 3 => repo,
        3 => label,
    ]
}

#[test]
fn a_commit_that_does_not_follow_asks_for_a_fetch() {
    let commit = |rev, data: u8, prev: u8| {
        let news = RepoNews::Commit { since: None, prev: Some([prev; 32]) };
        event(
            "relay",
            EventBody::Repo { authority: authority("did:plc:a"), rev: Rev(rev), data: [data; 32], news },
        )
    };
    let ticks = [vec![commit(1, 1, 0)], vec![commit(2, 2, 1)], vec![commit(3, 4, 3)], vec![commit(2, 2, 1)]];
    let states = run(1, 0, &ticks, &Store::lagging(vec![0]));
    let repos: Vec<RepoRow> = states
        .iter()
        .filter_map(|state| {
            state.iter().find_map(|word| match word {
                Word::Row(LedgerRow::Repo(row)) => Some(row.clone()),
                _ => None,
            })
        })
        .collect();
    let told: Vec<_> = repos.iter().map(|row| (row.rev.0, row.desynchronized.is_some())).collect();
    assert_eq!(told, [(1, false), (2, false), (3, true), (3, true)]);
}

#[test]
fn what_was_put_after_a_copy_was_compared_goes_with_what_it_does_not_name() {
    let did = "did:plc:a";
    let put = |rkey, rev| event("relay", EventBody::Put { rev: Rev(rev), record: post(did, rkey, 0) });
    let delete = |rkey, rev| event("relay", EventBody::Delete { rev: Rev(rev), uri: post_uri(did, rkey) });
    let copied =
        |rkey, rev| event("backfill", EventBody::Fetched { rev: Rev(rev), record: post(did, rkey, 0) });
    let news = |rev, news| {
        event("backfill", EventBody::Repo { authority: authority(did), rev: Rev(rev), data: [9; 32], news })
    };
    let ticks = [
        vec![put("stays", 2), put("named", 3)],
        vec![news(0, RepoNews::Fetching)],
        // The copy is of 10; of what is not in it, only what was here by then was compared.
        vec![copied("named", 10), put("late", 4), put("newer", 12)],
        vec![copied("stays", 10), news(10, RepoNews::Fetched)],
        // Its delete was on its way, and is stale by now.
        vec![delete("late", 6), put("next", 13)],
    ];
    let seen = |state: &BTreeSet<Word>| -> Vec<String> {
        let visible = state.iter().filter_map(|word| match word {
            Word::Visible(visible) => Some(visible.record.uri.clone()),
            Word::Row(_) => None,
        });
        visible.map(|uri| uri.as_str().rsplit('/').next().unwrap_or_default().to_owned()).collect()
    };
    for cut in [false, true] {
        // Tick by tick, and all at once.
        let ticks = if cut { ticks.to_vec() } else { vec![ticks.concat()] };
        let states = run(1, 0, &ticks, &Store::lagging(vec![0]));
        let mut last = seen(states.last().unwrap());
        last.sort();
        assert_eq!(last, ["named", "newer", "next", "stays"], "{cut}");
    }
    assert!(seen(&run(1, 0, &ticks, &Store::lagging(vec![0]))[2]).contains(&"late".to_owned()));
}
