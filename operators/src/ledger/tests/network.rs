//! Repositories, hosts and labels against books that take one event after the other.

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

/// What the rules say, in the plainest words: no ticks, no lookups, one event after the other.
#[derive(Clone, Default)]
struct World {
    records: BTreeMap<Uri, (Rev, Arc<Record>)>,
    tombs: BTreeMap<Uri, Rev>,
    revs: BTreeMap<Uri, Rev>,
    open: BTreeMap<Uri, Rev>,
    roots: BTreeMap<Uri, [u8; 32]>,
    hosting: BTreeMap<Uri, (Rev, Hosting)>,
    accounts: BTreeMap<Uri, (Rev, AccountStatus)>,
    labels: BTreeMap<(Uri, Uri, String, Option<String>), Label>,
}

impl World {
    fn open(&mut self, authority: Uri) {
        let rev = self.revs.get(&authority).copied().unwrap_or_default();
        self.open.entry(authority).or_insert(rev);
    }

    fn is_forbidden(&self, authority: &Uri) -> bool {
        self.accounts.get(authority).is_some_and(|(_, status)| *status == AccountStatus::Forbidden)
    }

    fn purge(&mut self, authority: &Uri) {
        self.records.retain(|uri, _| uri.authority() != authority.as_str());
    }

    fn is_fresh(&mut self, authority: &Uri, rev: Rev) -> bool {
        let known = self.revs.entry(authority.clone()).or_default();
        if rev < *known {
            return false;
        }
        if rev > *known {
            self.roots.remove(authority);
        }
        *known = rev;
        !self.is_forbidden(authority)
    }

    fn hear(&mut self, event: &Event) {
        let authority = Uri::from(event.body.authority());
        match &event.body {
            EventBody::Put { rev, record } => {
                let fresh = self.is_fresh(&authority, *rev);
                let newer = self.records.get(&record.uri).is_none_or(|(old, _)| old < rev)
                    && self.tombs.get(&record.uri).is_none_or(|tomb| tomb < rev);
                if fresh && newer {
                    self.records.insert(record.uri.clone(), (*rev, record.clone()));
                }
            }
            EventBody::Delete { rev, uri } => {
                let fresh = self.is_fresh(&authority, *rev);
                let newer = self.records.get(uri).is_none_or(|(old, _)| old < rev)
                    && self.tombs.get(uri).is_none_or(|tomb| tomb < rev);
                if fresh && newer {
                    self.records.remove(uri);
                    if self.open.contains_key(&authority) {
                        self.tombs.insert(uri.clone(), *rev);
                    }
                }
            }
            EventBody::Fetched { rev, record } => {
                let newer = self.records.get(&record.uri).is_none_or(|(old, _)| old < rev)
                    && self.tombs.get(&record.uri).is_none_or(|tomb| tomb < rev);
                let wanted = self.open.get(&authority).is_some_and(|since| since <= rev);
                if newer && wanted && !self.is_forbidden(&authority) {
                    self.records.insert(record.uri.clone(), (*rev, record.clone()));
                }
            }
            EventBody::Missing { rev, uri } => {
                let newer = self.records.get(uri).is_none_or(|(old, _)| old < rev)
                    && self.tombs.get(uri).is_none_or(|tomb| tomb < rev);
                let wanted = self.open.get(&authority).is_some_and(|since| since <= rev);
                if newer && wanted && !self.is_forbidden(&authority) {
                    self.records.remove(uri);
                    self.tombs.insert(uri.clone(), *rev);
                }
            }
            EventBody::Account { rev, status, .. } => {
                let old = self.accounts.get(&authority).copied();
                if old.is_none_or(|(old, _)| old < *rev) {
                    self.accounts.insert(authority.clone(), (*rev, *status));
                    if *status == AccountStatus::Forbidden {
                        self.purge(&authority);
                    }
                }
            }
            EventBody::Hosting { rev, status, .. } => {
                let old = self.hosting.get(&authority).copied().unwrap_or_default();
                if old.0 < *rev {
                    self.hosting.insert(authority.clone(), (*rev, *status));
                    match *status {
                        Hosting::Deleted => self.purge(&authority),
                        _ if old.1 == Hosting::Deleted => self.open(authority),
                        _ => {}
                    }
                }
            }
            EventBody::Repo { rev, data, news, .. } => {
                let known = self.revs.get(&authority).copied().unwrap_or_default();
                let root = self.roots.get(&authority).copied();
                match *news {
                    RepoNews::Fetching => self.open(authority),
                    RepoNews::Fetched => {
                        if self.open.get(&authority).is_some_and(|since| rev < since) {
                            return;
                        }
                        if self.open.remove(&authority).is_some() {
                            let is_newer =
                                |of: &Uri, at: Rev| of.authority() != authority.as_str() || at >= *rev;
                            self.records.retain(|uri, (at, _)| is_newer(uri, *at));
                        }
                        self.tombs.retain(|uri, _| uri.authority() != authority.as_str());
                        if *rev >= known {
                            self.revs.insert(authority.clone(), *rev);
                            self.roots.insert(authority, *data);
                        } else {
                            self.roots.remove(&authority);
                        }
                    }
                    RepoNews::Announced => {
                        if root == Some(*data) {
                            self.revs.insert(authority, known.max(*rev));
                        } else if *rev >= known {
                            self.open(authority);
                        }
                    }
                    RepoNews::Commit { since, prev } => {
                        if *rev < known || (*rev == known && root == Some(*data)) {
                            return;
                        }
                        let follows = match (root, prev) {
                            (Some(root), Some(prev)) => root == prev,
                            (Some(_), None) => since.is_none_or(|since| since == known),
                            (None, _) => true,
                        };
                        if !follows {
                            self.open(authority.clone());
                        }
                        self.revs.insert(authority.clone(), *rev);
                        self.roots.insert(authority, *data);
                    }
                }
            }
            EventBody::Label { label, .. } => {
                let key = (label.uri.clone(), label.src.clone(), label.val.clone(), label.cid.clone());
                let forgets = |old: &Label| Label { expired: true, ..(**label).clone() } == *old;
                if self
                    .labels
                    .get(&key)
                    .is_none_or(|old| label.cts > old.cts || (label.cts == old.cts && !forgets(old)))
                {
                    self.labels.insert(key, (**label).clone());
                }
            }
            other => panic!("not of this world: {other:?}"),
        }
    }

    fn visible(&self) -> BTreeSet<(Uri, Arc<Record>)> {
        let hides = |uri: &str, cid: Option<&str>| {
            self.labels.values().any(|label| {
                label.uri.as_str() == uri
                    && label.hides
                    && !label.neg
                    && !label.expired
                    && (label.cid.is_none() || label.cid.as_deref() == cid)
            })
        };
        let seen = |uri: &Uri, record: &Record| {
            let authority = Uri::from(uri.authority());
            let did = uri.authority().trim_start_matches("at://").trim_end_matches('/');
            self.accounts.get(&authority).is_none_or(|(_, status)| *status == AccountStatus::Active)
                && self.hosting.get(&authority).is_none_or(|(_, hosting)| *hosting == Hosting::Active)
                && !hides(did, None)
                && !hides(uri.as_str(), record.attrs.get(attr::CID).map(String::as_str))
        };
        let visible = self.records.iter().filter(|(uri, (_, record))| seen(uri, record));
        visible.map(|(uri, (_, record))| (uri.clone(), record.clone())).collect()
    }
}

fn bodies() -> impl Strategy<Value = EventBody> {
    let did = || select(DIDS.to_vec());
    let rkey = || select(vec!["x", "y"]);
    let rev = || (1..14_u64).prop_map(Rev);
    let version = || (2..28_u64).prop_map(Rev);
    // A commit says one thing of a path: two versions of one rev are the same.
    let text = |rev: Rev| (rev.0 % 3) as u8;
    let put = (did(), rkey(), rev().prop_map(|rev| Rev(rev.0 * 2)))
        .prop_map(move |(did, rkey, rev)| EventBody::Put { rev, record: post(did, rkey, text(rev)) });
    let delete = (did(), rkey(), rev().prop_map(|rev| Rev(rev.0 * 2 + 1)))
        .prop_map(|(did, rkey, rev)| EventBody::Delete { rev, uri: post_uri(did, rkey) });
    // A copy's records are of its version (or of another copy's, before it); its end is told with it.
    let copied = prop_oneof![(1..11_u64).prop_map(|rev| Rev(rev * 2)), Just(Rev(22))];
    let fetched = (did(), rkey(), copied)
        .prop_map(move |(did, rkey, rev)| EventBody::Fetched { rev, record: post(did, rkey, text(rev)) });
    let missing = (did(), rkey(), (1..11_u64).prop_map(|rev| Rev(rev * 2 + 1)))
        .prop_map(|(did, rkey, rev)| EventBody::Missing { rev, uri: post_uri(did, rkey) });
    let status = select(vec![AccountStatus::Active, AccountStatus::Hidden, AccountStatus::Forbidden]);
    let account = (did(), rev(), status).prop_map(|(did, rev, status)| EventBody::Account {
        rev,
        authority: authority(did),
        status,
    });
    let status = select(vec![Hosting::Active, Hosting::Active, Hosting::Takendown, Hosting::Deleted]);
    let hosting = (did(), rev(), status).prop_map(|(did, rev, status)| EventBody::Hosting {
        rev,
        authority: authority(did),
        status,
    });
    let news = prop_oneof![
        3 => (prop::option::of(version()), prop::option::of(0..3_u8)).prop_map(|(since, prev)| RepoNews::Commit {
            since, prev: prev.map(|byte| [byte; 32])
        }),
        1 => select(vec![RepoNews::Announced, RepoNews::Fetching, RepoNews::Fetched]),
    ];
    let repo = (did(), version(), 0..3_u8, news).prop_map(|(did, rev, data, news)| {
        let rev = if news == RepoNews::Fetched { Rev(22 + rev.0 % 6) } else { rev };
        EventBody::Repo { authority: authority(did), rev, data: [data; 32], news }
    });
    let subject = (did(), prop::option::of(rkey()));
    let cid = prop::option::weighted(0.3, 0..3_u8);
    let label = (subject, select(vec!["did:plc:l", "did:plc:m"]), 1..6_i64, cid, any::<[bool; 3]>());
    let label = label.prop_map(|((did, rkey), src, cts, cid, [neg, hides, expired])| {
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
        EventBody::Label { authority: label.authority(), label: Box::new(label), issued: None }
    });
    prop_oneof![6 => put, 3 => delete, 2 => fetched, 1 => missing, 1 => account, 1 => hosting, 3 => repo, 3 => label]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn is_what_one_event_after_the_other_gives(
        events in vec(bodies(), 0..60), cuts in vec(1..8_usize, 20), in_flight in 0..4_u64,
        lags in vec(0..12_u8, 1..20),
    ) {
        let (mut ticks, mut rest) = (Vec::new(), events.as_slice());
        for cut in cuts.into_iter().cycle() {
            let (tick, more) = rest.split_at(cut.min(rest.len()));
            ticks.push(tick.iter().map(|body| event("relay", body.clone())).collect::<Vec<_>>());
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        let mut world = World::default();
        let expected: Vec<_> = ticks.iter().map(|tick| {
            tick.iter().for_each(|event| world.hear(event));
            (world.visible(), world.open.keys().cloned().collect::<BTreeSet<_>>())
        }).collect();
        let states = run(1, in_flight, &ticks, &Store::lagging(lags));
        for (state, expected) in states.iter().zip(&expected) {
            let visible: BTreeSet<_> = state.iter().filter_map(|word| match word {
                Word::Visible(visible) => Some((visible.record.uri.clone(), visible.record.clone())),
                Word::Row(_) => None,
            }).collect();
            let open: BTreeSet<Uri> = state.iter().filter_map(|word| match word {
                Word::Row(LedgerRow::Resync(row)) => Some(row.authority.clone()),
                _ => None,
            }).collect();
            prop_assert_eq!(&(visible, open), expected);
        }
    }
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
