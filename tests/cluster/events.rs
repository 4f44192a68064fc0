//! A log of made-up events: notes, posts and likes of a few people who link to each other, edit, delete, and are hidden,
//! taken down or deleted and back again now and then.

use crate::dice::Dice;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use serde_json::json;
use springline_model::{
    AccountStatus, Context, Event, EventBody, Hosting, Link, LinkPath, Record, Rev, SourceId, Span,
    Timestamp, Uri,
};
use springline_tests::Broker;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Tells of them; each one's version is above all before it.
pub(super) struct Teller {
    dice: Dice,
    rev: u64,
}

impl Teller {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed), rev: 0 }
    }

    pub(super) fn tell(&mut self, broker: &Broker, count: usize) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker.address()).set("partitioner", "murmur2");
        let producer: BaseProducer = config.create().unwrap();
        for _ in 0..count {
            let event = self.event();
            let value =
                json!({ "v": 1, "source": event.source, "observed": event.observed, "body": event.body });
            let (key, value) = (event.body.authority().to_owned(), value.to_string());
            let record = BaseRecord::<str, str>::to("springline.events").key(&key).payload(&value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
    }

    fn event(&mut self) -> Event {
        self.rev += 1;
        let (rev, at) = (Rev(self.rev), Timestamp(1_767_225_600_000 + self.rev.cast_signed() * 1000));
        let body = match self.dice.roll(100) {
            0 => {
                let hidden = self.dice.roll(2) == 0;
                let status = if hidden { AccountStatus::Hidden } else { AccountStatus::Active };
                EventBody::Account { rev, authority: self.garden(), status }
            }
            1 => {
                let away = [Hosting::Takendown, Hosting::Deactivated, Hosting::Deleted];
                let back = self.dice.roll(2) == 0;
                let status = if back { Hosting::Active } else { away[self.dice.roll(3) as usize] };
                EventBody::Hosting {
                    rev,
                    authority: Uri::from(format!("{}/", self.person()).as_str()),
                    status,
                }
            }
            2..15 => EventBody::Delete { rev, uri: self.subject() },
            _ => EventBody::Put { rev, record: Arc::new(self.record(at)) },
        };
        Event { source: SourceId::new("made-up"), observed: at, body }
    }

    fn person(&mut self) -> String {
        format!("at://did:plc:{:024}", self.dice.roll(20))
    }

    fn garden(&mut self) -> Uri {
        Uri::from(format!("garden://user{}/", self.dice.roll(8)).as_str())
    }

    /// Something that there may be.
    fn subject(&mut self) -> Uri {
        let number = self.dice.roll(60);
        let uri = match self.dice.roll(3) {
            0 => format!("{}note {number}.md", self.garden()),
            1 => format!("{}/app.bsky.feed.post/{number}", self.person()),
            _ => format!("{}/app.bsky.feed.like/{number}", self.person()),
        };
        Uri::from(uri.as_str())
    }

    fn record(&mut self, at: Timestamp) -> Record {
        let uri = self.subject();
        let author = Uri::from(uri.authority());
        let is_note = uri.as_str().starts_with("garden:");
        let is_like = uri.as_str().contains("like");
        let word = self.dice.roll(500);
        let (kind, text) = match (is_note, is_like) {
            (true, _) => ("note", format!("a note of word{word} [[node {}]] #t{}", word % 50, word % 7)),
            (_, true) => ("app.bsky.feed.like", String::new()),
            _ => ("app.bsky.feed.post", format!("says word{word} of this and that")),
        };
        let path = if is_note { LinkPath::WIKILINK } else { ".subject.uri" };
        let target = match self.dice.roll(3) {
            0 => Uri::from(format!("node:node-{}", word % 50).as_str()),
            _ => self.subject(),
        };
        let link = Link {
            path: LinkPath::new(path),
            context: Context::Prose,
            target,
            span: Span { start: 0, end: 0 },
            label: None,
            fragment: None,
        };
        Record {
            uri,
            kind: kind.into(),
            author,
            node: None,
            title: if is_note { format!("note of {word}") } else { String::new() },
            text,
            langs: vec![],
            tags: vec![],
            at,
            links: vec![link],
            attrs: BTreeMap::new(),
        }
    }
}
