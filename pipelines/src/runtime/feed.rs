//! How epochs enter a worker: a bounded channel that a source operator reads when it is woken, never by polling.
//!
//! ```text
//!  Feeder::send(Tick) ──sync_channel──► [source operator] ─┬─► events      (what the journal made definite)
//!        └── wakes the worker                              ├─► hydrated    (records the ledger already has)
//!                                                          └─► clock       (one timestamp a tick)
//! ```
//!
//! Each [`Tick`] takes the next time: 0, 1, 2, …. The channel is the flow control that timely lacks: whoever
//! feeds waits when a worker is [`CAPACITY`] ticks behind.

use springline_model::{Event, Timestamp};
use springline_operators::Visible;
use std::sync::mpsc::{self, SyncSender, TryRecvError};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Scope, Stream,
        operators::{
            Capability,
            generic::{OutputBuilder, builder_rc::OperatorBuilder},
        },
    },
    scheduling::SyncActivator,
};

/// Ticks that may wait in front of a worker.
const CAPACITY: usize = 4;

/// One worker's share of a tick.
#[derive(Debug)]
pub struct Tick {
    /// Events of authorities that this worker was given (the ledger exchanges them as it needs).
    pub events: Vec<Event>,
    /// Visible records that the ledger already has, to fill the views' state at start.
    pub hydrated: Vec<Visible>,
    /// The epoch's clock, the same on every worker.
    pub at: Timestamp,
}

/// The sending end for one worker.
#[derive(Debug)]
pub struct Feeder {
    ticks: Option<SyncSender<Tick>>,
    activator: SyncActivator,
}

/// The worker is gone: it has panicked or was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dataflow worker has stopped")]
pub struct WorkerGone;

impl Feeder {
    /// Hands over the next tick; waits while the worker is [`CAPACITY`] ticks behind.
    ///
    /// # Errors
    /// The worker is gone.
    pub fn send(&self, tick: Tick) -> Result<(), WorkerGone> {
        let ticks = self.ticks.as_ref().ok_or(WorkerGone)?;
        ticks.send(tick).map_err(|_| WorkerGone)?;
        self.activator.activate().map_err(|_| WorkerGone)
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // Closing a channel wakes nobody: without this the worker would stay parked for ever.
        self.ticks.take();
        let _ = self.activator.activate();
    }
}

/// What comes out of the source operator.
pub struct Feed<'s> {
    /// [`Tick::events`].
    pub events: Stream<'s, u64, Vec<Event>>,
    /// [`Tick::hydrated`], as a collection's changes.
    pub hydrated: Stream<'s, u64, Vec<(Visible, u64, isize)>>,
    /// [`Tick::at`].
    pub clock: Stream<'s, u64, Vec<Timestamp>>,
}

type Output<D> = OutputBuilder<u64, CapacityContainerBuilder<Vec<D>>>;

/// Builds the source operator and the feeder for it.
pub fn source(scope: Scope<'_, u64>) -> (Feed<'_>, Feeder) {
    let mut builder = OperatorBuilder::new("Feed".to_owned(), scope);
    let info = builder.operator_info();
    let (output, events) = builder.new_output();
    let mut events_out: Output<Event> = OutputBuilder::from(output);
    let (output, hydrated) = builder.new_output();
    let mut hydrated_out: Output<(Visible, u64, isize)> = OutputBuilder::from(output);
    let (output, clock) = builder.new_output();
    let mut clock_out: Output<Timestamp> = OutputBuilder::from(output);

    let (ticks, inbox) = mpsc::sync_channel::<Tick>(CAPACITY);
    let feeder =
        Feeder { ticks: Some(ticks), activator: scope.worker().sync_activator_for(info.address.to_vec()) };

    builder.build(move |capabilities| {
        let mut capabilities: Option<Vec<Capability<u64>>> = Some(capabilities);
        let mut now = 0u64;
        move |_frontiers| {
            let mut events_out = events_out.activate();
            let mut hydrated_out = hydrated_out.activate();
            let mut clock_out = clock_out.activate();
            while let Some(held) = capabilities.as_mut() {
                match inbox.try_recv() {
                    Ok(mut tick) => {
                        if let [for_events, for_hydrated, for_clock] = &held[..] {
                            events_out.session(for_events).give_container(&mut tick.events);
                            let records = tick.hydrated.into_iter().map(|record| (record, now, 1));
                            hydrated_out.session(for_hydrated).give_iterator(records);
                            clock_out.session(for_clock).give(tick.at);
                        }
                        now += 1;
                        for capability in held {
                            capability.downgrade(&now);
                        }
                    }
                    Err(TryRecvError::Empty) => break,
                    // No capability is left: the dataflow can complete and the worker ends by itself.
                    Err(TryRecvError::Disconnected) => capabilities = None,
                }
            }
        }
    });
    (Feed { events, hydrated, clock }, feeder)
}
