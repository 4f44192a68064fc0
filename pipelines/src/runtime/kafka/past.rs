//! The log read once, from an offset to where it ended: for a replay.
//!
//! ```text
//!  survey: positions ─► ends of the partitions ─► nothing open before them ─► Part, Part, …
//!  Part::read: a partition's messages, in their order, some at a time
//! ```
//!
//! How far the sources were is read first, and the ends after that: so the parts have all that those positions cover.

use super::{
    LogError,
    place::{Place, Spot},
    positions,
    reader::retained,
    settings::Settings,
    stretch::{Received, Stretch},
};
use crate::config::Config;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use springline_model::{Event, Partition, Position, Timestamp};
use springline_sources::{
    Bound, Range,
    kafka::client::{self, Quiet},
};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Without anything for so long, reading is given up.
const STALL: Duration = Duration::from_secs(60);
/// How long a poll waits.
const POLL: Duration = Duration::from_millis(100);
/// As many messages are told at once.
const TOGETHER: usize = 256;

/// A partition of the log, up to where it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    settings: Settings,
    number: i32,
    end: i64,
}

/// A log as it is now.
pub(crate) struct Past {
    pub(crate) parts: Vec<Part>,
    /// How far its sources were; none if not all of it was asked for.
    pub(crate) positions: BTreeMap<Partition, Position>,
}

/// Looks at a topic of a cluster; at some of its partitions, if they are named. Waits for transactions that are open.
///
/// # Errors
/// The cluster can't be asked, has no such topic or partition, or somebody's transaction stays open.
pub(crate) fn survey(config: &Config, topic: &str, wanted: Option<&[i32]>) -> Result<Past, LogError> {
    let mut settings = Settings::new(config);
    topic.clone_into(&mut settings.log.topic);
    let (reader, surveyor) = (settings.consumer(&settings.group())?, settings.surveyor()?);
    let count = client::partitions(&reader, topic, PATIENCE)?;
    let count = count.ok_or_else(|| LogError::NoTopic(topic.to_owned()))?;
    let held = Instant::now() + settings.log.transaction_timeout() + PATIENCE;
    let mut positions = BTreeMap::new();
    if wanted.is_none() && client::partitions(&reader, &settings.log.positions_topic(), PATIENCE)?.is_some() {
        let end = positions::end(&settings)?;
        positions = wait(held, || positions::load(&settings, end))?.positions;
    }
    let numbers = wanted.map_or_else(|| (0..count).collect(), <[i32]>::to_vec);
    let mut parts = Vec::new();
    for number in numbers {
        if !(0..count).contains(&number) {
            return Err(LogError::NoTopic(format!("{topic}/{number}")));
        }
        let (_, end) = surveyor.fetch_watermarks(topic, number, PATIENCE)?;
        wait(held, || match reader.fetch_watermarks(topic, number, PATIENCE)? {
            (_, stable) if stable < end => Err(LogError::Held(format!("{topic}/{number}"))),
            _ => Ok(()),
        })?;
        parts.push(Part { settings: settings.clone(), number, end });
    }
    Ok(Past { parts, positions })
}

/// Tries until nothing is open any more.
fn wait<T>(until: Instant, mut attempt: impl FnMut() -> Result<T, LogError>) -> Result<T, LogError> {
    loop {
        match attempt() {
            Err(error @ LogError::Held(_)) if Instant::now() < until => {
                tracing::warn!(%error, "waiting");
                thread::sleep(Duration::from_secs(1));
            }
            ended => return ended,
        }
    }
}

/// Some messages that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The offset behind them.
    pub(crate) next: i64,
    /// When the last of them was written.
    pub(crate) at: Timestamp,
    pub(crate) events: Vec<Event>,
}

impl Part {
    /// Where it is: `kafka://broker:9092/topic/3`.
    pub(crate) fn name(&self) -> String {
        let Settings { client, log, .. } = &self.settings;
        format!("kafka://{}/{}/{}", client.brokers.join(","), log.topic, self.number)
    }

    /// The offset behind its last message.
    pub(crate) const fn end(&self) -> i64 {
        self.end
    }

    /// Reads what lies in a range, behind what was read before.
    ///
    /// # Errors
    /// The cluster can't be asked.
    pub(crate) fn read(&self, range: Range, done: Option<i64>) -> Result<Reading, LogError> {
        let (topic, number) = (&self.settings.log.topic, self.number);
        let consumer = self.settings.consumer(&self.settings.group())?;
        let (low, _) = consumer.fetch_watermarks(topic, number, PATIENCE)?;
        let since = match range.since {
            None => 0,
            Some(Bound::Offset(offset)) => i64::try_from(offset).unwrap_or(i64::MAX),
            Some(Bound::Time(at)) => first_at(&consumer, topic, number, at)?.unwrap_or(self.end),
        };
        let next = since.max(done.unwrap_or(0));
        let mut stretch = Stretch::new(&Place::new(topic), number, Spot { next, seen: None });
        stretch.low = low;
        retained(&mut stretch);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, number, Offset::Offset(stretch.spot.next))?;
        if stretch.spot.next < self.end {
            consumer.assign(&list)?;
        }
        let most = self.settings.log.max_message_bytes;
        Ok(Reading { consumer, stretch, range, end: self.end, most, heard: Instant::now() })
    }
}

/// The offset of the first message that was written at a time or later.
fn first_at(
    consumer: &BaseConsumer<Quiet>,
    topic: &str,
    number: i32,
    at: Timestamp,
) -> Result<Option<i64>, KafkaError> {
    let mut times = TopicPartitionList::new();
    times.add_partition_offset(topic, number, Offset::Offset(at.0))?;
    let found = consumer.offsets_for_times(times, PATIENCE)?;
    let offset = found.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset);
    Ok(match offset {
        Some(Offset::Offset(offset)) => Some(offset),
        _ => None,
    })
}

/// A part that is being read; now and then it gives nothing, so that whoever reads can stop.
pub(crate) struct Reading {
    consumer: BaseConsumer<Quiet>,
    stretch: Stretch,
    range: Range,
    end: i64,
    most: usize,
    heard: Instant,
}

impl Iterator for Reading {
    type Item = Result<Read, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut wait = POLL;
        let mut read = Read::default();
        while self.stretch.spot.next < self.end && read.events.len() < TOGETHER {
            let message = match self.consumer.poll(wait) {
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.end = self.stretch.spot.next;
                    break;
                }
                Some(Err(error)) if !client::passes(&error) => return Some(Err(error.into())),
                Some(Err(_)) | None if self.heard.elapsed() < STALL => break,
                Some(Err(error)) => return Some(Err(error.into())),
                None => return Some(Err(LogError::Silent(self.stretch.name()))),
            };
            (wait, self.heard) = (Duration::ZERO, Instant::now());
            let at = message.timestamp().to_millis().map_or_else(Timestamp::now, Timestamp);
            let offset = message.offset().unsigned_abs();
            let is_over = matches!(self.range.until, Some(Bound::Offset(until)) if offset >= until);
            if is_over || message.offset() >= self.end {
                self.end = self.stretch.spot.next;
                break;
            }
            let received =
                Received { offset: message.offset(), at, key: message.key(), value: message.payload() };
            if let Err(error) = self.stretch.take(received, self.most) {
                return Some(Err(error));
            }
            let taken = self.stretch.events();
            if self.range.has(offset, Some(at)) {
                read.events.extend(taken);
            }
            read.at = at;
        }
        // A gap before the first message.
        read.events.extend(self.stretch.events());
        read.next = self.stretch.spot.next;
        (read.next < self.end || !read.events.is_empty()).then_some(Ok(read))
    }
}
