use super::*;
use crate::testing::run;
use proptest::{collection::vec, prelude::*};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

/// Every walker walks from its start, alone, on the edges as they are.
pub(crate) fn oracle(edges: &BTreeSet<(UriId, UriId)>, dice: Dice) -> BTreeMap<UriId, u64> {
    let mut leads_to: BTreeMap<UriId, Vec<UriId>> = BTreeMap::new();
    for (source, target) in edges.iter().filter(|(source, target)| source != target) {
        leads_to.entry(*target).or_default();
        leads_to.entry(*source).or_default().push(*target);
    }
    let mut visits = BTreeMap::new();
    for start in leads_to.keys() {
        for walker in 0..dice.walkers {
            let (length, turns) = (dice.length(*start, walker), dice.walker(*start, walker));
            let mut at = Some(*start);
            for step in 0.. {
                let Some(here) = at else { break };
                *visits.entry(here).or_default() += 1;
                let turn = Turn::new(turns, step);
                let next = leads_to[&here].iter().min_by_key(|target| (turn.lot(target.route()), **target));
                at = next.copied().filter(|_| step < length);
            }
        }
    }
    visits
}

fn node(number: u64) -> UriId {
    UriId::of(&format!("node:{number}"))
}

/// The visits after each tick.
fn visits_of(
    workers: usize,
    ticks: Vec<Vec<((UriId, UriId), isize)>>,
    dice: Dice,
) -> Vec<BTreeMap<UriId, u64>> {
    let states = run(workers, ticks, move |edges| walks(edges, dice).count());
    states
        .into_iter()
        .map(|rows| rows.into_iter().map(|(id, visits)| (id, visits as u64)).collect())
        .collect()
}

/// From the edges as they stand after each tick, what changes in each.
fn changes(states: &[Vec<(UriId, UriId)>]) -> Vec<Vec<((UriId, UriId), isize)>> {
    let mut before: &[_] = &[];
    let mut ticks = Vec::new();
    for state in states {
        let come = state.iter().map(|edge| (*edge, 1));
        ticks.push(come.chain(before.iter().map(|edge| (*edge, -1))).collect());
        before = state;
    }
    ticks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Edges come and go, several times over, in few nodes: walks cross themselves and each other, nodes vanish
    /// and come back, their numbers are used again.
    #[test]
    fn is_a_function_of_the_edges(
        states in vec(vec((0..9_u64, 0..9_u64).prop_map(|(a, b)| (node(a), node(b))), 0..25), 1..8),
        walkers in 1..4_u32,
        seed in any::<u64>(),
    ) {
        let dice = Dice { walkers, seed };
        let expected: Vec<_> =
            states.iter().map(|edges| oracle(&edges.iter().copied().collect(), dice)).collect();
        for workers in [1, 2, 4] {
            prop_assert_eq!(&visits_of(workers, changes(&states), dice), &expected, "{} workers", workers);
        }
    }
}

/// A few hundred nodes of very different degree, thrown about edge by edge.
#[test]
fn many_small_changes_leave_no_trace() {
    let mut random = 1;
    let mut draw = move |below: u64| {
        random = mix(random + 1);
        random % below
    };
    let mut live: Vec<_> = (0..600).map(|_| (draw(40) * draw(8), draw(300))).collect();
    let mut states = vec![live.clone()];
    for _ in 0..150 {
        for _ in 0..=draw(6) {
            live.swap_remove(draw(live.len() as u64) as usize);
            live.push((draw(40) * draw(8), draw(300)));
        }
        states.push(live.clone());
    }
    states.extend([Vec::new(), live]);
    let states: Vec<Vec<_>> = states
        .into_iter()
        .map(|edges| edges.into_iter().map(|(source, target)| (node(source), node(target))).collect())
        .collect();
    let dice = Dice { walkers: 10, seed: 7 };
    for (visits, edges) in visits_of(2, changes(&states), dice).into_iter().zip(states) {
        assert_eq!(visits, oracle(&edges.into_iter().collect(), dice));
    }
}

/// Ids that agree in the 64 bits that lots are drawn with: the whole id decides, whatever the order.
#[test]
fn equal_lots_are_told_apart() {
    let twins = [UriId(5), UriId(5 | 1 << 64), UriId(5 | 2 << 64)];
    let (start, dice) = (node(0), Dice { walkers: 20, seed: 3 });
    let states = [[2].as_slice(), &[2, 1], &[1, 2, 0], &[0, 1], &[1]];
    let states: Vec<Vec<_>> =
        states.iter().map(|twin| twin.iter().map(|at| (start, twins[*at])).collect()).collect();
    for (visits, edges) in visits_of(1, changes(&states), dice).into_iter().zip(states) {
        assert_eq!(visits, oracle(&edges.into_iter().collect(), dice));
    }
}

/// Each worker's walkers make about as many visits.
#[test]
fn the_work_is_shared() {
    let by_worker: Arc<Mutex<BTreeMap<usize, isize>>> = Arc::default();
    let seen = by_worker.clone();
    let edges = (0..2_000).map(|n| ((node(n), node(n / 3)), 1)).collect();
    run(4, vec![edges], move |edges| {
        let (worker, seen) = (edges.scope().index(), seen.clone());
        let visits = walks(edges, Dice { walkers: 10, seed: 1 });
        let counted = visits.inspect(move |(_, _, diff)| {
            *seen.lock().expect("nobody panicked").entry(worker).or_default() += diff;
        });
        counted.count()
    });
    let by_worker = by_worker.lock().expect("nobody panicked");
    let mean = by_worker.values().sum::<isize>() / 4;
    assert!(by_worker.len() == 4 && by_worker.values().all(|visits| (visits - mean).abs() < mean / 5));
}

/// However many nodes there have ever been, memory is for those that there are.
#[test]
fn numbers_are_used_again() {
    let mut graph = graph::Graph::default();
    for round in 0..50 {
        for diff in [1, -1] {
            let edges = (0..10).map(|n| ((node(round * 20 + n), node(round * 20 + 10 + n / 2)), diff));
            let changes = graph.apply(edges);
            assert_eq!((changes.mentioned.len(), changes.sources.len()), (15, 10));
            graph.release(&changes.mentioned);
        }
    }
    assert_eq!(graph.len(), 15);
}

/// The n best, by score and then by id.
fn best<S: PartialOrd + Copy>(scores: &BTreeMap<UriId, S>, n: usize) -> BTreeSet<UriId> {
    let mut best: Vec<_> = scores.iter().collect();
    best.sort_by(|a, b| b.1.partial_cmp(a.1).expect("finite").then(a.0.cmp(b.0)));
    best.into_iter().take(n).map(|(id, _)| *id).collect()
}

/// PageRank by power iteration (a walk that comes to an end stops there).
fn power_iteration(edges: &BTreeSet<(UriId, UriId)>) -> BTreeMap<UriId, f64> {
    let mut degrees: BTreeMap<UriId, f64> = BTreeMap::new();
    for (source, target) in edges {
        *degrees.entry(*source).or_default() += 1.0;
        degrees.entry(*target).or_default();
    }
    let mut rank: BTreeMap<UriId, f64> = degrees.keys().map(|id| (*id, 1.0)).collect();
    for _ in 0..60 {
        let mut next: BTreeMap<UriId, f64> = degrees.keys().map(|id| (*id, 1.0)).collect();
        for (source, target) in edges {
            *next.entry(*target).or_default() += 0.85 * rank[source] / degrees[source];
        }
        rank = next;
    }
    rank
}

#[test]
fn ranks_as_power_iteration_does() {
    // Sources even, targets after Zipf's law: a few hubs, a long tail.
    let nodes = 1_500_u64;
    let mut random = 11;
    let mut draw = move || {
        random = mix(random + 1);
        (random >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut edges = BTreeSet::new();
    while edges.len() < 9_000 {
        let source = (draw() * nodes as f64) as u64;
        let target = ((nodes as f64).powf(draw()) - 1.0) as u64;
        if source != target {
            edges.insert((node(source), node(target)));
        }
    }
    let exact = power_iteration(&edges);
    let all = vec![edges.iter().map(|edge| (*edge, 1)).collect()];
    let walked = visits_of(1, all, Dice { walkers: 10, seed: 1 }).remove(0);
    let overlap = best(&exact, 20).intersection(&best(&walked, 20)).count();
    assert!(overlap >= 18, "{overlap} of the best 20");
    let visits: u64 = walked.values().sum();
    let expected = 10.0 * exact.values().sum::<f64>();
    assert!((visits as f64 / expected - 1.0).abs() < 0.02, "{visits} visits, {expected} expected");
}

#[test]
fn dice_are_fair() {
    let dice = Dice { walkers: 10, seed: 1 };
    let lengths: usize = (0..2_000).flat_map(|n| (0..10).map(move |w| dice.length(node(n), w))).sum();
    assert!((lengths as f64 / 20_000.0 - 0.85 / 0.15).abs() < 0.05, "{lengths} steps by 20,000 walkers");

    for degree in [2, 7, 30] {
        let targets: Vec<_> = (0..degree).map(|n| node(n).route()).collect();
        let mut taken = vec![0.0; targets.len()];
        for walker in 0..3_000_u32 {
            for step in 0..4 {
                let turn = Turn::new(dice.walker(node(77), walker), step);
                let lots = targets.iter().map(|target| turn.lot(*target)).enumerate();
                taken[lots.min_by_key(|(_, lot)| *lot).expect("not empty").0] += 1.0;
            }
        }
        let fair = 12_000.0 / degree as f64;
        let chi2: f64 = taken.iter().map(|taken| (taken - fair) * (taken - fair) / fair).sum();
        let freedom = degree as f64 - 1.0;
        assert!(chi2 < freedom + 4.0 * (2.0 * freedom).sqrt(), "degree {degree}: chi2 {chi2}");
    }
}
