//! The whole dataflow: what all views are in the end depends neither on where the events are cut into ticks nor on who
//! works. (That it is the right thing, each operator's own oracle says.)

use super::*;
use proptest::{collection::vec, prelude::*, sample::select};
use springline_model::{
    AccountStatus, Context, Event, EventBody, Hosting, Label, Link, LinkPath, Record, RepoNews, Rev,
    SourceId, Span, Timestamp, Uri,
};
use springline_operators::{ClustersConfig, HotConfig, RankingsConfig, Representation};
use std::collections::BTreeSet;

const AUTHORITIES: [&str; 5] =
    ["at://did:plc:a/", "at://did:plc:b/", "garden://ada/", "garden://bob/", "feedback://shop/"];

fn authority() -> impl Strategy<Value = Uri> {
    select(AUTHORITIES.to_vec()).prop_map(Uri::from)
}

fn repository() -> impl Strategy<Value = Uri> {
    select(AUTHORITIES[..2].to_vec()).prop_map(Uri::from)
}

/// Something that there may be.
fn subject() -> impl Strategy<Value = Uri> {
    (authority(), 0..3_u8, any::<bool>()).prop_map(|(authority, number, is_like)| {
        let path = match (authority.scheme(), is_like) {
            ("at", false) => format!("app.bsky.feed.post/{number}"),
            ("at", true) => format!("app.bsky.feed.like/{number}"),
            ("garden", _) => format!("note {number}.md"),
            _ => format!("manual/{number}"),
        };
        Uri::new(format!("{}{path}", authority.as_str()))
    })
}

fn record() -> impl Strategy<Value = Arc<Record>> {
    let target = prop_oneof![subject(), Just(Uri::from("node:two")), Just(Uri::from("did:plc:a"))];
    (subject(), 0..4_u8, 0..4_i64, target).prop_map(|(uri, word, day, target)| {
        let (kind, path) = match (uri.scheme(), uri.as_str().contains("like")) {
            ("garden", _) => ("note", LinkPath::WIKILINK),
            ("feedback", _) => ("feedback.item", ".subject.uri"),
            (_, true) => ("app.bsky.feed.like", ".subject.uri"),
            _ => ("app.bsky.feed.post", ".reply.parent.uri"),
        };
        let link = Link {
            path: LinkPath::new(path),
            context: Context::Prose,
            target,
            span: Span { start: 0, end: 0 },
            label: None,
            fragment: None,
        };
        Arc::new(Record {
            author: Uri::from(uri.authority()),
            uri,
            kind: kind.into(),
            node: None,
            title: format!("title {word}"),
            text: format!("the shop does not say what word{word} costs, and [[two]] is not three"),
            langs: vec![],
            tags: vec![format!("tag{word}")],
            at: Timestamp(1_767_225_600_000 + day * 86_400_000),
            links: vec![link],
            attrs: BTreeMap::new(),
        })
    })
}

fn bodies() -> impl Strategy<Value = EventBody> {
    let rev = || (0..6_u64).prop_map(Rev);
    let put = (rev(), record()).prop_map(|(rev, record)| EventBody::Put { rev, record });
    let fetched = (rev(), record())
        .prop_filter("of a repository", |(_, record)| record.uri.scheme() == "at")
        .prop_map(|(rev, record)| EventBody::Fetched { rev, record });
    let delete = (rev(), subject()).prop_map(|(rev, uri)| EventBody::Delete { rev, uri });
    let status = select(vec![AccountStatus::Active, AccountStatus::Active, AccountStatus::Hidden]);
    let account = (rev(), authority(), status).prop_map(|(rev, authority, status)| EventBody::Account {
        rev,
        authority,
        status,
    });
    let status = select(vec![Hosting::Active, Hosting::Active, Hosting::Takendown, Hosting::Deleted]);
    let hosting = (rev(), repository(), status).prop_map(|(rev, authority, status)| EventBody::Hosting {
        rev,
        authority,
        status,
    });
    let news = select(vec![RepoNews::Fetching, RepoNews::Fetched, RepoNews::Announced]);
    let repo = (rev(), repository(), 0..3_u8, news)
        .prop_map(|(rev, authority, data, news)| EventBody::Repo { authority, rev, data: [data; 32], news });
    let label = (subject(), 0..4_i64, any::<bool>()).prop_map(|(uri, cts, neg)| {
        let label = Label {
            src: "did:plc:labeler".into(),
            uri,
            val: "!takedown".into(),
            cid: None,
            cts: Timestamp(cts),
            neg,
            exp: None,
            hides: true,
            expired: false,
            sig: None,
        };
        EventBody::Label { authority: label.authority(), label: Box::new(label), issued: None }
    });
    prop_oneof![12 => put, 2 => fetched, 4 => delete, 1 => account, 3 => hosting, 2 => repo, 1 => label]
}

/// Versions, and the time, rise.
fn histories() -> impl Strategy<Value = Vec<Event>> {
    vec(bodies(), 1..60).prop_map(|bodies| {
        let event = |(number, mut body): (u64, EventBody)| {
            match &mut body {
                EventBody::Put { rev, .. }
                | EventBody::Fetched { rev, .. }
                | EventBody::Delete { rev, .. }
                | EventBody::Account { rev, .. }
                | EventBody::Hosting { rev, .. }
                | EventBody::Repo { rev, .. } => rev.0 += number / 2,
                _ => {}
            }
            let observed = Timestamp(1_767_225_600_000 + number.cast_signed() * 7_200_000);
            Event { source: SourceId::new("test"), observed, body }
        };
        (0..).zip(bodies).map(event).collect()
    })
}

fn definitions() -> Definitions {
    let kinds = |kind: &str| std::iter::once(kind.to_owned()).collect();
    let spaces = [("feedback", "feedback.item"), ("posts", "app.bsky.feed.post")];
    let spaces = spaces.map(|(space, kind)| (space.to_owned(), kinds(kind)));
    Definitions {
        nodes: RankingsConfig::default(),
        records: HotConfig { top: 100, half_life_ms: 86_400_000 },
        clusters: ClustersConfig {
            spaces: spaces.into_iter().collect(),
            representation: Representation::Lexical,
            half_life_ms: 86_400_000,
        },
        off: BTreeSet::new(),
        anew: BTreeSet::new(),
        tells_records: false,
    }
}

/// Every row of all tables, and the search index' documents. Nothing is ever committed: the ledger has all it said in its
/// overlay.
fn all(events: &[Event], cuts: &[usize], workers: usize) -> BTreeMap<Table, Vec<(Vec<u8>, Vec<u8>)>> {
    let (reports, inbox) = mpsc::channel();
    let nothing = Arc::new(|| Rc::new(Nothing) as Rc<dyn Committed>);
    let started = Workers::start(workers, definitions(), nothing, reports, None);
    let mut workers = started.unwrap();
    let gather = std::thread::spawn(move || gather(&inbox, View::ALL.iter().copied().collect()));
    let mut rest = events;
    for cut in cuts.iter().cycle() {
        let (tick, more) = rest.split_at((*cut).min(rest.len()));
        let clock = tick.last().map(|event| event.observed).unwrap_or_default();
        workers.feed(tick.to_vec(), vec![], clock).unwrap();
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    workers.finish().unwrap();
    let Recomputed { mut tables, postings } = gather.join().unwrap().unwrap();
    let postings = postings.iter().map(|row| (format!("{row:?}").into_bytes(), vec![]));
    tables.insert(Table::Search, postings.collect());
    tables.retain(|_, rows| !rows.is_empty());
    tables
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn cuts_and_workers_change_nothing(events in histories(), cuts in vec(1..20_usize, 1..12)) {
        let alone = all(&events, &[1], 1);
        for (cuts, workers) in [(&[usize::MAX][..], 1), (&cuts[..], 1), (&cuts[..], 2)] {
            let other = all(&events, cuts, workers);
            let tables: BTreeSet<_> = alone.keys().chain(other.keys()).collect();
            let differ: Vec<_> = tables.into_iter().filter(|table| alone.get(table) != other.get(table)).collect();
            prop_assert!(differ.is_empty(), "{differ:?} with cuts {cuts:?} and {workers} workers");
        }
    }
}
