//! Topics as a plain source: what is there at last is what a naive reading of all messages gives.

use super::hostile::{administer, client, send};
use crate::dice::Dice;
use rdkafka::{
    admin::{AdminOptions, NewTopic, TopicReplication},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use springline_tests::{Broker, Server, Springline, encode, eventually};
use std::{collections::BTreeMap, fs, time::Duration};
use tempfile::TempDir;

/// Keys and their last values.
type Oracle = BTreeMap<String, Option<String>>;

/// Tells of reviews, with some deletions and what is no message; keeps the last word on each.
fn tell(broker: &Broker, dice: &mut Dice, oracle: &mut Oracle, count: u64) {
    let producer: BaseProducer = client(broker).create().unwrap();
    for _ in 0..count {
        let key = dice.roll(40).to_string();
        let said = (dice.roll(4) > 0).then(|| format!("word{}", dice.roll(1_000)));
        let value = said.as_ref().map(|said| {
            format!(r#"{{"by":{{"name":"ada"}},"say":"{said}","about":"Node {key}","at":"2026-01-01"}}"#)
        });
        let mut record = BaseRecord::<str, str>::to("reviews").key(&key);
        record.payload = value.as_deref();
        producer.send(record).map_err(|(error, _)| error).unwrap();
        oracle.insert(key, said);
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

fn configured(broker: &Broker, dir: &TempDir, data: &str, more: &str) -> Springline {
    let file = dir.path().join("springline.toml");
    let config = format!(
        "[sources.reviews]\ntype = \"kafka\"\ntopics = [\"reviews\"]\n{more}\n\
         [sources.reviews.client]\nbrokers = [\"{}\"]\n\
         [sources.reviews.mapping]\nuri = \"key\"\nuri_prefix = \"https://shop.example/\"\nkind = \"=review\"\n\
         author = \"/by/name\"\ntext = \"/say\"\nlinks = [\"/about\"]\ntime = \"/at\"\n",
        broker.address()
    );
    fs::write(&file, config).unwrap();
    Springline::new(&dir.path().join(data)).configured(&file)
}

/// Whether a server has the last word on a key.
fn has(server: &Server, key: &str, said: Option<&str>) -> bool {
    let answer = server.get(&format!("/v1/records?uri={}", encode(&format!("https://shop.example/{key}"))));
    said.map_or(answer.status == 404, |said| answer.json()["text"] == said)
}

fn make(broker: &Broker) {
    administer(broker, async |admin| {
        let topic = NewTopic::new("reviews", 3, TopicReplication::Fixed(1));
        admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
    });
}

fn follows(more: &str, end: impl Fn(Server, u64)) {
    let dir = TempDir::new().unwrap();
    let Some(mut broker) = Broker::start(&dir.path().join("broker")) else { return };
    make(&broker);
    let (mut dice, mut oracle) = (Dice::new(7), Oracle::new());
    tell(&broker, &mut dice, &mut oracle, 200);
    let springline = configured(&broker, &dir, "data", more);
    for round in 0..4 {
        let server = springline.serve_configured();
        tell(&broker, &mut dice, &mut oracle, 50);
        if round == 2 {
            broker.stop();
            broker.start_again();
            tell(&broker, &mut dice, &mut oracle, 20);
        }
        eventually("the last word on each is there", Duration::from_secs(90), || {
            oracle.iter().all(|(key, said)| has(&server, key, said.as_deref())).then_some(())
        });
        assert_eq!(server.get("/v1/quarantine").json()["items"].as_array().map(Vec::len), Some(0));
        end(server, round);
    }
}

#[test]
fn all_partitions() {
    follows("", |server, round| if round % 2 == 0 { server.kill() } else { server.stop() });
}

#[test]
fn the_partitions_that_the_group_gives() {
    // This broker keeps a member that was killed for ever, and waits for it to say who gets what.
    follows("group = \"reviews\"", |server, _| server.stop());
}

#[test]
fn members_of_a_group_share_the_partitions_and_take_over() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    make(&broker);
    let (mut dice, mut oracle) = (Dice::new(9), Oracle::new());
    let one = configured(&broker, &dir, "one", "group = \"reviews\"").serve_configured();
    one.ready();
    tell(&broker, &mut dice, &mut oracle, 50);
    let two = configured(&broker, &dir, "two", "group = \"reviews\"").serve_configured();
    two.ready();
    tell(&broker, &mut dice, &mut oracle, 200);
    eventually("each last word is with one of them", Duration::from_secs(90), || {
        let told = oracle.iter().filter_map(|(key, said)| Some((key, said.as_deref()?)));
        let mut told = told.map(|(key, said)| has(&one, key, Some(said)) || has(&two, key, Some(said)));
        told.all(|has| has).then_some(())
    });
    one.stop();
    let mut later = Oracle::new();
    tell(&broker, &mut dice, &mut later, 100);
    eventually("the other one has all that comes", Duration::from_secs(90), || {
        later.iter().all(|(key, said)| has(&two, key, said.as_deref())).then_some(())
    });
    two.stop();
}

/// A null value deletes what its key names, if the mapping says that the key is what names it; what names nothing is
/// quarantined. Neither holds anything up.
#[test]
fn messages_without_key_or_value_are_deletions_or_quarantined() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    make(&broker);
    let said = |id: &str| format!(r#"{{"id":"{id}","by":{{"name":"ada"}},"say":"word","at":"2026-01-01"}}"#);
    let [one, two, three] = ["1", "2", "3"].map(said);
    let key = |id: &'static str| Some(id.as_bytes());
    let messages = [
        (key("1"), Some(one.as_bytes())),
        (key("2"), Some(two.as_bytes())),
        (None, Some(two.as_bytes())),
        (None, None),
        (Some(&b"\xff"[..]), None),
        (key("1"), None),
        (key("nobody"), None),
        (key("3"), Some(three.as_bytes())),
    ];
    send(&broker, "reviews", 0, &messages);
    let by_key = configured(&broker, &dir, "by key", "");
    let config = fs::read_to_string(dir.path().join("springline.toml")).unwrap();
    let by_value = dir.path().join("by value.toml");
    fs::write(&by_value, config.replace("uri = \"key\"", "uri = \"/id\"")).unwrap();
    let by_value = Springline::new(&dir.path().join("by value")).configured(&by_value);
    let nothing = "nothing says what to delete";
    let by_key_refused = [(2, "`mapping.uri`"), (3, "neither key nor value"), (4, "not UTF-8")];
    let by_value_refused = [(3, "neither key nor value"), (4, "not UTF-8"), (5, nothing), (6, nothing)];
    for (springline, is_deleted, refused) in
        [(by_key, true, &by_key_refused[..]), (by_value, false, &by_value_refused[..])]
    {
        let server = springline.serve_configured();
        eventually("the last one is there", Duration::from_secs(90), || {
            has(&server, "3", Some("word")).then_some(())
        });
        assert!(has(&server, "2", Some("word")));
        assert!(has(&server, "1", (!is_deleted).then_some("word")));
        let listed = server.get("/v1/quarantine").json();
        let mut rows = listed["items"].as_array().unwrap().clone();
        rows.sort_by_key(|row| row["uri"].to_string());
        assert_eq!(rows.len(), refused.len(), "{listed}");
        for (row, (offset, reason)) in rows.iter().zip(refused) {
            assert_eq!(row["uri"], format!("kafka://reviews/0/{offset}"), "{listed}");
            assert_eq!(row["origin"], format!("reviews/0, offset {offset}"), "{listed}");
            assert!(row["reason"].as_str().unwrap().contains(reason), "{listed}");
        }
        let counted = server.metric(r#"springline_source_quarantined_total{source="reviews"}"#);
        assert_eq!(counted, Some(refused.len() as f64));
        assert_eq!(server.metric(r#"springline_source_up{source="reviews"}"#), Some(1.0));
        server.stop();
    }
}
