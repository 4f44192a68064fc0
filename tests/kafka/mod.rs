//! The journal in Kafka: the same views as with the embedded one, whatever is killed and whoever is away.

mod broker;
mod faults;
pub(crate) mod hostile;
mod network;
mod same;
mod source;
mod storm;
mod timeouts;

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use springline_tests::{Broker, Springline};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

/// The topic that [`on`] has, and its partitions.
pub(crate) const TOPIC: &str = "springline.events";
pub(crate) const PARTITIONS: i32 = 3;

/// The program with its journal in a broker's topic.
pub(crate) fn on(broker: &Broker, data: &Path) -> Springline {
    Springline::new(data)
        .with("journal.kind", "kafka")
        .with("kafka.brokers", &format!("[\"{}\"]", broker.address()))
        .with("journal.kafka.partitions", &PARTITIONS)
        .with("journal.kafka.transaction_timeout_secs", &10)
        .with("identity.offline", "true")
}

/// Reads an Agora tree into the log.
pub(crate) fn ingest(springline: &Springline, agora: &Path) {
    springline.run(&["ingest", "--once", "--agora", &agora.to_string_lossy()]);
}

/// Brings the views up to the log's end.
pub(crate) fn follow(springline: &Springline) {
    springline.run(&["run", "--once", "--no-server"]);
}

/// What is committed in the log: how often each message is there, without the time at which it was observed.
pub(crate) fn logged(broker: &Broker) -> BTreeMap<String, usize> {
    let mut config = hostile::client(broker);
    config.set("group.id", "test").set("isolation.level", "read_committed");
    // The tests' broker sends all that there is at once. A commit would end a poll with nothing.
    config.set("receive.message.max.bytes", "2000000000").set("enable.auto.commit", "false");
    config.set("enable.partition.eof", "true");
    let reader: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    reader.assign(&list).unwrap();
    let (mut found, mut ended) = (BTreeMap::new(), BTreeSet::new());
    while ended.len() < PARTITIONS as usize {
        match reader.poll(Duration::from_secs(30)).expect("a message or the end") {
            Ok(message) => {
                let mut value: serde_json::Value =
                    serde_json::from_slice(message.payload().unwrap()).unwrap();
                value["observed"].take();
                *found.entry(value.to_string()).or_default() += 1;
            }
            Err(KafkaError::PartitionEOF(partition)) => drop(ended.insert(partition)),
            Err(error) => panic!("{error}"),
        }
    }
    found
}

/// Nothing was written to the log twice.
fn each_once(broker: &Broker) {
    let twice: Vec<_> = logged(broker).into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(twice.is_empty(), "{} messages are there more than once: {:?}", twice.len(), twice.first());
}
