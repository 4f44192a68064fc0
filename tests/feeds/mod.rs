//! Change feeds over a broker: what a reader of committed messages folds is what the view shows, and it meets each
//! change once, whoever dies meanwhile.

use crate::dice::Dice;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, Producer as _},
};
use serde_json::{Value, json};
use springline_tests::{Broker, Network, Rows, Server, Springline, eventually};
use std::{collections::BTreeMap, path::Path, time::Duration};

const PARTITIONS: i32 = 3;
/// How often the feed had to begin anew from its last commit, and whether it is told anything.
const FAILURES: &str = r#"springline_sink_failures_total{sink="events"}"#;
const UP: &str = r#"springline_sink_up{sink="events"}"#;

fn configured(dir: &Path, broker: &Broker) -> Springline {
    let config = dir.join("springline.toml");
    let text = format!(
        "
        [feedback.projects.shop]

        [kafka]
        brokers = [\"{}\"]

        [sinks.events]
        kind = \"kafka\"
        view = \"feedback\"
        topic = \"events\"
        partitions = {PARTITIONS}
        replication = 1
        ",
        broker.address()
    );
    std::fs::write(&config, text).unwrap();
    Springline::new(&dir.join("data")).configured(&config).with("identity.offline", "true")
}

fn start(springline: &Springline) -> Server {
    let server = springline.serve_configured();
    server.ready();
    server
}

/// Tells some items, at most so many, or takes one back.
pub(crate) fn tell(server: &Server, dice: &mut Dice, number: &mut u64, most: u64) {
    if dice.roll(4) == 0 && *number > 0 {
        let id = dice.roll(*number);
        let status = server.delete(&format!("/v1/feedback/shop/manual/n{id}")).status;
        assert!(matches!(status, 200 | 202 | 404), "{status}");
        return;
    }
    let items: Vec<Value> = (0..=dice.roll(most))
        .map(|_| {
            *number += u64::from(dice.roll(3) > 0);
            json!({ "external_id": format!("n{number}"), "title": format!("title {}", dice.roll(1000)) })
        })
        .collect();
    let answer = server.post("/v1/ingest/manual?project=shop", &json!(items).to_string());
    assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
}

/// What the view shows: all changes that the server has, folded.
pub(crate) fn shown(server: &Server, view: &str) -> (Rows, String) {
    let (mut rows, mut after) = (Rows::new(), String::new());
    loop {
        let answer = server.get(&format!("/v1/changes/{view}?limit=1000{after}"));
        assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
        let page = answer.json();
        for change in page["changes"].as_array().unwrap() {
            let text = |field: &str| change[field].as_str().unwrap().to_owned();
            match change["after"].clone() {
                Value::Null => drop(rows.remove(&(text("table"), text("key")))),
                after => drop(rows.insert((text("table"), text("key")), after)),
            }
        }
        let next = page["next"].as_str().unwrap();
        after = format!("&after={next}");
        if page["more"] == false {
            return (rows, next.split_once('-').unwrap().0.to_owned());
        }
    }
}

fn folded(broker: &Broker) -> (Rows, BTreeMap<(u64, u64), usize>) {
    springline_tests::folded(broker, "events", PARTITIONS)
}

fn sink(server: &Server) -> Value {
    server.get("/v1/sinks").json()["sinks"][0].clone()
}

pub(crate) fn until_told(server: &Server, view: &str) -> Rows {
    let (rows, newest) = shown(server, view);
    eventually("the feed", Duration::from_secs(180), || {
        let sink = sink(server);
        std::thread::sleep(Duration::from_millis(100));
        (sink["state"] == "following" && sink["at"] == newest.as_str()).then_some(())
    });
    rows
}

/// Somebody else claims the feed's name: the feed takes it back.
fn fence(broker: &Broker) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address()).set("transactional.id", "springline-events");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(Duration::from_secs(30)).unwrap();
}

#[test]
fn each_change_is_told_once_whoever_dies() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let springline = configured(dir.path(), &broker);
    let (mut dice, mut number) = (Dice::new(7), 0);
    let mut server = start(&springline);
    for round in 0..10 {
        for _ in 0..dice.roll(40) {
            tell(&server, &mut dice, &mut number, 5);
        }
        match [0, 1, 2, 3, 0, 1, 0, 4, 1, 0][round] {
            0 => {
                server.kill();
                let _ = server.ended();
                server = start(&springline);
            }
            1 => {
                // Not started anew: the tests' broker then says that a transaction counts which it has given up.
                broker.network(Network::Mute);
                broker.cut();
                tell(&server, &mut dice, &mut number, 5);
                assert_eq!(server.get("/readyz").status, 200, "reads go on");
                broker.network(Network::Well);
                broker.cut();
            }
            2 => {
                let failures = || server.metric(FAILURES).unwrap_or(0.0);
                let before = failures();
                fence(&broker);
                eventually("it is told that it was tried again", Duration::from_secs(60), || {
                    tell(&server, &mut dice, &mut number, 5);
                    std::thread::sleep(Duration::from_millis(100));
                    (failures() > before).then_some(())
                });
            }
            3 => {
                server.stop();
                server = start(&springline);
            }
            _ => {}
        }
    }
    let rows = until_told(&server, "feedback");
    eventually("it is told that all is well", Duration::from_secs(60), || {
        std::thread::sleep(Duration::from_millis(100));
        (server.metric(UP) == Some(1.0)).then_some(())
    });
    assert!(rows.len() > 20, "{}", rows.len());
    let (told, met) = folded(&broker);
    assert_eq!(told, rows);
    assert!(met.len() > 20 && met.values().all(|times| *times == 1), "{met:?}");

    assert_eq!(server.post("/v1/sinks/events/pause", "{}").status, 200);
    tell(&server, &mut dice, &mut number, 5);
    number += 1;
    let item = json!([{ "external_id": format!("n{number}"), "title": "while it rests" }]);
    server.post("/v1/ingest/manual?project=shop&wait=visible", &item.to_string());
    assert_eq!(sink(&server)["state"], "paused");
    assert_eq!(folded(&broker).0, told);
    assert_eq!(server.post("/v1/sinks/events/resume", "{}").status, 200);
    let rows = until_told(&server, "feedback");
    let (told, met) = folded(&broker);
    assert!(told == rows && met.values().all(|times| *times == 1), "{met:?}");

    assert_eq!(server.post("/v1/sinks/events/reset", "{}").status, 200);
    eventually("it begins again", Duration::from_secs(60), || {
        let told = folded(&broker).1;
        (told.len() == met.len() && sink(&server)["state"] == "following").then_some(())
    });
    let rows = until_told(&server, "feedback");
    assert_eq!(folded(&broker).0, rows);
    server.stop();
}
