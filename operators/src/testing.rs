//! What the tests of every view share: running a dataflow over ticks, and histories to run it over.
//!
//! ```text
//!  histories() ─► Vec<tick> of Vec<Edit> ─ replay ─┬─► changes a tick ─► run (1 worker, 2 workers, from scratch)
//!                                                  └─► what is visible after each tick ─► oracle
//!                                                                   equal after every tick?   check, check_clocked
//! ```
//!
//! [`check`] is all that most views need: it compares a view with its oracle after every tick, with one and two
//! workers, and a view that is fed the last state in chunks (as at a start) with the one that lived through it.

mod histories;

pub use histories::{Edit, TestRecord, histories, replay};

use crate::{Rows, Visible};
use differential_dataflow::{AsCollection, ExchangeData};
use springline_model::{Row, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    sync::{Arc, Mutex},
};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{InputHandle, ProbeHandle, Stream, operators::Probe},
};

/// What happens in a tick.
#[derive(Clone, Debug)]
pub struct Tick<D> {
    /// What every worker's clock says.
    pub clock: Timestamp,
    /// What comes in, dealt out to the workers in turn.
    pub items: Vec<D>,
}

/// Items that come in, as a stream.
pub type Items<'s, D> = Stream<'s, u64, Vec<D>>;

/// The clock's stream: one time a tick on every worker.
pub type Clock<'s> = Stream<'s, u64, Vec<Timestamp>>;

/// Runs the dataflow that `build` makes over the ticks, on so many workers, with at most `in_flight` ticks
/// unfinished while the next is fed (0: in step). `completed` is told what each tick changed, in order, as soon
/// as the tick is complete on all workers; changes are not consolidated.
///
/// # Panics
/// A worker panics, or timely does not start.
pub fn drive<D, R>(
    workers: usize,
    in_flight: u64,
    ticks: Vec<Tick<D>>,
    build: impl for<'s> Fn(Items<'s, D>, Clock<'s>) -> Rows<'s, R> + Send + Sync + 'static,
    completed: impl Fn(u64, Vec<(R, isize)>) + Send + Sync + 'static,
) where
    D: ExchangeData + Send + Sync,
    R: Clone + Send + 'static,
{
    let seen: Arc<Mutex<BTreeMap<u64, Vec<(R, isize)>>>> = Arc::default();
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let mut items = InputHandle::<u64, CapacityContainerBuilder<Vec<D>>>::new();
        let mut clock = InputHandle::<u64, CapacityContainerBuilder<Vec<Timestamp>>>::new();
        let probe = ProbeHandle::new();
        let gathered = seen.clone();
        worker.dataflow::<u64, _, _>(|scope| {
            build(items.to_stream(scope), clock.to_stream(scope))
                .inspect(move |(row, tick, diff)| {
                    let mut gathered = gathered.lock().expect("no worker panicked while gathering");
                    gathered.entry(*tick).or_default().push((row.clone(), *diff));
                })
                .inner
                .probe_with(&probe);
        });
        let mut reported = 0;
        let mut report = |first: bool| {
            while first && reported < ticks.len() as u64 && !probe.less_equal(&reported) {
                let changes = seen.lock().expect("no worker panicked while gathering").remove(&reported);
                completed(reported, changes.unwrap_or_default());
                reported += 1;
            }
        };
        let (index, peers) = (worker.index(), worker.peers());
        for (number, tick) in (0..).zip(&ticks) {
            for (turn, item) in tick.items.iter().enumerate() {
                if turn % peers == index {
                    items.send(item.clone());
                }
            }
            clock.send(tick.clock);
            items.advance_to(number + 1);
            clock.advance_to(number + 1);
            items.flush();
            clock.flush();
            let awaited = (number + 1).saturating_sub(in_flight);
            worker.step_or_park_while(None, || probe.less_than(&awaited));
            report(index == 0);
        }
        items.close();
        clock.close();
        while worker.step_or_park(None) {}
        report(index == 0);
    })
    .expect("timely starts on threads of this process");
    for guard in guards.join() {
        guard.expect("no worker panics (what it said stands above)");
    }
}

/// Runs a view over changes with a clock; gives its rows as they stand after each tick.
///
/// # Panics
/// A worker panics, or a row is there more or less than once: rows are sets.
pub fn run_clocked<D, R>(
    workers: usize,
    ticks: Vec<Tick<(D, isize)>>,
    build: impl for<'s> Fn(Rows<'s, D>, Clock<'s>) -> Rows<'s, R> + Send + Sync + 'static,
) -> Vec<BTreeSet<R>>
where
    D: ExchangeData + Send + Sync,
    R: Ord + Clone + Debug + Send + 'static,
{
    let changes: Arc<Mutex<Vec<Vec<(R, isize)>>>> = Arc::default();
    let gathered = changes.clone();
    drive(
        workers,
        2,
        ticks,
        move |items, clock| {
            let rows = timed(items);
            build(rows, clock)
        },
        move |_, changes| gathered.lock().expect("only this closure writes").push(changes),
    );
    let mut rows: BTreeMap<R, isize> = BTreeMap::new();
    let mut states = Vec::new();
    for (tick, changes) in
        std::mem::take(&mut *changes.lock().expect("the run is over")).into_iter().enumerate()
    {
        for (row, diff) in changes {
            *rows.entry(row).or_default() += diff;
        }
        rows.retain(|_, count| *count != 0);
        for (row, count) in &rows {
            assert_eq!(*count, 1, "after tick {tick} there are {count} of {row:?}");
        }
        states.push(rows.keys().cloned().collect());
    }
    states
}

/// Gives changes the time of the message that brings them.
fn timed<D: ExchangeData>(items: Items<'_, (D, isize)>) -> Rows<'_, D> {
    use timely::dataflow::{channels::pact::Pipeline, operators::generic::Operator};
    items
        .unary::<CapacityContainerBuilder<_>, _, _, _>(Pipeline, "Timed", |_, _| {
            move |input, output| {
                input.for_each(|capability, items| {
                    let tick = *capability.time();
                    output
                        .session(&capability)
                        .give_iterator(items.drain(..).map(|(item, diff)| (item, tick, diff)));
                });
            }
        })
        .as_collection()
}

/// [`run_clocked`] for a view that needs no clock.
///
/// # Panics
/// As there.
pub fn run<D, R>(
    workers: usize,
    ticks: Vec<Vec<(D, isize)>>,
    build: impl for<'s> Fn(Rows<'s, D>) -> Rows<'s, R> + Send + Sync + 'static,
) -> Vec<BTreeSet<R>>
where
    D: ExchangeData + Send + Sync,
    R: Ord + Clone + Debug + Send + 'static,
{
    let ticks = ticks.into_iter().map(|items| Tick { clock: Timestamp::default(), items }).collect();
    run_clocked(workers, ticks, move |rows, _clock| build(rows))
}

/// Checks a view against its oracle over a history with a clock. See the module.
///
/// # Panics
/// The view differs from the oracle, or has two rows under one key.
pub fn check_clocked<R>(
    history: &[Vec<Edit>],
    clocks: &[Timestamp],
    build: impl for<'s> Fn(Rows<'s, Visible>, Clock<'s>) -> Rows<'s, R> + Send + Sync + Clone + 'static,
    oracle: impl Fn(&BTreeSet<Visible>, Timestamp) -> BTreeSet<R>,
) where
    R: Row + Send,
{
    assert_eq!(history.len(), clocks.len(), "one clock a tick");
    let (changes, states) = replay(history);
    let expected: Vec<BTreeSet<R>> =
        states.iter().zip(clocks).map(|(state, clock)| oracle(state, *clock)).collect();
    let lived: Vec<_> =
        changes.into_iter().zip(clocks).map(|(items, clock)| Tick { clock: *clock, items }).collect();
    for workers in [1, 2] {
        for (tick, (view, expected)) in
            run_clocked(workers, lived.clone(), build.clone()).iter().zip(&expected).enumerate()
        {
            assert_eq!(view, expected, "after tick {tick} with {workers} workers");
            let keys: BTreeSet<_> = view.iter().map(Row::key_bytes).collect();
            assert_eq!(keys.len(), view.len(), "two rows share a key after tick {tick}");
        }
    }
    let (Some(last), Some(clock)) = (states.last(), clocks.last()) else { return };
    let records: Vec<_> = last.iter().map(|visible| (visible.clone(), 1)).collect();
    let chunks = records.chunks(3).map(|chunk| Tick { clock: *clock, items: chunk.to_vec() }).collect();
    let hydrated = run_clocked(2, chunks, build).pop().unwrap_or_default();
    if !records.is_empty() {
        assert_eq!(Some(&hydrated), expected.last(), "hydrated in chunks");
    }
}

/// [`check_clocked`] for a view that needs no clock.
///
/// # Panics
/// As there.
pub fn check<R>(
    history: &[Vec<Edit>],
    build: impl for<'s> Fn(Rows<'s, Visible>) -> Rows<'s, R> + Send + Sync + Clone + 'static,
    oracle: impl Fn(&BTreeSet<Visible>) -> BTreeSet<R>,
) where
    R: Row + Send,
{
    let clocks = vec![Timestamp::default(); history.len()];
    check_clocked(history, &clocks, move |rows, _clock| build(rows), |state, _clock| oracle(state));
}
