//! The journal as a topic of Kafka: written by whoever has something to say, read by everybody.
//!
//! ```text
//!  sources, POSTs, steward, … ─► outbox ─► writer ══transactions══► topic, topic.positions
//!                                  ▲ answered                          │ read_committed
//!                                  └── settle ◄─── cover ◄─── reader ◄─┘
//!                                        (applied epochs)       │ batches with offsets
//!                                                               └─► sealer ─► workers ─► committer ─► store
//! ```
//!
//! Views are a function of the visible records and of the epoch's clock, not of where epochs were cut. So there is no
//! journal beside the log: a process seals what it reads into epochs of its own, and its store has the offsets that
//! each epoch reaches. What is behind them is read again at a start.
//!
//! Invariants: see [`writer`] (from a source into the log once) and [`reader`] (from the log into the views once).
//! A process reads what it writes itself, and nothing of it counts before it has come back through the log.

mod envelope;
mod error;
mod events;
mod group;
mod known;
mod past;
mod place;
mod positions;
mod reader;
mod settings;
mod settle;
mod stretch;
mod topics;
mod writer;

pub(crate) use envelope::encode;
pub use error::LogError;
pub(crate) use events::LogEvents;
pub use past::Part;
pub(crate) use past::survey;
pub(crate) use place::{Place, Spot};
pub(crate) use settings::Settings;
pub(crate) use stretch::{Received, Stretch};

use super::{
    cluster::{Hub, Lost},
    host::Handle,
    lookup::StoreKnown,
};
use known::LogKnown;
use parking_lot::Mutex;
pub(crate) use place::NAME;
use positions::Progress;
use reader::Reader;
use settle::{Covered, Positions};
use springline_model::{Partition, Position, SourceId};
use springline_sinks::views::Views;
use springline_sources::{Batch, Command, Known, SourceState, SourceStatus, chain};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle as Runtime,
    sync::{mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;
use writer::Writer;

/// What the writer is called among the sources.
pub(crate) const WRITER: &str = "log-writer";
/// Batches, and transactions, that may wait for their epoch.
const WAITING: usize = 1024;
/// How long the last things may take once the process is to stop.
const GRACE: Duration = Duration::from_secs(15);

/// How reader and writer are, as others see them.
pub(crate) struct Health {
    reader: Arc<SourceStatus>,
    writer: Arc<SourceStatus>,
    /// What others tell them.
    commands: Vec<mpsc::Receiver<Command>>,
}

impl Health {
    /// As it is, for another time of following the log.
    pub(crate) fn lend(&mut self) -> Self {
        let Self { reader, writer, commands } = self;
        Self { reader: reader.clone(), writer: writer.clone(), commands: std::mem::take(commands) }
    }

    /// Of a log that was not looked at yet; and the handles that show it among the sources.
    pub(crate) fn new() -> (Self, [(String, Handle); 2]) {
        let mut commands = Vec::new();
        let handles = [NAME, WRITER].map(|name| {
            let (sender, inbox) = mpsc::channel(4);
            commands.push(inbox);
            let status = Arc::new(SourceStatus::new(SourceId::new(name), "kafka"));
            (name.to_owned(), Handle { status, commands: sender })
        });
        let [reader, writer] = [0, 1].map(|which: usize| handles[which].1.status.clone());
        (Self { reader, writer, commands }, handles)
    }
}

/// Refuses what is told: a log is neither pulled nor paused, nor are other processes.
pub(crate) async fn refuse(mut inbox: mpsc::Receiver<Command>) {
    while let Some(command) = inbox.recv().await {
        command.refuse("it goes by itself: there is nothing to tell it");
    }
}

/// What following the log takes.
pub(crate) struct Following {
    pub(crate) settings: Settings,
    pub(crate) health: Health,
    pub(crate) views: Views,
    /// This run of the program.
    pub(crate) execution: u64,
    /// What is to be written.
    pub(crate) inbox: mpsc::Receiver<Batch>,
    /// What was read.
    pub(crate) out: mpsc::Sender<Batch>,
    /// Positions that are surely on disk.
    pub(crate) synced: watch::Receiver<BTreeMap<Partition, Position>>,
    /// The process is to end.
    pub(crate) stop: CancellationToken,
    /// The other processes, if there are any.
    pub(crate) hub: Option<Hub>,
    /// Told when one of them is gone: then nothing more is waited for.
    pub(crate) lost: Lost,
}

impl Following {
    /// Follows the log until nobody sends anything more and all that was sent is in the views (or, with no broker, until
    /// a time after the stop). `ready` is told when everything is read that was in the log at the start.
    ///
    /// A log that must not be read on is told of, and what is stored is served until the stop. A writer that was fenced
    /// ends at once.
    ///
    /// # Errors
    /// The log can't be used any more: see [`LogError`].
    pub(crate) async fn run(self, ready: oneshot::Sender<Arc<dyn Known>>) -> Result<(), LogError> {
        let (stop, lost) = (self.stop.clone(), self.lost.clone());
        let (status, _sealer_lives) = (self.health.reader.clone(), self.out.clone());
        let ended = self.follow(ready).await;
        match &ended {
            Ok(()) | Err(LogError::Fenced { .. }) => {}
            // It is followed again when all processes are there.
            Err(_) if lost.token().is_cancelled() => {}
            Err(error) => {
                tracing::error!(error = %chain(error), "the log is not followed any more; what is stored is served");
                status.set(SourceState::Failed, Some(chain(error)));
                stop.cancelled().await;
            }
        }
        ended
    }

    async fn follow(self, ready: oneshot::Sender<Arc<dyn Known>>) -> Result<(), LogError> {
        let Self { settings, health, views, execution, inbox, out, synced, stop, hub, lost } = self;
        health.commands.into_iter().for_each(|inbox| drop(tokio::spawn(refuse(inbox))));
        let (give_up, read_on) = (CancellationToken::new(), CancellationToken::new());
        let _patience = tokio_util::task::AbortOnDropHandle::new(tokio::spawn({
            let (stop, give_up) = (stop.clone(), give_up.clone());
            async move {
                let patience = async {
                    stop.cancelled().await;
                    tokio::time::sleep(GRACE).await;
                };
                tokio::select! {
                    () = lost.token().cancelled() => {}
                    () = patience => {}
                }
                give_up.cancel();
            }
        }));
        let (wrote, written) = mpsc::channel(WAITING);
        let (told, progress) = oneshot::channel();
        let writer = Writer {
            settings: settings.clone(),
            status: health.writer.clone(),
            run: format!("{execution:016x}"),
            stop,
            give_up: give_up.clone(),
        };
        let runtime = Runtime::current();
        let mut writing = tokio::task::spawn_blocking(move || writer.run(inbox, &wrote, &runtime, told));
        let lost_writer = |_| LogError::Panicked("the log's writer");
        let Ok(Progress { positions, .. }) = progress.await else {
            return writing.await.map_err(lost_writer)?;
        };

        let positions: Positions = Arc::new(Mutex::new(positions));
        let (passes, passed) = mpsc::channel(WAITING);
        let (covered, covered_now) = watch::channel(Covered::default());
        let place = Place::new(&settings.log.topic);
        let from = place.spots(&views.positions()).collect();
        let reader = Reader {
            settings,
            place,
            status: health.reader,
            inbox: out,
            passed: passes,
            synced,
            stop: read_on.clone(),
        };
        let (caught_up, has_caught_up) = oneshot::channel();
        let mut reading = tokio::task::spawn_blocking(move || reader.run(&from, caught_up));
        let lost_reader = |_| LogError::Panicked("the log's reader");
        if let Some(hub) = &hub {
            tokio::spawn(settle::overhear(hub.clone(), views.reader(), covered.clone()));
        }
        tokio::spawn(settle::cover(passed, views.reader(), covered, hub));
        let mut now = covered_now.clone();
        let settling = tokio::spawn(settle::settle(written, covered_now, views.reader(), positions.clone()));
        tokio::spawn(async move {
            let Ok(ends) = has_caught_up.await else { return };
            if now.wait_for(|covered| covered.reaches(&ends)).await.is_ok() {
                let known = LogKnown { ledger: StoreKnown(views), positions };
                let _ = ready.send(Arc::new(known) as Arc<dyn Known>);
            }
        });
        tokio::select! {
            wrote = &mut writing => {
                // What is written is to be read and applied, so that senders hear of it.
                let is_settled = tokio::select! {
                    _ = settling => true,
                    () = give_up.cancelled() => false,
                };
                read_on.cancel();
                let read = reading.await.map_err(lost_reader)?;
                wrote.map_err(lost_writer)?.and(read)?;
                let why = || health.writer.snapshot().reason.unwrap_or_else(|| "what was written can't be read yet".into());
                if is_settled { Ok(()) } else { Err(LogError::Unfinished(why())) }
            }
            read = &mut reading => {
                // What a writer would answer can't be known without a reader.
                give_up.cancel();
                settling.abort();
                let wrote = writing.await.map_err(lost_writer)?;
                read.map_err(lost_reader)?.and(wrote)
            }
        }
    }
}
