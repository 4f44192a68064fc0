//! From messages to batches: decoded side by side, sent in order.
//!
//! ```text
//!  messages ─► chunk ─┬─► decode ─┐
//!             chunk ──┼─► decode ─┼─ in order ─► numbers rise? ─► Batch { events, position } ─► Outbox
//!             chunk ──┴─► decode ─┘
//! ```
//!
//! Invariants:
//! 1. The position of a batch is the number of the last message whose events are in it or in one before.
//! 2. A message takes its share of the bytes that may wait, and counts as waiting, until what it says was sent.

use super::socket::{Heard, Held as Share, Message};
use crate::{BATCH_EVENTS, Batch, Outbox, SourceError, SourceStatus, status::Sent};
use futures_util::{StreamExt, stream::FuturesOrdered};
use springline_model::{Event, EventBody, Gap, Partition, Position, Quarantined, SourceId, Timestamp, Uri};
use std::pin::Pin;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages that are decoded together: enough to be worth a thread, few enough not to be waited for.
const CHUNK: usize = 64;

/// What one message says.
#[derive(Debug, Default)]
pub(in crate::atproto) struct Item {
    /// Its number in the stream.
    pub(in crate::atproto) cursor: Option<u64>,
    /// When it happened.
    pub(in crate::atproto) at: Option<Timestamp>,
    /// What happened.
    pub(in crate::atproto) events: Vec<EventBody>,
    /// Something that the host says of the stream.
    pub(in crate::atproto) info: Option<String>,
    /// Why nothing behind it can be believed: the connection is closed.
    pub(in crate::atproto) fault: Option<String>,
}

/// A chunk being decoded, and the room that it takes.
type Held = Pin<Box<dyn Future<Output = (Vec<Item>, Vec<Share>)> + Send>>;

/// A chunk being decoded.
pub(in crate::atproto) type Decoding = Pin<Box<dyn Future<Output = Vec<Item>> + Send>>;

/// Where the messages of one connection go.
pub(in crate::atproto) struct Intake<'a> {
    pub(in crate::atproto) source: &'a SourceId,
    pub(in crate::atproto) host: &'a str,
    pub(in crate::atproto) out: &'a Outbox,
    pub(in crate::atproto) status: &'a SourceStatus,
    pub(in crate::atproto) stop: &'a CancellationToken,
    /// Whether numbers must rise from message to message.
    pub(in crate::atproto) strict: bool,
    /// The length of a message that is being passed over: it stood where the stream was left, or soon behind.
    pub(in crate::atproto) passed: Option<usize>,
}

impl Intake<'_> {
    /// Takes messages until there are no more, one is at fault (then why), or the process stops. `cursor` is how far
    /// the stream was sent, and follows.
    pub(in crate::atproto) async fn run(
        &self,
        mut messages: mpsc::Receiver<Heard>,
        decode: impl Fn(Vec<Message>) -> Decoding,
        cursor: &mut Option<u64>,
    ) -> Result<Option<String>, SourceError> {
        let side_by_side = std::thread::available_parallelism().map_or(2, usize::from) + 1;
        let resumed = *cursor;
        let mut first = true;
        let mut decoding: FuturesOrdered<Held> = FuturesOrdered::new();
        let (mut open, mut chunk) = (true, Vec::with_capacity(CHUNK));
        while open || !decoding.is_empty() {
            let (items, held) = tokio::select! {
                biased;
                // What was not sent is asked for again.
                () = self.stop.cancelled() => return Ok(None),
                Some(items) = decoding.next(), if !decoding.is_empty() => items,
                count = messages.recv_many(&mut chunk, CHUNK), if open && decoding.len() < side_by_side => {
                    open = count > 0;
                    if open {
                        let (messages, held) = chunk.drain(..).map(|heard| (heard.message, heard.held)).unzip();
                        let decoded = decode(messages);
                        decoding.push_back(Box::pin(async move { (decoded.await, held) }));
                    }
                    continue;
                }
            };
            let fault = self.send(items, cursor, resumed, &mut first).await?;
            drop(held);
            if fault.is_some() {
                return Ok(fault);
            }
        }
        Ok(None)
    }

    /// Sends what a chunk says; a fault ends the connection, with what came before it sent.
    async fn send(
        &self,
        items: Vec<Item>,
        cursor: &mut Option<u64>,
        resumed: Option<u64>,
        first: &mut bool,
    ) -> Result<Option<String>, SourceError> {
        let (mut events, mut fault, mut at) = (Vec::new(), None, None);
        let before = *cursor;
        for item in items {
            if let Some(info) = item.info {
                self.status.error(format!("{}: {info}", self.host));
            }
            if let Some(number) = item.cursor {
                if std::mem::take(first)
                    && let Some(from) = resumed
                {
                    events.extend(match self.passed {
                        Some(bytes) => Some(self.passed_over(from, number, bytes)),
                        None if self.strict => self.gap(from, number),
                        None => None,
                    });
                }
                let last = *cursor;
                if self.strict && last.is_some_and(|last| number <= last) {
                    self.count("out_of_order");
                    let last = last.unwrap_or_default();
                    fault = Some(format!("the host went from {last} back to {number}"));
                    break;
                }
                *cursor = Some(last.map_or(number, |last| last.max(number)));
            }
            at = item.at.or(at);
            events.extend(item.events);
            if item.fault.is_some() {
                fault = item.fault;
                break;
            }
        }
        if !events.is_empty() || *cursor != before {
            self.deliver(events, cursor.map(|cursor| Position(cursor.to_string()))).await?;
        }
        self.status.partition(self.host, |partition| {
            partition.position = cursor.map(|cursor| Position(cursor.to_string()));
            partition.event_at = at.or(partition.event_at);
            partition.current_at = Some(Timestamp::now());
        });
        if let Some(at) = at {
            let lag = Timestamp::now().0.saturating_sub(at.0).max(0);
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            metrics::gauge!("springline_source_lag_seconds", "source" => self.source.to_string(), "partition" => self.host.to_owned())
                .set(lag as f64 / 1000.0);
        }
        Ok(fault)
    }

    /// What is missing between where the stream was left and where it goes on, as far as its numbers tell.
    fn gap(&self, from: u64, to: u64) -> Option<EventBody> {
        // 0 is no place: it asks for the oldest.
        if from == 0 || to <= from.saturating_add(1) {
            return None;
        }
        let missing = to - from - 1;
        let reason = format!(
            "the stream was left at {from} and goes on at {to}: up to {missing} events were not seen"
        );
        Some(self.gap_for(from, to, reason))
    }

    fn gap_for(&self, from: u64, to: u64, reason: String) -> EventBody {
        self.count("gap");
        EventBody::Gap(Box::new(Gap {
            partition: self.host.to_owned(),
            from: from.to_string(),
            to: to.to_string(),
            at: Timestamp::now(),
            reason,
        }))
    }

    /// A message that was too long to be read: by its number, if there is only one that it can have.
    fn passed_over(&self, from: u64, to: u64, bytes: usize) -> EventBody {
        let reason = format!("a message of at least {bytes} bytes, more than any may have, was not read");
        if !self.strict || from.checked_add(2) != Some(to) {
            let reason =
                format!("{reason}; nor what stood beside it, if the stream had more between {from} and {to}");
            return self.gap_for(from, to, reason);
        }
        let host = self.host.trim_end_matches('/');
        EventBody::Quarantine(Box::new(Quarantined {
            uri: Uri::new(format!("{host}/seq/{}", from + 1)),
            source: self.source.clone(),
            origin: format!("{host}, seq {}", from + 1),
            reason,
            at: Timestamp::now(),
            bytes: bytes as u64,
            sample: Vec::new(),
        }))
    }

    async fn deliver(&self, events: Vec<EventBody>, position: Option<Position>) -> Result<(), SourceError> {
        let partition = Partition { source: self.source.clone(), name: self.host.to_owned() };
        let observed = Timestamp::now();
        let mut sent = Sent::default();
        let mut rest = events.into_iter().map(|body| {
            sent.count(&body);
            Event { source: self.source.clone(), observed, body }
        });
        loop {
            let events: Vec<Event> = rest.by_ref().take(BATCH_EVENTS).collect();
            let is_last = rest.len() == 0;
            let batch = Batch {
                partition: partition.clone(),
                events,
                position: position.clone().filter(|_| is_last),
                sealed: None,
            };
            tokio::select! {
                biased;
                result = self.out.send(batch) => result?,
                () = self.stop.cancelled() => return Err(SourceError::Closed),
            }
            if is_last {
                break;
            }
        }
        drop(rest);
        self.status.sent(sent);
        Ok(())
    }

    fn count(&self, what: &'static str) {
        metrics::counter!("springline_source_faults_total", "source" => self.source.to_string(), "fault" => what)
            .increment(1);
    }
}
