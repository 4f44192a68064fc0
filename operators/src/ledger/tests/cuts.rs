//! What there is in the end is a function of the events in their order: not of where they are cut into ticks, nor of how
//! far the store lags, nor of who works.

use super::{network::bodies, world::World, *};
use springline_model::{Gap, Hosting, Identity, Project, RepoNews};

const EVERYWHERE: usize = 1;
const NOWHERE: usize = usize::MAX;

/// What is said of authorities that have no repository, and what has none at all.
fn others() -> impl Strategy<Value = EventBody> {
    let rev = || (1..10_u64).prop_map(Rev);
    let at = || (1..5_i64).prop_map(Timestamp);
    let item = |number| Uri::new(format!("feedback://shop/manual/{number}"));
    let of_item = move |number, text: u8| {
        let change = |record: &mut springline_model::Record| record.uri = item(number);
        TestRecord::note("x", "y").with(change).text(&text.to_string()).visible().record
    };
    let put = (0..2_u8, rev(), 0..2_u8)
        .prop_map(move |(number, rev, text)| EventBody::Put { rev, record: of_item(number, text) });
    let delete = (0..2_u8, rev()).prop_map(move |(number, rev)| EventBody::Delete { rev, uri: item(number) });
    let forget = (0..2_u8, rev()).prop_map(move |(number, rev)| EventBody::Forget { rev, uri: item(number) });
    let status = select(vec![AccountStatus::Active, AccountStatus::Hidden, AccountStatus::Forbidden]);
    let account = (rev(), status).prop_map(move |(rev, status)| EventBody::Account {
        rev,
        authority: Uri::from(item(0).authority()),
        status,
    });
    let who = || select(vec!["did:plc:a", "did:plc:b"]);
    let handle = prop::option::of(select(vec!["a.example", "b.example"]));
    let identity = (who(), at(), handle).prop_map(|(did, at, handle)| {
        let (handle, pds, key) = (handle.map(str::to_owned), None, None);
        EventBody::Identity(Box::new(Identity { did: did.into(), at, handle, pds, key }))
    });
    let seen =
        (who(), rev(), at()).prop_map(|(did, rev, until)| EventBody::Seen { actor: did.into(), rev, until });
    let mute = (who(), rev(), 0..3_u64).prop_map(|(did, rev, muted)| EventBody::Mute {
        actor: did.into(),
        rev,
        muted,
    });
    let gap = (at(), 0..2_u8).prop_map(|(at, to)| {
        let (partition, from, reason) = ("relay.example".into(), "1".into(), String::new());
        EventBody::Gap(Box::new(Gap { partition, from, to: to.to_string(), at, reason }))
    });
    let project = prop::option::of(select(vec!["a", "b"]));
    let subreddit = (rev(), project).prop_map(|(rev, project)| {
        let project = project.map(|name| Project::new(name).unwrap());
        EventBody::Subreddit { rev, name: "rust".into(), project }
    });
    prop_oneof![
        4 => put, 3 => delete, 1 => forget, 1 => account, 1 => identity, 1 => prop_oneof![seen, mute], 1 => gap,
        1 => subreddit,
    ]
}

/// Versions rise as time goes by, most of the time.
fn later(mut event: Event, by: u64) -> Event {
    match &mut event.body {
        EventBody::Put { rev, .. }
        | EventBody::Delete { rev, .. }
        | EventBody::Fetched { rev, .. }
        | EventBody::Missing { rev, .. }
        | EventBody::Forget { rev, .. }
        | EventBody::Account { rev, .. }
        | EventBody::Hosting { rev, .. }
        | EventBody::Repo { rev, .. } => rev.0 += by,
        _ => {}
    }
    event
}

fn histories() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => bodies().prop_map(|body| event("relay", body)),
        2 => events(),
        2 => others().prop_map(|body| event("elsewhere", body)),
    ];
    (vec(event, 0..80), 0..8_u64).prop_map(|(events, pace)| {
        (0..).zip(events).map(|(number, event)| later(event, number * pace / 8)).collect()
    })
}

/// Each event in a tick of its own, all in one, or as it falls.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![1 => Just(vec![EVERYWHERE]), 1 => Just(vec![NOWHERE]), 4 => vec(1..9_usize, 20)]
}

fn cut(events: &[Event], cuts: &[usize]) -> Vec<Vec<Event>> {
    let (mut ticks, mut rest) = (Vec::new(), events);
    for cut in cuts.iter().cycle() {
        let (tick, more) = rest.split_at((*cut).min(rest.len()));
        ticks.push(tick.to_vec());
        rest = more;
        if rest.is_empty() {
            break;
        }
    }
    ticks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn is_what_one_event_after_the_other_gives(
        events in histories(), cuts in cuts(), in_flight in 0..4_u64, lags in vec(0..12_u8, 1..20),
    ) {
        let ticks = cut(&events, &cuts);
        let mut world = World::default();
        let expected: Vec<_> = ticks.iter().map(|tick| {
            tick.iter().for_each(|event| world.hear(event));
            world.words()
        }).collect();
        prop_assert_eq!(run(1, in_flight, &ticks, &Store::lagging(lags)), expected);
    }

    #[test]
    fn is_so_on_any_worker(events in histories(), cuts in cuts(), lags in vec(0..12_u8, 1..20)) {
        let mut world = World::default();
        events.iter().for_each(|event| world.hear(event));
        let ticks: Vec<_> = cut(&events, &cuts).iter().map(|tick| dealt(tick)).collect();
        prop_assert_eq!(run(2, 2, &ticks, &Store::lagging(lags)).pop(), Some(world.words()));
    }
}

/// An account that its host deletes and that comes back: what is deleted until it has been fetched is remembered, be it
/// deleted before or after it comes back, and in the tick of either or not.
#[test]
fn deletes_are_remembered_from_when_an_account_is_back() {
    let did = "did:plc:a";
    let (authority, post) = (Uri::repository(did), |rkey| Uri::at_record(did, "app.bsky.feed.post", rkey));
    let hosting = |rev, status| EventBody::Hosting { rev: Rev(rev), authority: authority.clone(), status };
    let delete = |rev, rkey| EventBody::Delete { rev: Rev(rev), uri: post(rkey) };
    let news =
        |rev, news| EventBody::Repo { authority: authority.clone(), rev: Rev(rev), data: [1; 32], news };
    let story = [
        // Not remembered: nobody fetches it.
        delete(1, "before"),
        hosting(1, Hosting::Deleted),
        delete(2, "between"),
        hosting(2, Hosting::Active),
        // Remembered, though what it had is purged once more.
        delete(3, "after"),
        hosting(3, Hosting::Deleted),
        hosting(4, Hosting::Active),
        delete(4, "again"),
    ];
    let tombs = |words: &BTreeSet<Word>| {
        let uri = |word: &Word| match word {
            Word::Row(LedgerRow::Tomb(row)) => Some(row.uri.clone()),
            _ => None,
        };
        words.iter().filter_map(uri).collect::<BTreeSet<_>>()
    };
    let fetched = [news(4, RepoNews::Fetching), news(4, RepoNews::Fetched), delete(5, "later")];
    let told: Vec<_> = story.map(|body| event("relay", body)).to_vec();
    let fetched = fetched.map(|body| event("relay", body)).to_vec();
    for cuts in [vec![EVERYWHERE], vec![NOWHERE], vec![2], vec![3], vec![4], vec![5]] {
        let last = run(1, 0, &cut(&told, &cuts), &Store::lagging(vec![0])).pop().unwrap();
        assert_eq!(tombs(&last), [post("after"), post("again")].into(), "{cuts:?}");
        let all = [told.clone(), fetched.clone()].concat();
        let last = run(1, 0, &cut(&all, &cuts), &Store::lagging(vec![0])).pop().unwrap();
        assert_eq!(tombs(&last), BTreeSet::new(), "{cuts:?}");
    }
}
