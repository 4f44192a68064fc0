//! A log in Kafka, replayed: the same views with a journal of one's own.

use crate::kafka::{
    TOPIC, follow,
    hostile::{produce, put},
    ingest, on,
};
use springline_tests::{Broker, Garden, Springline, fingerprints};
use tempfile::TempDir;

#[test]
fn a_topic_replayed_gives_the_same_views_in_one_go_or_in_parts() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let garden = Garden::new(&dir.path().join("agora"));
    for number in 0..90u32 {
        let text = format!("# Note {number}\n\nlinks [[note {}]] and #tag{}\n", number * 7 % 60, number % 5);
        garden.write(&format!("garden/user{}/note {number}.md", number % 7), text);
    }
    let kafka = on(&broker, &dir.path().join("kafka"));
    ingest(&kafka, garden.path());
    garden.delete("garden/user1/note 1.md");
    garden.replace("garden/user2/note 2.md", "now about [[note 3]]\n");
    ingest(&kafka, garden.path());
    produce(&broker, 1, &[Some(&put(1)), None, Some(b"{")]);
    follow(&kafka);
    let expected = fingerprints(&kafka);
    let url = format!("kafka://{}/{TOPIC}", broker.address());
    let dry = |arguments: &[&str]| {
        let nowhere = Springline::new(&dir.path().join("nowhere"));
        let said = nowhere.run(&[&["replay", "--dry-run"], arguments].concat());
        said.lines().last().unwrap().split(' ').next().unwrap().parse::<u64>().unwrap()
    };

    let whole = Springline::new(&dir.path().join("whole")).with("runtime.workers", &2);
    whole.run(&["replay", "--from", &url]);
    assert_eq!(fingerprints(&whole), expected);
    // The sources go on where the log has them: nothing is new to them.
    whole.index(garden.path());
    assert_eq!(fingerprints(&whole), expected);

    let total = dry(&["--from", &url]);
    assert_eq!(total, 90 + 2 + 3, "{total}");
    assert_eq!(dry(&["--from", &url, "--until", "5"]) + dry(&["--from", &url, "--since", "5"]), total);
    assert_eq!(dry(&["--from", &url, "--since", "2020-01-01", "--until", "2999-01-01"]), total);
    let by_partition = |number: &str| dry(&["--from", &format!("{url}?partitions={number}")]);
    let each: u64 = ["0", "1", "2"]
        .into_iter()
        .filter(|number| {
            // One that nothing fell into has nothing to count.
            let nowhere = Springline::new(&dir.path().join("nowhere"));
            nowhere
                .output(&["replay", "--dry-run", "--from", &format!("{url}?partitions={number}")])
                .status
                .success()
        })
        .map(by_partition)
        .sum();
    assert_eq!(each, total);

    let parts = Springline::new(&dir.path().join("parts"));
    parts.run(&["replay", "--from", &url, "--until", "7"]);
    assert_ne!(fingerprints(&parts), expected);
    for _ in 0..2 {
        parts.run(&["replay", "--from", &url]);
        assert_eq!(fingerprints(&parts), expected, "what is there already is passed over");
    }

    let file = dir.path().join("events.jsonl").to_string_lossy().into_owned();
    parts.run(&["replay", "--from", &url, "--to-jsonl", &file]);
    let lines = Springline::new(&dir.path().join("lines"));
    lines.run(&["replay", &file]);
    assert_eq!(fingerprints(&lines), expected);

    let refused = |springline: &Springline, url: &str| {
        let output = springline.output(&["replay", "--from", url]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&parts, "kafka:/x").contains("that is no kafka://"));
    assert!(refused(&parts, &format!("{url}?partitions=9")).contains("there is no topic"));
    assert!(refused(&kafka, &url).contains("a journal of its own"));
}
