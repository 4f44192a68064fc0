//! The view against the definition: any history, any batches, any number of workers.

use super::{
    definition::oracle::{partition, themes},
    order::oracle::{Seat, shown},
    point::Point,
    *,
};
use crate::{
    Visible,
    testing::{Edit, TestRecord, Tick, check_clocked, replay, run_clocked},
    trending::Scale,
};
use proptest::{collection::vec, prelude::*, sample::select};
use springline_model::{
    ClusterId, Row, SourceId, TextId, Uri, Vector,
    hand::{self, Anchor, GroupId},
    record::attr,
    rows::{ClusterFacts, ClusterLevel, ClusterOrder},
};
use std::{cmp::Reverse, collections::BTreeSet};

const WORDS: &[&str] = &[
    "crash", "photo", "upload", "login", "slow", "battery", "the", "how", "to", "zzyzx", "billing",
    "crashes", "search", "dark", "mode",
];

const FAMILIES: usize = 15;

/// A text that most of its words share with three others, and some with those of other families: there are themes.
fn family(family: usize, text: usize) -> Vec<&'static str> {
    let words = (family * 3..family * 3 + 5).map(|at| WORDS[at % WORDS.len()]);
    words.chain([["red", "green", "blue", "black"][text]]).collect()
}

fn words() -> impl Strategy<Value = Vec<&'static str>> {
    let of_family = (0..FAMILIES, 0..4_usize).prop_map(|(one, text)| family(one, text));
    prop_oneof![vec(select(WORDS), 0..5), of_family]
}

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
    fn edit()(number in 0..70_u32, words in words(), day in 0..6_i64,
              source in select(vec!["app", "web"]), meaning in meaning(),
              delete in prop::bool::weighted(0.3)) -> Edit {
        let mut visible = record(number, &words, day, source);
        if let Some(meaning) = meaning {
            Arc::make_mut(&mut visible.record).attrs.insert(attr::VECTOR.to_owned(), meaning);
        }
        if delete { Edit::Delete(visible.record.uri.clone()) } else { Edit::Put(visible) }
    }
}

/// The identity of an item that may be there.
fn item() -> impl Strategy<Value = Uri> {
    let uri = |(number, source)| record(number, &[], 0, source).record.uri.clone();
    (0..70_u32, select(vec!["app", "web"])).prop_map(uri)
}

fn anchor() -> impl Strategy<Value = Anchor> {
    prop_oneof![
        3 => vec(item(), 1..4).prop_map(Anchor::With),
        1 => (0..3_u64).prop_map(|group| Anchor::Group(GroupId(group))),
    ]
}

prop_compose! {
    /// Few times: so many orders are of the same.
    fn order()(space in select(vec!["all", "all", "notes", "p1", "p2", "none"]), item in item(), to in anchor(),
               other in anchor(), join in prop::bool::weighted(0.3), at in 0..4_i64,
               delete in prop::bool::weighted(0.3)) -> Option<Edit> {
        let space = Space::new(space);
        let order = if join { hand::Order::join(space, to, other)? } else { hand::Order::place(space, item, to) };
        let record = Arc::new(order.record(Timestamp(at)));
        let uri = record.uri.clone();
        let put = Edit::Put(Visible { source: SourceId::new("operator"), record });
        Some(if delete { Edit::Delete(uri) } else { put })
    }
}

/// Edits of items, and with them orders: now few, now many.
fn tick() -> impl Strategy<Value = Vec<Edit>> {
    let orders = prop_oneof![vec(order(), 0..4), vec(order(), 0..40)];
    (vec(edit(), 0..60), orders)
        .prop_map(|(edits, orders)| edits.into_iter().chain(orders.into_iter().flatten()).collect())
}

fn histories() -> impl Strategy<Value = (Vec<Vec<Edit>>, Vec<Timestamp>)> {
    vec((tick(), 0..4_i64), 1..5).prop_map(|ticks| {
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
    themes: BTreeSet<ClusterThemeRow>,
    themed: BTreeSet<ThemeClusterRow>,
}

impl All {
    fn show(&mut self, row: ClusterRow) {
        for order in ClusterOrder::ALL {
            let score = match order {
                ClusterOrder::Size => row.facts.items,
                ClusterOrder::Growth => row.facts.trend,
                ClusterOrder::LastSeen => row.facts.last_seen.0.cast_unsigned() ^ (1 << 63),
            };
            let (space, level, order, root) = (row.space.clone(), row.level, *order, row.root);
            self.ranks.insert(ClusterRankRow { space, level, order, score, root });
        }
        self.clusters.insert(row);
    }
}

fn all(representation: Representation, state: &BTreeSet<Visible>, clock: Timestamp) -> All {
    let config = config(representation);
    let mut lexical = Lexical::new();
    let mut spaces: BTreeMap<Space, Vec<Arc<Item>>> = BTreeMap::new();
    for item in state.iter().flat_map(|visible| Item::of(visible, &config, &mut lexical)) {
        spaces.entry(item.space.clone()).or_default().push(item);
    }
    let orders: Vec<Arc<Order>> = state.iter().filter_map(Order::of).collect();
    let mut all = All::default();
    for (space, mut items) in spaces {
        items.sort_by_key(|item| (item.at, item.id));
        let orders: Vec<_> = orders.iter().filter(|order| order.space == space).cloned().collect();
        one_space(&space, &items, &orders, clock, &mut all);
    }
    all
}

fn one_space(space: &Space, items: &[Arc<Item>], orders: &[Arc<Order>], clock: Timestamp, all: &mut All) {
    let mut texts: BTreeMap<TextId, (Point, u64)> = BTreeMap::new();
    for item in items {
        let (point, weight) = texts.entry(item.text).or_insert_with(|| (item.point.clone(), 0));
        *weight += 1;
        let both = [&point.meaning, &item.point.meaning];
        point.meaning = both.into_iter().flatten().min().cloned();
    }
    let places = partition(&texts);
    let seats = shown(items, &places, orders);
    let themes = themes(&texts, &places);
    let mut themed: BTreeMap<TextId, BTreeSet<TextId>> = BTreeMap::new();
    for Seat { cluster, .. } in seats.values() {
        if let Some(theme) = themes.get(&places[cluster][2]) {
            themed.entry(*theme).or_default().insert(*cluster);
        }
    }
    let mut theme_of: BTreeMap<TextId, TextId> = BTreeMap::new();
    for (theme, clusters) in themed.into_iter().filter(|(_, clusters)| clusters.len() > 1) {
        let oldest = items.iter().map(|item| seats[&item.text].cluster).find(|root| clusters.contains(root));
        let root = if clusters.contains(&theme) { theme } else { oldest.unwrap() };
        theme_of.extend(clusters.into_iter().map(|cluster| (cluster, root)));
    }
    let root_of = |level: ClusterLevel, text: &TextId| match level {
        ClusterLevel::Cluster => Some(seats[text].cluster),
        ClusterLevel::Duplicates => Some(seats[text].duplicates),
        ClusterLevel::Theme => theme_of.get(&seats[text].cluster).copied(),
    };
    let group = |level: ClusterLevel, root: TextId| {
        let own: Vec<&Arc<Item>> =
            items.iter().filter(|item| root_of(level, &item.text) == Some(root)).collect();
        let by_hand = own.iter().filter(|item| seats[&item.text].by_hand).count() as u64;
        let row = expected(space, level, &own, items, &places, root, clock)?;
        Some(ClusterRow { facts: ClusterFacts { by_hand, ..row.facts }, ..row })
    };
    show_themes(space, &theme_of, group, all);
    let mut roots = BTreeSet::new();
    for item in items {
        let Seat { cluster, duplicates: set, by_hand } = seats[&item.text];
        for level in [ClusterLevel::Duplicates, ClusterLevel::Cluster] {
            let root = if level == ClusterLevel::Cluster { cluster } else { set };
            if roots.insert((level, root)) {
                group(level, root).into_iter().for_each(|row| all.show(row));
            }
        }
        let (space, text, duplicates) = (space.clone(), item.text, set);
        all.members.insert(ClusterMemberRow { space: space.clone(), cluster, duplicates, text });
        let (space, Point { words, meaning }) = (space.clone(), texts[&text].0.clone());
        all.texts.insert(ClusterTextRow {
            space: space.clone(),
            text,
            cluster,
            duplicates,
            by_hand,
            words,
            meaning,
        });
        let (uri, source) = (item.uri.clone(), item.source.as_str().to_owned());
        let title = item.title.to_string();
        all.items.insert(ClusterItemRow { space: space.clone(), text, at: item.at, uri, source, title });
        let (id, uri) = (ClusterId::of(&item.uri), item.uri.clone());
        all.names.insert(ClusterNameRow { id, space, uri, text });
    }
}

/// The rows of a space's themes. `group` gives a row but for what a theme says of its words.
fn show_themes(
    space: &Space,
    theme_of: &BTreeMap<TextId, TextId>,
    group: impl Fn(ClusterLevel, TextId) -> Option<ClusterRow>,
    all: &mut All,
) {
    for root in theme_of.values().copied().collect::<BTreeSet<_>>() {
        let mut row = group(ClusterLevel::Theme, root).unwrap();
        let mut words: BTreeMap<String, u64> = BTreeMap::new();
        for (cluster, theme) in theme_of.iter().filter(|(_, theme)| **theme == root) {
            let facts = group(ClusterLevel::Cluster, *cluster).unwrap().facts;
            facts.keywords.into_iter().for_each(|word| *words.entry(word).or_default() += facts.items);
            let (cluster, theme) = (*cluster, *theme);
            all.themes.insert(ClusterThemeRow { space: space.clone(), cluster, theme });
            all.themed.insert(ThemeClusterRow { space: space.clone(), theme, cluster });
        }
        let mut words: Vec<(String, u64)> = words.into_iter().collect();
        words.sort_by_key(|(_, items)| Reverse(*items));
        row.facts.keywords = words.into_iter().take(6).map(|(word, _)| word).collect();
        all.show(row);
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
            // The words of the tree that it is the root of, if it is.
            ClusterLevel::Cluster => places[&item.text][1] == root || item.text == root,
            ClusterLevel::Duplicates | ClusterLevel::Theme => item.text == root,
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
        by_hand: 0,
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
        check!(themes);
        check!(themed);
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
fn what_is_said_elsewhere_changes_the_words_of_a_group() {
    // The text in the middle of a group is the root of a tree, which grows while its new text is in another cluster.
    let [slow, billing] = [(12, ["billing", "slow"].as_slice()), (42, &["billing"])]
        .map(|(id, words)| record(id, words, 0, "app"));
    let to = Anchor::Group(GroupId(0));
    let order = hand::Order::place(Space::new("all"), slow.record.uri.clone(), to);
    let order = Visible { source: SourceId::new("operator"), record: Arc::new(order.record(Timestamp(0))) };
    let uri = billing.record.uri.clone();
    let history =
        [vec![Edit::Put(slow), Edit::Put(order)], vec![Edit::Put(billing)], vec![Edit::Delete(uri)]];
    check_clocked(
        &history,
        &[Timestamp(0); 3],
        |records, clock| clusters(records, clock, &config(Representation::Lexical)).clusters,
        |state, clock| all(Representation::Lexical, state, clock).clusters,
    );
}

#[test]
fn clusters_with_some_words_in_common_are_themes() {
    let text = |one: usize, text: usize| record((one * 12 + text * 3) as u32, &family(one, text), 0, "app");
    let texts = (0..FAMILIES).flat_map(|one| (0..4).map(move |number| text(one, number)));
    let come: Vec<Visible> = texts.collect();
    let gone = come.iter().step_by(3).map(|visible| Edit::Delete(visible.record.uri.clone())).collect();
    let history = [come.iter().cloned().map(Edit::Put).collect(), gone];
    let by = Representation::Lexical;
    let themes = |state| all(by, state, Timestamp(0)).themes.len();
    let (_, states) = replay(&history);
    assert_ne!(themes(&states[0]), 0, "else nothing is tried");
    macro_rules! check {
        ($table:ident) => {
            check_clocked(
                &history,
                &[Timestamp(0); 2],
                move |records, clock| clusters(records, clock, &config(by)).$table,
                move |state, clock| all(by, state, clock).$table,
            );
        };
    }
    check!(clusters);
    check!(themes);
    check!(themed);
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
