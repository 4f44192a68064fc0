//! The same events give the same views, from a topic as from the journal in the data folder.

use super::{follow, ingest, on};
use springline_tests::{Broker, Garden, Springline, eventually, fingerprints};
use std::{fs, time::Duration};
use tempfile::TempDir;

fn garden(dir: &TempDir) -> Garden {
    let garden = Garden::new(&dir.path().join("agora"));
    for number in 0..300 {
        let text = format!("# note {number}\n\n[[note {}]] #t{} words\n", number * 7 % 300, number % 9);
        garden.write(&format!("garden/user{}/note {number}.md", number % 5), text);
    }
    garden
}

#[test]
fn as_with_the_embedded_journal() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = garden(&dir);
    let embedded = Springline::new(&dir.path().join("embedded"));
    embedded.index(garden.path());
    let kafka = on(&broker, &dir.path().join("kafka"));
    ingest(&kafka, garden.path());
    follow(&kafka);
    assert_eq!(fingerprints(&kafka), fingerprints(&embedded));

    // What changes is read on from where it was, by both.
    garden.delete("garden/user1/note 1.md");
    garden.write("garden/user2/new.md", "# new\n\n[[note 3]]\n");
    embedded.index(garden.path());
    ingest(&kafka, garden.path());
    follow(&kafka);
    assert_eq!(fingerprints(&kafka), fingerprints(&embedded));

    // Without a store all of it comes out of the log again; and in one process as in two.
    fs::remove_dir_all(dir.path().join("kafka/store")).unwrap();
    follow(&kafka.clone().with("runtime.epoch_events", &7));
    assert_eq!(fingerprints(&kafka), fingerprints(&embedded));
    let alone = on(&broker, &dir.path().join("alone")).with("journal.kafka.topic", "alone");
    alone.run(&["run", "--once", "--no-server", "--sources", "--agora", &garden.path().to_string_lossy()]);
    assert_eq!(fingerprints(&alone), fingerprints(&embedded));
}

#[test]
fn what_clients_send_goes_through_the_log_and_is_shown_when_they_are_answered() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let one = on(&broker, &dir.path().join("one"));
    let two = on(&broker, &dir.path().join("two")).with("journal.kafka.transactional_id", "two");
    let (one, two) =
        (one.start(&["run", "--listen", "127.0.0.1:0"]), two.start(&["run", "--listen", "127.0.0.1:0"]));
    one.ready();
    two.ready();
    for number in 0..5 {
        let did = format!("did:plc:{number:024}");
        let body = format!(r#"{{"authority":"at://{did}/"}}"#);
        let answer = one.post("/v1/moderation/hide?wait=visible", &body);
        assert!(answer.status < 300, "{} {}", answer.status, answer.text());
    }
    eventually("the other one has it too", Duration::from_secs(60), || {
        let (a, b) = (one.get("/v1/views").json(), two.get("/v1/views").json());
        let sum = |answer: &serde_json::Value| answer.pointer("/views/0/sum").cloned();
        (sum(&a).is_some() && sum(&a) == sum(&b)).then_some(())
    });
    let sources = one.get("/v1/sources").json();
    let names: Vec<&str> =
        sources["sources"].as_array().unwrap().iter().filter_map(|source| source["name"].as_str()).collect();
    assert!(names.contains(&"log") && names.contains(&"log-writer"), "{sources}");
    one.stop();
    two.stop();
}
