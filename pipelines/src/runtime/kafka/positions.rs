//! How far the sources have got: a compacted topic beside the log, written in the same transactions.
//!
//! ```text
//!  {"source":"gardens","partition":"garden/ada"}  →  {"v":1,"position":"4f2c…"}
//!  {"writer":"springline.ingest"}                 →  {"v":1,"run":"9c01…","transaction":42}
//! ```
//! The second kind is a *mark*: whether a transaction whose end was not heard of has counted is read from it.

use super::{LogError, settings::Settings, topics::PATIENCE};
use rdkafka::{Message as _, Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError};
use serde::{Deserialize, Serialize};
use springline_model::{Partition, Position, SourceId};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Without news for so long while there must be some, it is begun anew.
const STALL: Duration = Duration::from_secs(30);
/// The version of the values.
const VERSION: u32 = 1;

/// What a record of the topic is about.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Key {
    Position { source: String, partition: String },
    Mark { writer: String },
}

#[derive(Serialize, Deserialize)]
struct PositionValue {
    v: u32,
    position: String,
}

/// A transaction of a writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    v: u32,
    /// Of which run of the program.
    pub(super) run: String,
    /// Its number in the run.
    pub(super) transaction: u64,
}

impl Mark {
    pub(super) fn new(run: &str, transaction: u64) -> Self {
        Self { v: VERSION, run: run.to_owned(), transaction }
    }
}

/// A record's key and value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// The record that says how far a partition has got.
pub(super) fn position_record(partition: &Partition, position: &Position) -> Result<Pair, serde_json::Error> {
    let (source, partition) = (partition.source.to_string(), partition.name.clone());
    let value = PositionValue { v: VERSION, position: position.0.clone() };
    Ok((serde_json::to_vec(&Key::Position { source, partition })?, serde_json::to_vec(&value)?))
}

/// The record that a writer leaves with each transaction.
pub(super) fn mark_record(writer: &str, mark: &Mark) -> Result<Pair, serde_json::Error> {
    Ok((serde_json::to_vec(&Key::Mark { writer: writer.to_owned() })?, serde_json::to_vec(mark)?))
}

/// What the topic says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// How far each partition of each source has got.
    pub(super) positions: BTreeMap<Partition, Position>,
    /// The last transaction of each writer.
    pub(super) marks: BTreeMap<String, Mark>,
}

impl Progress {
    /// Takes a record. What is not understood is passed over: a position that is not known costs reading again.
    fn take(&mut self, key: &[u8], value: Option<&[u8]>) {
        match serde_json::from_slice(key) {
            Ok(Key::Position { source, partition }) => {
                let partition = Partition { source: SourceId::new(source), name: partition };
                let read = value.and_then(|value| serde_json::from_slice::<PositionValue>(value).ok());
                match read.filter(|read| read.v == VERSION) {
                    Some(read) => self.positions.insert(partition, Position(read.position)),
                    None => self.positions.remove(&partition),
                };
            }
            Ok(Key::Mark { writer }) => {
                if let Some(mark) = value.and_then(|value| serde_json::from_slice(value).ok()) {
                    self.marks.insert(writer, mark);
                }
            }
            Err(error) => tracing::warn!(%error, "a record of the positions' topic is not understood"),
        }
    }
}

/// Where the topic ends, with what other writers have not committed yet.
///
/// # Errors
/// The cluster can't be asked.
pub(super) fn end(settings: &Settings) -> Result<i64, LogError> {
    Ok(settings.surveyor()?.fetch_watermarks(&settings.log.positions_topic(), 0, PATIENCE)?.1)
}

/// Reads the topic, at least up to an end: what a writer has committed may lie behind what another one has open, and a
/// reader that took the open transaction for the end would go back behind it.
///
/// # Errors
/// [`LogError::Held`] while something is open before the end; the cluster can't be asked.
pub(super) fn load(settings: &Settings, end: i64) -> Result<Progress, LogError> {
    let topic = settings.log.positions_topic();
    // The group is never joined: the client wants one to be named.
    let consumer = settings.consumer(&format!("{}.positions", settings.log.group))?;
    let (low, high) = consumer.fetch_watermarks(&topic, 0, PATIENCE)?;
    if high < end {
        return Err(LogError::Held(topic));
    }
    let mut progress = Progress::default();
    if low >= high {
        return Ok(progress);
    }
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(&topic, 0, Offset::Offset(low))?;
    consumer.assign(&from)?;
    let mut heard = Instant::now();
    // The end is told once all is read that was committed when it is: behind what was the end above.
    loop {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                progress.take(message.key().unwrap_or_default(), message.payload());
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(progress),
            Some(Err(error)) => return Err(error.into()),
            None if heard.elapsed() > STALL => return Err(LogError::Silent(topic)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_what_is_strange_is_passed_over() {
        let partition = Partition { source: SourceId::new("gardens"), name: "garden/ada".into() };
        let mut progress = Progress::default();
        for position in ["a", "b"] {
            let (key, value) = position_record(&partition, &Position(position.into())).unwrap();
            progress.take(&key, Some(&value));
        }
        let (key, value) = mark_record("x.run", &Mark::new("r", 7)).unwrap();
        progress.take(&key, Some(&value));
        progress.take(b"{}", Some(b"7"));
        progress.take(b"\xff", None);
        assert_eq!(progress.positions[&partition], Position("b".into()));
        assert_eq!(progress.marks["x.run"], Mark::new("r", 7));
        let (key, _) = position_record(&partition, &Position(String::new())).unwrap();
        progress.take(&key, None);
        assert!(progress.positions.is_empty());
    }
}
