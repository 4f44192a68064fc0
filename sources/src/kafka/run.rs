//! Follows topics: which partitions, from where, and back again when something breaks. A thread of its own.

mod begin;
mod survey;

use super::{
    KafkaConfig, client,
    mapping::{Message as Said, Reader, Said as Says},
    spot::Spot,
};
use crate::{
    BATCH_BYTES, BATCH_EVENTS, Batch, Known, Outbox, SourceError, SourceState, SourceStatus, delivery::Revs,
    status::Sent,
};
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};
use springline_model::{
    Event, EventBody, Partition, Quarantined, SourceId, Timestamp, Uri, event::QUARANTINE_SAMPLE_BYTES,
};
use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

const POLL: Duration = Duration::from_millis(100);
/// How often bounds and partitions are looked at.
const SURVEY: Duration = Duration::from_secs(5);
/// How long a broker may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an operator wants.
#[derive(Debug, Default)]
pub(super) struct Control {
    paused: AtomicBool,
    reset: AtomicBool,
}

impl Control {
    pub(super) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }
}

/// `(topic, partition)`
type Place = (String, i32);

/// The partitions that the group has given us, until they are taken on.
#[derive(Default)]
struct Share(Mutex<Option<Vec<Place>>>);

impl ClientContext for Share {
    fn error(&self, error: KafkaError, reason: &str) {
        client::quiet(&error, reason);
    }
}

impl ConsumerContext for Share {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        // Where to begin is found out by the follower: until then nothing is assigned.
        if let Err(error) = consumer.unassign() {
            tracing::warn!(%error, "partitions can't be given back");
        }
        let is_given = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let given = partitions.elements().into_iter().map(|part| (part.topic().to_owned(), part.partition()));
        *self.0.lock() = Some(if is_given { given.collect() } else { Vec::new() });
    }
}

/// A partition that is read.
struct Stretch {
    spot: Spot,
    /// All is read that there is.
    is_at_end: bool,
    /// It, or the same partition of another topic, has ended.
    may_end: bool,
    /// The next offset, when it was looked at last.
    surveyed: i64,
    lag: u64,
    events: Vec<Event>,
    sent: Sent,
}

/// Follows.
pub(super) struct Follower {
    pub(super) id: SourceId,
    pub(super) config: KafkaConfig,
    pub(super) reader: Reader,
    pub(super) out: Outbox,
    pub(super) known: Arc<dyn Known>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) control: Arc<Control>,
    pub(super) stop: CancellationToken,
}

/// Why it ends, or has to wait.
enum Trouble {
    Kafka(KafkaError),
    NoTopic(String),
    Source(SourceError),
}

impl std::convert::From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

impl std::convert::From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

struct Following<'a> {
    with: &'a Follower,
    runtime: &'a Handle,
    consumer: Arc<BaseConsumer<Share>>,
    stretches: BTreeMap<Place, Stretch>,
    /// How far partitions are that were read since the start, also those that others have now.
    spots: BTreeMap<Place, Spot>,
    revs: Revs,
    /// What is durable is told to the group.
    sealing: Vec<(Place, i64, oneshot::Receiver<springline_model::Epoch>)>,
    afresh: bool,
    /// It is known which partitions there are for us, if any.
    is_placed: bool,
    is_live: bool,
}

impl Follower {
    /// Follows until it is stopped.
    ///
    /// # Errors
    /// The cluster refuses in a way that does not pass, or the ledger can't be read.
    pub(super) fn run(self, runtime: &Handle) -> Result<(), SourceError> {
        let group = self.config.group.clone();
        let (id, joined) = (format!("springline-{}", self.id), group.as_deref().unwrap_or("springline"));
        let consumer: Result<BaseConsumer<Share>, KafkaError> =
            client::consumer(&self.config.client, &id, joined).create_with_context(Share::default());
        let fatal = |error: KafkaError| SourceError::Config(error.to_string());
        let consumer = Arc::new(consumer.map_err(fatal)?);
        if group.is_some() {
            let topics: Vec<&str> = self.config.topics.iter().map(String::as_str).collect();
            consumer.subscribe(&topics).map_err(fatal)?;
        }
        let revs = Revs::default();
        let mut spots = BTreeMap::new();
        for (partition, position) in self.known.partitions(&self.id)? {
            let place = partition.name.rsplit_once('/');
            let place = place.and_then(|(topic, number)| Some((topic.to_owned(), number.parse().ok()?)));
            if let (Some(place), Some(spot)) = (place, Spot::read(&position)) {
                revs.raise(spot.rev);
                spots.insert(place, spot);
            }
        }
        let mut following = Following {
            with: &self,
            runtime,
            consumer,
            stretches: BTreeMap::new(),
            spots,
            revs,
            sealing: Vec::new(),
            afresh: false,
            is_placed: false,
            is_live: false,
        };
        self.status.set(SourceState::Indexing, None);
        while !self.stop.is_cancelled() {
            match following.follow() {
                Ok(()) => {}
                Err(Trouble::Source(SourceError::Closed)) => return Ok(()),
                Err(Trouble::Source(error)) => return Err(error),
                Err(Trouble::NoTopic(topic)) => following.paused(format!("there is no topic {topic}")),
                Err(Trouble::Kafka(error)) if client::passes(&error) => following.paused(error.to_string()),
                Err(Trouble::Kafka(error)) => return Err(fatal(error)),
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Following<'_> {
    /// Reads until something breaks or it is stopped.
    fn follow(&mut self) -> Result<(), Trouble> {
        let mut surveyed: Option<Instant> = None;
        while !self.with.stop.is_cancelled() {
            if self.with.control.reset.swap(false, Ordering::Relaxed) {
                self.afresh = true;
                let places: Vec<Place> = mem::take(&mut self.stretches).into_keys().collect();
                self.spots.clear();
                self.take_on(places)?;
            }
            let given = self.consumer.context().0.lock().take();
            if let Some(places) = given {
                self.stretches.clear();
                if let Err(error) = self.take_on(places.clone()) {
                    *self.consumer.context().0.lock() = Some(places);
                    return Err(error);
                }
            }
            if surveyed.is_none_or(|at| at.elapsed() >= SURVEY) {
                self.survey()?;
                surveyed = Some(Instant::now());
            }
            let is_paused = self.with.control.paused.load(Ordering::Relaxed);
            let list = self.list(|stretch| Offset::Offset(stretch.spot.next))?;
            if is_paused {
                // Polls go on, so that the group does not take us for lost.
                self.consumer.pause(&list)?;
            } else if self.with.status.state() == SourceState::Paused && list.count() > 0 {
                self.consumer.resume(&list)?;
            }
            let (mut wait, mut bytes, mut count) = (POLL, 0, 0);
            while count < BATCH_EVENTS && bytes < BATCH_BYTES {
                let Some(size) = self.poll(wait)? else { break };
                (wait, bytes, count) = (Duration::ZERO, bytes + size, count + 1);
            }
            self.flush()?;
            if !is_paused {
                self.well();
            }
        }
        Ok(())
    }

    /// The next message: its size.
    fn poll(&mut self, wait: Duration) -> Result<Option<usize>, Trouble> {
        let consumer = self.consumer.clone();
        let message = match consumer.poll(wait) {
            None => return Ok(None),
            Some(Ok(message)) => message,
            Some(Err(KafkaError::PartitionEOF(number))) => {
                // Of which topic is not said: of several, the next survey sees which one stands still.
                let is_only = self.with.config.topics.len() == 1;
                for ((_, partition), stretch) in &mut self.stretches {
                    stretch.may_end |= *partition == number;
                    stretch.is_at_end |= *partition == number && is_only;
                }
                return Ok(None);
            }
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ))) => {
                self.survey()?;
                self.assign()?;
                return Ok(None);
            }
            Some(Err(error)) => return Err(error.into()),
        };
        let place = (message.topic().to_owned(), message.partition());
        let Some(stretch) = self.stretches.get_mut(&place) else { return Ok(None) };
        if message.offset() < stretch.spot.next {
            return Ok(Some(0));
        }
        let observed = Timestamp::now();
        let at = message.timestamp().to_millis().map_or(observed, Timestamp);
        let rev = self.revs.next(observed);
        let said = self.with.reader.read(Said { key: message.key(), value: message.payload(), at });
        let body = match said {
            Ok(Says::Put(record)) => EventBody::Put { rev, record: Arc::new(*record) },
            Ok(Says::Delete(uri)) => EventBody::Delete { rev, uri },
            Err(reason) => {
                let value = message.payload().unwrap_or_default();
                let origin = format!("{}/{}, offset {}", place.0, place.1, message.offset());
                EventBody::Quarantine(Box::new(Quarantined {
                    uri: Uri::new(format!("kafka://{}/{}/{}", place.0, place.1, message.offset())),
                    source: self.with.id.clone(),
                    origin,
                    reason,
                    at,
                    bytes: value.len() as u64,
                    sample: value[..value.len().min(QUARANTINE_SAMPLE_BYTES)].to_vec(),
                }))
            }
        };
        stretch.sent.count(&body);
        stretch.sent.bytes += message.payload_len() as u64;
        stretch.events.push(Event { source: self.with.id.clone(), observed, body });
        stretch.spot = Spot { next: message.offset() + 1, rev };
        stretch.lag = stretch.lag.saturating_sub(1);
        (stretch.is_at_end, stretch.may_end) = (false, false);
        Ok(Some(message.payload_len() + message.key_len()))
    }

    fn flush(&mut self) -> Result<(), SourceError> {
        let full = self.stretches.iter().filter(|(_, stretch)| !stretch.events.is_empty());
        let full: Vec<Place> = full.map(|(place, _)| place.clone()).collect();
        full.iter().try_for_each(|place| self.send(place))
    }

    /// Sends what was read of a partition, with how far that is.
    fn send(&mut self, place: &Place) -> Result<(), SourceError> {
        let Some(stretch) = self.stretches.get_mut(place) else { return Ok(()) };
        let (sealed, receiver) = oneshot::channel();
        let position = stretch.spot.position();
        let batch = Batch {
            partition: Partition { source: self.with.id.clone(), name: name(place) },
            events: mem::take(&mut stretch.events),
            position: Some(position.clone()),
            sealed: Some(sealed),
        };
        let (sent, spot) = (mem::take(&mut stretch.sent), stretch.spot);
        let stop = &self.with.stop;
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                sent = self.with.out.send(batch) => sent,
                () = stop.cancelled() => Err(SourceError::Closed),
            }
        })?;
        self.spots.insert(place.clone(), spot);
        self.sealing.push((place.clone(), spot.next, receiver));
        self.with.status.sent(sent);
        self.with.status.partition(&name(place), |status| status.position = Some(position));
        Ok(())
    }

    fn well(&mut self) {
        let is_at_end = self.is_placed && self.stretches.values().all(|stretch| stretch.is_at_end);
        self.is_live = self.is_live || is_at_end;
        self.with.status.set(if self.is_live { SourceState::Live } else { SourceState::Indexing }, None);
    }

    fn paused(&self, why: String) {
        metrics::counter!("springline_source_failures_total", "source" => self.with.id.to_string())
            .increment(1);
        self.with.status.set(SourceState::Paused, Some(why));
    }
}

/// `topic/3`
fn name((topic, number): &Place) -> String {
    format!("{topic}/{number}")
}
