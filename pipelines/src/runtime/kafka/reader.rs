//! Reads the log into the sealer: every partition, from where the store is.
//!
//! ```text
//!  store: next offset of each partition ─► assign ─► poll ─► decode ─┬─► event      ─┐
//!                                            ▲                       └─► quarantine ─┴─► batch + next offset ─► sealer
//!         survey, every few seconds: where the log begins and ends, its partitions; offsets are told to the group
//! ```
//!
//! Invariants:
//! 1. Nothing is passed over without a row that says so: what can't be read is quarantined, what was deleted before it
//!    was read is a gap.
//! 2. The offset of the next message is applied with the events before it, in one epoch. So each message counts once.
//! 3. A topic that is not the one that was read before (deleted and made again) is refused, not mixed in.
//! 4. It has caught up when it is behind all that lay in the log at the start, also what was not committed then: what a
//!    writer before us has committed may lie behind what another one has open. So the sources, whose positions are in
//!    the log, ask a ledger that has all that those positions cover.
//!
//! Of several processes each reads its share of the partitions ([`crate::runtime::cluster`]).
//!
//! Limits: a message has at most `max_message_bytes`; what is read and not yet sealed is bounded by a batch of each
//! partition and what the library may fetch ahead.

use super::{
    LogError,
    place::{Place, Spot},
    settings::Settings,
    settle::Passed,
    stretch::{Received, Stretch},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use springline_model::{Partition, Position, Timestamp};
use springline_sources::{
    BATCH_BYTES, BATCH_EVENTS, Batch, SourceState, SourceStatus,
    kafka::client::{self, Quiet},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// How long a poll waits for a message.
const POLL: Duration = Duration::from_millis(100);
/// How often the log's bounds are looked at.
const SURVEY: Duration = Duration::from_secs(5);
/// How often, as long as something open holds us back at the start.
const HELD: Duration = Duration::from_millis(250);
/// How long a broker may take to tell them.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a reader works with.
pub(super) struct Reader {
    pub(super) settings: Settings,
    pub(super) place: Place,
    pub(super) status: Arc<SourceStatus>,
    pub(super) inbox: mpsc::Sender<Batch>,
    pub(super) passed: mpsc::Sender<Passed>,
    /// Positions that are surely on disk.
    pub(super) synced: watch::Receiver<BTreeMap<Partition, Position>>,
    pub(super) stop: CancellationToken,
}

/// Why reading ends.
enum End {
    /// The sealer takes nothing more, or the process is to end.
    Closed,
    /// It must not go on.
    Failed(LogError),
}

impl<E: Into<LogError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A reader at work.
struct Reading {
    reader: Reader,
    consumer: Arc<BaseConsumer<Quiet>>,
    stretches: BTreeMap<i32, Stretch>,
    /// Told once everything is read that was in the log at the start: how far that is.
    caught_up: Option<oneshot::Sender<BTreeMap<i32, i64>>>,
    committed: BTreeMap<i32, i64>,
}

impl Reader {
    /// Reads from the store's offsets on until it is stopped. Blocks. Trouble that may pass is waited out, and told.
    ///
    /// # Errors
    /// The log is not the one that was read before, or the cluster refuses in a way that does not pass.
    pub(super) fn run(
        self,
        from: &BTreeMap<i32, Spot>,
        caught_up: oneshot::Sender<BTreeMap<i32, i64>>,
    ) -> Result<(), LogError> {
        let consumer = Arc::new(self.settings.consumer(&self.settings.group())?);
        let mut reading = Reading {
            reader: self,
            consumer,
            stretches: BTreeMap::new(),
            caught_up: Some(caught_up),
            committed: BTreeMap::new(),
        };
        match reading.begin(from).and_then(|()| reading.follow()) {
            Err(End::Failed(error)) => {
                let status = &reading.reader.status;
                status.set(SourceState::Failed, Some(error.to_string()));
                Err(error)
            }
            Ok(()) | Err(End::Closed) => Ok(()),
        }
    }
}

impl Reading {
    /// Finds the partitions, and where to begin in each. Waits while no broker answers.
    fn begin(&mut self, from: &BTreeMap<i32, Spot>) -> Result<(), End> {
        self.reader.status.set(SourceState::Indexing, None);
        while !self.reader.stop.is_cancelled() {
            match self.discover(from) {
                Err(End::Failed(error)) if error.passes() => self.paused(&error),
                ended => return ended,
            }
            std::thread::sleep(POLL);
        }
        Err(End::Closed)
    }

    /// Takes on the partitions that are there and not read yet.
    fn discover(&mut self, from: &BTreeMap<i32, Spot>) -> Result<(), End> {
        let place = self.reader.place.clone();
        let count = client::partitions(&self.consumer, &place.topic, PATIENCE)?;
        let count = count.ok_or_else(|| LogError::NoTopic(place.topic.clone()))?;
        let known = self.stretches.keys().chain(from.keys()).max().map_or(0, |last| last + 1);
        if count < known {
            return Err(LogError::Narrowed { topic: place.topic, had: known, has: count }.into());
        }
        let share = self.reader.settings.share;
        let is_missing = |number: &i32| share.has(*number) && !self.stretches.contains_key(number);
        let missing: Vec<i32> = (0..count).filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let (mut new, surveyor) = (Vec::new(), self.reader.settings.surveyor()?);
        for number in missing {
            let (_, end) = surveyor.fetch_watermarks(&place.topic, number, PATIENCE)?;
            let (low, high) = self.consumer.fetch_watermarks(&place.topic, number, PATIENCE)?;
            let spot = from.get(&number).copied();
            let mut stretch = Stretch::new(&place, number, spot.unwrap_or_default()).ending(end);
            check(&mut stretch, low, high)?;
            stretch.settles(high);
            if spot.is_none() && known > 0 && number >= known {
                let reason = format!(
                    "the topic has {count} partitions, it had {known}: authorities have moved to other partitions, \
                     so what was told of one before and after may be out of order"
                );
                stretch.gap(0, reason);
            }
            retained(&mut stretch);
            new.push((number, stretch));
        }
        let numbers: Vec<i32> = new.iter().map(|(number, _)| *number).collect();
        self.stretches.extend(new);
        self.assign()?;
        // Also where there is nothing to read: the store is to know which partitions there are. The last one first, as
        // that says how many: a kill in between must not look like a topic that has grown.
        numbers.into_iter().rev().try_for_each(|number| self.flush(number))
    }

    /// Has the library fetch each partition from where we are.
    fn assign(&self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for (number, stretch) in &self.stretches {
            list.add_partition_offset(&self.reader.place.topic, *number, Offset::Offset(stretch.from()))?;
        }
        self.consumer.assign(&list)
    }

    fn follow(&mut self) -> Result<(), End> {
        let mut surveyed = Instant::now();
        while !self.reader.stop.is_cancelled() {
            let (mut wait, mut bytes, mut count) = (POLL, 0, 0);
            while count < BATCH_EVENTS && bytes < BATCH_BYTES {
                let Some(size) = self.poll(wait)? else { break };
                (wait, bytes, count) = (Duration::ZERO, bytes + size, count + 1);
            }
            let ready: Vec<i32> =
                self.stretches.iter().filter(|(_, stretch)| !stretch.is_empty()).map(|(n, _)| *n).collect();
            ready.into_iter().try_for_each(|number| self.flush(number))?;
            let is_caught_up = self.stretches.values().all(|stretch| stretch.is_caught_up);
            if is_caught_up && let Some(caught_up) = self.caught_up.take() {
                let ends = self.stretches.iter().map(|(number, stretch)| (*number, stretch.spot.next));
                let _ = caught_up.send(ends.collect());
            }
            if surveyed.elapsed() >= if self.is_held() { HELD } else { SURVEY } {
                self.survey()?;
                surveyed = Instant::now();
            }
        }
        Ok(())
    }

    /// Takes the next message: its size. Nothing if there is none now.
    fn poll(&mut self, wait: Duration) -> Result<Option<usize>, End> {
        let consumer = self.consumer.clone();
        match consumer.poll(wait) {
            Some(Ok(message)) => {
                let at = message.timestamp().to_millis().map_or_else(Timestamp::now, Timestamp);
                let (key, value) = (message.key(), message.payload());
                let received = Received { offset: message.offset(), at, key, value };
                if let Some(stretch) = self.stretches.get_mut(&message.partition()) {
                    stretch.take(received, self.reader.settings.log.max_message_bytes)?;
                }
                self.well();
                Ok(Some(message.payload_len() + message.key_len()))
            }
            Some(Err(KafkaError::PartitionEOF(number))) => {
                if let Some(stretch) = self.stretches.get_mut(&number) {
                    stretch.ended();
                }
                self.well();
                Ok(None)
            }
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ))) => {
                self.survey()?;
                self.assign()?;
                Ok(None)
            }
            Some(Err(error)) => {
                let error = LogError::from(error);
                if !error.passes() {
                    return Err(error.into());
                }
                self.paused(&error);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Passes on what was read of a partition.
    fn flush(&mut self, number: i32) -> Result<(), End> {
        let Some(stretch) = self.stretches.get_mut(&number) else { return Ok(()) };
        let (batch, sealed) = stretch.batch();
        let (Spot { next, seen }, name, lag) = (stretch.spot, stretch.name(), stretch.lag);
        metrics::counter!("springline_log_read_total").increment(batch.events.len() as u64);
        let position = batch.position.clone();
        self.reader.status.partition(&name, |status| {
            (status.position, status.event_at, status.waiting) = (position, seen, lag);
        });
        self.reader.inbox.blocking_send(batch).map_err(|_| End::Closed)?;
        let passed = Passed { partition: number, next, sealed };
        self.reader.passed.blocking_send(passed).map_err(|_| End::Closed)
    }

    /// Looks at where the log begins and ends, and tells the group how far it is read.
    fn survey(&mut self) -> Result<(), End> {
        let surveyed = self.discover(&BTreeMap::new()).and_then(|()| self.bounds());
        match surveyed {
            Ok(()) => self.well(),
            Err(End::Failed(error)) if error.passes() => self.paused(&error),
            Err(end) => return Err(end),
        }
        self.commit();
        Ok(())
    }

    fn bounds(&mut self) -> Result<(), End> {
        let numbers: Vec<i32> = self.stretches.keys().copied().collect();
        for number in numbers {
            let (low, high) = self.consumer.fetch_watermarks(&self.reader.place.topic, number, PATIENCE)?;
            let Some(stretch) = self.stretches.get_mut(&number) else { continue };
            check(stretch, low, high)?;
            stretch.lag =
                if stretch.is_at_end { 0 } else { (high - stretch.spot.next).max(0).cast_unsigned() };
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            metrics::gauge!("springline_log_lag_events", "partition" => number.to_string())
                .set(stretch.lag as f64);
            let (lag, is_at_end) = (stretch.lag, stretch.is_at_end);
            self.reader.status.partition(&stretch.name(), |status| {
                status.waiting = lag;
                status.current_at = if is_at_end { Some(Timestamp::now()) } else { status.current_at };
                status.state = if is_at_end { SourceState::Live } else { SourceState::Indexing };
            });
            // Once more, so that the end is told again.
            let is_anew = stretch.settles(high);
            if retained(stretch) {
                self.flush(number)?;
                self.assign()?;
            } else if is_anew {
                self.assign()?;
            }
        }
        Ok(())
    }

    /// Tells the group what is on disk, for tools that show how far it is behind.
    fn commit(&mut self) {
        let synced: BTreeMap<i32, i64> = {
            let synced = self.reader.synced.borrow();
            self.reader.place.spots(&*synced).map(|(number, spot)| (number, spot.next)).collect()
        };
        if synced == self.committed || synced.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        let topic = &self.reader.place.topic;
        let added = synced
            .iter()
            .try_for_each(|(number, next)| list.add_partition_offset(topic, *number, Offset::Offset(*next)));
        match added.and_then(|()| self.consumer.commit(&list, CommitMode::Async)) {
            Ok(()) => self.committed = synced,
            Err(error) => tracing::debug!(%error, "offsets can't be told to the group"),
        }
    }

    /// Whether something open lies before what has to be read at the start.
    fn is_held(&self) -> bool {
        self.stretches.values().any(|stretch| !stretch.is_settled)
    }

    /// All is as it should be.
    fn well(&mut self) {
        let is_caught_up = self.stretches.values().all(|stretch| stretch.is_caught_up);
        let state = if is_caught_up { SourceState::Live } else { SourceState::Indexing };
        let held = self.is_held().then(|| LogError::Held(self.reader.place.topic.clone()).to_string());
        self.reader.status.set(state, held);
        metrics::gauge!("springline_log_reader_up").set(1.0);
    }

    fn paused(&self, error: &LogError) {
        metrics::gauge!("springline_log_reader_up").set(0.0);
        metrics::counter!("springline_log_read_errors_total").increment(1);
        self.reader.status.set(SourceState::Paused, Some(format!("the log can't be read: {error}")));
    }
}

/// A log that ends before what was read of it is another one, or has lost its end.
pub(super) fn check(stretch: &mut Stretch, low: i64, high: i64) -> Result<(), LogError> {
    stretch.low = low;
    if stretch.spot.next > high {
        return Err(LogError::Beyond { partition: stretch.name(), next: stretch.spot.next, high });
    }
    Ok(())
}

/// What was deleted before it was read is a gap: whether there is one.
pub(super) fn retained(stretch: &mut Stretch) -> bool {
    let is_gap = stretch.spot.next < stretch.low;
    if is_gap {
        stretch.gap(stretch.low, "the brokers have deleted it before it was read (retention)".to_owned());
    }
    is_gap
}
