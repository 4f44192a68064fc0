//! What was read of a partition and not passed on yet.

use super::{
    LogError,
    envelope::{self, Unreadable},
    place::{NAME, Place, Spot},
};
use springline_model::{
    Event, EventBody, Gap, Quarantined, SourceId, Timestamp, event::QUARANTINE_SAMPLE_BYTES,
};
use springline_sources::Batch;
use tokio::sync::oneshot;

/// A partition of the log.
#[derive(Debug)]
pub(crate) struct Stretch {
    place: Place,
    number: i32,
    /// How far it is read.
    pub(super) spot: Spot,
    /// The oldest offset that there is.
    pub(super) low: i64,
    /// Where it ended when we began, with what was not committed then.
    end: i64,
    /// All before that is committed, or was taken back.
    pub(super) is_settled: bool,
    /// All is read that there is.
    pub(super) is_at_end: bool,
    /// All was read that lay in it when we began.
    pub(super) is_caught_up: bool,
    /// Messages that are there and not read, as far as is known.
    pub(super) lag: u64,
    events: Vec<Event>,
}

/// A message, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) offset: i64,
    pub(crate) at: Timestamp,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

impl Stretch {
    pub(crate) fn new(place: &Place, number: i32, spot: Spot) -> Self {
        let place = place.clone();
        Self {
            place,
            number,
            spot,
            low: 0,
            end: 0,
            is_settled: true,
            is_at_end: false,
            is_caught_up: false,
            lag: 0,
            events: vec![],
        }
    }

    /// Counts as caught up only behind this offset.
    pub(super) fn ending(self, end: i64) -> Self {
        Self { end, is_settled: false, ..self }
    }

    /// Whether all that we have to read can be read as of now, and could not before.
    pub(super) fn settles(&mut self, stable: i64) -> bool {
        let settles = !self.is_settled && stable >= self.end;
        self.is_settled |= settles;
        settles
    }

    /// There is nothing behind what was read.
    pub(super) fn ended(&mut self) {
        (self.is_at_end, self.lag) = (true, 0);
        self.is_caught_up |= self.is_settled;
    }

    /// Where to fetch from: the message before the next one, if it can still be there, shows that this is the log that
    /// was read before.
    pub(super) fn from(&self) -> i64 {
        let Spot { next, seen } = self.spot;
        if seen.is_some() { (next - 1).max(self.low) } else { next }
    }

    /// Takes a message; one that is no event is quarantined.
    ///
    /// # Errors
    /// It stands where another one was read before.
    pub(crate) fn take(&mut self, message: Received<'_>, most: usize) -> Result<(), LogError> {
        let Spot { next, seen } = self.spot;
        if message.offset + 1 == next && seen.is_some_and(|seen| seen != message.at) {
            return Err(LogError::Replaced { partition: self.name(), offset: message.offset });
        }
        if message.offset < next {
            return Ok(());
        }
        self.spot = Spot { next: message.offset + 1, seen: Some(message.at) };
        self.is_at_end = false;
        let event =
            envelope::decode(message.value, most).unwrap_or_else(|why| self.quarantine(message, &why));
        self.events.push(event);
        Ok(())
    }

    fn quarantine(&self, message: Received<'_>, why: &Unreadable) -> Event {
        let uri = self.place.uri(self.number, message.offset);
        let value = message.value.unwrap_or_default();
        let key: String =
            String::from_utf8_lossy(message.key.unwrap_or_default()).chars().take(256).collect();
        let row = Quarantined {
            uri,
            source: SourceId::new(NAME),
            origin: format!("{}, offset {}, key `{key}`", self.name(), message.offset),
            reason: why.to_string(),
            at: message.at,
            bytes: value.len() as u64,
            sample: value[..value.len().min(QUARANTINE_SAMPLE_BYTES)].to_vec(),
        };
        self.event(message.at, EventBody::Quarantine(Box::new(row)))
    }

    /// What lies before an offset can't be had any more; or something else that has to be seen happened here.
    pub(super) fn gap(&mut self, to: i64, reason: String) {
        let at = Timestamp::now();
        let from = (self.spot.next - 1).max(0).to_string();
        let gap = Gap { partition: self.name(), from, to: to.to_string(), at, reason };
        let event = self.event(at, EventBody::Gap(Box::new(gap)));
        self.events.push(event);
        self.spot = Spot { next: to, seen: None };
    }

    fn event(&self, observed: Timestamp, body: EventBody) -> Event {
        Event { source: SourceId::new(NAME), observed, body }
    }

    /// `springline.events/3`
    pub(super) fn name(&self) -> String {
        self.place.partition(self.number).name
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What there is.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What there is for the views, with the offset behind it; and who tells the epoch that has it.
    pub(super) fn batch(&mut self) -> (Batch, oneshot::Receiver<springline_model::Epoch>) {
        let (tell, sealed) = oneshot::channel();
        let events = self.events();
        events.iter().for_each(report);
        let batch = Batch {
            partition: self.place.partition(self.number),
            events,
            position: Some(self.spot.position()),
            sealed: Some(tell),
        };
        (batch, sealed)
    }
}

/// Says what is wrong with the log. What its writers could not read is told of by them.
fn report(event: &Event) {
    if event.source.as_str() != NAME {
        return;
    }
    match &event.body {
        EventBody::Quarantine(row) => {
            metrics::counter!("springline_log_quarantined_total").increment(1);
            tracing::warn!(uri = %row.uri, why = row.reason, "a message of the log can't be taken");
        }
        EventBody::Gap(gap) => {
            let Gap { partition, from, to, reason, .. } = &**gap;
            metrics::counter!("springline_log_gaps_total").increment(1);
            tracing::error!(partition, from, to, reason, "a gap in the log");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springline_model::{Rev, Uri};

    #[test]
    fn what_cannot_be_read_is_quarantined_and_counts_as_read() {
        let mut stretch = Stretch::new(&Place::new("t"), 2, Spot { next: 5, seen: Some(Timestamp(9)) });
        assert_eq!(stretch.from(), 4);
        let event = Event {
            source: SourceId::new("s"),
            observed: Timestamp(1),
            body: EventBody::Delete { rev: Rev(3), uri: Uri::from("garden://ada/a") },
        };
        let good = envelope::encode(&event).unwrap();
        let newer = br#"{"v":2,"source":"s","observed":1,"body":{"something":{}}}"#;
        let messages: [(i64, Option<&[u8]>); 7] = [
            (4, Some(b"was read before")),
            (5, Some(&good)),
            (7, None),
            (8, Some(b"\xff{")),
            (9, Some(newer)),
            (10, Some(&[b'x'; 4096])),
            (11, Some(&good)),
        ];
        for (offset, value) in messages {
            stretch.take(Received { offset, at: Timestamp(9), key: Some(b"k"), value }, 1024).unwrap();
        }
        let (batch, _) = stretch.batch();
        assert_eq!(batch.position, Some(springline_model::Position("12@9".into())));
        assert_eq!([&batch.events[0], &batch.events[5]], [&event, &event]);
        let reasons: Vec<&str> = batch.events[1..5]
            .iter()
            .map(|event| match &event.body {
                EventBody::Quarantine(row) => row.reason.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(reasons[0], "it has no value");
        assert!(reasons[1].starts_with("it is no event"), "{reasons:?}");
        assert!(reasons[2].starts_with("it has version 2"), "{reasons:?}");
        assert!(reasons[3].starts_with("it has 4096 bytes"), "{reasons:?}");
        assert_eq!(batch.events[1].body.authority(), "log://t/");
        let other = Received { offset: 11, at: Timestamp(10), key: None, value: Some(&good) };
        assert!(
            matches!(stretch.take(other, 1024), Err(LogError::Replaced { .. })),
            "another message is there now"
        );
    }
}
