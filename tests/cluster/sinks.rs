//! Sinks of a cluster: each process tells of its share, in topics and a folder of its own; what they tell of together is
//! what one process alone tells of, whoever is killed.

use super::{Cluster, Sums, alone, events::Teller, reach};
use crate::{
    feeds::until_told,
    kafka::{ingest, on},
    parquet,
};
use springline_tests::{Broker, Rows, Server, folded, python};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const PARTITIONS: i32 = 2;
const VIEW: &str = "catalog";

/// The same two sinks for everybody, but for the folder that the one tells.
fn config(dir: &Path, lake: &str) -> PathBuf {
    let config = dir.join(format!("{lake}.toml"));
    let text = format!(
        r#"
        [sinks.changes]
        kind = "kafka"
        view = "{VIEW}"
        topic = "changes"
        partitions = {PARTITIONS}
        replication = 1

        [sinks.lake]
        kind = "parquet"
        view = "{VIEW}"
        to = "{}"
        form = "snapshot"
        roll_secs = 1
        "#,
        dir.join(lake).display()
    );
    fs::write(&config, text).unwrap();
    config
}

/// What a reader makes of a topic when its sink has told all; no change came twice.
fn told(broker: &Broker, server: &Server, topic: &str) -> Rows {
    let shown = until_told(server, VIEW);
    let (rows, met) = folded(broker, topic, PARTITIONS);
    assert!(met.values().all(|times| *times == 1), "{topic}: a change came twice");
    assert!(rows == shown, "{topic} tells of {} rows, the process has {}", rows.len(), shown.len());
    rows
}

/// What all processes tell of is the view's rows, each by one of them.
fn together(broker: &Broker, servers: &[Server], expected: &Sums) -> Rows {
    let shares: Vec<Rows> = (0..)
        .zip(servers)
        .map(|(process, server)| told(broker, server, &format!("changes.{process}")))
        .collect();
    assert!(shares.iter().all(|share| !share.is_empty()), "each has a share");
    let count: usize = shares.iter().map(Rows::len).sum();
    let all: Rows = shares.into_iter().flatten().collect();
    assert_eq!(all.len(), count, "no row is told of by two");
    assert_eq!(all.len() as u64, expected[VIEW].0);
    all
}

#[test]
fn each_process_tells_of_its_share_and_all_of_them_of_the_view() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    ingest(&on(&broker, &dir.path().join("ingest")), dir.path());
    let mut teller = Teller::new(0x51C);
    teller.tell(&broker, 600);
    let cluster = Cluster::new(&broker, dir.path(), "two", 2)
        .each(|process| process.configured(&config(dir.path(), "lake")));
    let mut servers = cluster.start_all();
    let expected = alone(&broker, &dir.path().join("early"));
    reach(&servers, &expected);
    let early = together(&broker, &servers, &expected);

    // One is killed while there is something to tell of: the other's feed goes on, its own where it was.
    teller.tell(&broker, 300);
    drop(servers.remove(1));
    teller.tell(&broker, 300);
    servers.push(cluster.start(1));
    let expected = alone(&broker, &dir.path().join("late"));
    reach(&servers, &expected);
    let late = together(&broker, &servers, &expected);
    assert!(early != late, "something has changed");

    let single = on(&broker, &dir.path().join("single"))
        .with("journal.kafka.transactional_id", "single")
        .configured(&config(dir.path(), "single"));
    let server = single.start(&["run", "--listen", "127.0.0.1:0"]);
    server.ready();
    assert!(told(&broker, &server, "changes") == late, "one process alone tells of other rows");
    for server in servers.iter().chain([&server]) {
        parquet::until_told(server);
    }
    let dataset = |lake: &str| dir.path().join(lake).join(format!("view={VIEW}"));
    let shares = ["lake/process=0", "lake/process=1"].map(dataset);
    let rows = |dataset: &PathBuf| {
        let read = parquet::read(dataset)?;
        let tables = read["tables"].as_object().unwrap().values();
        Some(tables.map(|rows| rows.as_u64().unwrap()).sum::<u64>())
    };
    if let Some(counts) = shares.iter().map(rows).collect::<Option<Vec<u64>>>() {
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
        assert_eq!(counts.iter().sum::<u64>(), expected[VIEW].0);
        let single = dataset("single");
        let differ = python(include_str!("shares.py"), &[&single, &shares[0], &shares[1]]).unwrap();
        assert_eq!(
            String::from_utf8(differ).unwrap().trim(),
            "{}",
            "rows that only the one or the others have"
        );
    }
    server.stop();
    for server in servers {
        server.stop();
    }
}
