//! Operators that see a tick whole, once, in order: what every hand-written view is built on.
//!
//! ```text
//!  containers, any order ──► Stash (by tick, each with its capability)
//!                              │ the input's frontier has passed the tick: nothing more can come
//!                              ▼
//!                            logic(the tick's changes) ──► rows, all at the tick's time
//! ```
//!
//! Invariants:
//! 1. Logic runs once a tick that has changes, in the order of the ticks. With a clock it runs for every tick.
//! 2. A capability is held exactly as long as its tick is stashed, so the output's frontier never waits for
//!    anything but the input's.
//! 3. Changes are filed by their own time, not by that of the message they came in: the outputs of
//!    differential's operators may run ahead of their message.
//!
//! Limits: a tick is held in memory until it is complete, and its rows until the next operator ran. What bounds
//! this is the size of an epoch and the number of epochs in flight, both the host's business. The order of the
//! changes of one tick is that of arrival, which differs from run to run: logic must not depend on it.

use crate::Rows;
use differential_dataflow::{AsCollection, ExchangeData};
use springline_model::Timestamp;
use std::{collections::BTreeMap, iter::Flatten, vec};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Stream,
        channels::pact::{Exchange, ParallelizationContract, Pipeline},
        operators::{Capability, InputCapability, generic::Operator},
    },
    progress::frontier::MutableAntichain,
};

/// One change of a row as it travels: the row, its tick, +1 or -1.
pub type Update<R> = (R, u64, isize);

/// Whatever arrived, by tick, until the tick is complete.
///
/// `C` is what is held for a tick (its capabilities), `D` what arrives.
pub struct Stash<C, D>(BTreeMap<u64, (C, Vec<Vec<D>>)>);

impl<C, D> Default for Stash<C, D> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<C, D> Stash<C, D> {
    /// Files a container under its tick; `hold` is called for the tick's first.
    pub fn file(&mut self, tick: u64, hold: impl FnOnce() -> C, container: Vec<D>) {
        self.0.entry(tick).or_insert_with(|| (hold(), Vec::new())).1.push(container);
    }

    /// Takes out the first tick, if nothing more can come for it by any input.
    pub fn complete(&mut self, frontiers: &[&MutableAntichain<u64>]) -> Option<(u64, C, Vec<Vec<D>>)> {
        let first = self.0.first_entry()?;
        if frontiers.iter().any(|frontier| frontier.less_equal(first.key())) {
            return None;
        }
        let (tick, (held, containers)) = first.remove_entry();
        Some((tick, held, containers))
    }
}

impl<D> Stash<Capability<u64>, Update<D>> {
    /// Files changes under their own times.
    fn file_changes(&mut self, capability: &InputCapability<u64>, changes: &mut Vec<Update<D>>) {
        let tick = *capability.time();
        if changes.iter().all(|change| change.1 == tick) {
            self.file(tick, || capability.retain(0), std::mem::take(changes));
            return;
        }
        for change in changes.drain(..) {
            let tick = change.1;
            self.file(tick, || capability.delayed(&tick, 0), vec![change]);
        }
    }
}

/// The changes of one tick, in no particular order.
pub struct Changes<D>(Flatten<vec::IntoIter<Vec<Update<D>>>>);

impl<D> Changes<D> {
    fn new(containers: Vec<Vec<Update<D>>>) -> Self {
        Self(containers.into_iter().flatten())
    }
}

impl<D> Iterator for Changes<D> {
    type Item = (D, isize);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(data, _, diff)| (data, diff))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

/// How many rows are handed on at once: few enough that their memory is reused from one batch to the next.
const BATCH: usize = 1024;

/// Takes the rows that change in a tick.
pub struct Emit<'a, R> {
    tick: u64,
    rows: Vec<Update<R>>,
    hand_on: &'a mut dyn FnMut(&mut Vec<Update<R>>),
}

impl<'a, R> Emit<'a, R> {
    /// What is emitted goes to `hand_on`, which takes out what it was given.
    pub(crate) fn new(tick: u64, hand_on: &'a mut dyn FnMut(&mut Vec<Update<R>>)) -> Self {
        Self { tick, rows: Vec::new(), hand_on }
    }

    /// The tick that is being worked on.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// The row is there now.
    pub fn insert(&mut self, row: R) {
        self.change(row, 1);
    }

    /// The row is no longer there.
    pub fn remove(&mut self, row: R) {
        self.change(row, -1);
    }

    /// Either, by the sign.
    pub fn change(&mut self, row: R, diff: isize) {
        self.rows.push((row, self.tick, diff));
        if self.rows.len() == BATCH {
            self.flush();
        }
    }

    /// Hands on what has been emitted so far.
    pub(crate) fn flush(&mut self) {
        if !self.rows.is_empty() {
            (self.hand_on)(&mut self.rows);
            self.rows.clear();
        }
    }
}

/// Sends each change to the worker that the number names (modulo the number of workers).
pub fn routed<D: ExchangeData>(
    mut route: impl FnMut(&D) -> u64 + 'static,
) -> impl ParallelizationContract<u64, Vec<Update<D>>> {
    Exchange::new(move |change: &Update<D>| route(&change.0))
}

/// Runs `logic` over the changes of each complete tick. See the module.
///
/// `pact` is [`routed`], or `Pipeline` to stay on the worker.
pub fn per_tick<'s, D, R, P>(
    input: Rows<'s, D>,
    pact: P,
    name: &str,
    mut logic: impl FnMut(Changes<D>, &mut Emit<'_, R>) + 'static,
) -> Rows<'s, R>
where
    D: Clone + 'static,
    R: Clone + 'static,
    P: ParallelizationContract<u64, Vec<Update<D>>>,
{
    let rows = input.inner.unary_frontier::<CapacityContainerBuilder<_>, _, _, _>(pact, name, |_, _| {
        let mut stash = Stash::default();
        move |(input, frontier), output| {
            input.for_each(|capability, changes| stash.file_changes(&capability, changes));
            while let Some((tick, capability, changes)) = stash.complete(&[frontier]) {
                let mut hand_on = |rows: &mut _| output.session(&capability).give_container(rows);
                let mut emit = Emit::new(tick, &mut hand_on);
                logic(Changes::new(changes), &mut emit);
                emit.flush();
            }
        }
    });
    rows.as_collection()
}

/// [`per_tick`] for logic that the clock moves too: it runs for *every* tick, with changes or without.
///
/// `clock` brings each worker one time a tick. Should a tick bring none, the last one stands.
pub fn per_tick_clocked<'s, D, R, P>(
    input: Rows<'s, D>,
    clock: Stream<'s, u64, Vec<Timestamp>>,
    pact: P,
    name: &str,
    mut logic: impl FnMut(Timestamp, Changes<D>, &mut Emit<'_, R>) + 'static,
) -> Rows<'s, R>
where
    D: Clone + 'static,
    R: Clone + 'static,
    P: ParallelizationContract<u64, Vec<Update<D>>>,
{
    let rows = input.inner.binary_frontier::<_, CapacityContainerBuilder<_>, _, _, _, _>(
        clock,
        pact,
        Pipeline,
        name,
        |_, _| {
            let mut stash = Stash::default();
            let mut clocks: BTreeMap<u64, Timestamp> = BTreeMap::new();
            let mut now = Timestamp::default();
            move |(input, frontier), (clock, clock_frontier), output| {
                input.for_each(|capability, changes| stash.file_changes(&capability, changes));
                clock.for_each(|capability, times| {
                    let tick = *capability.time();
                    stash.file(tick, || capability.retain(0), Vec::new());
                    clocks.extend(times.drain(..).map(|time| (tick, time)));
                });
                while let Some((tick, capability, changes)) = stash.complete(&[frontier, clock_frontier]) {
                    now = clocks.remove(&tick).unwrap_or(now);
                    let mut hand_on = |rows: &mut _| output.session(&capability).give_container(rows);
                    let mut emit = Emit::new(tick, &mut hand_on);
                    logic(now, Changes::new(changes), &mut emit);
                    emit.flush();
                }
            }
        },
    );
    rows.as_collection()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tick, run, run_clocked};
    use std::collections::BTreeSet;
    use timely::dataflow::operators::vec::Map;

    #[test]
    fn files_changes_by_their_own_time() {
        // As differential's operators may do: the changes of two ticks in the message of the first.
        let items = |ahead: &[u64]| ahead.iter().map(|ahead| (*ahead, 1)).collect();
        let ticks: Vec<Vec<(u64, isize)>> = vec![items(&[0, 1, 1]), items(&[0]), vec![]];
        let states = run(1, ticks, |rows| {
            let ahead = rows.inner.map_in_place(|(ahead, tick, _)| *tick += *ahead).as_collection();
            per_tick(ahead, Pipeline, "Count", |changes, out| out.insert((out.tick(), changes.count())))
        });
        assert_eq!(states[2], BTreeSet::from([(0, 1), (1, 3)]));
    }

    #[test]
    fn the_clock_moves_every_tick_on_every_worker() {
        let tick = |clock, items| Tick { clock: Timestamp(clock), items };
        let ticks =
            vec![tick(5, vec![]), tick(7, vec![(2_u64, 1), (3, 1)]), tick(7, vec![]), tick(9, vec![])];
        let states = run_clocked(2, ticks, |rows, clock| {
            let mut mine = None;
            per_tick_clocked(rows, clock, routed(|row| *row), "Clock", move |now, changes, out| {
                mine = changes.map(|(row, _)| row).last().or(mine);
                out.insert((out.tick(), now.0, mine));
            })
            .distinct() // both workers say the same of the first tick
        });
        let by_two = |tick, now| [(tick, now, Some(2)), (tick, now, Some(3))];
        let said = [by_two(1, 7), by_two(2, 7), by_two(3, 9)].concat();
        assert_eq!(states[3], [(0, 5, None)].into_iter().chain(said).collect());
    }
}
