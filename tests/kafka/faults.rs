//! Processes killed anywhere, brokers that go away: nothing is lost, nothing is there twice.

use super::{TOPIC, each_once, follow, hostile::client, ingest, on};
use crate::dice::Dice;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use springline_tests::{Broker, Garden, Network, Springline, eventually, fingerprints};
use std::{fs, time::Duration};
use tempfile::TempDir;

fn change(garden: &Garden, dice: &mut Dice) {
    for _ in 0..30 {
        let note = format!("garden/user{}/note {}.md", dice.roll(3), dice.roll(60));
        if dice.roll(5) == 0 && garden.path().join(&note).exists() {
            garden.delete(&note);
        } else {
            let text = format!("# {note}\n\n[[note {}]] word{}\n", dice.roll(60), dice.roll(500));
            garden.write(&note, text);
        }
    }
}

/// After all that happened, the views are those of a process to which nothing did.
pub(super) fn compare(kafka: &Springline, garden: &Garden, dir: &TempDir) {
    // This broker ends no transaction for its age: the successors of both writers have to come.
    let run = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    ingest(kafka, garden.path());
    run.stop();
    follow(kafka);
    let fresh = Springline::new(&dir.path().join("fresh"));
    fresh.index(garden.path());
    assert_eq!(fingerprints(kafka), fingerprints(&fresh));
}

fn killed_again_and_again(cuts_broker: bool) {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = Garden::new(&dir.path().join("agora"));
    fs::create_dir_all(garden.path()).unwrap();
    // Small epochs and transactions, so that a kill finds some under way.
    let kafka = on(&broker, &dir.path().join("kafka"))
        .with("runtime.epoch_events", &4)
        .with("journal.kafka.transaction_events", &8)
        .with("journal.kafka.linger_ms", &1);
    let agora = garden.path().to_string_lossy().into_owned();
    let mut dice = Dice::new(0x5EED);
    for round in 0..8 {
        let ingest = kafka.start(&["ingest", "--listen", "127.0.0.1:0", "--agora", &agora]);
        let run = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
        change(&garden, &mut dice);
        std::thread::sleep(Duration::from_millis(300 + dice.roll(2_500)));
        if cuts_broker && round % 3 == 2 {
            // Not started anew: the tests' broker then says that a transaction counts which it has given up.
            broker.network(Network::Mute);
            broker.cut();
            std::thread::sleep(Duration::from_millis(dice.roll(1_000)));
            broker.network(Network::Well);
            broker.cut();
            change(&garden, &mut dice);
            std::thread::sleep(Duration::from_millis(dice.roll(2_000)));
        }
        if dice.roll(2) == 0 {
            ingest.kill();
            run.kill();
        } else {
            run.kill();
            ingest.kill();
        }
    }
    compare(&kafka, &garden, &dir);
    each_once(&broker);
}

#[test]
fn writers_and_readers_are_killed_again_and_again() {
    killed_again_and_again(false);
}

#[test]
fn they_are_killed_while_the_broker_comes_and_goes() {
    killed_again_and_again(true);
}

#[test]
fn while_no_broker_answers_reads_go_on_and_writes_are_refused() {
    let dir = TempDir::new().unwrap();
    let Some(mut broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/a/one.md", "# one\n\n[[two]]\n");
    let kafka = on(&broker, &dir.path().join("kafka"));
    let agora = garden.path().to_string_lossy().into_owned();
    let ingest = kafka.start(&["ingest", "--listen", "127.0.0.1:0", "--agora", &agora]);
    let run = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    ingest.ready();
    run.ready();
    eventually("the note is there", Duration::from_secs(60), || {
        (run.get("/v1/nodes/two").status == 200).then_some(())
    });

    broker.stop();
    eventually("it is told", Duration::from_secs(60), || {
        run.get("/readyz").text().contains("the log can't be read").then_some(())
    });
    // What is stored is served, so it stays ready; what the operator is told is that nothing comes in.
    assert_eq!(run.get("/readyz").status, 200);
    assert_eq!(run.metric(r#"springline_source_up{source="log"}"#), Some(0.0));
    assert_eq!(run.metric("springline_log_reader_up"), Some(0.0));
    assert!(run.metric("springline_log_read_errors_total").is_some_and(|errors| errors > 0.0));
    assert_eq!(run.get("/v1/nodes/two").status, 200);
    let body = r#"{"authority":"at://did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/"}"#;
    assert_eq!(run.post("/v1/moderation/hide", body).status, 503);
    garden.write("garden/a/three.md", "# three\n\n[[four]]\n");
    eventually("the writer tells, too, and tries again", Duration::from_secs(60), || {
        let tries = ingest.metric("springline_log_write_errors_total").unwrap_or(0.0);
        (tries >= 2.0 && ingest.get("/readyz").text().contains("the log can't be written")).then_some(())
    });
    assert_eq!(ingest.metric(r#"springline_source_up{source="log-writer"}"#), Some(0.0));

    broker.start_again();
    eventually("what was written meanwhile is there", Duration::from_secs(120), || {
        (run.get("/v1/nodes/four").status == 200).then_some(())
    });
    eventually("it is well", Duration::from_secs(60), || {
        let sources = run.get("/readyz").json()["sources"].clone();
        let log = sources.as_array()?.iter().find(|source| source["name"] == "log")?.clone();
        (log["state"] == "live").then_some(())
    });
    for (server, source) in [(&run, "log"), (&ingest, "log-writer")] {
        assert_eq!(server.metric(&format!(r#"springline_source_up{{source="{source}"}}"#)), Some(1.0));
    }
    assert_eq!(run.metric("springline_log_reader_up"), Some(1.0));
    assert!(run.post("/v1/moderation/hide", body).status < 300);
    ingest.stop();
    run.stop();
}

#[test]
fn of_two_writers_of_one_name_the_first_ends() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/a/one.md", "# one\n");
    let agora = garden.path().to_string_lossy().into_owned();
    let start = |name: &str| {
        let kafka = on(&broker, &dir.path().join(name));
        let server = kafka.start(&["ingest", "--listen", "127.0.0.1:0", "--agora", &agora]);
        server.ready();
        server
    };
    let first = start("first");
    let second = start("second");
    garden.write("garden/a/two.md", "# two\n");
    assert!(!first.ended().success(), "it was fenced");
    garden.write("garden/a/three.md", "# three\n");
    second.stop();
    let kafka = on(&broker, &dir.path().join("kafka"));
    compare(&kafka, &garden, &dir);
}

#[test]
fn a_start_waits_for_what_another_writer_has_open() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/a/one.md", "# one\n");
    let kafka = on(&broker, &dir.path().join("kafka"));
    let agora = garden.path().to_string_lossy().into_owned();
    let start = || kafka.start(&["ingest", "--listen", "127.0.0.1:0", "--agora", &agora]);
    let first = start();
    first.ready();
    let other: BaseProducer = client(&broker).set("transactional.id", "other").create().unwrap();
    let patience = Duration::from_secs(10);
    other.init_transactions(patience).unwrap();
    other.begin_transaction().unwrap();
    for (topic, partitions) in [(TOPIC, 0..super::PARTITIONS), ("springline.events.positions", 0..1)] {
        for partition in partitions {
            other
                .send(BaseRecord::<str, str>::to(topic).partition(partition).key("{}").payload("{}"))
                .unwrap();
        }
    }
    other.flush(patience).unwrap();
    // Written and committed, behind what is open; and nobody can have read it when the writer dies.
    garden.write("garden/a/two.md", "# two\n");
    eventually("it is written", Duration::from_secs(30), || {
        first.get("/metrics").text().contains("springline_log_written_total 2").then_some(())
    });
    first.kill();
    let _ = first.ended();
    let second = start();
    eventually("it says what it waits for", Duration::from_secs(30), || {
        second.get("/v1/sources").text().contains("a transaction of another writer is open").then_some(())
    });
    assert_eq!(second.get("/readyz").status, 503);
    other.abort_transaction(patience).unwrap();
    second.ready();
    second.stop();
    follow(&kafka);
    each_once(&broker);
    compare(&kafka, &garden, &dir);
}
