//! Contributions that add up to one row a group: the counting views.
//!
//! ```text
//!  parts (+1/-1) ──exchange by route──► the group's state ──► what shows changed? old row -1, new row +1
//! ```
//!
//! Invariants: a group that holds nothing has no row and no state. A tick's parts are netted, then additions are
//! applied before removals, so that a count that ends at or above zero never passes below it on the way.
//!
//! Cost: sorting the tick's parts; one map operation a touched group; two rows a group whose sums changed. Parts
//! that a change of a record leaves as they were cancel out before any state is touched.

use crate::{
    Rows,
    per_epoch::{Changes, Emit, per_tick, routed},
};
use differential_dataflow::{ExchangeData, consolidation::consolidate};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
};

/// How parts add up.
pub(crate) trait Groups: 'static {
    /// What travels to the group. Its order begins with what names the group.
    type Part: ExchangeData;
    /// What names a group.
    type Key: Hash + Eq;
    /// What is kept of a group.
    type State: Default;
    /// What shows of the state; the default stands for a group that holds nothing.
    type Sums: Default + PartialEq + Copy;
    /// The view's row.
    type Row: Clone + 'static;

    /// Which worker the group lives on: the same number for all parts of a group.
    fn route(part: &Self::Part) -> u64;
    /// Whether two parts belong to one group.
    fn same(a: &Self::Part, b: &Self::Part) -> bool;
    /// The part's group.
    fn key(&mut self, part: &Self::Part) -> Self::Key;
    /// Adds the part `diff` times; negative: takes it away.
    fn add(&mut self, state: &mut Self::State, part: &Self::Part, diff: isize);
    /// What shows.
    fn sums(state: &Self::State) -> Self::Sums;
    /// The row of a group that holds something.
    fn row(&self, key: &Self::Key, sums: Self::Sums) -> Self::Row;
}

/// The rows of the groups that the parts add up to.
pub(crate) fn groups<'s, G: Groups>(parts: Rows<'s, G::Part>, name: &str, how: G) -> Rows<'s, G::Row> {
    let mut table = Table { how, states: HashMap::default() };
    per_tick(parts, routed(G::route), name, move |changes, out| table.tick(changes, out))
}

struct Table<G: Groups> {
    how: G,
    states: HashMap<G::Key, G::State, RandomState>,
}

impl<G: Groups> Table<G> {
    fn tick(&mut self, changes: Changes<G::Part>, out: &mut Emit<'_, G::Row>) {
        let mut parts: Vec<(G::Part, isize)> = changes.collect();
        consolidate(&mut parts);
        for parts in parts.chunk_by(|a, b| G::same(&a.0, &b.0)) {
            self.group(parts, out);
        }
    }

    /// Applies all parts of one group.
    fn group(&mut self, parts: &[(G::Part, isize)], out: &mut Emit<'_, G::Row>) {
        let mut group = match self.states.entry(self.how.key(&parts[0].0)) {
            Entry::Occupied(group) => group,
            Entry::Vacant(none) => none.insert_entry(G::State::default()),
        };
        let old = G::sums(group.get());
        for (part, diff) in
            parts.iter().filter(|part| part.1 > 0).chain(parts.iter().filter(|part| part.1 < 0))
        {
            self.how.add(group.get_mut(), part, *diff);
        }
        let new = G::sums(group.get());
        let nothing = G::Sums::default();
        if old != new && old != nothing {
            out.remove(self.how.row(group.key(), old));
        }
        if old != new && new != nothing {
            out.insert(self.how.row(group.key(), new));
        }
        if new == nothing {
            group.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// Sums numbers by their last digit; knows how many states there are.
    struct ByDigit;

    static STATES: AtomicI64 = AtomicI64::new(0);

    struct State(u64);

    impl Default for State {
        fn default() -> Self {
            STATES.fetch_add(1, Ordering::Relaxed);
            Self(0)
        }
    }

    impl Drop for State {
        fn drop(&mut self) {
            STATES.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl Groups for ByDigit {
        type Part = (u64, u64);
        type Key = u64;
        type State = State;
        type Sums = u64;
        type Row = (u64, u64);

        fn route(part: &(u64, u64)) -> u64 {
            part.0
        }
        fn same(a: &(u64, u64), b: &(u64, u64)) -> bool {
            a.0 == b.0
        }
        fn key(&mut self, part: &(u64, u64)) -> u64 {
            part.0
        }
        fn add(&mut self, state: &mut State, part: &(u64, u64), diff: isize) {
            // Panics below zero.
            state.0 = state.0.checked_add_signed(part.1 as i64 * diff as i64).expect("never below zero");
        }
        fn sums(state: &State) -> u64 {
            state.0
        }
        fn row(&self, key: &u64, sums: u64) -> (u64, u64) {
            (*key, sums)
        }
    }

    #[test]
    fn passes_no_zero_on_the_way_and_keeps_no_empty_group() {
        let part = |number: u64, diff| ((number % 10, number), diff);
        let ticks = vec![
            vec![part(12, -1), part(12, 1), part(41, 1)],
            vec![part(31, -1), part(41, -1), part(51, 1), part(31, 1), part(22, 1)],
            vec![part(22, -1), part(51, -1), part(61, 1), part(71, 1)],
            vec![part(71, -1), part(61, -1)],
        ];
        let states = run(1, ticks, |parts| groups(parts, "ByDigit", ByDigit));
        let rows: Vec<Vec<_>> = states.iter().map(|state| state.iter().copied().collect()).collect();
        assert_eq!(rows, [vec![(1, 41)], vec![(1, 51), (2, 22)], vec![(1, 132)], vec![]]);
        assert_eq!(STATES.load(Ordering::Relaxed), 0);
    }
}
