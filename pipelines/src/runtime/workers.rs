//! The dataflow's threads.

use super::{
    cluster::{Cut, Net},
    collect::Report,
    feed::{Feeder, Tick, WorkerGone},
};
use crate::views::{self, Definitions};
use springline_model::{Event, Timestamp, home};
use springline_operators::{Committed, Visible};
use std::{
    any::Any,
    rc::Rc,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};
use timely::{communication::initialize::WorkerGuards, worker::Worker};

/// Makes a worker's access to what is committed. Called on the worker's own thread.
pub type CommittedFactory = Arc<dyn Fn() -> Rc<dyn Committed> + Send + Sync>;

/// Running workers. Dropping it stops them; [`Workers::finish`] waits for what was fed.
pub struct Workers {
    /// Before the feeders: a tick that was announced must not be taken for one that was fed.
    cut: CutFirst,
    feeders: Vec<Feeder>,
    guards: JoinHandle<Result<(), WorkersFailed>>,
    fed: u64,
}

/// Of several processes, cuts the dataflow here before its inputs close: to the others it would look as if nothing more
/// were to come.
struct CutFirst(Option<Cut>);

impl Drop for CutFirst {
    fn drop(&mut self) {
        self.0.iter().for_each(Cut::cut);
    }
}

/// Why the workers could not be started or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum WorkersFailed {
    /// Threads could not be made.
    #[error("the dataflow workers could not be started: {0}")]
    Start(String),
    /// A worker panicked.
    #[error("a dataflow worker failed: {0}")]
    Panicked(String),
}

impl Workers {
    /// Starts `count` worker threads with the same dataflow; with a `net`, as a part of those of several processes.
    ///
    /// # Errors
    /// The threads could not be made.
    pub(crate) fn start(
        count: usize,
        definitions: Definitions,
        committed: CommittedFactory,
        reports: mpsc::Sender<Report>,
        net: Option<Net>,
    ) -> Result<Self, WorkersFailed> {
        let (feeders_out, feeders_in) = mpsc::channel();
        let shared = Mutex::new((feeders_out, reports));
        let mut config = if count > 1 { timely::Config::process(count) } else { timely::Config::thread() };
        // Arrangements are merged while there is nothing else to do, not in the way of an edit.
        let background = differential_dataflow::Config::default().idle_merge_effort(Some(1000));
        differential_dataflow::configure(&mut config.worker, &background);
        let spread = net.is_some();
        let first = net.as_ref().map_or(0, |net| net.first_worker(count));
        let cut = net.as_ref().map(Net::cut);
        let (builders, others, over) = match net {
            None => {
                let (builders, others) = config.communication.try_build().map_err(WorkersFailed::Start)?;
                (builders, others, None)
            }
            Some(net) => {
                let started = net.builders(count);
                let (builders, over) = started.map_err(|error| WorkersFailed::Start(error.to_string()))?;
                (builders, Box::new(()) as Box<dyn Any + Send>, Some(over))
            }
        };
        let told = cut.clone();
        let work = move |worker: &mut Worker| {
            // Dropped with what the workers share, by the last of them.
            let _over = &over;
            let is_cut = || told.as_ref().is_some_and(Cut::is_cut);
            told.iter().for_each(Cut::enlist);
            let (feeders, reports) = match shared.lock() {
                Ok(shared) => shared.clone(),
                Err(poisoned) => poisoned.into_inner().clone(),
            };
            let (feeder, probe) = views::build(worker, &definitions, committed(), &reports, spread);
            let _ = feeders.send((worker.index(), feeder));
            drop(feeders);
            let mut done = 0;
            while worker.has_dataflows() {
                if is_cut() {
                    return worker.installed_dataflows().into_iter().for_each(|id| worker.drop_dataflow(id));
                }
                worker.step_or_park(None);
                if is_cut() {
                    continue;
                }
                // The frontier is the whole cluster's, so one worker can speak for all.
                let before = probe.with_frontier(|frontier| frontier.first().copied());
                let before = before.unwrap_or(u64::MAX);
                if worker.index() == first && before > done {
                    done = before;
                    let _ = reports.send(Report::Done { before });
                }
            }
        };
        let guards = timely::execute::execute_from(builders, others, config.worker, work);
        let guards = guards.map_err(WorkersFailed::Start)?;
        let mut feeders: Vec<(usize, Feeder)> = feeders_in.iter().take(count).collect();
        if feeders.len() < count {
            return Err(WorkersFailed::Start("a worker ended before it had begun".into()));
        }
        feeders.sort_by_key(|(index, _)| *index);
        let feeders = feeders.into_iter().map(|(_, feeder)| feeder).collect();
        let guards = std::thread::spawn(move || join(guards));
        Ok(Self { cut: CutFirst(cut), feeders, guards, fed: 0 })
    }

    /// The tick that the next [`Workers::feed`] takes.
    #[must_use]
    pub const fn next_tick(&self) -> u64 {
        self.fed
    }

    /// Feeds a tick: each worker here gets what belongs to the authorities that it owns (or would, in a process alone).
    /// Waits while the workers are behind.
    ///
    /// # Errors
    /// A worker is gone.
    pub fn feed(
        &mut self,
        events: Vec<Event>,
        hydrated: Vec<Visible>,
        at: Timestamp,
    ) -> Result<u64, WorkerGone> {
        let count = self.feeders.len();
        let mut shares: Vec<Tick> =
            (0..count).map(|_| Tick { events: vec![], hydrated: vec![], at }).collect();
        for event in events {
            let owner = owner(event.body.authority(), count);
            shares[owner].events.push(event);
        }
        for record in hydrated {
            let owner = owner(record.record.uri.authority(), count);
            shares[owner].hydrated.push(record);
        }
        for (feeder, share) in self.feeders.iter().zip(shares) {
            feeder.send(share)?;
        }
        self.fed += 1;
        Ok(self.fed - 1)
    }

    /// Lets the workers finish what they were fed, and ends them; those of several processes where they stand, for the
    /// others go on.
    ///
    /// # Errors
    /// A worker panicked.
    pub fn finish(self) -> Result<(), WorkersFailed> {
        drop(self.cut);
        drop(self.feeders);
        self.guards.join().unwrap_or_else(|_| Err(WorkersFailed::Panicked("the joining thread".into())))
    }

    /// Whether a worker has ended without being asked to.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.guards.is_finished()
    }
}

fn owner(authority: &str, count: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "a remainder of the number of workers")]
    if count == 1 { 0 } else { (home::of(authority) % count as u64) as usize }
}

fn join(guards: WorkerGuards<()>) -> Result<(), WorkersFailed> {
    let failed = guards.join().into_iter().find_map(Result::err);
    failed.map_or(Ok(()), |reason| Err(WorkersFailed::Panicked(reason)))
}
