//! What nobody should do to a log: strange messages, deleted ones, another topic in its place.

use super::{TOPIC, follow, ingest, on};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::{BaseProducer, BaseRecord, Producer as _},
    topic_partition_list::{Offset, TopicPartitionList},
};
use springline_tests::{Broker, Garden, Server, eventually, fingerprints};
use std::{fs, time::Duration};
use tempfile::TempDir;

pub(crate) fn client(broker: &Broker) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address());
    config
}

/// A key and a value, or the lack of them.
pub(crate) type Bare<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Writes messages as they are into a partition.
pub(crate) fn send(broker: &Broker, topic: &str, partition: i32, messages: &[Bare<'_>]) {
    let producer: BaseProducer = client(broker).set("message.max.bytes", "20000000").create().unwrap();
    for (key, value) in messages {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition);
        (record.key, record.payload) = (*key, *value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Writes values into a partition of the log.
pub(crate) fn produce(broker: &Broker, partition: i32, values: &[Option<&[u8]>]) {
    let messages: Vec<Bare<'_>> = values.iter().map(|value| (Some(&b"k"[..]), *value)).collect();
    send(broker, TOPIC, partition, &messages);
}

/// Asks the brokers for something.
pub(crate) fn administer<F: Future>(
    broker: &Broker,
    work: impl FnOnce(AdminClient<DefaultClientContext>) -> F,
) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work(client(broker).create().unwrap()))
}

pub(crate) fn put(number: u32) -> Vec<u8> {
    format!(
        r#"{{"v":1,"source":"test","observed":1767225600000,"body":{{"put":{{"rev":{number},"record":{{
        "uri":"https://example.org/{number}","kind":"note","author":"user:ada","node":null,"title":"n{number}",
        "text":"[[two]]","langs":[],"tags":[],"at":1767225600000,"links":[],"attrs":{{}},"new":"field"}}}}}}}}"#
    )
    .into_bytes()
}

fn count(server: &Server, route: &str) -> usize {
    let answer = server.get(route).json();
    answer["items"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
}

#[test]
fn strange_messages_are_quarantined_and_the_rest_counts() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let kafka = on(&broker, &dir.path().join("kafka")).with("journal.kafka.max_message_bytes", &100_000);
    follow(&kafka);
    let newer = br#"{"v":2,"source":"s","observed":1,"body":{"something":{}}}"#;
    let large = vec![b'['; 120_000];
    produce(&broker, 1, &[Some(&put(1)), None, Some(b"\xff{"), Some(newer), Some(&large), Some(&put(2))]);
    let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    server.ready();
    let listed = server.get("/v1/quarantine").json();
    let rows = listed["items"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 4, "{listed}");
    assert!(rows.iter().any(|row| row["reason"].as_str().unwrap().contains("version 2")), "{listed}");
    assert!(rows.iter().any(|row| row["bytes"] == 120_000), "{listed}");
    assert_eq!(server.metric("springline_log_quarantined_total"), Some(4.0));
    for number in 1..=2 {
        let uri = format!("/v1/records?uri=https://example.org/{number}");
        assert_eq!(server.get(&uri).status, 200, "{}", server.get(&uri).text());
    }
    // Given up, one stays away, also when all is read anew.
    let body = serde_json::json!({ "uri": rows[0]["uri"] }).to_string();
    assert_eq!(server.post("/v1/quarantine/discard?wait=visible", &body).status, 200);
    assert_eq!(count(&server, "/v1/quarantine"), 3);
    server.stop();
    fs::remove_dir_all(dir.path().join("kafka/store")).unwrap();
    let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    server.ready();
    assert_eq!(count(&server, "/v1/quarantine"), 3);
    server.stop();
}

/// The value is the event and says whom it is about: without a key it counts as well. Without a value there is no event.
#[test]
fn messages_without_a_key_count_and_those_without_a_value_are_quarantined() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let kafka = on(&broker, &dir.path().join("kafka"));
    follow(&kafka);
    let [one, two, three] = [1, 2, 3].map(put);
    let key = Some(&b"garden://ada/"[..]);
    let messages = [
        (None, Some(&one[..])),
        (key, None),
        (None, None),
        (Some(&b"\xff"[..]), Some(&two[..])),
        (key, Some(&three[..])),
    ];
    send(&broker, TOPIC, 1, &messages);
    let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    server.ready();
    let listed = server.get("/v1/quarantine").json();
    let rows = listed["items"].as_array().unwrap();
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().unwrap().to_owned();
    let mut told: Vec<_> =
        rows.iter().map(|row| [text(row, "uri"), text(row, "reason"), text(row, "origin")]).collect();
    told.sort();
    let expected = [(1, "garden://ada/"), (2, "")].map(|(offset, key)| {
        let uri = format!("log://{TOPIC}/1/{offset}");
        [uri, "it has no value".to_owned(), format!("{TOPIC}/1, offset {offset}, key `{key}`")]
    });
    assert_eq!(told, expected);
    assert_eq!(server.metric("springline_log_quarantined_total"), Some(2.0));
    // It goes on.
    produce(&broker, 1, &[Some(&put(4))]);
    let is_there =
        |number: u32| server.get(&format!("/v1/records?uri=https://example.org/{number}")).status == 200;
    eventually("what came later", Duration::from_secs(60), || is_there(4).then_some(()));
    assert!((1..4).all(is_there));
    assert_eq!(server.metric(r#"springline_source_up{source="log"}"#), Some(1.0));
    server.stop();
    let again = on(&broker, &dir.path().join("again"));
    follow(&again);
    assert_eq!(fingerprints(&again), fingerprints(&kafka));
}

#[test]
fn what_is_too_large_for_the_log_is_quarantined_until_it_is_smaller() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/a/large.md", "word ".repeat(40_000));
    garden.write("garden/a/small.md", "# small");
    let kafka = on(&broker, &dir.path().join("kafka")).with("journal.kafka.max_message_bytes", &100_000);
    ingest(&kafka, garden.path());
    let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    server.ready();
    let listed = server.get("/v1/quarantine").json();
    assert_eq!(listed["items"][0]["uri"], "garden://a/large.md", "{listed}");
    assert_eq!(server.get("/v1/records?uri=garden://a/small.md").status, 200);
    garden.write("garden/a/large.md", "# not large");
    ingest(&kafka, garden.path());
    eventually("it is there", Duration::from_secs(60), || {
        (server.get("/v1/records?uri=garden://a/large.md").status == 200).then_some(())
    });
    assert_eq!(count(&server, "/v1/quarantine"), 0);
    server.stop();
}

#[test]
fn what_was_deleted_before_it_was_read_is_a_gap() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let kafka = on(&broker, &dir.path().join("kafka"));
    follow(&kafka);
    let values: Vec<Vec<u8>> = (1..=10).map(put).collect();
    produce(&broker, 0, &values.iter().map(|value| Some(value.as_slice())).collect::<Vec<_>>());
    let mut upto = TopicPartitionList::new();
    upto.add_partition_offset(TOPIC, 0, Offset::Offset(5)).unwrap();
    let deleted = administer(&broker, async |admin| admin.delete_records(&upto, &AdminOptions::new()).await);
    if deleted.is_err() {
        eprintln!("skipped: the broker deletes no records");
        return;
    }
    let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    server.ready();
    let gaps = server.get("/v1/gaps").json();
    assert!(gaps.to_string().contains("retention"), "{gaps}");
    assert_eq!(server.get("/v1/records?uri=https://example.org/6").status, 200);
    assert_eq!(server.get("/v1/records?uri=https://example.org/5").status, 404);
    server.stop();
}

#[test]
fn a_topic_that_is_made_anew_is_refused_and_reads_go_on() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let kafka = on(&broker, &dir.path().join("kafka"));
    follow(&kafka);
    produce(&broker, 0, &[Some(&put(1)), Some(&put(2))]);
    follow(&kafka);
    administer(&broker, async |admin| {
        let options = AdminOptions::new();
        admin.delete_topics(&[TOPIC], &options).await.unwrap();
        let again = NewTopic::new(TOPIC, 3, TopicReplication::Fixed(1));
        admin.create_topics([&again], &options).await.unwrap();
    });
    // As long as the one before: only what stands in it tells.
    produce(&broker, 0, &[Some(&put(3)), Some(&put(4)), Some(&put(5))]);
    let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    eventually("it is refused", Duration::from_secs(60), || {
        server.get("/readyz").text().contains("made anew").then_some(())
    });
    assert_eq!(server.get("/readyz").status, 503);
    assert_eq!(server.get("/v1/records?uri=https://example.org/2").status, 200);
    assert_eq!(server.get("/v1/records?uri=https://example.org/3").status, 404);
    server.terminate();
    assert!(!server.ended().success());
}

#[test]
fn more_partitions_are_read_and_told_of() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let kafka = on(&broker, &dir.path().join("kafka"));
    follow(&kafka);
    let widened = administer(&broker, async |admin| {
        admin.create_partitions([&NewPartitions::new(TOPIC, 5)], &AdminOptions::new()).await
    });
    if !widened.is_ok_and(|results| results.iter().all(Result::is_ok)) {
        eprintln!("skipped: the broker adds no partitions");
        return;
    }
    produce(&broker, 4, &[Some(&put(1))]);
    let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    server.ready();
    assert_eq!(server.get("/v1/records?uri=https://example.org/1").status, 200);
    assert!(server.get("/v1/gaps").text().contains("other partitions"), "{}", server.get("/v1/gaps").text());
    server.stop();
}
