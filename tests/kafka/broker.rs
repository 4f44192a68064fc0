//! What the other tests take for granted of the broker, with nothing of ours between: what becomes of a transaction
//! whose writer is gone, and that readers get what is committed behind it.

use super::hostile::{administer, client};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminOptions, NewTopic, TopicReplication},
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::Message as _,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use springline_tests::Broker;
use std::time::Duration;
use tempfile::TempDir;

const TOPIC: &str = "told";
const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(10);

fn at(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("group.id", "test");
    config
}

fn writer(broker: &Broker) -> BaseProducer {
    let writer: BaseProducer = client(broker).set("transactional.id", "one").create().unwrap();
    writer.init_transactions(PATIENCE).unwrap();
    writer
}

fn make(broker: &Broker) {
    administer(broker, async |admin| {
        let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
        admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
    });
}

/// Begins a transaction, and has a message in each partition.
fn begin(writer: &BaseProducer, text: &str) {
    writer.begin_transaction().unwrap();
    for partition in 0..PARTITIONS {
        writer.send(BaseRecord::<str, str>::to(TOPIC).partition(partition).payload(text)).unwrap();
    }
    writer.flush(PATIENCE).unwrap();
}

/// Where each partition ends, for who reads at this level.
fn ends(broker: &Broker, level: &str) -> Vec<i64> {
    let reader: BaseConsumer = at(&broker.address()).set("isolation.level", level).create().unwrap();
    (0..PARTITIONS).map(|partition| reader.fetch_watermarks(TOPIC, partition, PATIENCE).unwrap().1).collect()
}

/// What is committed in a partition, from an offset to the end.
fn committed(address: &str, from: i64) -> Vec<String> {
    let mut config = at(address);
    config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
    let reader: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 1, Offset::Offset(from)).unwrap();
    reader.assign(&list).unwrap();
    let mut read = Vec::new();
    loop {
        match reader.poll(PATIENCE).expect("a message or the end") {
            Ok(message) => read.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap()),
            Err(KafkaError::PartitionEOF(_)) => return read,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_successor_ends_what_was_begun_and_readers_get_what_comes_behind_it() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    make(&broker);
    let lost = writer(&broker);
    begin(&lost, "lost");
    assert_eq!(ends(&broker, "read_committed"), [0, 0, 0], "it is open");
    let next = writer(&broker);
    let behind = ends(&broker, "read_uncommitted");
    assert_eq!(behind, [2, 2, 2], "a message and the mark of the abort");
    assert_eq!(ends(&broker, "read_committed"), behind, "it is over in every partition");
    begin(&next, "kept");
    next.commit_transaction(PATIENCE).unwrap();
    for from in 0..=behind[1] {
        assert_eq!(committed(&broker.address(), from), ["kept"], "from {from}");
    }
    assert_eq!(committed(&broker.bare_address(), 0), ["kept"]);
    let blind: Vec<String> = committed(&broker.bare_address(), behind[1]);
    assert!(blind.is_empty(), "the broker names only what it should: the proxy need not mend it any more");
}
