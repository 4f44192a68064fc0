//! Datasets that follow views, read by others while they are written: their counts are the API's at the manifest's
//! position, whoever dies meanwhile, and what was purged is in no file.

use crate::{dice::Dice, feeds::tell};
use serde_json::{Value, json};
use springline_tests::{Garden, Server, Springline, eventually, python};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) mod events;

const LONG: Duration = Duration::from_secs(120);

fn configured(dir: &Path) -> Springline {
    let config = dir.join("springline.toml");
    let lake = dir.join("lake");
    let text = format!(
        r#"
        [feedback.projects.shop]

        [sinks.changes]
        kind = "parquet"
        view = "feedback"
        to = "{lake}/changes"
        roll_secs = 1

        [sinks.rows]
        kind = "parquet"
        view = "feedback"
        to = "{lake}"
        form = "snapshot"
        roll_secs = 1

        [sinks.records]
        kind = "parquet"
        view = "ledger"
        tables = ["records"]
        to = "{lake}"
        form = "snapshot"
        roll_secs = 1
        grace_secs = 1

        [sinks.links]
        kind = "parquet"
        view = "backlinks"
        tables = ["backlinks"]
        to = "{lake}"
        roll_secs = 1
        purge_secs = 12
        grace_secs = 3
        "#,
        lake = lake.display()
    );
    std::fs::write(&config, text).unwrap();
    Springline::new(&dir.join("data")).configured(&config).with("identity.offline", "true")
}

/// How many rows each table of the feedback had, by position of its log.
fn counts(server: &Server) -> BTreeMap<(u64, u64), BTreeMap<String, u64>> {
    let (mut counts, mut at, mut after) = (BTreeMap::<String, u64>::new(), BTreeMap::new(), String::new());
    at.insert((0, 0), counts.clone());
    loop {
        let answer = server.get(&format!("/v1/changes/feedback?limit=1000{after}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = answer.json();
        for change in page["changes"].as_array().unwrap() {
            let count = counts.entry(change["table"].as_str().unwrap().to_owned()).or_default();
            match change["op"].as_str().unwrap() {
                "c" => *count += 1,
                "d" => *count -= 1,
                _ => {}
            }
            let number = |field: &str| change[field].as_u64().unwrap();
            at.insert((number("epoch"), number("n")), counts.clone());
        }
        after = format!("&after={}", page["next"].as_str().unwrap());
        if page["more"] == false {
            return at;
        }
    }
}

/// What three readers find.
pub(crate) fn read(root: &Path) -> Option<Value> {
    Some(serde_json::from_slice(&python(include_str!("read.py"), &[root])?).unwrap())
}

/// Whether a dataset has what the API has at the same position; its generation.
fn same(read: &Value, counts: &BTreeMap<(u64, u64), BTreeMap<String, u64>>) -> u64 {
    let number = |field: &str| read["progress"][field].as_u64().unwrap();
    let expected = &counts[&(number("epoch"), number("n"))];
    for (table, rows) in read["tables"].as_object().unwrap() {
        assert_eq!(rows.as_u64(), Some(expected.get(table).copied().unwrap_or(0)), "{table} at {read}");
    }
    read["generation"].as_u64().unwrap()
}

pub(crate) fn until_told(server: &Server) {
    eventually("the datasets", LONG, || {
        std::thread::sleep(Duration::from_millis(200));
        let sinks = server.get("/v1/sinks").json();
        let is_done = |sink: &Value| sink["state"] == "following" && sink["lag_epochs"] == 0;
        sinks["sinks"].as_array().unwrap().iter().all(is_done).then_some(())
    });
}

fn found(lake: &Path, word: &Path) -> u64 {
    let count = python(include_str!("find.py"), &[lake, word]).unwrap();
    String::from_utf8(count).unwrap().trim().parse().unwrap()
}

#[test]
fn datasets_are_read_while_they_are_written_and_their_writer_dies() {
    let dir = tempfile::tempdir().unwrap();
    let springline = configured(dir.path());
    let garden = Garden::new(&dir.path().join("agora"));
    for user in 0..3 {
        for note in 0..10 {
            let text = format!("see [[node {}]] and [[user{user}]]\n", note + 1);
            garden.write(&format!("garden/writer{user}/node {note}.md"), text);
        }
    }
    let (mut dice, mut number) = (Dice::new(11), 0);
    let mut server = springline.serve(garden.path());
    server.ready();
    let lake = dir.path().join("lake");
    let datasets: [PathBuf; 2] = [lake.join("changes/view=feedback"), lake.join("view=feedback")];
    let mut generations = [0, 0];
    let mut reads: Vec<Value> = Vec::new();
    for round in 0..8 {
        for _ in 0..5 + dice.roll(40) {
            tell(&server, &mut dice, &mut number, 30);
        }
        for (dataset, generation) in datasets.iter().zip(&mut generations) {
            if !dataset.join("manifest.json").exists() {
                continue;
            }
            let Some(read) = read(dataset) else { return };
            if read["complete"] == true {
                assert!(read["generation"].as_u64().unwrap() >= *generation, "a manifest went back");
                *generation = read["generation"].as_u64().unwrap();
                reads.push(read);
            }
        }
        if round % 2 == 0 {
            std::thread::sleep(Duration::from_millis(dice.roll(2500)));
        }
        if round % 3 == 1 {
            server.kill();
            let _ = server.ended();
            server = springline.serve(garden.path());
            server.ready();
        }
    }
    until_told(&server);
    let counted = counts(&server);
    assert!(reads.len() >= 4, "{}", reads.len());
    for read in &reads {
        same(read, &counted);
    }
    for dataset in &datasets {
        same(&read(dataset).unwrap(), &counted);
    }
    let (_, last) = counted.last_key_value().unwrap();
    assert!(last["feedback"] > 50, "{last:?}");
    let records = read(&lake.join("view=ledger")).unwrap();
    assert_eq!(records["tables"]["records"].as_u64(), Some(last["feedback"] + 30));

    // An account is purged: its rows are gone from the records at once, from the history of the links in time.
    let word = dir.path().join("word");
    std::fs::write(&word, "writer1").unwrap();
    assert!(found(&lake, &word) >= 30);
    let body = json!({ "authority": "garden://writer1/" }).to_string();
    assert_eq!(server.post("/v1/moderation/forbid?wait=visible", &body).status, 200);
    until_told(&server);
    let records = read(&lake.join("view=ledger")).unwrap();
    assert_eq!(records["tables"]["records"].as_u64(), Some(last["feedback"] + 20));
    let links = read(&lake.join("view=backlinks")).unwrap()["tables"]["backlinks"].as_u64();
    eventually("the purge", Duration::from_secs(25), || {
        std::thread::sleep(Duration::from_millis(500));
        (found(&lake, &word) == 0).then_some(())
    });
    assert_eq!(read(&lake.join("view=backlinks")).unwrap()["tables"]["backlinks"].as_u64(), links);
    assert_eq!(server.get("/v1/sinks").json()["sinks"][0]["kind"], "parquet");
    server.stop();
}

#[test]
fn a_place_that_can_not_be_written_is_told_of_and_caught_up_with() {
    let dir = tempfile::tempdir().unwrap();
    let springline = configured(dir.path());
    let lake = dir.path().join("lake");
    std::fs::write(&lake, "a file where the folder should be").unwrap();
    let (mut dice, mut number) = (Dice::new(5), 0);
    let server = springline.serve_configured();
    server.ready();
    for _ in 0..10 {
        tell(&server, &mut dice, &mut number, 10);
    }
    let metric = |name: &str| server.metric(&format!(r#"{name}{{sink="changes"}}"#));
    eventually("it is told", LONG, || {
        std::thread::sleep(Duration::from_millis(100));
        let tries = metric("springline_sink_failures_total").unwrap_or(0.0);
        (tries >= 2.0 && metric("springline_sink_up") == Some(0.0)).then_some(())
    });
    let sink = server.get("/v1/sinks").json()["sinks"][0].clone();
    assert!(sink["state"] == "failing" && sink["reason"].is_string(), "{sink}");
    assert_eq!(sink["commits"], 0);
    assert_eq!(server.get("/readyz").status, 200, "the views want no sink");

    std::fs::remove_file(&lake).unwrap();
    until_told(&server);
    eventually("it is told that all is well", LONG, || {
        std::thread::sleep(Duration::from_millis(100));
        let commits = metric("springline_sink_commits_total").unwrap_or(0.0);
        (commits >= 1.0 && metric("springline_sink_up") == Some(1.0)).then_some(())
    });
    if let Some(read) = read(&lake.join("changes/view=feedback")) {
        same(&read, &counts(&server));
    }
    server.stop();
}
