//! Everything at once: events through the log into views and on as a change feed, while writer and follower are killed and
//! connections are cut, again and again. In the end the views are those of a process to which nothing happened, nothing
//! is in the log twice, and who reads the feed has the view, each change of it once.
//!
//! `SPRINGLINE_TEST_LONG=1` takes 200,000 events, and what was recorded of the network if that is there
//! (`SPRINGLINE_TEST_DATA`), and does each of the three 30 times; without it a hundredth of that.
//!
//! The broker itself is not stopped in between: this one forgets what is open then, and says that its commit has worked.

use super::{PARTITIONS, each_once, follow, on};
use crate::{dice::Dice, feeds::until_told};
use springline_tests::{Broker, Server, Springline, data, eventually, folded};
use std::{
    env, fs,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// Notes that are written, changed and deleted: an event a line.
fn write_lines(file: &Path, count: u64) {
    let mut dice = Dice::new(11);
    let mut lines = BufWriter::new(fs::File::create(file).unwrap());
    for rev in 1..=count {
        let (number, other) = (dice.roll(count / 4), dice.roll(count / 4));
        let uri = format!("garden://user{}/note {number}.md", number % 50);
        let at = 1_767_225_600_000 + rev;
        let body = if dice.roll(6) == 0 {
            format!(r#"{{"delete":{{"rev":{rev},"uri":"{uri}"}}}}"#)
        } else {
            format!(
                r#"{{"put":{{"rev":{rev},"record":{{"uri":"{uri}","kind":"note","author":"user:user{}","node":"n{number}",
                "title":"n{number}","text":"word{}","langs":[],"tags":[],"at":{at},"links":[{{"path":"wikilink",
                "context":"prose","target":"node:n{other}","span":{{"start":0,"end":4}},"label":null,"fragment":null}}],
                "attrs":{{}}}}}}}}"#,
                number % 50,
                dice.roll(1_000)
            )
            .replace("\n                ", "")
        };
        writeln!(lines, r#"{{"v":1,"source":"synthetic","observed":{at},"body":{body}}}"#).unwrap();
    }
    lines.flush().unwrap();
}

/// What is replayed: made, and recorded.
fn inputs(dir: &Path, is_long: bool) -> Vec<PathBuf> {
    let made = dir.join("made.jsonl");
    write_lines(&made, if is_long { 200_000 } else { 2_000 });
    let corpus = data().map(|data| data.join("atproto/cars/midsize.car")).filter(|_| is_long);
    let recorded = corpus.filter(|car| car.is_file()).map(|car| {
        let file = dir.join("recorded.jsonl");
        let [car, to] = [&car, &file].map(|path| path.to_string_lossy().into_owned());
        Springline::new(&dir.join("unused")).run(&["--offline", "replay", &car, "--to-jsonl", &to]);
        file
    });
    std::iter::once(made).chain(recorded).collect()
}

#[test]
fn nothing_is_lost_and_nothing_is_twice_whatever_dies() {
    let is_long = env::var_os("SPRINGLINE_TEST_LONG").is_some();
    let dir = TempDir::new().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("broker")) else { return };
    let inputs = inputs(dir.path(), is_long);
    let inputs: Vec<String> = inputs.iter().map(|file| file.to_string_lossy().into_owned()).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let size = if is_long { 500 } else { 20 };
    let small = |name: &str| {
        let springline = on(&broker, &dir.path().join(name)).with("runtime.epoch_events", &size);
        springline.with("journal.kafka.transaction_events", &size).with("journal.kafka.linger_ms", &1)
    };
    let config = dir.path().join("springline.toml");
    let sink = "[sinks.events]\nkind = \"kafka\"\nview = \"catalog\"\ntopic = \"changes\"\n";
    fs::write(&config, format!("{sink}partitions = {PARTITIONS}\nreplication = 1\n")).unwrap();
    let (writer, follower) = (small("writer"), small("follower").configured(&config));
    let writes =
        || writer.start(&[&["replay", "--keep-serving", "--listen", "127.0.0.1:0"], &inputs[..]].concat());
    let follows = || follower.start(&["run", "--listen", "127.0.0.1:0"]);
    let again = |server: &mut Server, start: &dyn Fn() -> Server| {
        server.kill();
        server.wait();
        *server = start();
    };

    let (mut writing, mut following) = (writes(), follows());
    let rounds = if is_long { 30 } else { 3 };
    let (mut dice, mut left) = (Dice::new(3), [rounds; 3]);
    while left.iter().sum::<u32>() > 0 {
        std::thread::sleep(Duration::from_millis(100 + dice.roll(900)));
        let which = dice.roll(3) as usize;
        if left[which] == 0 {
            continue;
        }
        left[which] -= 1;
        match which {
            0 => again(&mut writing, &writes),
            1 => again(&mut following, &follows),
            _ => broker.cut(),
        }
    }
    let read = |server: &Server| {
        eventually("all is read", Duration::from_secs(1800), || {
            (server.get("/readyz").status == 200).then_some(())
        });
    };
    read(&writing);
    writing.stop();
    read(&following);
    // The follower shows all that is in the log once a later start of it would.
    following.stop();
    follow(&follower);
    let following = follows();
    following.ready();
    let rows = until_told(&following, "catalog");
    let (told, met) = folded(&broker, "changes", PARTITIONS);
    assert!(told == rows, "the feed told of {} rows, the view has {}", told.len(), rows.len());
    assert!(met.values().all(|times| *times == 1), "a change was told twice");
    following.stop();
    each_once(&broker);

    let alone = Springline::new(&dir.path().join("alone"));
    alone.run(&[&["replay"], &inputs[..]].concat());
    assert_eq!(springline_tests::fingerprints(&follower), springline_tests::fingerprints(&alone));
}
