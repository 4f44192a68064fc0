//! The same events give the same views, however many processes keep them.

use super::{Cluster, Sums, alone_and_asked, events::Teller, follow_alone, reach};
use crate::kafka::{follow, ingest, on};
use serde_json::Value;
use springline_tests::{Broker, Server, data, fingerprints, ten_gardens};
use std::fs;
use tempfile::TempDir;

/// What a server says of all, but for its epoch: a key, lists of one process and of all, counts, a search with its scores.
fn answers(server: &Server) -> Vec<(&'static str, Value)> {
    let routes = [
        "/v1/nodes?limit=100",
        "/v1/nodes/two",
        "/v1/latest?limit=50",
        "/v1/authors?limit=100",
        "/v1/backlinks?target=node:two&limit=50",
        "/v1/backlinks/count?target=node:two",
        "/v1/rankings/rank?limit=50",
        "/v1/search?q=the&limit=50",
        "/v1/search?q=one+two&limit=20",
    ];
    let answer = |route| {
        let answer = server.get(route);
        assert!(answer.status == 200, "{route}: {} {}", answer.status, answer.text());
        let mut said = answer.json();
        said.as_object_mut().unwrap().remove("epoch");
        (route, said)
    };
    routes.map(answer).to_vec()
}

#[test]
fn one_two_or_three_processes_make_the_same_of_a_log() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let agora = dir.path().join("agora");
    fs::create_dir_all(agora.join("garden/ada")).unwrap();
    fs::write(agora.join("garden/ada/one.md"), "# one\n\n[[two]] #three\n").unwrap();
    if let Some(data) = data() {
        ten_gardens(&data, &agora);
        // The small ones: with all of them this takes minutes.
        for garden in fs::read_dir(agora.join("garden")).unwrap().map(|garden| garden.unwrap().path()) {
            if fs::read_dir(&garden).unwrap().count() > 300 {
                fs::remove_dir_all(garden).unwrap();
            }
        }
    }
    ingest(&on(&broker, &dir.path().join("ingest")), &agora);
    let mut teller = Teller::new(0x5EED);
    teller.tell(&broker, 3000);
    let (expected, said) = alone_and_asked(&broker, &dir.path().join("alone"), answers);

    for processes in [2, 3] {
        let cluster = Cluster::new(&broker, dir.path(), &format!("of{processes}"), processes);
        let servers = cluster.start_all();
        servers.iter().for_each(springline_tests::Server::ready);
        reach(&servers, &expected);
        let epochs: Vec<_> =
            servers.iter().map(|server| server.get("/v1/views").json()["epoch"].clone()).collect();
        assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
        for server in &servers {
            assert_eq!(answers(server), said);
        }
        // What is sent to one of them is applied by all, and it is answered when it is. At last, as it stays in the log:
        // somebody whom the log hides is not hidden any more then.
        if processes == 3 {
            let body = r#"{"authority":"garden://user1/"}"#;
            for route in ["/v1/moderation/hide?wait=visible", "/v1/moderation/unhide?wait=visible"] {
                let answer = servers[1].post(route, body);
                assert!(answer.status < 300, "{} {}", answer.status, answer.text());
            }
        }
        let refused = servers[0].post("/v1/feedback", r#"{"project":"p","text":"t"}"#);
        assert!(refused.status >= 400, "{}", refused.text());
        for server in servers {
            server.stop();
        }
        for process in &cluster.processes {
            // Each says that its rows are what was written.
            assert!(process.run(&["views", "verify"]).starts_with("this is the share of process"));
        }
    }
}

/// Of accounts that are deleted and back again, of edits and deletes that come close together.
#[test]
fn wherever_epochs_are_cut_the_log_says_the_same() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    ingest(&on(&broker, &dir.path().join("ingest")), dir.path());
    Teller::new(0xC07).tell(&broker, 2000);
    let views = [4096, 64, 7, 1].map(|events| {
        let springline = on(&broker, &dir.path().join(format!("of{events}")));
        let springline = springline.with("runtime.epoch_events", &events);
        follow(&springline);
        fingerprints(&springline)
    });
    assert!(views.iter().all(|other| *other == views[0]), "{views:#?}");
}

#[test]
fn what_is_defined_otherwise_is_made_anew_by_all() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    ingest(&on(&broker, &dir.path().join("ingest")), dir.path());
    Teller::new(7).tell(&broker, 600);
    let two = Cluster::new(&broker, dir.path(), "anew", 2);
    let (before, ()) = alone_and_asked(&broker, &dir.path().join("before"), |_| ());
    let made = |cluster: &Cluster, expected: &Sums| {
        let servers = cluster.start_all();
        servers.iter().for_each(springline_tests::Server::ready);
        reach(&servers, expected);
        for server in servers {
            server.stop();
        }
    };
    made(&two, &before);
    let (key, value) = ("rankings.top", 2);
    let otherwise = on(&broker, &dir.path().join("otherwise")).with(key, &value);
    let (after, ()) = follow_alone(&otherwise, |_| ());
    assert_ne!(before["rankings"], after["rankings"]);
    made(&two.each(|process| process.with(key, &value)), &after);
}

#[test]
fn a_share_is_no_share_of_another_number() {
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    ingest(&on(&broker, &dir.path().join("ingest")), dir.path());
    Teller::new(1).tell(&broker, 50);
    let two = Cluster::new(&broker, dir.path(), "share", 2);
    let servers = two.start_all();
    servers.iter().for_each(springline_tests::Server::ready);
    for server in servers {
        server.stop();
    }
    let three = Cluster::new(&broker, dir.path(), "share", 3);
    let numbers = ["3".to_owned(), "1".to_owned()];
    let output = three.processes[1].output(&three.flags(&numbers));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("process 1 of 2"), "{said}");
    let output = three.processes[1].output(&["run", "--no-server", "--once"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("empty the data folders"), "{said}");

    // One that has lost its store can't go on with one that has not.
    fs::remove_dir_all(dir.path().join("share-0/store")).unwrap();
    fs::remove_dir_all(dir.path().join("share-0/redo")).unwrap();
    let servers = two.start_all();
    for server in servers {
        assert!(!server.ended().success());
    }
}
