//! A transaction that takes longer than brokers have it: they end it, the writer finds out when it is back, and goes on.
//!
//! The tests' broker ends no transaction for its age. So the test does what a broker then does (it raises the writer's
//! epoch, and aborts what is open) by claiming the writer's transactional id in its place, without writing anything. That
//! the brokers of a real cluster do so by themselves when `transaction.timeout.ms` is over is not shown here; what the
//! writer meets when they have done it is the same.

use super::{PARTITIONS, TOPIC, each_once, faults::compare, logged, on};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    producer::{BaseProducer, Producer as _},
};
use springline_tests::{Broker, Garden, Network, Server, eventually};
use std::{collections::BTreeSet, time::Duration};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(120);
const TIMEOUT_SECS: u64 = 2;
const NOTES: usize = 120;

/// How a writer is kept from its transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// It sleeps.
    Asleep,
    /// It is cut off.
    CutOff,
}

/// Past the proxy: what happens to the writer's network is none of ours.
fn bare(broker: &Broker) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bare_address()).set("group.id", "test");
    config
}

/// Whether something is written and neither committed nor aborted.
fn has_open(broker: &Broker) -> bool {
    let ends = |level: &str| -> Vec<i64> {
        let reader: BaseConsumer = bare(broker).set("isolation.level", level).create().unwrap();
        (0..PARTITIONS).map(|number| reader.fetch_watermarks(TOPIC, number, PATIENCE).unwrap().1).collect()
    };
    ends("read_committed") != ends("read_uncommitted")
}

/// What the brokers do with a transaction that is too old.
fn time_out(broker: &Broker) {
    let id = "springline.ingest";
    let coordinator: BaseProducer = bare(broker).set("transactional.id", id).create().unwrap();
    coordinator.init_transactions(PATIENCE).unwrap();
    assert!(!has_open(broker), "what was open is over");
}

/// The records that are put in the log, each once.
fn put(broker: &Broker) -> BTreeSet<String> {
    let messages = logged(broker).into_keys();
    let uri = |message: String| {
        let value: serde_json::Value = serde_json::from_str(&message).unwrap();
        Some(value.pointer("/body/put/record/uri")?.as_str()?.to_owned())
    };
    messages.filter_map(uri).collect()
}

fn goes_on(kept: Kept) {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/a/first.md", "# first\n");
    let kafka = on(&broker, &dir.path().join("kafka"))
        .with("journal.kafka.transaction_timeout_secs", &TIMEOUT_SECS)
        .with("journal.kafka.transaction_events", &8)
        .with("journal.kafka.linger_ms", &1);
    let agora = garden.path().to_string_lossy().into_owned();
    let ingest = kafka.start(&["ingest", "--listen", "127.0.0.1:0", "--agora", &agora]);
    ingest.ready();
    // So that it is within a transaction most of the time.
    broker.network(Network::Slow(Duration::from_millis(40)));
    let mut notes = 0;
    within_a_transaction(&broker, &ingest, kept, || {
        for number in notes..notes + NOTES {
            garden.write(&format!("garden/a/note {number}.md"), format!("# note {number}\n"));
        }
        notes += NOTES;
    });
    std::thread::sleep(Duration::from_millis(TIMEOUT_SECS * 1000 + 500));
    assert!(has_open(&broker), "this broker ends no transaction for its age: let it do what the test does");
    if let Kept::CutOff = kept {
        eventually("that is told", LONG, || {
            let state = ingest.get("/readyz").text();
            let is_down = ingest.metric(UP) == Some(0.0);
            (is_down && state.contains("the log can't be written")).then_some(())
        });
    }
    time_out(&broker);
    broker.network(Network::Well);
    match kept {
        Kept::Asleep => ingest.let_go(),
        Kept::CutOff => broker.cut(),
    }
    garden.write("garden/a/last.md", "# last\n");
    let names = (0..notes).map(|number| format!("note {number}")).chain(["first".into(), "last".into()]);
    let expected: BTreeSet<_> = names.map(|name| format!("garden://a/{name}.md")).collect();
    eventually("all is in the log", LONG, || {
        std::thread::sleep(Duration::from_millis(500));
        (put(&broker) == expected).then_some(())
    });
    each_once(&broker);
    // The operator can tell that it was tried again, and that it is well.
    assert!(ingest.metric("springline_log_write_errors_total").is_some_and(|errors| errors > 0.0));
    eventually("it is well", LONG, || (ingest.metric(UP) == Some(1.0)).then_some(()));
    assert_eq!(ingest.get("/readyz").status, 200);
    ingest.stop();
    compare(&kafka, &garden, &dir);
    each_once(&broker);
}

/// 0 while the log can't be written.
const UP: &str = r#"springline_source_up{source="log-writer"}"#;

/// Keeps the writer from going on where something of it is open. It gets more to write, and more time, until it is.
fn within_a_transaction(broker: &Broker, ingest: &Server, kept: Kept, mut more: impl FnMut()) {
    let mut time = Duration::from_millis(50);
    eventually("it is within a transaction", LONG, || {
        more();
        std::thread::sleep(time);
        time = (time + Duration::from_millis(50)).min(Duration::from_secs(1));
        match kept {
            Kept::Asleep => ingest.hold(),
            Kept::CutOff => {
                broker.network(Network::Mute);
                broker.cut();
            }
        }
        if has_open(broker) {
            return Some(());
        }
        match kept {
            Kept::Asleep => ingest.let_go(),
            Kept::CutOff => broker.network(Network::Slow(Duration::from_millis(40))),
        }
        None
    });
}

#[test]
fn a_writer_that_slept_too_long_in_a_transaction_writes_it_again() {
    goes_on(Kept::Asleep);
}

#[test]
fn a_writer_that_was_cut_off_too_long_in_a_transaction_writes_it_again() {
    goes_on(Kept::CutOff);
}
