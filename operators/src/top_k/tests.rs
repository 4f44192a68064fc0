use super::*;
use crate::testing::run;
use proptest::{collection::vec, prelude::*};
use std::sync::{Arc, Mutex};

type Row = (u8, u64, String);

/// Sorts all of it and cuts.
fn oracle(rows: &BTreeSet<Row>, k: usize) -> BTreeSet<Row> {
    let mut best = BTreeSet::new();
    for group in rows.iter().map(|row| row.0).collect::<BTreeSet<_>>() {
        let mut rows: Vec<_> = rows.iter().filter(|row| row.0 == group).cloned().collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.2.cmp(&b.2)));
        best.extend(rows.into_iter().take(k));
    }
    best
}

/// From what is there after each tick, what changes in each. Rows that stay come and go, in either order.
fn changes(states: &[BTreeSet<Row>]) -> Vec<Vec<(Row, isize)>> {
    let empty: BTreeSet<Row> = BTreeSet::new();
    let mut before = &empty;
    let mut ticks = Vec::new();
    for state in states {
        let come = state.iter().map(|row| (row.clone(), 1));
        let go = before.iter().map(|row| (row.clone(), -1));
        ticks.push(if ticks.len() % 2 == 0 { come.chain(go).collect() } else { go.chain(come).collect() });
        before = state;
    }
    ticks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Few scores, so that most rows tie with others.
    #[test]
    fn is_the_sorted_list_cut(
        states in vec(prop::collection::btree_set((0..3_u8, 1..5_u64, "[a-e]{1,2}"), 0..40), 1..8),
        k in 0..8_usize,
    ) {
        let expected: Vec<_> = states.iter().map(|rows| oracle(rows, k)).collect();
        for workers in [1, 2, 4] {
            let rows = run(workers, changes(&states), move |rows| top_k(rows, k));
            prop_assert_eq!(&rows, &expected, "{} workers", workers);
        }
    }
}

/// What happens behind the K best is nobody's business, and a row that takes another's place is two changes.
#[test]
fn emits_only_what_changed() {
    let row = |score, item: usize| (0, score, format!("{item:03}"));
    let all: BTreeSet<_> = (0..500).map(|item| row(1000 - item as u64, item)).collect();
    let mut behind = all.clone();
    behind.remove(&row(990, 10));
    behind.extend([row(3, 777), row(990, 999)]);
    let mut ahead = behind.clone();
    ahead.insert(row(2000, 1));
    let mut further = ahead.clone();
    further.remove(&row(2000, 1));
    further.insert(row(2001, 1));
    let counts: Arc<Mutex<BTreeMap<u64, usize>>> = Arc::default();
    let seen = counts.clone();
    run(1, changes(&[all, behind, ahead, further, BTreeSet::new()]), move |rows| {
        let seen = seen.clone();
        top_k(rows, 10)
            .inspect(move |(_, tick, _)| *seen.lock().expect("alone").entry(*tick).or_default() += 1)
    });
    assert_eq!(*counts.lock().expect("alone"), BTreeMap::from([(0, 10), (2, 2), (3, 2), (4, 10)]));
}
