//! What lies between: slow, silent and torn connections, writers that sleep, messages as large as they may be, clocks
//! that jump, a topic that goes while it is read.

use super::{
    TOPIC, each_once,
    faults::compare,
    follow,
    hostile::{administer, produce, put},
    on,
};
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use springline_tests::{Broker, Garden, Network, Server, eventually};
use std::time::Duration;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(120);
/// 0 while the log can't be read.
const UP: &str = r#"springline_source_up{source="log"}"#;

fn shows(server: &Server, node: &str) {
    let route = format!("/v1/nodes/{node}");
    eventually(&format!("{node} is there"), LONG, || {
        std::thread::sleep(Duration::from_millis(50));
        (server.get(&route).status == 200).then_some(())
    });
}

fn says(server: &Server, what: &str) {
    eventually(&format!("it says that {what}"), LONG, || {
        std::thread::sleep(Duration::from_millis(100));
        server.get("/readyz").text().contains(what).then_some(())
    });
}

#[test]
fn a_bad_network_holds_things_up_and_nothing_more() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/a/first.md", "# first\n");
    let kafka = on(&broker, &dir.path().join("kafka"));
    let agora = garden.path().to_string_lossy().into_owned();
    let ingest = kafka.start(&["ingest", "--listen", "127.0.0.1:0", "--agora", &agora]);
    let run = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    shows(&run, "first");

    broker.network(Network::Slow(Duration::from_millis(200)));
    garden.write("garden/a/slow.md", "# slow\n");
    shows(&run, "slow");

    for (name, network) in [("silent", Network::Mute), ("torn", Network::Torn)] {
        broker.network(network);
        garden.write(&format!("garden/a/{name}.md"), format!("# {name}\n"));
        says(&run, "the log can't be read");
        assert_eq!(run.metric(UP), Some(0.0));
        assert_eq!(run.get("/v1/nodes/first").status, 200, "reads go on");
        assert_eq!(run.get("/readyz").status, 200);
        broker.network(Network::Well);
        shows(&run, name);
        eventually("it is up", LONG, || (run.metric(UP) == Some(1.0)).then_some(()));
    }

    for number in 0..10 {
        garden.write(&format!("garden/a/cut{number}.md"), format!("# cut{number}\n"));
        std::thread::sleep(Duration::from_millis(number * 7));
        broker.cut();
    }
    shows(&run, "cut9");
    assert_eq!(run.get("/v1/quarantine").json()["items"].as_array().map(Vec::len), Some(0));
    assert!(run.metric("springline_log_read_errors_total").is_some_and(|errors| errors > 0.0));
    ingest.stop();
    run.stop();
    compare(&kafka, &garden, &dir);
    each_once(&broker);
}

#[test]
fn a_writer_that_slept_while_another_took_its_place_ends_and_nothing_is_there_twice() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/a/one.md", "# one\n");
    let agora = garden.path().to_string_lossy().into_owned();
    let start = |name: &str| {
        let kafka = on(&broker, &dir.path().join(name)).with("journal.kafka.transaction_timeout_secs", &2);
        kafka.start(&["ingest", "--listen", "127.0.0.1:0", "--agora", &agora])
    };
    let first = start("first");
    first.ready();
    for number in 0..200 {
        garden.write(&format!("garden/a/note {number}.md"), format!("# note {number}\n"));
    }
    // It is at work when it falls asleep, maybe within a transaction.
    std::thread::sleep(Duration::from_millis(300));
    first.hold();
    let second = start("second");
    second.ready();
    garden.write("garden/a/two.md", "# two\n");
    std::thread::sleep(Duration::from_secs(3));
    first.let_go();
    garden.write("garden/a/three.md", "# three\n");
    assert!(!first.ended().success(), "it was fenced");
    second.stop();
    each_once(&broker);
    compare(&on(&broker, &dir.path().join("kafka")), &garden, &dir);
}

#[test]
fn a_message_of_ten_megabytes_is_taken_where_that_is_allowed() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let allowed =
        on(&broker, &dir.path().join("allowed")).with("journal.kafka.max_message_bytes", &(16 << 20));
    follow(&allowed);
    let mut large = put(1);
    let text = String::from_utf8(large.split_off(0)).unwrap();
    let text = text.replace("[[two]]", &format!("[[two]] {}", "many words ".repeat(950_000)));
    assert!(text.len() > 10_000_000);
    produce(&broker, 0, &[Some(text.as_bytes()), Some(&put(2))]);
    let refused = on(&broker, &dir.path().join("refused"));
    for (kafka, status) in [(&allowed, 200), (&refused, 404)] {
        let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
        server.ready();
        assert_eq!(server.get("/v1/records?uri=https://example.org/1").status, status);
        assert_eq!(server.get("/v1/records?uri=https://example.org/2").status, 200);
        let quarantined = server.get("/v1/quarantine").json()["items"].as_array().map(Vec::len);
        assert_eq!(quarantined, Some(usize::from(status == 404)));
        server.stop();
    }
}

#[test]
fn clocks_that_jump_change_nothing_else() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let kafka = on(&broker, &dir.path().join("kafka"));
    follow(&kafka);
    let times = ["0", "-62135596800000", "253402300799000", "9223372036854775807", "-9223372036854775808"];
    let values: Vec<Vec<u8>> = (1..)
        .zip(times)
        .map(|(number, time)| {
            String::from_utf8(put(number)).unwrap().replace("1767225600000", time).into_bytes()
        })
        .collect();
    produce(&broker, 2, &values.iter().map(|value| Some(value.as_slice())).collect::<Vec<_>>());
    produce(&broker, 2, &[Some(&put(99))]);
    let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    server.ready();
    for number in (1..=times.len()).chain([99]) {
        let uri = format!("/v1/records?uri=https://example.org/{number}");
        assert_eq!(server.get(&uri).status, 200, "{number}: {}", server.get(&uri).text());
    }
    server.stop();
    kafka.run(&["views", "verify"]);
    let again = on(&broker, &dir.path().join("again"));
    follow(&again);
    again.run(&["views", "verify"]);
}

#[test]
fn a_topic_that_goes_while_it_is_read_is_told_of_and_reads_go_on() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let kafka = on(&broker, &dir.path().join("kafka"));
    follow(&kafka);
    produce(&broker, 0, &[Some(&put(1)), Some(&put(2))]);
    let server = kafka.start(&["run", "--listen", "127.0.0.1:0"]);
    server.ready();
    administer(&broker, async |admin| {
        admin.delete_topics(&[TOPIC], &AdminOptions::new()).await.unwrap();
    });
    says(&server, "the log can't be read");
    assert_eq!(server.get("/v1/records?uri=https://example.org/2").status, 200);
    administer(&broker, async |admin| {
        let again = NewTopic::new(TOPIC, 3, TopicReplication::Fixed(1));
        admin.create_topics([&again], &AdminOptions::new()).await.unwrap();
    });
    says(&server, "made anew");
    assert_eq!(server.get("/readyz").status, 503);
    assert_eq!(server.get("/v1/records?uri=https://example.org/2").status, 200);
    server.terminate();
    assert!(!server.ended().success());
}
