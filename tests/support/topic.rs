//! Reading a change feed.

#![allow(clippy::unwrap_used)] // a test that can't go on fails

use crate::Broker;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::Headers as _,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Rows by table and key.
pub type Rows = BTreeMap<(String, String), Value>;

/// What a reader of committed messages makes of a topic, and how often it met each position. Every message is checked
/// against those before it.
///
/// # Panics
/// A message does not fit.
#[must_use]
pub fn folded(broker: &Broker, topic: &str, partitions: i32) -> (Rows, BTreeMap<(u64, u64), usize>) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address()).set("group.id", "test");
    config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
    // The tests' broker sends all that there is at once. A commit would end a poll with nothing.
    config.set("receive.message.max.bytes", "2000000000").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut assigned = TopicPartitionList::new();
    for partition in 0..partitions {
        assigned.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assigned).unwrap();
    let mut rows: BTreeMap<i32, Rows> = BTreeMap::new();
    let (mut met, mut ended) = (BTreeMap::new(), BTreeSet::new());
    while ended.len() < partitions as usize {
        let Some(polled) = consumer.poll(Duration::from_secs(60)) else {
            panic!("{topic}: no end but of {ended:?}, behind {:?}", consumer.position());
        };
        let message = match polled {
            Ok(message) => message,
            Err(KafkaError::PartitionEOF(partition)) => {
                ended.insert(partition);
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let rows = rows.entry(message.partition()).or_default();
        let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
        let (table, row) = key.split_once('/').unwrap();
        let header = |name: &str| {
            let headers = message.headers().unwrap();
            let header = headers.iter().find(|header| header.key == name).unwrap();
            String::from_utf8(header.value.unwrap().to_vec()).unwrap()
        };
        let key = (table.to_owned(), row.to_owned());
        let Some(value) = message.payload() else {
            assert!(header("op") == "d" && !rows.contains_key(&key), "a delete's last word");
            continue;
        };
        let value: Value = serde_json::from_slice(value).unwrap();
        assert_eq!(
            (header("op").as_str(), value["table"].as_str()),
            (value["op"].as_str().unwrap(), Some(table))
        );
        assert_eq!((header("epoch"), header("n")), (value["epoch"].to_string(), value["n"].to_string()));
        match value["op"].as_str().unwrap() {
            "t" => rows.retain(|(other, _), _| other != table),
            "r" => assert!(rows.insert(key, value["after"].clone()).is_none()),
            _ => {
                let was = match value["after"].clone() {
                    Value::Null => rows.remove(&key),
                    after => rows.insert(key, after),
                };
                assert_eq!(was.unwrap_or(Value::Null), value["before"], "{value}");
                let position = (value["epoch"].as_u64().unwrap(), value["n"].as_u64().unwrap());
                *met.entry(position).or_default() += 1;
            }
        }
    }
    (rows.into_values().flatten().collect(), met)
}
