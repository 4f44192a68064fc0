//! What came in, told by several processes: each tells its share of the log, together all of it, whoever is killed.

use super::{Cluster, events::Teller};
use crate::{kafka::logged, parquet::events};
use serde_json::Value;
use springline_model::Uri;
use springline_tests::{Broker, eventually};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};
use tempfile::TempDir;

/// Accounts that were deleted at some time: of them less is told.
fn gone(logged: &BTreeMap<String, usize>) -> BTreeSet<String> {
    let account = |message: &String| {
        let message: Value = serde_json::from_str(message).unwrap();
        let hosting = &message["body"]["hosting"];
        (hosting["status"] == "deleted").then(|| hosting["authority"].as_str().unwrap().to_owned())
    };
    logged.keys().filter_map(account).collect()
}

/// Whom a message is about.
fn authority(message: &str) -> String {
    let message: Value = serde_json::from_str(message).unwrap();
    let body = message["body"].as_object().unwrap().values().next().unwrap();
    match body["authority"].as_str() {
        Some(authority) => authority.to_owned(),
        None => {
            let uri = body["uri"].as_str().or_else(|| body["record"]["uri"].as_str()).unwrap();
            Uri::from(uri).authority().to_owned()
        }
    }
}

/// What all processes' datasets have of the others, and how often.
fn told(lake: &Path, processes: usize, gone: &BTreeSet<String>) -> Option<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for process in 0..processes {
        let root = lake.join(format!("process={process}/view=events"));
        let rows = if root.join("manifest.json").exists() { events::rows(&root)? } else { vec![] };
        for row in rows {
            let number: usize = row["log"].as_str().unwrap().rsplit_once('/').unwrap().1.parse().unwrap();
            assert_eq!(number % processes, process, "another one's share");
            if gone.contains(row["authority"].as_str().unwrap()) {
                continue;
            }
            let message = serde_json::json!({ "v": 1, "source": row["source"], "observed": null, "body": events::body(&row) });
            *found.entry(message.to_string()).or_default() += 1;
        }
    }
    Some(found)
}

#[test]
fn each_process_tells_its_share_of_what_came_in() {
    const PROCESSES: usize = 2;
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let (config, lake) = (dir.path().join("springline.toml"), dir.path().join("lake"));
    let text =
        format!("[sinks.history]\nkind = \"parquet\"\nview = \"events\"\nto = {lake:?}\nroll_secs = 1\n");
    fs::write(&config, text).unwrap();
    let cluster =
        Cluster::new(&broker, dir.path(), "told", PROCESSES).each(|process| process.configured(&config));
    let mut teller = Teller::new(0x7E11);
    let mut servers = cluster.start_all();
    servers.iter().for_each(springline_tests::Server::ready);
    for round in 0..3 {
        teller.tell(&broker, 400);
        std::thread::sleep(Duration::from_millis(700 * round));
        let process = usize::try_from(round).unwrap() % PROCESSES;
        let server = servers.remove(process);
        server.kill();
        let _ = server.ended();
        servers.insert(process, cluster.start(process));
        teller.tell(&broker, 100);
    }
    servers.iter().for_each(springline_tests::Server::ready);
    let mut expected = logged(&broker);
    let gone = gone(&expected);
    expected.retain(|message, _| !gone.contains(&authority(message)));
    if told(&lake, PROCESSES, &gone).is_none() {
        return;
    }
    eventually("all is told", Duration::from_secs(90), || {
        std::thread::sleep(Duration::from_millis(500));
        let found = told(&lake, PROCESSES, &gone)?;
        assert!(found.iter().all(|(message, times)| times <= &expected[message]), "something was told twice");
        (found == expected).then_some(())
    });
    for server in &servers {
        let sink = server.get("/v1/sinks").json()["sinks"][0].clone();
        assert_eq!(sink["state"], "following", "{sink}");
    }
    servers.into_iter().for_each(springline_tests::Server::stop);
}
