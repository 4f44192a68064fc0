//! From what is to be read to batches in the outbox: shared by all garden sources.
//!
//! ```text
//!            ┌─ hand (blocking thread) ─ read ─ Writer ─┐  packs of ≤ 256 events, ≤ 1 MiB
//!  jobs ─────┤                                          ├──► deliver ──► Outbox
//!            └─ hand (blocking thread) ─ read ─ Writer ─┘   holds the last pack back for the position
//! ```
//!
//! Invariants: the position goes out with the last pack and only when every job is done; a job that panics is
//! quarantined and the rest goes on; no more hands work at a time than the machine has cores, over all
//! partitions of a source; what is in memory is bounded by the packs under way.

use crate::{
    BATCH_BYTES, BATCH_EVENTS, Batch, Outbox, Pulled, SourceContext, SourceError, SourceStatus, status::Sent,
};
use indicatif::ProgressBar;
use parking_lot::Mutex;
use springline_model::{
    Epoch, Event, EventBody, Partition, Position, Quarantined, Record, Rev, SourceId, Timestamp, Uri,
    event::QUARANTINE_SAMPLE_BYTES,
};
use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Jobs that a hand takes at a time: few enough that all hands end together.
const GRIP: usize = 16;

/// Hands out versions: microseconds of observation, always rising.
#[derive(Debug, Default)]
pub(crate) struct Revs(AtomicU64);

impl Revs {
    /// Makes all later versions larger than one that the ledger has.
    pub(crate) fn raise(&self, known: Rev) {
        self.0.fetch_max(known.0, Ordering::Relaxed);
    }

    pub(crate) fn next(&self, observed: Timestamp) -> Rev {
        let micros = u64::try_from(observed.0).unwrap_or(0).saturating_mul(1000);
        let next = |last: u64| micros.max(last.saturating_add(1));
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        Rev(next(last.unwrap_or_else(|last| last)))
    }
}

/// How jobs of one kind are read.
pub(crate) trait Reader: Send + Sync + 'static {
    /// One file to read, or to call gone.
    type Job: Send + 'static;
    /// What a thread needs for reading and keeps from one job to the next.
    type Hand;

    /// Equips a thread.
    fn hand(&self) -> Self::Hand;

    /// Does a job.
    fn read(&self, hand: &mut Self::Hand, job: &Self::Job, out: &mut Writer);

    /// What to call a job whose reading went wrong: its record's URI, and where it came from.
    fn name(&self, job: &Self::Job) -> (Uri, String);
}

/// What all partitions of a source share on their way out.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) source: SourceId,
    pub(crate) status: Arc<SourceStatus>,
    pub(crate) revs: Revs,
    pub(crate) stop: CancellationToken,
    out: Outbox,
    hands: Arc<Semaphore>,
    cores: usize,
}

/// What a delivery came to.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    pub(crate) sent: Sent,
    /// Why the last piece that was quarantined was.
    pub(crate) refusal: Option<String>,
    /// The epoch of its last batch; none if there was nothing to send.
    pub(crate) sealed: Option<oneshot::Receiver<Epoch>>,
}

impl Delivered {
    /// Waits until it is durable; what it came to, in which epoch, and the last refusal.
    pub(crate) async fn settle(self, partition: String) -> (Pulled, Option<Epoch>, Option<String>) {
        let Sent { puts, deletes, quarantined, .. } = self.sent;
        let epoch = match self.sealed {
            Some(sealed) => sealed.await.ok(),
            None => None,
        };
        (Pulled { partition, puts, deletes, quarantined, error: None }, epoch, self.refusal)
    }
}

/// Runs what blocks on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| SourceError::Task(error.to_string()))
}

impl Desk {
    pub(crate) fn new(source: SourceId, context: &SourceContext) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            source,
            status: Arc::clone(&context.status),
            revs: Revs::default(),
            stop: context.stop.clone(),
            out: context.out.clone(),
            hands: Arc::new(Semaphore::new(cores)),
            cores,
        }
    }

    /// Does all jobs of a partition and sends what they give, then the position.
    ///
    /// # Errors
    /// [`SourceError::Closed`]: the pipeline is gone, or the source was told to stop: what was sent is a part.
    pub(crate) async fn deliver<R: Reader>(
        self: &Arc<Self>,
        partition: &str,
        reader: Arc<R>,
        jobs: Vec<R::Job>,
        position: Option<Position>,
        bar: &ProgressBar,
    ) -> Result<Delivered, SourceError> {
        let partition = Partition { source: self.source.clone(), name: partition.to_owned() };
        let mut delivered = Delivered::default();
        let mut last = Pack::default();
        if !jobs.is_empty() {
            let (to, mut packs) = mpsc::channel(self.cores);
            let mut hands = self.set_hands(reader, jobs, to, bar).await?;
            while let Some(pack) = packs.recv().await {
                let full = mem::replace(&mut last, pack);
                if !full.events.is_empty() {
                    self.send(&partition, full, None, &mut delivered).await?;
                }
            }
            while let Some(hand) = hands.join_next().await {
                hand.map_err(|e| SourceError::Task(e.to_string()))?;
            }
        }
        // Told to stop, the hands leave jobs undone: the position would cover them.
        if self.stop.is_cancelled() {
            return Err(SourceError::Closed);
        }
        if !last.events.is_empty() || position.is_some() {
            self.send(&partition, last, position, &mut delivered).await?;
        }
        Ok(delivered)
    }

    /// Waits for the right to keep one core busy.
    pub(crate) async fn core(&self) -> Result<OwnedSemaphorePermit, SourceError> {
        Arc::clone(&self.hands).acquire_owned().await.map_err(|_| SourceError::Closed)
    }

    async fn set_hands<R: Reader>(
        self: &Arc<Self>,
        reader: Arc<R>,
        jobs: Vec<R::Job>,
        to: mpsc::Sender<Pack>,
        bar: &ProgressBar,
    ) -> Result<JoinSet<()>, SourceError> {
        let count = self.cores.min(jobs.len().div_ceil(GRIP)).max(1);
        let jobs = Arc::new(Mutex::new(jobs.into_iter()));
        let mut hands = JoinSet::new();
        for number in 0..count {
            // The first hand is worth waiting for; more come only if other partitions leave cores idle.
            let permit = if number == 0 {
                self.core().await?
            } else if let Ok(permit) = Arc::clone(&self.hands).try_acquire_owned() {
                permit
            } else {
                break;
            };
            let (desk, reader, jobs) = (Arc::clone(self), Arc::clone(&reader), Arc::clone(&jobs));
            let (to, bar) = (to.clone(), bar.clone());
            hands.spawn_blocking(move || {
                let _permit = permit;
                let mut out = Writer { desk, to, pack: Pack::default(), closed: false };
                work(&*reader, &jobs, &mut out, &bar);
                out.flush();
            });
        }
        Ok(hands)
    }

    async fn send(
        &self,
        partition: &Partition,
        pack: Pack,
        position: Option<Position>,
        delivered: &mut Delivered,
    ) -> Result<(), SourceError> {
        let (sealed, receiver) = oneshot::channel();
        let batch =
            Batch { partition: partition.clone(), events: pack.events, position, sealed: Some(sealed) };
        tokio::select! {
            biased;
            sent = self.out.send(batch) => sent?,
            () = self.stop.cancelled() => return Err(SourceError::Closed),
        }
        self.status.sent(pack.sent);
        delivered.sent += pack.sent;
        delivered.sealed = Some(receiver);
        if pack.refusal.is_some() {
            delivered.refusal = pack.refusal;
        }
        Ok(())
    }
}

fn work<R: Reader>(
    reader: &R,
    jobs: &Mutex<std::vec::IntoIter<R::Job>>,
    out: &mut Writer,
    bar: &ProgressBar,
) {
    let mut hand = reader.hand();
    loop {
        let grip: Vec<R::Job> = jobs.lock().by_ref().take(GRIP).collect();
        if grip.is_empty() || out.closed || out.desk.stop.is_cancelled() {
            return;
        }
        for job in &grip {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| reader.read(&mut hand, job, out))) {
                let (uri, origin) = reader.name(job);
                tracing::error!(%uri, "reading a file panicked");
                out.quarantine(uri, origin, format!("reading it failed: {}", message(&*panic)), 0, &[]);
                hand = reader.hand();
            }
        }
        bar.inc(grip.len() as u64);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[derive(Debug, Default)]
struct Pack {
    events: Vec<Event>,
    text: usize,
    sent: Sent,
    refusal: Option<String>,
}

/// Takes what a job gives and packs it.
#[derive(Debug)]
pub(crate) struct Writer {
    desk: Arc<Desk>,
    to: mpsc::Sender<Pack>,
    pack: Pack,
    closed: bool,
}

impl Writer {
    /// The record is now this; `bytes` were read for it.
    pub(crate) fn put(&mut self, record: Record, bytes: u64) {
        let weight = record.text.len() + record.links.len() * 64;
        self.push(weight, |rev| EventBody::Put { rev, record: Arc::new(record) });
        self.pack.sent.bytes += bytes;
    }

    /// The record is gone, or no longer fit to be one.
    pub(crate) fn delete(&mut self, uri: Uri) {
        self.push(0, |rev| EventBody::Delete { rev, uri });
    }

    /// A piece can't be taken; `head` holds the first bytes of it, as far as they were read.
    pub(crate) fn quarantine(&mut self, uri: Uri, origin: String, reason: String, bytes: u64, head: &[u8]) {
        let sample = head[..head.len().min(QUARANTINE_SAMPLE_BYTES)].to_vec();
        let (source, at) = (self.desk.source.clone(), Timestamp::now());
        let row = Quarantined { uri, source, origin, reason: reason.clone(), at, bytes, sample };
        self.push(row.sample.len(), |_| EventBody::Quarantine(Box::new(row)));
        self.pack.refusal = Some(reason);
    }

    fn push(&mut self, weight: usize, body: impl FnOnce(Rev) -> EventBody) {
        let full = self.pack.events.len() >= BATCH_EVENTS || self.pack.text + weight > BATCH_BYTES;
        if full {
            self.flush();
        }
        let observed = Timestamp::now();
        let body = body(self.desk.revs.next(observed));
        self.pack.sent.count(&body);
        self.pack.text += weight;
        self.pack.events.push(Event { source: self.desk.source.clone(), observed, body });
    }

    fn flush(&mut self) {
        let pack = mem::take(&mut self.pack);
        if !pack.events.is_empty() && self.to.blocking_send(pack).is_err() {
            self.closed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_rise_even_if_the_clock_falls() {
        let revs = Revs::default();
        let first = revs.next(Timestamp(5_000));
        let second = revs.next(Timestamp(4_000));
        assert!(first < second);
        revs.raise(Rev(u64::MAX / 2));
        assert_eq!(revs.next(Timestamp(0)), Rev(u64::MAX / 2 + 1));
    }
}
