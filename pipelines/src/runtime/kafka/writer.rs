//! Writes what this process has to say into the log, in transactions.
//!
//! ```text
//!  outbox ── batches ─► group (a while, up to the bounds) ─► begin · events · positions · mark · commit ─► settle
//!                                                              │ aborted: the same group again
//!                                                              │ the producer is lost: was it committed?
//!                                                              └─ (the mark tells) · begin anew or go on
//! ```
//!
//! Invariants:
//! 1. A batch's events and its position are in one transaction, once: whoever reads what is committed sees both or
//!    neither. A group whose end was not heard of is written again only if its mark is not there.
//! 2. One process at a time writes under a transactional id. One that was fenced by another ends, with the reason.
//! 3. While no broker answers nothing is taken from the outbox: the sources wait. Nothing is given up but at the end.

use super::{
    LogError,
    group::Group,
    positions::{self, Mark, Progress},
    settings::Settings,
    settle::Written,
    topics,
};
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message as _,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use springline_sources::{Batch, SourceState, SourceStatus, kafka::client};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

/// How long one call may wait for brokers before trouble is told of.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it rests before it tries again.
const RETRY: Duration = Duration::from_millis(500);

/// What became of the messages of a transaction.
#[derive(Default)]
struct Deliveries {
    /// By partition of the log the last offset.
    last: BTreeMap<i32, i64>,
    /// An event that is too large for the brokers.
    too_large: Option<usize>,
}

struct Context(Arc<Mutex<Deliveries>>);

/// A record of the positions' topic; events have their number in the group.
const NO_EVENT: usize = usize::MAX;

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        client::quiet(&error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        if number == NO_EVENT {
            return;
        }
        let mut deliveries = self.0.lock();
        match result {
            Ok(message) => {
                let last = deliveries.last.entry(message.partition()).or_default();
                *last = message.offset().max(*last);
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), _)) => {
                deliveries.too_large = Some(number);
            }
            // The transaction fails, and says why.
            Err(_) => {}
        }
    }
}

/// Why a group is not written yet.
enum Setback {
    /// The transaction was aborted.
    Again(KafkaError),
    /// The producer is of no more use.
    Lost(KafkaError),
    /// The process is to end.
    Stopped,
    /// An event does not encode.
    Encode(serde_json::Error),
}

/// Writes.
pub(super) struct Writer {
    pub(super) settings: Settings,
    pub(super) status: Arc<SourceStatus>,
    /// This run of the program.
    pub(super) run: String,
    /// The process is to end: what was not begun need not be.
    pub(super) stop: CancellationToken,
    /// It has to end now: what is not written is given up.
    pub(super) give_up: CancellationToken,
}

/// A writer that has its place.
struct Seat<'a> {
    writer: &'a Writer,
    producer: BaseProducer<Context>,
    deliveries: Arc<Mutex<Deliveries>>,
}

impl Writer {
    /// Takes its place, tells how far the sources have got, and writes until nobody sends any more. Blocks.
    ///
    /// # Errors
    /// It was fenced, or the cluster refuses in a way that does not pass.
    pub(super) fn run(
        &self,
        mut inbox: mpsc::Receiver<Batch>,
        settle: &mpsc::Sender<Written>,
        runtime: &Handle,
        ready: oneshot::Sender<Progress>,
    ) -> Result<(), LogError> {
        let Some((mut seat, progress)) = self.begin(runtime)? else { return Ok(()) };
        // From its first mark on everybody can tell whose place it is.
        let mut mark = Mark::new(&self.run, 0);
        if self.write(&mut seat, &mut Group::default(), &mark)?.is_none() {
            return Ok(());
        }
        let _ = ready.send(progress);
        self.status.set(SourceState::Live, None);
        let linger = Duration::from_millis(self.settings.log.linger_ms);
        while let Some(mut group) = gather(&mut inbox, runtime, &self.settings, linger)? {
            if self.give_up.is_cancelled() {
                return Ok(());
            }
            let mut last = BTreeMap::new();
            if !group.is_empty() {
                mark.transaction += 1;
                let started = Instant::now();
                match self.write(&mut seat, &mut group, &mark)? {
                    Some(written) => last = written,
                    None => return Ok(()),
                }
                metrics::counter!("springline_log_transactions_total").increment(1);
                metrics::counter!("springline_log_written_total").increment(group.messages.len() as u64);
                metrics::counter!("springline_log_written_bytes_total").increment(group.bytes as u64);
                metrics::histogram!("springline_log_transaction_duration_seconds")
                    .record(started.elapsed().as_secs_f64());
                self.status.set(SourceState::Live, None);
            }
            let Group { positions, senders, .. } = group;
            if settle.blocking_send(Written { last, positions, senders }).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Makes the topics, fences an earlier writer of this id, and reads how far the sources have got. Waits while no
    /// broker answers; nothing if the process is to end.
    fn begin(&self, runtime: &Handle) -> Result<Option<(Seat<'_>, Progress)>, LogError> {
        let stop = &self.stop;
        let prepared = self.patiently(stop, || runtime.block_on(topics::prepare(&self.settings)))?;
        if prepared.is_none() {
            return Ok(None);
        }
        let Some(seat) = self.seat(stop)? else { return Ok(None) };
        Ok(self.progress(stop)?.map(|progress| (seat, progress)))
    }

    /// All that was committed up to now. Waits for what other writers have open.
    fn progress(&self, stop: &CancellationToken) -> Result<Option<Progress>, LogError> {
        let Some(end) = self.patiently(stop, || positions::end(&self.settings))? else { return Ok(None) };
        self.patiently(stop, || positions::load(&self.settings, end))
    }

    /// A producer, once the brokers know it. Fences whoever has the same id.
    fn seat(&self, stop: &CancellationToken) -> Result<Option<Seat<'_>>, LogError> {
        let deliveries = Arc::<Mutex<Deliveries>>::default();
        let producer = self.settings.producer(Context(deliveries.clone()))?;
        let begun = self.patiently(stop, || Ok(producer.init_transactions(PATIENCE)?))?;
        Ok(begun.map(|()| Seat { writer: self, producer, deliveries }))
    }

    /// Tries until it works, fails for good, or the process is to end.
    fn patiently<T>(
        &self,
        stop: &CancellationToken,
        mut attempt: impl FnMut() -> Result<T, LogError>,
    ) -> Result<Option<T>, LogError> {
        loop {
            if stop.is_cancelled() {
                return Ok(None);
            }
            match attempt() {
                Ok(done) => return Ok(Some(done)),
                Err(error) if error.passes() => self.trouble(&error.to_string()),
                Err(error) => return Err(error),
            }
            std::thread::sleep(RETRY);
        }
    }

    fn trouble(&self, why: &str) {
        metrics::counter!("springline_log_write_errors_total").increment(1);
        self.status.set(SourceState::Paused, Some(format!("the log can't be written: {why}")));
    }

    /// Writes a group, once: what it takes. Nothing if the process has to end before.
    fn write<'a>(
        &'a self,
        seat: &mut Seat<'a>,
        group: &mut Group,
        mark: &Mark,
    ) -> Result<Option<BTreeMap<i32, i64>>, LogError> {
        loop {
            let begun = Instant::now();
            let setback = match seat.attempt(group, mark) {
                Ok(last) => return Ok(Some(last)),
                Err(setback) => setback,
            };
            match setback {
                Setback::Stopped => return Ok(None),
                Setback::Encode(error) => return Err(error.into()),
                Setback::Again(error) => {
                    let too_large = seat.deliveries.lock().too_large.take();
                    match too_large {
                        Some(number) => group.refuse(number)?,
                        None => {
                            self.trouble(&error.to_string());
                            std::thread::sleep(RETRY);
                        }
                    }
                }
                Setback::Lost(error) => {
                    // A transaction that was open for so long was ended by the brokers, and that looks the same as
                    // another process in our place.
                    let may_be_ours = begun.elapsed() >= self.settings.log.transaction_timeout();
                    if seat.is_fenced(&error) && !may_be_ours {
                        return Err(self.fenced(&error));
                    }
                    self.trouble(&error.to_string());
                    std::thread::sleep(RETRY);
                    match self.regain(seat, mark, &error)? {
                        Some(false) => {}
                        Some(true) => return Ok(Some(seat.deliveries.lock().last.clone())),
                        None => return Ok(None),
                    }
                }
            }
        }
    }

    fn fenced(&self, error: &KafkaError) -> LogError {
        LogError::Fenced { id: self.settings.writer(), reason: error.to_string() }
    }

    /// Takes the place anew, and tells whether the transaction that was lost sight of has counted.
    fn regain<'a>(
        &'a self,
        seat: &mut Seat<'a>,
        mark: &Mark,
        error: &KafkaError,
    ) -> Result<Option<bool>, LogError> {
        let (stop, id) = (&self.give_up, self.settings.writer());
        // As far as can be read: what holds us back may be our own transaction, which only a new seat ends.
        let before = self.patiently(stop, || positions::load(&self.settings, 0))?;
        let Some(before) = before else { return Ok(None) };
        let is_other = before.marks.get(&id).is_some_and(|found| found.run != self.run);
        if is_other && mark.transaction > 0 {
            return Err(self.fenced(error));
        }
        let Some(anew) = self.seat(stop)? else { return Ok(None) };
        let Some(after) = self.progress(stop)? else { return Ok(None) };
        // If it was committed, all of its messages had been delivered before.
        std::mem::swap(&mut *anew.deliveries.lock(), &mut *seat.deliveries.lock());
        *seat = anew;
        let is_written = after.marks.get(&id) == Some(mark);
        tracing::warn!(is_written, %error, "the log's writer had to begin anew");
        Ok(Some(is_written))
    }
}

impl Seat<'_> {
    /// One transaction, from its beginning to its end.
    fn attempt(&self, group: &Group, mark: &Mark) -> Result<BTreeMap<i32, i64>, Setback> {
        *self.deliveries.lock() = Deliveries::default();
        self.producer.begin_transaction().map_err(Setback::Lost)?;
        let settings = &self.writer.settings;
        let progress = group.progress(&settings.writer(), mark).map_err(Setback::Encode)?;
        for (number, message) in group.messages.iter().enumerate() {
            let mut record = BaseRecord::with_opaque_to(&settings.log.topic, number)
                .key(message.key.as_bytes())
                .payload(&message.value)
                .headers(message.headers());
            record.partition = message.partition;
            self.send(record, number)?;
        }
        let topic = settings.log.positions_topic();
        for (key, value) in &progress {
            self.send(
                BaseRecord::with_opaque_to(&topic, NO_EVENT).key(key.as_slice()).payload(value).partition(0),
                NO_EVENT,
            )?;
        }
        self.finish("commit", |producer| producer.commit_transaction(PATIENCE))?;
        Ok(self.deliveries.lock().last.clone())
    }

    /// Hands a message to the library; waits while it has too many.
    fn send(&self, record: BaseRecord<'_, [u8], Vec<u8>, usize>, number: usize) -> Result<(), Setback> {
        let mut next = record;
        loop {
            self.producer.poll(Duration::ZERO);
            let Err((error, record)) = self.producer.send(next) else { return Ok(()) };
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => {
                    self.producer.poll(Duration::from_millis(100));
                    next = record;
                }
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    self.deliveries.lock().too_large = Some(number).filter(|number| *number != NO_EVENT);
                    return Err(self.abort(error));
                }
                Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced) => return Err(Setback::Lost(error)),
                _ => return Err(self.abort(error)),
            }
            if self.is_late() {
                return Err(Setback::Stopped);
            }
        }
    }

    /// Calls until it has worked or can't work.
    fn finish(
        &self,
        what: &'static str,
        call: impl Fn(&BaseProducer<Context>) -> Result<(), KafkaError>,
    ) -> Result<(), Setback> {
        loop {
            let error = match call(&self.producer) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match &error {
                KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut) => {}
                KafkaError::Transaction(inner) if inner.is_retriable() => {}
                KafkaError::Transaction(inner) if inner.txn_requires_abort() && what != "abort" => {
                    return Err(self.abort(error));
                }
                _ => return Err(Setback::Lost(error)),
            }
            self.writer.trouble(&error.to_string());
            if self.is_late() {
                return Err(Setback::Stopped);
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Takes a transaction back.
    fn abort(&self, why: KafkaError) -> Setback {
        metrics::counter!("springline_log_aborts_total").increment(1);
        match self.finish("abort", |producer| producer.abort_transaction(PATIENCE)) {
            Ok(()) => Setback::Again(why),
            Err(setback) => setback,
        }
    }

    fn is_late(&self) -> bool {
        self.writer.give_up.is_cancelled()
    }

    /// Whether the brokers have somebody else in this place.
    fn is_fenced(&self, error: &KafkaError) -> bool {
        let fatal = self.producer.client().fatal_error().map(|(code, _)| code);
        let fences = |code| {
            use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
            matches!(code, Fenced | InvalidProducerEpoch | ProducerFenced)
        };
        fatal.or_else(|| error.rdkafka_error_code()).is_some_and(fences)
    }
}

/// The next batches, as many as come within a while and fit; nothing once nobody sends any more.
fn gather(
    inbox: &mut mpsc::Receiver<Batch>,
    runtime: &Handle,
    settings: &Settings,
    linger: Duration,
) -> Result<Option<Group>, LogError> {
    let mut group = Group::default();
    let Some(batch) = inbox.blocking_recv() else { return Ok(None) };
    group.take(batch, settings)?;
    let until = Instant::now() + linger;
    while !group.is_full(settings) {
        let left = until.saturating_duration_since(Instant::now());
        let next = runtime.block_on(async { tokio::time::timeout(left, inbox.recv()).await });
        match next {
            Ok(Some(batch)) => group.take(batch, settings)?,
            Ok(None) | Err(_) => break,
        }
    }
    Ok(Some(group))
}
