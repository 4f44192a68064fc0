use super::*;
use crate::{
    Visible,
    testing::{Edit, TestRecord, Tick, check_clocked, histories, replay, run_clocked},
    trending::Scale,
    walks::{Dice, tests::oracle as walk},
};
use proptest::{collection::vec, prelude::*, sample::select};
use springline_model::{Context, NodeName, UriId, rows::Order};
use std::collections::{BTreeMap, BTreeSet};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// All of it from the start, in the words of the module.
fn oracle(records: &BTreeSet<Visible>, clock: Timestamp, config: RankingsConfig) -> BTreeSet<TopRow> {
    let mut scores: BTreeMap<(Order, String), u64> = BTreeMap::new();
    let mut linkers: BTreeSet<(String, String)> = BTreeSet::new();
    let mut edges: BTreeSet<(String, String)> = BTreeSet::new();
    let rounded = |granule: i64| clock.0.div_euclid(granule) * granule;
    let windows = [
        (Order::Hour, rounded(MINUTE) - HOUR),
        (Order::Day, rounded(10 * MINUTE) - DAY),
        (Order::Week, rounded(HOUR) - 7 * DAY),
        (Order::Month, rounded(HOUR) - 30 * DAY),
    ];
    for Visible { record, .. } in records {
        let own = record.node.as_ref().map(|node| node.as_str().to_owned());
        let mut touched: BTreeSet<String> = own.iter().cloned().collect();
        if let Some(own) = &own {
            *scores.entry((Order::Size, own.clone())).or_default() += 1;
        }
        for link in record.links.iter().filter(|link| link.path.as_str() == "wikilink") {
            let Some(target) = link.target.as_node() else { continue };
            let target = target.as_str().to_owned();
            linkers.insert((target.clone(), record.author.to_string()));
            if link.context == Context::Prose {
                touched.insert(target.clone());
                edges.extend(own.clone().map(|own| (own, target)));
            }
        }
        for node in touched.into_iter().filter(|_| record.at.0 <= rounded(MINUTE) + DAY) {
            *scores.entry((Order::Trending, node.clone())).or_default() +=
                Scale::at(clock, config.half_life_ms).weight(record.at.0);
            for (order, since) in windows {
                *scores.entry((order, node.clone())).or_default() += u64::from(record.at.0 > since);
            }
        }
    }
    for (node, _) in linkers {
        *scores.entry((Order::InDegree, node)).or_default() += 1;
    }
    let id = |name: &String| UriId::of(&format!("node:{name}"));
    let names: BTreeMap<UriId, String> =
        edges.iter().flat_map(|(a, b)| [a, b]).map(|name| (id(name), name.clone())).collect();
    let edges = edges.iter().map(|(a, b)| (id(a), id(b))).collect();
    for (node, visits) in walk(&edges, Dice { walkers: config.walkers, seed: config.seed }) {
        scores.insert((Order::Rank, names[&node].clone()), visits);
    }

    let mut rows = BTreeSet::new();
    for order in Order::ALL {
        let mut of_order: Vec<_> =
            scores.iter().filter(|((by, _), score)| by == order && **score > 0).collect();
        of_order.sort_by(|a, b| b.1.cmp(a.1).then(a.0.1.cmp(&b.0.1)));
        rows.extend(of_order.into_iter().take(config.top).map(|((_, node), score)| TopRow {
            order: *order,
            score: *score,
            node: NodeName::from_canonical(node),
        }));
    }
    rows
}

/// Steps of the clock that cross some boundaries, none, or all.
fn clocks() -> impl Strategy<Value = Vec<Timestamp>> {
    let step = select(vec![0, 1, 7_000, MINUTE, 11 * MINUTE, HOUR, 7 * HOUR, DAY, 8 * DAY, 40 * DAY]);
    (0..4 * DAY, vec(step, 8)).prop_map(|(start, steps)| {
        let clock = |now: &mut i64, step| {
            *now += step;
            Some(Timestamp(*now))
        };
        steps.into_iter().scan(start - DAY, clock).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn is_a_function_of_records_and_clock(
        history in histories(),
        clocks in clocks(),
        top in prop_oneof![1..4_usize, Just(1000)],
        half_life_ms in select(vec![MINUTE as u64, HOUR as u64, 7 * DAY as u64]),
        walkers in 1..4_u32,
    ) {
        let config = RankingsConfig { top, half_life_ms, walkers, seed: 5 };
        check_clocked(
            &history,
            &clocks[..history.len()],
            move |records, clock| rankings(records, clock, config),
            |records, clock| oracle(records, clock, config),
        );
    }
}

/// Nothing happens but time: touches from the future arrive, others expire, the landmark moves on.
#[test]
fn time_alone_changes_what_it_should() {
    let note = |stem: &str, at: i64| {
        TestRecord::note("ada", stem).at(Timestamp(at)).link("wikilink", "node:x").visible()
    };
    let now = 20_000 * DAY;
    let mut history = vec![vec![
        Edit::Put(note("old", now - 29 * DAY)),
        Edit::Put(note("recent", now - 30 * MINUTE)),
        Edit::Put(note("ahead", now + 23 * HOUR)),
        Edit::Put(note("far ahead", now + 3 * DAY)),
        Edit::Put(note("never", i64::MAX)),
        Edit::Put(note("ever", i64::MIN)),
    ]];
    let steps =
        [0, 20 * MINUTE, 29 * MINUTE, 30 * MINUTE, HOUR, DAY, 2 * DAY, 9 * DAY, 60 * DAY, 4_000 * DAY];
    history.resize(steps.len(), Vec::new());
    let clocks: Vec<_> = steps.iter().map(|later| Timestamp(now + later)).collect();
    let config = RankingsConfig::default();
    check_clocked(
        &history,
        &clocks,
        move |records, clock| rankings(records, clock, config),
        |records, clock| oracle(records, clock, config),
    );

    let records: BTreeSet<_> = replay(&history).1.pop().expect("not empty");
    let touches_of_x = |order, clock| {
        let rows = oracle(&records, Timestamp(clock), config);
        rows.iter().find(|row| row.order == order && row.node.as_str() == "x").map_or(0, |row| row.score)
    };
    assert_eq!(touches_of_x(Order::Hour, now), 2);
    assert_eq!(touches_of_x(Order::Month, now), 3);
    assert_eq!(touches_of_x(Order::Month, now + 2 * DAY), 3, "the old one went, one from the future came");
    assert_eq!(touches_of_x(Order::Trending, now + 4_000 * DAY), 0);
}

/// Many notes of tomorrow in one node, which a short half-life would make worth more than 64 bits hold.
#[test]
fn the_future_does_not_overflow() {
    let now = 20_000 * DAY;
    let note =
        |at: i64| TestRecord::note("ada", &format!("n{at}")).at(Timestamp(at)).link("wikilink", "node:x");
    let notes: Vec<_> = (0..40).map(|number| note(now + 23 * HOUR + number).visible()).collect();
    let gone = |visible: &Visible| Edit::Delete(visible.record.uri.clone());
    let history =
        vec![notes.iter().cloned().map(Edit::Put).collect::<Vec<_>>(), notes[1..].iter().map(gone).collect()];
    let config = RankingsConfig { half_life_ms: MINUTE as u64, ..RankingsConfig::default() };
    check_clocked(
        &history,
        &[Timestamp(now), Timestamp(now + MINUTE)],
        move |records, clock| rankings(records, clock, config),
        |records, clock| oracle(records, clock, config),
    );
}

/// What goes may arrive before it has come, within a tick.
#[test]
fn the_order_within_a_tick_is_nobodys_business() {
    let note = |author: &str| TestRecord::note(author, "garden").link("wikilink", "node:x").visible();
    let (ada, bob, cyd) = (note("ada"), note("bob"), note("cyd"));
    let items = vec![(ada.clone(), -1), (ada, 1), (bob.clone(), 1), (cyd.clone(), 1), (cyd, -1)];
    let (clock, config) = (Timestamp(DAY), RankingsConfig::default());
    let rows =
        run_clocked(1, vec![Tick { clock, items }], move |records, clock| rankings(records, clock, config));
    assert_eq!(rows, [oracle(&BTreeSet::from([bob]), clock, config)]);
}

#[test]
fn any_number_of_workers_gives_the_same() {
    let note = |n: i64| {
        let note = TestRecord::note(&format!("user{}", n % 7), &format!("node {}", n % 90));
        let note = (0..n % 9)
            .fold(note, |note, link| note.link("wikilink", &format!("node:node {}", n * link % 130)))
            .at(Timestamp(n * HOUR));
        note.with(|record| record.uri = format!("garden://u/{n}").into()).visible()
    };
    let records: BTreeSet<_> = (0..200).map(note).collect();
    let clock = Timestamp(195 * HOUR);
    let items: Vec<_> = records.iter().map(|record| (record.clone(), 1)).collect();
    let ticks: Vec<_> = items.chunks(60).map(|chunk| Tick { clock, items: chunk.to_vec() }).collect();
    let config = RankingsConfig { top: 20, ..RankingsConfig::default() };
    for workers in [1, 2, 4] {
        let run = run_clocked(workers, ticks.clone(), move |records, clock| rankings(records, clock, config));
        assert_eq!(run.last(), Some(&oracle(&records, clock, config)), "{workers} workers");
    }
}
