//! What was kept, replayed: the same views from another journal, in one go or in parts, and from exported records.

mod topic;

use springline_tests::{Garden, Springline, fingerprints};
use std::{collections::BTreeMap, fs, path::Path};
use tempfile::TempDir;

/// A garden with edits, deletes and a hidden author in its history, in several epochs.
fn lived(dir: &Path) -> (Springline, BTreeMap<String, String>) {
    let garden = Garden::new(&dir.join("agora"));
    for number in 0..60u32 {
        let text = format!("# Note {number}\n\nlinks [[note {}]] and #tag{}\n", number * 7 % 60, number % 5);
        garden.write(&format!("garden/ada/note {number}.md"), &text);
        garden.write(&format!("garden/bob/note {number}.md"), text + "as bob sees it\n");
    }
    let springline = Springline::new(&dir.join("lived")).with("runtime.epoch_events", &20);
    springline.index(garden.path());
    garden.replace("garden/ada/note 1.md", "now about [[note 2]] only\n");
    garden.delete("garden/bob/note 3.md");
    springline.index(garden.path());
    let views = fingerprints(&springline);
    (springline, views)
}

#[test]
fn a_journal_replayed_gives_the_same_views() {
    let dir = TempDir::new().unwrap();
    let (_, expected) = lived(dir.path());
    let kept = dir.path().join("lived").to_string_lossy().into_owned();

    let whole = Springline::new(&dir.path().join("whole")).with("runtime.workers", &2);
    let counts = whole.run(&["replay", &kept, "--dry-run"]);
    assert!(counts.lines().any(|line| line.split_whitespace().eq(["put", "note", "121"])), "{counts}");
    assert!(!dir.path().join("whole").exists(), "a dry run writes nothing");
    whole.run(&["replay", &kept]);
    assert_eq!(fingerprints(&whole), expected);
    // The sources go on where that journal left them.
    whole.index(&dir.path().join("agora"));
    assert_eq!(fingerprints(&whole), expected);

    let parts = Springline::new(&dir.path().join("parts"));
    parts.run(&["replay", &kept, "--until", "3"]);
    assert_ne!(fingerprints(&parts), expected);
    for _ in 0..2 {
        parts.run(&["replay", &kept]);
        assert_eq!(fingerprints(&parts), expected, "what is there already is passed over");
    }
}

#[test]
fn lines_written_and_replayed_give_the_same_views() {
    let dir = TempDir::new().unwrap();
    let (lived, expected) = lived(dir.path());
    let kept = dir.path().join("lived").to_string_lossy().into_owned();
    for name in ["events.jsonl", "events.jsonl.zst"] {
        let file = dir.path().join(name).to_string_lossy().into_owned();
        let said = lived.run(&["replay", &kept, "--to-jsonl", &file]);
        assert!(said.contains("written to"), "{said}");
        let again = Springline::new(&dir.path().join(format!("from {name}")));
        again.run(&["replay", &file]);
        assert_eq!(fingerprints(&again), expected);
    }
    let text = fs::read_to_string(dir.path().join("events.jsonl")).unwrap();
    assert!(text.lines().all(|line| line.starts_with(r#"{"v":1,"source":""#)), "as docs/log.md says");
    // What is no event is not passed over in silence, nor does it stop the rest.
    let strange = dir.path().join("strange.jsonl");
    fs::write(&strange, format!("{text}{{\"v\":2,\"body\":{{}}}}\nnothing\n{}\n", "x".repeat(9 << 20)))
        .unwrap();
    let strangely = Springline::new(&dir.path().join("strangely"));
    let strange = strange.to_string_lossy().into_owned();
    let counted = strangely.run(&["replay", &strange, "--dry-run"]);
    assert!(counted.lines().any(|line| line.split_whitespace().eq(["quarantine", "3"])), "{counted}");
    strangely.run(&["replay", &strange]);
    let listed = strangely.run(&["quarantine", "list"]);
    assert!(listed.contains("log://strange.jsonl/0/") && listed.contains("version 2"), "{listed}");
}

#[test]
fn exported_records_replayed_give_the_same_views() {
    let dir = TempDir::new().unwrap();
    let (lived, expected) = lived(dir.path());
    let out = dir.path().join("out").to_string_lossy().into_owned();
    lived.run(&["export", "--view", "records", "--out", &out]);
    let again = Springline::new(&dir.path().join("again"));
    again.run(&["replay", &out]);
    assert_eq!(fingerprints(&again), expected);
}

#[test]
fn a_torn_end_and_a_range() {
    let dir = TempDir::new().unwrap();
    let (_, expected) = lived(dir.path());
    let journal = dir.path().join("lived/journal");
    let segments: Vec<_> = fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [segment] = &segments[..] else { panic!("{segments:?}") };
    let bytes = fs::read(segment).unwrap();
    fs::write(segment, &bytes[..bytes.len() - 3]).unwrap();
    let kept = journal.to_string_lossy().into_owned();
    let torn = Springline::new(&dir.path().join("torn"));
    torn.run(&["replay", &kept]);
    assert_ne!(fingerprints(&torn), expected, "the torn epoch is not there, the others are");

    let total = |arguments: &[&str]| {
        let said = torn.run(&[&["replay", &kept, "--dry-run"], arguments].concat());
        let last = said.lines().last().unwrap().split(' ').next().unwrap().to_owned();
        last.parse::<u64>().unwrap()
    };
    assert_eq!(total(&["--until", "3"]) + total(&["--since", "3"]), total(&[]));
    assert_eq!(total(&["--since", "2020-01-01", "--until", "2999-01-01"]), total(&[]));
    let refused = |arguments: &[&str]| {
        let refused = torn.output(&[&["replay", &kept], arguments].concat());
        assert!(!refused.status.success());
        String::from_utf8_lossy(&refused.stderr).into_owned()
    };
    assert!(refused(&["--dry-run", "--since", "2999-01-01"]).contains("nothing to read"));
    assert!(refused(&["--since", "soon"]).contains("neither a number nor a time"));
}
