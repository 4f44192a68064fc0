//! The log for those who are told what came in: this process' partitions, from where they are.
//!
//! What is committed in it is definite, so it is read by itself, beside what reads it for the views, whose offsets have
//! nothing to do with it. A place in it is a [`Spot`].

use super::{
    LogError,
    place::{Place, Spot},
    reader::{check, retained},
    settings::Settings,
    stretch::{Received, Stretch},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use springline_model::{Epoch, Event, Position, Timestamp};
use springline_sinks::{
    events::{EventLog, EventLogError, EventPage, Told},
    parquet::{JournalProgress, LogProgress},
    views::{At, Views},
};
use springline_sources::kafka::client::{self, Quiet};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// As many events make a page.
const PAGE: usize = 4096;
/// How long a poll waits for the first one.
const POLL: Duration = Duration::from_millis(100);
/// How often it is looked for new partitions.
const SURVEY: Duration = Duration::from_secs(5);
/// How long a broker may take to tell them.
const PATIENCE: Duration = Duration::from_secs(3);

/// A topic that is the journal.
pub(crate) struct LogEvents {
    settings: Settings,
    place: Place,
    views: Views,
    open: Option<Open>,
}

struct Open {
    consumer: BaseConsumer<Quiet>,
    /// What was read before.
    had: JournalProgress,
    parts: BTreeMap<i32, Part>,
    surveyed: Instant,
    /// What it was complete as of.
    epoch: Epoch,
}

struct Part {
    name: Arc<str>,
    stretch: Stretch,
    progress: LogProgress,
    has_moved: bool,
}

impl LogEvents {
    /// Of this process' share of the partitions.
    pub(crate) fn new(settings: Settings, views: Views) -> Self {
        let place = Place::new(&settings.log.topic);
        Self { settings, place, views, open: None }
    }

    /// Takes on the partitions that are there and not read yet; gaps before them are told.
    fn discover(&self, open: &mut Open) -> Result<Vec<Told>, LogError> {
        open.surveyed = Instant::now();
        let topic = &self.place.topic;
        let count = client::partitions(&open.consumer, topic, PATIENCE)?;
        let count = count.ok_or_else(|| LogError::NoTopic(topic.clone()))?;
        let is_missing = |number: &i32| self.settings.share.has(*number) && !open.parts.contains_key(number);
        let missing: Vec<i32> = (0..count).filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let mut told = Vec::new();
        for number in missing {
            let (low, high) = open.consumer.fetch_watermarks(topic, number, PATIENCE)?;
            let name = self.place.partition(number).name;
            let known = open.had.get(&name);
            let spot = known.and_then(|known| Spot::read(&Position(known.at.clone()))).unwrap_or_default();
            let mut stretch = Stretch::new(&self.place, number, spot);
            check(&mut stretch, low, high)?;
            let begins = u64::try_from(low).unwrap_or(0);
            let mut part = Part {
                progress: known.cloned().unwrap_or(LogProgress {
                    begins,
                    at: String::new(),
                    clock: Timestamp::default(),
                }),
                name: name.into(),
                has_moved: retained(&mut stretch),
                stretch,
            };
            let missing = part.stretch.events();
            told.extend(missing.into_iter().map(|event| part.tell(low - 1, 0, Timestamp::now(), event)));
            open.parts.insert(number, part);
        }
        let mut list = TopicPartitionList::new();
        for (number, part) in &open.parts {
            list.add_partition_offset(topic, *number, Offset::Offset(part.stretch.from()))?;
        }
        open.consumer.assign(&list)?;
        Ok(told)
    }

    /// Whether the views are where a dataset was: only then is it known who is gone.
    fn is_behind(&self, had: &JournalProgress) -> bool {
        let positions = self.views.positions();
        let now: BTreeMap<String, i64> = self
            .place
            .spots(&positions)
            .map(|(number, spot)| (self.place.partition(number).name, spot.next))
            .collect();
        had.iter().any(|(name, had)| {
            let had = Spot::read(&Position(had.at.clone())).map_or(0, |spot| spot.next);
            had > now.get(name).copied().unwrap_or(0)
        })
    }

    /// The epoch that all is complete as of that was read, if it is known.
    fn covers(&self, parts: &BTreeMap<i32, Part>) -> Option<Epoch> {
        let applied = self.views.applied();
        let positions = self.views.positions();
        let has = |(number, spot): (i32, Spot)| {
            !self.settings.share.has(number)
                || parts.get(&number).is_some_and(|part| part.stretch.spot.next >= spot.next)
        };
        self.place.spots(&positions).all(has).then_some(applied)
    }
}

impl Part {
    fn tell(&mut self, offset: i64, n: u32, clock: Timestamp, event: Event) -> Told {
        self.has_moved = true;
        self.progress.at = self.stretch.spot.position().0;
        self.progress.clock = clock.max(self.progress.clock);
        let epoch = Epoch(u64::try_from(offset).unwrap_or(0));
        Told { log: self.name.clone(), at: At { epoch, n }, clock, event }
    }
}

/// What does not pass by itself is lost until it is reset.
fn failed(error: LogError) -> EventLogError {
    match error {
        LogError::Replaced { .. } | LogError::Beyond { .. } | LogError::Narrowed { .. } => {
            EventLogError::Lost(error.to_string())
        }
        error => EventLogError::Failed(Box::new(error)),
    }
}

impl EventLog for LogEvents {
    fn begin(&mut self, had: &JournalProgress) -> Result<(), EventLogError> {
        self.open = None;
        if self.is_behind(had) {
            return Err(EventLogError::Failed("the views are behind what was told".into()));
        }
        let consumer = self.settings.consumer(&self.settings.group()).map_err(LogError::from);
        self.open = Some(Open {
            consumer: consumer.map_err(failed)?,
            had: had.clone(),
            parts: BTreeMap::new(),
            surveyed: Instant::now(),
            epoch: Epoch::ZERO,
        });
        Ok(())
    }

    fn read(&mut self) -> Result<EventPage, EventLogError> {
        let mut open = self.open.take().ok_or_else(|| EventLogError::Failed("it has not begun".into()))?;
        let page = self.page(&mut open).map_err(failed)?;
        self.open = Some(open);
        Ok(page)
    }
}

impl LogEvents {
    fn page(&self, open: &mut Open) -> Result<EventPage, LogError> {
        let mut page = EventPage::default();
        if open.parts.is_empty() || open.surveyed.elapsed() >= SURVEY {
            page.events = self.discover(open)?;
        }
        let mut wait = POLL;
        while page.events.len() < PAGE {
            let message = match open.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(_))) => continue,
                // What was not read in time: begun anew, it is a gap.
                Some(Err(
                    error @ KafkaError::MessageConsumption(
                        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                    ),
                )) => return Err(error.into()),
                Some(Err(error)) if client::passes(&error) => {
                    tracing::debug!(%error, "the log can't be read");
                    break;
                }
                Some(Err(error)) => return Err(error.into()),
            };
            wait = Duration::ZERO;
            let Some(part) = open.parts.get_mut(&message.partition()) else { continue };
            let at = message.timestamp().to_millis().map_or_else(Timestamp::now, Timestamp);
            let (offset, key, value) = (message.offset(), message.key(), message.payload());
            part.stretch.take(Received { offset, at, key, value }, self.settings.log.max_message_bytes)?;
            for event in part.stretch.events() {
                page.events.push(part.tell(offset, 1, at, event));
            }
        }
        for part in open.parts.values_mut().filter(|part| part.has_moved) {
            part.has_moved = false;
            page.progress.insert(part.name.to_string(), part.progress.clone());
            page.clock = page.clock.max(part.progress.clock);
        }
        page.has_more = page.events.len() >= PAGE;
        open.epoch = self.covers(&open.parts).unwrap_or(open.epoch);
        page.epoch = open.epoch;
        Ok(page)
    }
}
