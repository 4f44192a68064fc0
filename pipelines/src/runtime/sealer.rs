//! Closes epochs: gathers what the sources send, makes it definite in the journal, and feeds it to the workers.
//!
//! ```text
//!  outboxes ──Batch──► gather ──► [room in flight?] ──► journal.append + fdatasync ──► answer the senders
//!                         ▲             │ no: keep gathering up to the bounds                │
//!                         └─────────────┘                                                    ▼
//!                                                                     Report::Commit, Workers::feed
//! ```
//!
//! An epoch is closed at once when the pipeline has room, so an edit waits for nothing; when the pipeline is busy
//! the next epoch grows meanwhile, up to the bounds, so that a burst pays for few syncs. Behind the bounds nothing
//! is received: the channel fills, the sources wait.
//!
//! Invariants:
//! 1. A batch's position is committed in the epoch that has the batch's last event (a batch is never split).
//! 2. The clock of an epoch is never before that of the epoch before.
//! 3. A sender is answered only behind the sync.
//!
//! With a journal in Kafka ([`super::kafka`]) what comes in is definite already: epochs are cut here and not appended.

use super::{
    cluster::{Follower, Leader},
    collect::Report,
    feed::WorkerGone,
    journal::{Appended, Journal, JournalError},
    workers::Workers,
};
use parking_lot::Mutex;
use springline_model::{Advance, Epoch, EpochCommit, Event, Partition, Position, Timestamp};
use springline_sources::Batch;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc as std_mpsc,
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// Bounds of an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Events.
    pub events: usize,
    /// Encoded bytes.
    pub bytes: usize,
    /// Epochs that may be in the dataflow and not yet in the store.
    pub in_flight: u64,
    /// An epoch without events is sealed this often, so that windows and trends move on when nobody writes.
    pub clock_every: Duration,
}

/// How long the disk may refuse before the next try.
const RETRY: Duration = Duration::from_secs(1);
/// Events are chunked into frames of about this size.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Why sealing ended.
#[derive(Debug, thiserror::Error)]
pub enum SealerError {
    /// The dataflow is gone.
    #[error(transparent)]
    Worker(#[from] WorkerGone),
    /// The journal refuses for a reason that does not pass.
    #[error("the journal cannot take the epoch")]
    Journal(#[from] JournalError),
    /// The committer is gone: the store has failed.
    #[error("the store has stopped taking epochs")]
    Committer,
    /// An event does not encode.
    #[error("an event does not encode")]
    Encode(#[from] postcard::Error),
    /// Another process is gone, and with it the dataflow.
    #[error("another process is gone")]
    Lost,
}

/// Who says when an epoch is closed.
pub(super) enum Pace {
    /// This process, for itself.
    Alone,
    /// This process, for all.
    Leads(Leader),
    /// Process 0.
    Follows(Follower),
}

impl Pace {
    /// Whether another process waits for this tick.
    fn is_wanted(&self, tick: u64) -> bool {
        matches!(self, Self::Leads(leader) if leader.is_wanted(tick))
    }

    /// Waits until one does.
    async fn until_wanted(&mut self, tick: u64) {
        match self {
            Self::Leads(leader) => leader.until_wanted(tick).await,
            Self::Alone | Self::Follows(_) => std::future::pending().await,
        }
    }
}

/// Where sealing stands: read by status and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// The newest definite epoch.
    pub epoch: Epoch,
    /// Its clock.
    pub at: Timestamp,
}

/// Where an epoch becomes definite.
#[derive(Clone)]
pub enum Log {
    /// In the journal of the data folder.
    Embedded(Arc<Mutex<Journal>>),
    /// Elsewhere, before it came here. Only the bytes are counted.
    Elsewhere(Arc<AtomicU64>),
}

impl Log {
    /// Bytes that it has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Embedded(journal) => journal.lock().bytes(),
            Self::Elsewhere(bytes) => bytes.load(Ordering::Relaxed),
        }
    }

    /// Drops what a snapshot covers and nobody needs: the bytes that this has freed.
    ///
    /// # Errors
    /// As [`Journal::trim`].
    pub fn trim(&self, covered: Epoch, needed: Epoch) -> Result<u64, JournalError> {
        match self {
            Self::Embedded(journal) => journal.lock().trim(covered, needed),
            Self::Elsewhere(_) => Ok(0),
        }
    }

    fn append(&self, commit: &EpochCommit, chunks: &[Vec<u8>]) -> Result<Appended, JournalError> {
        match self {
            Self::Embedded(journal) => journal.lock().append(commit, chunks),
            Self::Elsewhere(all) => {
                let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
                all.fetch_add(bytes, Ordering::Relaxed);
                Ok(Appended { bytes })
            }
        }
    }
}

/// The sealer and all that it owns.
pub(super) struct Sealer {
    /// Batches from the sources.
    pub inbox: mpsc::Receiver<Batch>,
    /// Shared with the keeper, which trims it.
    pub log: Log,
    /// Where epochs go.
    pub workers: Workers,
    /// To the committer.
    pub reports: std_mpsc::Sender<Report>,
    /// The first tick that is not applied.
    pub applied: watch::Receiver<u64>,
    /// How far each partition is.
    pub positions: BTreeMap<Partition, Position>,
    /// This run of the process.
    pub execution: u64,
    /// The epoch's bounds.
    pub bounds: Bounds,
    /// Told behind each epoch.
    pub sealed: watch::Sender<Sealed>,
    /// Who says when.
    pub pace: Pace,
}

#[derive(Default)]
struct Gathered {
    events: Vec<Event>,
    chunks: Vec<Vec<u8>>,
    bytes: usize,
    advances: BTreeMap<Partition, Position>,
    waiting: Vec<oneshot::Sender<Epoch>>,
}

impl Gathered {
    fn take(&mut self, batch: Batch) -> Result<(), postcard::Error> {
        for event in &batch.events {
            let mut chunk = self.chunks.pop_if(|chunk| chunk.len() < CHUNK_BYTES).unwrap_or_default();
            let before = chunk.len();
            chunk = postcard::to_extend(event, chunk)?;
            self.bytes += chunk.len() - before;
            self.chunks.push(chunk);
        }
        self.events.extend(batch.events);
        if let Some(position) = batch.position {
            self.advances.insert(batch.partition, position);
        }
        self.waiting.extend(batch.sealed);
        Ok(())
    }

    fn says_nothing(&self) -> bool {
        self.events.is_empty() && self.advances.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.says_nothing() && self.waiting.is_empty()
    }
}

impl Sealer {
    /// Seals until every outbox is closed and what they sent is sealed and applied; gives the workers back.
    ///
    /// # Errors
    /// The workers or the committer are gone, or the journal is broken. What was answered is safe in the journal.
    pub(super) async fn run(mut self) -> Result<Workers, SealerError> {
        self.pace = match std::mem::replace(&mut self.pace, Pace::Alone) {
            Pace::Follows(follower) => return self.follow(follower).await,
            pace => pace,
        };
        let mut clock = tokio::time::interval(self.bounds.clock_every);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        clock.reset();
        let mut open = true;
        while open {
            let mut gathered = Gathered::default();
            tokio::select! {
                batch = self.inbox.recv() => match batch {
                    Some(batch) => gathered.take(batch)?,
                    None => break,
                },
                _ = clock.tick() => {}
                () = self.pace.until_wanted(self.workers.next_tick()) => {}
            }
            open = self.gather(&mut gathered).await?;
            self.seal(gathered).await?;
        }
        if matches!(self.pace, Pace::Alone) {
            self.applied_through(self.workers.next_tick()).await?;
        }
        Ok(self.workers)
    }

    /// Closes each tick when process 0 does, until the outbox is closed.
    async fn follow(mut self, mut follower: Follower) -> Result<Workers, SealerError> {
        let mut gathered = Gathered::default();
        loop {
            while !self.is_full(&gathered) {
                match self.inbox.try_recv() {
                    Ok(batch) => gathered.take(batch)?,
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => return Ok(self.workers),
                }
            }
            let next = self.workers.next_tick();
            if !gathered.is_empty() {
                follower.nudge(next);
            }
            tokio::select! {
                closed = follower.tick() => {
                    let (tick, at) = closed.filter(|(tick, _)| *tick == next).ok_or(SealerError::Lost)?;
                    self.applied_through(tick.saturating_sub(self.bounds.in_flight - 1)).await?;
                    self.close(std::mem::take(&mut gathered), at).await?;
                }
                batch = self.inbox.recv(), if !self.is_full(&gathered) => match batch {
                    Some(batch) => gathered.take(batch)?,
                    None => return Ok(self.workers),
                },
            }
        }
    }

    const fn is_full(&self, gathered: &Gathered) -> bool {
        gathered.events.len() >= self.bounds.events || gathered.bytes >= self.bounds.bytes
    }

    /// Takes what is there, and more while the pipeline is busy; false when the outboxes are closed.
    async fn gather(&mut self, gathered: &mut Gathered) -> Result<bool, SealerError> {
        loop {
            while !self.is_full(gathered) {
                match self.inbox.try_recv() {
                    Ok(batch) => gathered.take(batch)?,
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => return Ok(false),
                }
            }
            let room = self.workers.next_tick().saturating_sub(self.bounds.in_flight - 1);
            if *self.applied.borrow() >= room {
                return Ok(true);
            }
            let full = self.is_full(gathered);
            tokio::select! {
                changed = self.applied.changed() => changed.map_err(|_| SealerError::Committer)?,
                batch = self.inbox.recv(), if !full => match batch {
                    Some(batch) => gathered.take(batch)?,
                    None => return Ok(false),
                },
            }
        }
    }

    async fn seal(&mut self, gathered: Gathered) -> Result<(), SealerError> {
        let (now, last, next) = (Timestamp::now(), self.sealed.borrow().at, self.workers.next_tick());
        if gathered.says_nothing()
            && !self.pace.is_wanted(next)
            && (now <= last || !gathered.waiting.is_empty())
        {
            // Who sends nothing and waits asks how far it is: everything that came before is sealed.
            let epoch = self.sealed.borrow().epoch;
            for sender in gathered.waiting {
                let _ = sender.send(epoch);
            }
            return Ok(());
        }
        let at = now.max(last);
        if let Pace::Leads(leader) = &self.pace {
            leader.close(next, at);
        }
        self.close(gathered, at).await
    }

    /// Makes an epoch of it, with this clock.
    async fn close(&mut self, gathered: Gathered, at: Timestamp) -> Result<(), SealerError> {
        let last = *self.sealed.borrow();
        let advances = gathered.advances.into_iter().map(|(partition, to)| {
            let from = self.positions.insert(partition.clone(), to.clone());
            Advance { partition, from, to }
        });
        let commit = EpochCommit {
            epoch: last.epoch.next(),
            at,
            execution: self.execution,
            advances: advances.collect(),
            events: gathered.events.len() as u64,
        };
        self.append(&commit, &gathered.chunks).await?;
        self.sealed.send_replace(Sealed { epoch: commit.epoch, at: commit.at });
        for sender in gathered.waiting {
            let _ = sender.send(commit.epoch); // a sender that no longer waits has its epoch all the same
        }
        metrics::counter!("springline_events_total").increment(commit.events);
        metrics::counter!("springline_epochs_total").increment(1);

        let (tick, at) = (self.workers.next_tick(), commit.at);
        self.reports.send(Report::Commit { tick, commit }).map_err(|_| SealerError::Committer)?;
        tokio::task::block_in_place(|| self.workers.feed(gathered.events, vec![], at))?;
        Ok(())
    }

    /// Appends, and tries again while the disk refuses: until it is written the epoch has not happened, so nothing
    /// is lost by waiting.
    async fn append(&self, commit: &EpochCommit, chunks: &[Vec<u8>]) -> Result<(), SealerError> {
        loop {
            let appended = tokio::task::block_in_place(|| {
                let started = std::time::Instant::now();
                let appended = self.log.append(commit, chunks);
                metrics::histogram!("springline_journal_append_duration_seconds")
                    .record(started.elapsed().as_secs_f64());
                appended
            });
            match appended {
                Ok(appended) => {
                    metrics::counter!("springline_journal_written_bytes_total").increment(appended.bytes);
                    return Ok(());
                }
                Err(error @ JournalError::Io { .. }) => {
                    metrics::counter!("springline_journal_errors_total").increment(1);
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the journal cannot be written: trying again"
                    );
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn applied_through(&mut self, tick: u64) -> Result<(), SealerError> {
        self.applied.wait_for(|applied| *applied >= tick).await.map_err(|_| SealerError::Committer)?;
        Ok(())
    }
}
