//! What came in as a dataset: what the journal has, each event once, whoever dies, and nothing of who is gone.

use super::{Path, PathBuf, Value, found, until_told};
use crate::{dice::Dice, feeds::tell};
use serde_json::json;
use springline_tests::{Garden, Springline, eventually, python};
use std::{collections::BTreeMap, fs, time::Duration};

fn configured(dir: &Path, sinks: &[(&str, u32)]) -> Springline {
    let config = dir.join("springline.toml");
    let sink = |(name, purge_secs): &(&str, u32)| {
        let to = dir.join("lake").join(name);
        format!(
            "[sinks.{name}]\nkind = \"parquet\"\nview = \"events\"\nto = {to:?}\nroll_secs = 1\n\
             purge_secs = {purge_secs}\ngrace_secs = 3\n"
        )
    };
    let sinks: String = sinks.iter().map(sink).collect();
    fs::write(&config, format!("[feedback.projects.shop]\n{sinks}")).unwrap();
    Springline::new(&dir.join("data")).configured(&config).with("identity.offline", "true")
}

/// The rows of a dataset.
pub(crate) fn rows(root: &Path) -> Option<Vec<Value>> {
    let text = String::from_utf8(python(include_str!("events.py"), &[root])?).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// What a row says happened, as the journal's lines say it.
pub(crate) fn body(row: &Value) -> Value {
    let parsed = |column: &str| row[column].as_str().map(|text| serde_json::from_str::<Value>(text).unwrap());
    match parsed("record") {
        Some(record) => json!({ row["event"].as_str().unwrap(): { "rev": row["rev"], "record": record } }),
        None => parsed("detail").unwrap(),
    }
}

fn journal(dir: &Path) -> Vec<Value> {
    let lines = dir.join("events.jsonl");
    let elsewhere = Springline::new(&dir.join("elsewhere"));
    let journal = dir.join("data/journal");
    elsewhere.run(&["replay", journal.to_str().unwrap(), "--to-jsonl", lines.to_str().unwrap()]);
    fs::read_to_string(&lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_came_in_is_told_once_and_nothing_stays_of_who_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let springline = configured(dir.path(), &[("history", 86_400)]);
    let garden = Garden::new(&dir.path().join("agora"));
    for user in 0..3 {
        for note in 0..10 {
            garden.write(
                &format!("garden/writer{user}/node {note}.md"),
                format!("see [[node {}]]\n", note + 1),
            );
        }
    }
    let (mut dice, mut number) = (Dice::new(5), 0);
    let mut server = springline.serve(garden.path());
    server.ready();
    for round in 0..9 {
        for _ in 0..5 + dice.roll(30) {
            tell(&server, &mut dice, &mut number, 20);
        }
        garden.write(&format!("garden/writer{}/node 3.md", round % 3), format!("now [[node {round}]]\n"));
        if round == 2 {
            assert_eq!(server.post("/v1/sinks/history/pause", "").status, 200);
        }
        if round % 3 == 1 {
            std::thread::sleep(Duration::from_millis(dice.roll(2500)));
        }
        if round % 3 == 2 {
            server.kill();
            let _ = server.ended();
            server = springline.serve(garden.path());
            server.ready();
        }
        if round == 3 {
            let sink = server.get("/v1/sinks").json()["sinks"][0].clone();
            assert_eq!((&sink["state"], &sink["view"]), (&json!("paused"), &json!("events")));
            assert_eq!(server.post("/v1/sinks/history/resume", "").status, 200);
        }
    }
    until_told(&server);
    server.stop();
    let lake = dir.path().join("lake");
    let at = |name: &str| -> PathBuf { lake.join(name).join("view=events") };
    let Some(told) = rows(&at("history")) else { return };
    let expected = journal(dir.path());
    assert!(expected.len() > 100, "{}", expected.len());
    let bodies: Vec<Value> = told.iter().map(body).collect();
    assert_eq!(bodies.len(), expected.len());
    for (row, (body, line)) in told.iter().zip(bodies.iter().zip(&expected)) {
        assert_eq!((body, &row["source"]), (&line["body"], &line["source"]));
    }

    // One that starts late reads the journal from its beginning.
    let springline = configured(dir.path(), &[("history", 86_400), ("late", 86_400), ("short", 12)]);
    let server = springline.serve(garden.path());
    server.ready();
    until_told(&server);
    let late = rows(&at("late")).unwrap();
    assert!(late.starts_with(&told), "{} rows, not {}", late.len(), told.len());

    // Of who is gone nothing stays, and all of the rest.
    let word = dir.path().join("word");
    fs::write(&word, "writer1").unwrap();
    assert!(found(&lake.join("short"), &word) >= 10);
    let body = json!({ "authority": "garden://writer1/" }).to_string();
    assert_eq!(server.post("/v1/moderation/forbid?wait=visible", &body).status, 200);
    // What comes afterwards is dropped; nobody is told of it.
    garden.write("garden/writer1/node 4.md", "again\n");
    let purged = |what: &str| {
        eventually(what, Duration::from_secs(40), || {
            std::thread::sleep(Duration::from_millis(500));
            (found(&lake.join("short"), &word) == 0).then_some(())
        });
    };
    purged("the purge");
    until_told(&server);
    let deleted = |rows: &[Value]| -> BTreeMap<String, u64> {
        let mut revs = BTreeMap::new();
        for row in rows.iter().filter(|row| row["_op"] == "d") {
            let rev = revs.entry(row["uri"].to_string()).or_default();
            *rev = row["rev"].as_u64().unwrap().max(*rev);
        }
        revs
    };
    let all = rows(&at("history")).unwrap();
    let gone = deleted(&all);
    let stays = |row: &&Value| {
        row["authority"] != "garden://writer1/"
            && row["rev"]
                .as_u64()
                .zip(gone.get(&row["uri"].to_string()))
                .is_none_or(|(rev, last)| rev > *last)
    };
    let expected: Vec<&Value> = all.iter().filter(stays).collect();
    eventually("what was deleted goes", Duration::from_secs(40), || {
        std::thread::sleep(Duration::from_millis(500));
        let short = rows(&at("short")).unwrap();
        (short.iter().collect::<Vec<_>>() == expected).then_some(())
    });

    // Told once more from the beginning, what is gone has no bodies any more, and goes.
    let items = || {
        let sinks = server.get("/v1/sinks").json()["sinks"].as_array().unwrap().clone();
        sinks.iter().find(|sink| sink["name"] == "short").unwrap()["items"].as_u64().unwrap()
    };
    let before = items();
    assert_eq!(server.post("/v1/sinks/short/reset", "").status, 200);
    eventually("the reset", Duration::from_secs(40), || {
        let short = rows(&at("short")).unwrap();
        let mut of_gone = short.iter().filter(|row| row["authority"] == "garden://writer1/");
        assert!(of_gone.all(|row| row["record"].is_null() && row["_op"] == "d"));
        (items() >= before + u64::try_from(expected.len()).unwrap()).then_some(())
    });
    purged("the purge after the reset");
    server.stop();
}
