//! The feed itself: a transactional producer, made anew after each error.

use super::{
    KafkaSinkConfig,
    client::Quiet,
    envelope, progress,
    topics::{self, ANSWER, Wanted},
};
use crate::follow::{Feed, FeedError, Item, Op, Progress};
use rdkafka::{
    ClientConfig,
    consumer::BaseConsumer,
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{BaseRecord, Producer as _, ThreadedProducer},
    types::RDKafkaErrorCode,
};
use springline_model::{KafkaClient, Table};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// How long a commit may take before the feed asks anew whether it counted.
const COMMIT: Duration = Duration::from_secs(60);
/// How long the producer waits when it has no room for a message.
const ROOM: Duration = Duration::from_millis(5);

/// A view's changes as messages.
pub struct KafkaFeed {
    name: String,
    config: KafkaSinkConfig,
    client: ClientConfig,
    tables: Vec<Table>,
    open: Option<Open>,
}

struct Open {
    producer: ThreadedProducer<Quiet>,
    /// How many partitions each topic has.
    partitions: BTreeMap<String, i32>,
    in_transaction: bool,
}

impl KafkaFeed {
    /// Of some tables. Nobody is asked yet.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(
        name: &str,
        config: &KafkaSinkConfig,
        client: &KafkaClient,
        tables: &[Table],
    ) -> Result<Self, String> {
        if client.brokers.is_empty() {
            return Err("`kafka.brokers` is not set".into());
        }
        let legal = |topic: &str| {
            let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            (1..250).contains(&topic.len()) && topic.chars().all(is_legal)
        };
        let mut topics = tables.iter().map(|table| config.topic_of(*table));
        if let Some(topic) = topics.find(|topic| !legal(topic) || *topic == config.progress_topic) {
            return Err(format!("`{topic}` can't be its topic"));
        }
        if !legal(&config.progress_topic) {
            return Err(format!("`{}` can't be its progress topic", config.progress_topic));
        }
        let mut properties = ClientConfig::new();
        for (name, value) in client.properties() {
            properties.set(name, value);
        }
        let (name, config, tables) = (name.to_owned(), config.clone(), tables.to_vec());
        Ok(Self { name, config, client: properties, tables, open: None })
    }

    /// The topics that are written to, and how many partitions each has.
    fn partitions(&self, consumer: &BaseConsumer<Quiet>) -> Result<BTreeMap<String, i32>, FeedError> {
        let KafkaSinkConfig { partitions, replication, create_topics, progress_topic, .. } = &self.config;
        let mut topics: BTreeMap<String, bool> =
            self.tables.iter().map(|table| (self.config.topic_of(*table), false)).collect();
        topics.insert(progress_topic.clone(), true);
        let mut found = BTreeMap::new();
        for (name, is_short) in topics {
            let begun = Instant::now();
            let mut is_made = false;
            let count = loop {
                if let Some(count) = topics::partitions(consumer, &name)? {
                    break count;
                }
                if !create_topics {
                    return Err(format!("there is no topic `{name}`").into());
                }
                if begun.elapsed() > ANSWER {
                    return Err(format!("topic `{name}` was made, but is not there").into());
                }
                if !is_made {
                    let partitions = if is_short { 1 } else { *partitions };
                    let wanted = Wanted { name: &name, partitions, replication: *replication, is_short };
                    topics::make(&self.client, &wanted)?;
                    is_made = true;
                }
                thread::sleep(Duration::from_millis(100));
            };
            found.insert(name, i32::try_from(count)?);
        }
        Ok(found)
    }

    /// The producer, in a transaction.
    fn writing(&mut self) -> Result<&mut Open, FeedError> {
        let open = self.open.as_mut().ok_or("the feed has not begun")?;
        if !open.in_transaction {
            open.producer.begin_transaction()?;
            open.in_transaction = true;
        }
        Ok(open)
    }
}

impl Feed for KafkaFeed {
    fn begin(&mut self) -> Result<Option<Progress>, FeedError> {
        self.open = None;
        let mut reading = self.client.clone();
        reading.set("group.id", format!("springline-{}", self.name));
        reading.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        reading.set("isolation.level", "read_committed").set("allow.auto.create.topics", "false");
        let consumer: BaseConsumer<Quiet> = reading.create_with_context(Quiet)?;
        let partitions = self.partitions(&consumer)?;
        let mut writing = self.client.clone();
        let id =
            self.config.transactional_id.clone().unwrap_or_else(|| KafkaSinkConfig::usual_id(&self.name));
        let timeout = self.config.transaction_timeout_secs.max(10) * 1000;
        writing.set("transactional.id", id).set("transaction.timeout.ms", timeout.to_string());
        // A message that is not delivered fails its transaction: nothing needs to be said of the others.
        writing.set("delivery.report.only.error", "true");
        // What `kafka.properties` say of these comes first. LZ4 takes a third of zstd's time: a feed goes beside the views.
        let usual = [("partitioner", "murmur2_random"), ("compression.type", "lz4"), ("linger.ms", "5")];
        for (key, value) in usual {
            if writing.get(key).is_none() {
                writing.set(key, value);
            }
        }
        let producer: ThreadedProducer<_> = writing.create_with_context(Quiet)?;
        // Whoever was at it before is kept out from here on: what is read now stays so.
        producer.init_transactions(ANSWER)?;
        let progress = progress::read(&consumer, &self.config.progress_topic, &self.name)?;
        self.open = Some(Open { producer, partitions, in_transaction: false });
        Ok(progress)
    }

    fn send(&mut self, items: Vec<Item>) -> Result<(), FeedError> {
        let tombstones = self.config.tombstones;
        let topics: BTreeMap<Table, String> =
            self.tables.iter().map(|table| (*table, self.config.topic_of(*table))).collect();
        let open = self.writing()?;
        for item in &items {
            let topic = topics.get(&item.table).ok_or("a table that this feed doesn't tell of")?;
            let (key, value) = (envelope::key(item), envelope::value(item)?);
            if item.op == Op::Truncate {
                // Each partition is ordered by itself, so each is told.
                for partition in 0..open.partitions.get(topic).copied().unwrap_or(1) {
                    open.produce(item, topic, Some(partition), &key, Some(&value))?;
                }
                continue;
            }
            open.produce(item, topic, None, &key, Some(&value))?;
            if tombstones && envelope::is_last_word(item) {
                open.produce(item, topic, None, &key, None)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, progress: &Progress) -> Result<(), FeedError> {
        let (topic, name) = (self.config.progress_topic.clone(), self.name.clone());
        let value = serde_json::to_vec(progress)?;
        let open = self.writing()?;
        open.queue(|| BaseRecord::to(&topic).partition(0).key(name.as_str()).payload(&value))?;
        open.producer.commit_transaction(COMMIT)?;
        open.in_transaction = false;
        Ok(())
    }
}

impl Open {
    fn produce(
        &self,
        item: &Item,
        topic: &str,
        partition: Option<i32>,
        key: &str,
        value: Option<&Vec<u8>>,
    ) -> Result<(), FeedError> {
        let (epoch, n) = (item.at.epoch.to_string(), item.at.n.to_string());
        self.queue(|| {
            let headers = OwnedHeaders::new_with_capacity(3)
                .insert(Header { key: "epoch", value: Some(&epoch) })
                .insert(Header { key: "n", value: Some(&n) })
                .insert(Header { key: "op", value: Some(item.op.letter()) });
            let mut record = BaseRecord::to(topic).key(key).headers(headers);
            (record.partition, record.payload) = (partition, value);
            record
        })
    }

    /// Queues a message; waits while there is no room.
    fn queue<'a>(&self, record: impl Fn() -> BaseRecord<'a, str, Vec<u8>>) -> Result<(), FeedError> {
        let begun = Instant::now();
        loop {
            match self.producer.send(record()) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _))
                    if begun.elapsed() < ANSWER =>
                {
                    thread::sleep(ROOM);
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
}
