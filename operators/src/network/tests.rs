//! A network of few accounts that like, answer, quote and follow each other, against what a person would say of it.

use super::{HotConfig, hot, interactions, replies};
use crate::{
    Visible, linkers, listings, notifications,
    testing::{Edit, TestRecord, check, check_clocked},
    totals,
};
use proptest::{collection::vec, prelude::*, sample::select};
use springline_model::{
    Record, SourceId, Timestamp, Uri,
    rows::{
        AuthorKindRow, AuthorNoteRow, CollectionDayRow, CollectionRow, HotRow, LatestRow, LinkerRow,
        NoteMeta, NotificationRow, Order, Reason,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

type State = BTreeSet<Visible>;

const DIDS: [&str; 4] = ["did:plc:a", "did:plc:b", "did:plc:c", "did:web:d.example"];
const MENTION: &str = ".facets[].features[app.bsky.richtext.facet#mention].did";

fn post_uri(did: &str, key: u8) -> String {
    // Some keys are numbers in base 32, some are not.
    let key = if key < 4 { format!("3kaaaaaaaaaa{}", char::from(b'a' + key)) } else { format!("odd{key}") };
    format!("at://{did}/app.bsky.feed.post/{key}")
}

fn record(kind: &str, did: &str, key: &str, hours: i64) -> TestRecord {
    TestRecord::note("x", "y").at(Timestamp(hours * 3_600_000)).with(|record| {
        record.uri = Uri::new(format!("at://{did}/{kind}/{key}"));
        record.kind = kind.to_owned();
        record.author = Uri::from(did);
        record.node = None;
        record.title = String::new();
    })
}

fn any_post() -> impl Strategy<Value = String> {
    (select(DIDS.to_vec()), 0..6_u8).prop_map(|(did, key)| post_uri(did, key))
}

fn put() -> impl Strategy<Value = Edit> {
    let who = || select(DIDS.to_vec());
    let hours = || 0..60_i64;
    let post = (who(), 0..6_u8, hours(), prop::option::of((any_post(), any_post())));
    let extras = (prop::option::weighted(0.3, any_post()), prop::option::weighted(0.3, who()));
    let post = (post, extras).prop_map(|((did, key, hours, reply), (quote, mention))| {
        let uri = post_uri(did, key);
        let mut post =
            record("app.bsky.feed.post", did, "", hours).text("said").with(|record| record.uri = uri.into());
        if let Some((root, parent)) = reply {
            post = post.link(".reply.root.uri", &root).link(".reply.parent.uri", &parent);
        }
        if let Some(quote) = quote {
            post = post.link(".embed.record.uri", &quote);
        }
        if let Some(did) = mention {
            post = post.link(MENTION, did).link(MENTION, did);
        }
        post
    });
    let like = (who(), 0..4_u8, hours(), any_post(), prop::option::weighted(0.3, who()));
    let like = like.prop_map(|(did, key, hours, subject, via)| {
        let like = record("app.bsky.feed.like", did, &format!("3kbbbbbbbbbb{key}"), hours)
            .link(".subject.uri", &subject);
        match via {
            Some(by) => like.link(".via.uri", &format!("at://{by}/app.bsky.feed.repost/r")),
            None => like,
        }
    });
    let repost = (who(), hours(), any_post(), prop::option::weighted(0.3, who()));
    let repost = repost.prop_map(|(did, hours, subject, via)| {
        let repost = record("app.bsky.feed.repost", did, "r", hours).link(".subject.uri", &subject);
        match via {
            Some(by) => repost.link(".via.uri", &format!("at://{by}/app.bsky.feed.repost/r")),
            None => repost,
        }
    });
    let pack = |did: &str| format!("at://{did}/app.bsky.graph.starterpack/s");
    let starter_pack =
        (who(), hours()).prop_map(|(did, hours)| record("app.bsky.graph.starterpack", did, "s", hours));
    let profile = (who(), who(), hours()).prop_map(move |(did, whose, hours)| {
        record("app.bsky.actor.profile", did, "self", hours).link(".joinedViaStarterPack.uri", &pack(whose))
    });
    let verification = (who(), who(), hours()).prop_map(|(did, whom, hours)| {
        record("app.bsky.graph.verification", did, "v", hours).link(".subject", whom)
    });
    let follow = (who(), who(), hours()).prop_map(|(did, whom, hours)| {
        record("app.bsky.graph.follow", did, "f", hours).link(".subject", whom)
    });
    let visible =
        |record: TestRecord| Edit::Put(Visible { source: SourceId::new("relay"), ..record.visible() });
    let rare = prop_oneof![starter_pack, profile, verification];
    prop_oneof![5 => post, 4 => like, 1 => repost, 1 => follow, 2 => rare].prop_map(visible)
}

fn edit() -> impl Strategy<Value = Edit> {
    let deleted = prop_oneof![
        3 => any_post(),
        2 => (select(DIDS.to_vec()), 0..4_u8)
            .prop_map(|(did, key)| format!("at://{did}/app.bsky.feed.like/3kbbbbbbbbbb{key}")),
        1 => select(DIDS.to_vec()).prop_map(|did| format!("at://{did}/app.bsky.feed.repost/r")),
        1 => (select(DIDS.to_vec()), select(vec!["starterpack/s", "verification/v"]))
            .prop_map(|(did, path)| format!("at://{did}/app.bsky.graph.{path}")),
    ];
    prop_oneof![3 => put(), 1 => deleted.prop_map(|uri| Edit::Delete(uri.into()))]
}

fn history() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    vec(vec(edit(), 0..14), 1..7)
}

fn did_of(uri: &str) -> &str {
    uri.trim_start_matches("at://").split('/').next().unwrap()
}

fn links<'a>(record: &'a Record, path: &'a str) -> impl Iterator<Item = &'a str> {
    record.links.iter().filter(move |link| link.path.as_str() == path).map(|link| link.target.as_str())
}

fn told(record: &Record, recipient: &str, reason: Reason, subject: &str) -> NotificationRow {
    NotificationRow {
        recipient: recipient.into(),
        at: record.at,
        reason,
        source: record.uri.clone(),
        subject: subject.into(),
        actor: record.author.clone(),
        title: String::new(),
    }
}

/// Everything that everybody should be told, from the definitions.
fn all_told(state: &State) -> BTreeSet<NotificationRow> {
    let records: BTreeMap<&str, &Arc<Record>> =
        state.iter().map(|visible| (visible.record.uri.as_str(), &visible.record)).collect();
    let mut rows = BTreeSet::new();
    for record in records.values() {
        let mut on_record = |reason, path: &str| {
            for subject in links(record, path) {
                if records.contains_key(subject) && did_of(subject) != record.author.as_str() {
                    rows.insert(told(record, did_of(subject), reason, subject));
                }
            }
        };
        match record.kind.as_str() {
            "app.bsky.feed.like" => {
                on_record(Reason::Like, ".subject.uri");
                on_record(Reason::LikeViaRepost, ".via.uri");
            }
            "app.bsky.feed.repost" => {
                on_record(Reason::Repost, ".subject.uri");
                on_record(Reason::RepostViaRepost, ".via.uri");
            }
            "app.bsky.actor.profile" => on_record(Reason::StarterpackJoined, ".joinedViaStarterPack.uri"),
            "app.bsky.feed.post" => on_record(Reason::Quote, ".embed.record.uri"),
            _ => {}
        }
        for who in links(record, MENTION).filter(|who| *who != record.author.as_str()) {
            rows.insert(told(record, who, Reason::Mention, who));
        }
        let on_account = match record.kind.as_str() {
            "app.bsky.graph.follow" => Some(Reason::Follow),
            "app.bsky.graph.verification" => Some(Reason::Verified),
            _ => None,
        };
        if let Some(reason) = on_account {
            for who in links(record, ".subject").filter(|who| *who != record.author.as_str()) {
                rows.insert(told(record, who, reason, who));
            }
        }
        let root_of = |record: &Record| {
            links(record, ".reply.root.uri").next().unwrap_or(record.uri.as_str()).to_owned()
        };
        let mut above = links(record, ".reply.parent.uri").next();
        let mut answered = BTreeSet::new();
        for _ in 0..5 {
            let Some(ancestor) = above.and_then(|uri| records.get(uri)) else { break };
            if root_of(ancestor) != root_of(record) {
                break;
            }
            let did = ancestor.author.as_str();
            if did != record.author.as_str() && answered.insert(did) {
                rows.insert(told(record, did, Reason::Reply, ancestor.uri.as_str()));
            }
            above = links(ancestor, ".reply.parent.uri").next();
        }
    }
    rows
}

fn all_hot(state: &State, clock: Timestamp, config: HotConfig) -> BTreeSet<HotRow> {
    let there: BTreeSet<&str> = state
        .iter()
        .filter(|visible| !visible.record.text.is_empty())
        .map(|visible| visible.record.uri.as_str())
        .collect();
    let mut touches: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for record in state.iter().map(|visible| &visible.record) {
        let paths: &[&str] = match record.kind.as_str() {
            "app.bsky.feed.like" | "app.bsky.feed.repost" => &[".subject.uri"],
            "app.bsky.feed.post" => &[".embed.record.uri", ".reply.parent.uri"],
            _ => &[],
        };
        for path in paths {
            for subject in links(record, path).filter(|subject| there.contains(subject)) {
                if *path == ".reply.parent.uri" || did_of(subject) != record.author.as_str() {
                    touches.entry(subject).or_default().push(record.at.0);
                }
            }
        }
    }
    const HOUR: i64 = 3_600_000;
    let scale = crate::trending::Scale::at(clock, config.half_life_ms);
    let score = |order: Order, at: i64| {
        let rounded = |granule: i64| clock.0.div_euclid(granule) * granule;
        if at > rounded(60_000) + 24 * HOUR {
            return 0;
        }
        match order {
            Order::Hour => u64::from(at > rounded(60_000) - HOUR),
            Order::Day => u64::from(at > rounded(600_000) - 24 * HOUR),
            Order::Week => u64::from(at > rounded(HOUR) - 168 * HOUR),
            _ => scale.weight(at),
        }
    };
    let orders = [Order::Trending, Order::Hour, Order::Day, Order::Week];
    let best = |order: Order| {
        let mut best: Vec<(u64, &str)> = touches
            .iter()
            .map(|(uri, touches)| (touches.iter().map(|at| score(order, *at)).sum(), *uri))
            .filter(|(score, _)| *score > 0)
            .collect();
        best.sort_by_key(|(score, uri)| (std::cmp::Reverse(*score), *uri));
        best.truncate(config.top);
        best.into_iter().map(move |(score, uri)| HotRow { order, score, uri: uri.into() })
    };
    orders.into_iter().flat_map(best).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn everybody_is_told_once(history in history()) {
        check(&history, notifications, all_told);
        check(&history, interactions, |state| {
            let mut rows = all_told(state);
            rows.retain(|row| !{
                matches!(row.reason, Reason::Mention | Reason::Follow | Reason::Verified | Reason::Reply)
            });
            rows
        });
        check(&history, replies, |state| {
            all_told(state).into_iter().filter(|row| row.reason == Reason::Reply).collect()
        });
    }

    #[test]
    fn counts_are_those_of_a_recount(history in history()) {
        check(&history, linkers, |state| {
            let rows = state.iter().flat_map(|visible| {
                let record = visible.record.clone();
                visible.record.links.clone().into_iter().map(move |link| LinkerRow {
                    target: link.target.id(),
                    kind: record.kind.clone(),
                    path: link.path,
                    author: record.author.clone(),
                    at: record.at,
                    source: record.uri.clone(),
                })
            });
            rows.collect()
        });
        check(&history, |records| totals(records).collections, |state| {
            let mut kinds: BTreeMap<&str, Vec<&Uri>> = BTreeMap::new();
            for visible in state {
                kinds.entry(&visible.record.kind).or_default().push(&visible.record.author);
            }
            let row = |(kind, authors): (&str, Vec<&Uri>)| CollectionRow {
                kind: kind.to_owned(),
                records: authors.len() as u64,
                authors: authors.into_iter().collect::<BTreeSet<_>>().len() as u64,
            };
            kinds.into_iter().map(row).collect()
        });
        check(&history, |records| totals(records).author_kinds, |state| {
            let mut kinds: BTreeMap<(&Uri, &str), u64> = BTreeMap::new();
            for Visible { record, .. } in state {
                *kinds.entry((&record.author, &record.kind)).or_default() += 1;
            }
            let row = |((author, kind), records): ((&Uri, &str), u64)| AuthorKindRow {
                author: author.clone(),
                kind: kind.to_owned(),
                records,
            };
            kinds.into_iter().map(row).collect()
        });
        check(&history, |records| totals(records).days, |state| {
            let mut days: BTreeMap<(&str, i64), u64> = BTreeMap::new();
            for visible in state {
                *days.entry((&visible.record.kind, visible.record.at.0 / 86_400_000)).or_default() += 1;
            }
            let row = |((kind, day), records): ((&str, i64), u64)| CollectionDayRow {
                kind: kind.to_owned(),
                day: Timestamp(day * 86_400_000),
                records,
            };
            days.into_iter().map(row).collect()
        });
    }

    #[test]
    fn reposts_stand_among_what_their_authors_say_and_nowhere_else(history in history()) {
        let notes = |state: &State, kinds: &[&str]| {
            let of_kinds = state.iter().filter(|visible| kinds.contains(&visible.record.kind.as_str()));
            of_kinds.map(|visible| NoteMeta::of(&visible.record)).collect::<Vec<_>>()
        };
        check(&history, |records| listings(records).author_notes, |state| {
            let notes = notes(state, &["app.bsky.feed.post", "app.bsky.feed.repost"]);
            notes.into_iter().map(|note| AuthorNoteRow { note }).collect()
        });
        check(&history, |records| listings(records).latest, |state| {
            notes(state, &["app.bsky.feed.post"]).into_iter().map(|note| LatestRow { note }).collect()
        });
    }

    #[test]
    fn hot_is_what_was_touched_lately(history in history(), steps in vec(0..40_i64, 7), top in 1..6_usize) {
        let mut now = 0;
        let clocks: Vec<Timestamp> = history.iter().zip(steps).map(|(_, step)| {
            now += step * 3_600_000;
            Timestamp(now)
        }).collect();
        let config = HotConfig { top, half_life_ms: 6 * 3_600_000 };
        check_clocked(&history, &clocks, move |records, clock| hot(records, clock, config), |state, clock| {
            all_hot(state, clock, config)
        });
    }
}
