//! What is written in one transaction.

use super::{
    envelope,
    place::Place,
    positions::{Mark, Pair, mark_record, position_record},
    settings::Settings,
};
use rdkafka::message::{Header, OwnedHeaders};
use springline_model::{
    Epoch, Event, EventBody, Partition, Position, Quarantined, event::QUARANTINE_SAMPLE_BYTES,
};
use springline_sources::Batch;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// An event that is ready to be sent.
pub(super) struct Message {
    event: Event,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// A partition that it must go to; else the key decides.
    pub(super) partition: Option<i32>,
    /// The source's partition and position, on the last event that it covers.
    reached: Option<(String, Option<Position>)>,
}

impl Message {
    fn new(event: Event, settings: &Settings) -> Result<Self, serde_json::Error> {
        let value = envelope::encode(&event)?;
        let key = event.body.authority().to_owned();
        let partition = match &event.body {
            EventBody::Release { uri } => Place::new(&settings.log.topic).partition_of(uri.as_str()),
            _ => None,
        };
        let message = Self { event, key, value, partition, reached: None };
        let (bytes, most) = (message.value.len(), settings.log.max_message_bytes);
        if bytes <= most {
            return Ok(message);
        }
        message.quarantined(&format!("as a message it has {bytes} bytes, more than {most}"))
    }

    /// What is sent in the place of an event that is too large for the log.
    fn quarantined(self, reason: &str) -> Result<Self, serde_json::Error> {
        let (uri, kind) = subject(&self.event.body);
        metrics::counter!("springline_log_refused_total").increment(1);
        tracing::warn!(%uri, reason, "an event is too large for the log");
        let sample = self.value[..self.value.len().min(QUARANTINE_SAMPLE_BYTES)].to_vec();
        let row = Quarantined {
            uri,
            source: self.event.source.clone(),
            origin: kind.to_owned(),
            reason: reason.to_owned(),
            at: self.event.observed,
            bytes: self.value.len() as u64,
            sample,
        };
        let event = Event { body: EventBody::Quarantine(Box::new(row)), ..self.event };
        let value = envelope::encode(&event)?;
        Ok(Self { event, value, ..self })
    }

    /// The headers, for who wants to know without reading the value.
    pub(super) fn headers(&self) -> OwnedHeaders {
        let text = |headers: OwnedHeaders, key, value: &str| {
            headers.insert(Header { key, value: Some(value.as_bytes()) })
        };
        let headers = OwnedHeaders::new_with_capacity(5);
        let headers = text(headers, "version", &envelope::VERSION.to_string());
        let headers = text(headers, "source", self.event.source.as_str());
        let headers = text(headers, "observed", &self.event.observed.to_string());
        let Some((partition, position)) = &self.reached else { return headers };
        let headers = text(headers, "partition", partition);
        position.iter().fold(headers, |headers, Position(position)| text(headers, "position", position))
    }
}

/// What an event is about, and as what.
fn subject(body: &EventBody) -> (springline_model::Uri, &'static str) {
    match body {
        EventBody::Put { record, .. } => (record.uri.clone(), "put"),
        EventBody::Fetched { record, .. } => (record.uri.clone(), "fetched"),
        other => (other.authority().into(), "event"),
    }
}

/// Batches that are written together.
#[derive(Default)]
pub(super) struct Group {
    pub(super) messages: Vec<Message>,
    pub(super) positions: BTreeMap<Partition, Position>,
    pub(super) senders: Vec<oneshot::Sender<Epoch>>,
    pub(super) bytes: usize,
}

impl Group {
    /// Takes a batch whole: its position counts with its last event or not at all.
    pub(super) fn take(&mut self, batch: Batch, settings: &Settings) -> Result<(), serde_json::Error> {
        let Batch { partition, events, position, sealed } = batch;
        let count = self.messages.len();
        for event in events {
            let message = Message::new(event, settings)?;
            self.bytes += message.value.len() + message.key.len();
            self.messages.push(message);
        }
        if self.messages.len() > count
            && let Some(last) = self.messages.last_mut()
        {
            last.reached = Some((partition.name.clone(), position.clone()));
        }
        if let Some(position) = position {
            self.positions.insert(partition, position);
        }
        self.senders.extend(sealed);
        Ok(())
    }

    pub(super) fn is_full(&self, settings: &Settings) -> bool {
        self.messages.len() >= settings.log.transaction_events || self.bytes >= settings.log.transaction_bytes
    }

    /// Whether there is anything to write: who only asks to be told when all before is there needs no transaction.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.positions.is_empty()
    }

    /// The brokers don't take one of the messages.
    pub(super) fn refuse(&mut self, index: usize) -> Result<(), serde_json::Error> {
        if index < self.messages.len() {
            let message = self.messages.remove(index);
            self.messages.insert(index, message.quarantined("the brokers take no message of its size")?);
        }
        Ok(())
    }

    /// The records for the positions' topic.
    pub(super) fn progress(&self, writer: &str, mark: &Mark) -> Result<Vec<Pair>, serde_json::Error> {
        let positions =
            self.positions.iter().map(|(partition, position)| position_record(partition, position));
        positions.chain([mark_record(writer, mark)]).collect()
    }
}
