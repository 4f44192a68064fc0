//! The view against the definition: any history, any batches, any number of workers.

use super::{definition::oracle::partition, point::Point, *};
use crate::{
    Visible,
    testing::{Edit, TestRecord, Tick, check_clocked, replay, run_clocked},
    trending::Scale,
};
use proptest::{collection::vec, prelude::*, sample::select};
use springline_model::{
    ClusterId, Row, SourceId, TextId, Uri, Vector,
    record::attr,
    rows::{ClusterFacts, ClusterLevel, ClusterOrder},
};
use std::collections::BTreeSet;

const WORDS: &[&str] = &[
    "crash", "photo", "upload", "login", "slow", "battery", "the", "how", "to", "zzyzx", "billing",
    "crashes", "search", "dark", "mode",
];

fn config(representation: Representation) -> ClustersConfig {
    let spaces = [("notes", "note"), ("all", "*")];
    let spaces = spaces.map(|(name, kind)| (name.to_owned(), vec![kind.to_owned()]));
    ClustersConfig { spaces: spaces.into(), representation, ..ClustersConfig::default() }
}

/// A vector of one of two models, the second seldom; or none. Few values: so many are equal, or lie close.
fn meaning() -> impl Strategy<Value = Option<String>> {
    let vector = |(values, other): ([i8; 4], bool)| {
        let values = values.map(f32::from);
        let vector = if other { Vector::of("other", &values[..3]) } else { Vector::of("model", &values) };
        vector.map(|vector| vector.to_string())
    };
    let vector = (prop::array::uniform4(-1..4_i8), prop::bool::weighted(0.1)).prop_map(vector);
    prop_oneof![4 => vector, 1 => Just(None), 1 => Just(Some("model:no vector".to_owned()))]
}

fn record(number: u32, words: &[&str], day: i64, source: &str) -> Visible {
    let note = TestRecord::note("ada", &number.to_string()).at(Timestamp(day * 86_400_000 / 2));
    let visible = note.with(|record| {
        record.title = String::new();
        record.text = words.join(" ");
        if !number.is_multiple_of(3) {
            record.kind = "feedback.item".into();
            record.uri = Uri::new(format!("feedback://p{}/{source}/{number}", number % 3));
        }
    });
    Visible { source: SourceId::new(source), ..visible.visible() }
}

prop_compose! {
    fn edit()(number in 0..70_u32, words in vec(select(WORDS), 0..5), day in 0..6_i64,
              source in select(vec!["app", "web"]), meaning in meaning(),
              delete in prop::bool::weighted(0.3)) -> Edit {
        let mut visible = record(number, &words, day, source);
        if let Some(meaning) = meaning {
            Arc::make_mut(&mut visible.record).attrs.insert(attr::VECTOR.to_owned(), meaning);
        }
        if delete { Edit::Delete(visible.record.uri.clone()) } else { Edit::Put(visible) }
    }
}

fn histories() -> impl Strategy<Value = (Vec<Vec<Edit>>, Vec<Timestamp>)> {
    vec((vec(edit(), 0..60), 0..4_i64), 1..5).prop_map(|ticks| {
        let mut clock = 0;
        ticks
            .into_iter()
            .map(|(edits, later)| {
                clock += later * 40_000_000;
                (edits, Timestamp(clock))
            })
            .unzip()
    })
}

/// Every row, by the definition.
#[derive(Default)]
struct All {
    clusters: BTreeSet<ClusterRow>,
    ranks: BTreeSet<ClusterRankRow>,
    members: BTreeSet<ClusterMemberRow>,
    texts: BTreeSet<ClusterTextRow>,
    items: BTreeSet<ClusterItemRow>,
    names: BTreeSet<ClusterNameRow>,
}

fn all(representation: Representation, state: &BTreeSet<Visible>, clock: Timestamp) -> All {
    let config = config(representation);
    let mut lexical = Lexical::new();
    let mut spaces: BTreeMap<Space, Vec<Arc<Item>>> = BTreeMap::new();
    for item in state.iter().flat_map(|visible| Item::of(visible, &config, &mut lexical)) {
        spaces.entry(item.space.clone()).or_default().push(item);
    }
    let mut all = All::default();
    for (space, mut items) in spaces {
        items.sort_by_key(|item| (item.at, item.id));
        one_space(&space, &items, clock, &mut all);
    }
    all
}

fn one_space(space: &Space, items: &[Arc<Item>], clock: Timestamp, all: &mut All) {
    let mut texts: BTreeMap<TextId, (Point, u64)> = BTreeMap::new();
    for item in items {
        let (point, weight) = texts.entry(item.text).or_insert_with(|| (item.point.clone(), 0));
        *weight += 1;
        let both = [&point.meaning, &item.point.meaning];
        point.meaning = both.into_iter().flatten().min().cloned();
    }
    let places = partition(&texts);
    let group = |level: ClusterLevel, at: usize, root: TextId| {
        let own: Vec<&Arc<Item>> = items.iter().filter(|item| places[&item.text][at] == root).collect();
        expected(space, level, &own, items, &places, root, clock)
    };
    let mut roots = BTreeSet::new();
    for item in items {
        let [set, _, cluster] = places[&item.text];
        for (level, at, root) in [(ClusterLevel::Duplicates, 0, set), (ClusterLevel::Cluster, 2, cluster)] {
            if roots.insert((level, root)) {
                let Some(row) = group(level, at, root) else { continue };
                for order in ClusterOrder::ALL {
                    let score = match order {
                        ClusterOrder::Size => row.facts.items,
                        ClusterOrder::Growth => row.facts.trend,
                        ClusterOrder::LastSeen => row.facts.last_seen.0.cast_unsigned() ^ (1 << 63),
                    };
                    all.ranks.insert(ClusterRankRow {
                        space: space.clone(),
                        level,
                        order: *order,
                        score,
                        root,
                    });
                }
                all.clusters.insert(row);
            }
        }
        let (space, text, duplicates) = (space.clone(), item.text, set);
        all.members.insert(ClusterMemberRow { space: space.clone(), cluster, duplicates, text });
        let (space, Point { words, meaning }) = (space.clone(), texts[&text].0.clone());
        all.texts.insert(ClusterTextRow { space: space.clone(), text, cluster, duplicates, words, meaning });
        let (uri, source) = (item.uri.clone(), item.source.as_str().to_owned());
        let title = item.title.to_string();
        all.items.insert(ClusterItemRow { space: space.clone(), text, at: item.at, uri, source, title });
        let (id, uri) = (ClusterId::of(&item.uri), item.uri.clone());
        all.names.insert(ClusterNameRow { id, space, uri, text });
    }
}

fn expected(
    space: &Space,
    level: ClusterLevel,
    own: &[&Arc<Item>],
    items: &[Arc<Item>],
    places: &BTreeMap<TextId, [TextId; 3]>,
    root: TextId,
    clock: Timestamp,
) -> Option<ClusterRow> {
    let id = ClusterId::of(&own[0].uri);
    if level == ClusterLevel::Duplicates && own.len() < 2 {
        return None;
    }
    let middle = items.iter().find(|item| item.text == root).unwrap();
    let mut sums: BTreeMap<u32, u32> = BTreeMap::new();
    let mut counted = BTreeSet::new();
    for item in items {
        let counts = match level {
            ClusterLevel::Cluster => places[&item.text][1] == root,
            ClusterLevel::Duplicates => item.text == root,
        };
        if counts && counted.insert(item.text) {
            item.point
                .words
                .iter()
                .for_each(|(feature, weight)| *sums.entry(feature).or_default() += u32::from(weight));
        }
    }
    let said = format!("{} {}", middle.title, middle.summary);
    let score = |feature: u32| sums.get(&feature).copied().unwrap_or(0);
    let mut sources: BTreeMap<String, u64> = BTreeMap::new();
    own.iter().for_each(|item| *sources.entry(item.source.as_str().to_owned()).or_default() += 1);
    let mut sources: Vec<_> = sources.into_iter().collect();
    sources.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let arrived = |at: i64| at <= clock.0.div_euclid(60_000) * 60_000 + 86_400_000;
    let within = |length: i64, granule: i64| {
        let since = clock.0.div_euclid(granule) * granule - length;
        own.iter().filter(|item| arrived(item.at.0) && item.at.0 > since).count() as u64
    };
    let scale = Scale::at(clock, ClustersConfig::default().half_life_ms);
    let facts = ClusterFacts {
        items: own.len() as u64,
        texts: own.iter().map(|item| item.text).collect::<BTreeSet<_>>().len() as u64,
        representative: middle.uri.clone(),
        title: middle.title.to_string(),
        summary: middle.summary.to_string(),
        keywords: Lexical::new().best_words(&said, 6, score),
        sources,
        first_seen: own[0].at,
        last_seen: own[own.len() - 1].at,
        growth: [within(3_600_000, 60_000), within(86_400_000, 600_000), within(7 * 86_400_000, 3_600_000)],
        trend: own.iter().filter(|item| arrived(item.at.0)).map(|item| scale.weight(item.at.0)).sum(),
    };
    Some(ClusterRow { space: space.clone(), level, root, id, facts })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_table_equals_the_definition(
        (history, clocks) in histories(),
        by in select(vec![Representation::Lexical, Representation::Semantic]),
    ) {
        macro_rules! check {
            ($table:ident) => {
                check_clocked(
                    &history,
                    &clocks,
                    move |records, clock| clusters(records, clock, &config(by)).$table,
                    |state, clock| all(by, state, clock).$table,
                );
            };
        }
        check!(clusters);
        check!(texts);
        check!(members);
        check!(ranks);
        check!(items);
        check!(names);
    }

    #[test]
    fn batches_and_workers_make_no_difference(
        (history, _) in histories(),
        size in 1..20_usize,
        by in select(vec![Representation::Lexical, Representation::Semantic]),
    ) {
        let (changes, _) = replay(&history);
        let changes: Vec<_> = changes.into_iter().flatten().collect();
        let tick = |items: &[(Visible, isize)]| Tick { clock: Timestamp(9), items: items.to_vec() };
        let run = |workers, size: usize| {
            let ticks = changes.chunks(size.max(1)).map(tick).collect();
            run_clocked(workers, ticks, move |records, clock| clusters(records, clock, &config(by)).clusters).pop()
        };
        let whole = run(1, changes.len());
        for workers in [1, 3, 4] {
            prop_assert_eq!(&run(workers, size), &whole);
        }
    }
}

#[test]
fn a_hundred_similar_texts_lose_their_middle() {
    // More neighbours than are held; then the nearest of all go, so that everybody has to look for others.
    let text = |number: u32| {
        let word = format!("order{number}");
        record(3 * number, &["payment", "failed", "again", "for", "my", &word], 0, "app")
    };
    let come: Vec<Edit> = (0..100).map(|number| Edit::Put(text(number))).collect();
    let mut history = vec![come];
    for tick in 0..9 {
        let gone = (0..10).map(|number| Edit::Delete(text(tick * 10 + number).record.uri.clone()));
        history.push(gone.collect());
    }
    let clocks = vec![Timestamp(0); history.len()];
    check_clocked(
        &history,
        &clocks,
        |records, clock| clusters(records, clock, &config(Representation::Lexical)).texts,
        |state, clock| all(Representation::Lexical, state, clock).texts,
    );
}

#[test]
fn an_old_name_tells_of_its_item() {
    let visible = record(1, &["crash"], 0, "app");
    let row = all(Representation::Lexical, &BTreeSet::from([visible.clone()]), Timestamp(0))
        .names
        .into_iter()
        .find(|row| row.space.as_str() == "p1")
        .unwrap();
    assert_eq!((row.id.clone(), &row.uri), (ClusterId::of(&visible.record.uri), &visible.record.uri));
    assert!(row.key_bytes().starts_with(row.id.as_str().as_bytes()));
}
