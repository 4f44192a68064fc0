//! Everything at once: events through the log into views, on as a change feed, and from there into somebody else's views,
//! while all three processes are killed and connections are cut, again and again.
//!
//! ```text
//!  lines ─► writer ─► log ─► follower ─► feed ─► consumer: a record for each row
//! ```
//!
//! In the end the views are those of a process to which nothing happened, nothing is in the log twice, who reads the feed
//! has the view, each change of it once, and the consumer has what one has to which nothing happened.
//!
//! `SPRINGLINE_TEST_LONG=1` takes 200,000 events, and what was recorded of the network if that is there
//! (`SPRINGLINE_TEST_DATA`), and does each of the four 30 times; without it a hundredth of that.
//!
//! The broker itself is not stopped in between: this one forgets what is open then, and says that its commit has worked.

use super::{PARTITIONS, each_once, follow, on};
use crate::{dice::Dice, feeds::until_told};
use springline_tests::{Broker, Server, Springline, data, encode, eventually, fingerprints, folded};
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

/// A process that is killed and started again.
struct Victim<'a> {
    server: Server,
    start: Box<dyn Fn() -> Server + 'a>,
}

impl<'a> Victim<'a> {
    fn new(start: impl Fn() -> Server + 'a) -> Self {
        Self { server: start(), start: Box::new(start) }
    }

    fn again(&mut self) {
        self.server.kill();
        self.server.wait();
        self.server = (self.start)();
    }

    /// Waits until it has read all that there is, and ends it.
    fn read(self) {
        eventually("all is read", Duration::from_secs(1800), || {
            std::thread::sleep(Duration::from_millis(100));
            (self.server.get("/readyz").status == 200).then_some(())
        });
        self.server.stop();
    }
}

/// Somebody who reads the feed, and keeps the last word on each row as a record.
fn consumer(broker: &Broker, dir: &Path, name: &str) -> Springline {
    let file = dir.join(format!("{name}.toml"));
    let config = format!(
        "[sources.feed]\ntype = \"kafka\"\ntopics = [\"changes\"]\n\
         [sources.feed.client]\nbrokers = [\"{}\"]\n\
         properties = {{ \"receive.message.max.bytes\" = \"2000000000\" }}\n\
         [sources.feed.mapping]\nuri = \"key\"\nuri_prefix = \"https://feed.example/\"\ntitle = \"/table\"\n\
         text = \"/op\"\nlinks = [\"/after/node\"]\ntime = \"/ts\"\n",
        broker.address()
    );
    fs::write(&file, config).unwrap();
    Springline::new(&dir.join(name)).configured(&file).with("identity.offline", "true")
}

const SERVE: [&str; 3] = ["run", "--listen", "127.0.0.1:0"];

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
    // The oracle reads all changes from the first one on.
    let kept = "[changes]\nkeep_bytes = 4000000000\n[kafka.properties]\n\"receive.message.max.bytes\" = \"2000000000\"\n";
    fs::write(&config, format!("{kept}{sink}partitions = {PARTITIONS}\nreplication = 1\n")).unwrap();
    let (writer, follower) = (small("writer"), small("follower").configured(&config));
    let consumer_of = |name: &str| consumer(&broker, dir.path(), name);
    let consuming = consumer_of("consumer");

    let writing = [&["replay", "--keep-serving", "--listen", "127.0.0.1:0"], &inputs[..]].concat();
    let mut victims = [
        Victim::new(|| writer.start(&writing)),
        Victim::new(|| follower.start(&SERVE)),
        Victim::new(|| consuming.start(&SERVE)),
    ];
    let rounds = if is_long { 30 } else { 3 };
    let (mut dice, mut left) = (Dice::new(3), [rounds; 4]);
    while left.iter().sum::<u32>() > 0 {
        std::thread::sleep(Duration::from_millis(100 + dice.roll(900)));
        let which = dice.roll(4) as usize;
        if left[which] == 0 {
            continue;
        }
        left[which] -= 1;
        match victims.get_mut(which) {
            Some(victim) => victim.again(),
            None => broker.cut(),
        }
    }
    let [writing, following, mut consumed] = victims;
    writing.read();
    following.read();
    // The follower shows all that is in the log once a later start of it would.
    follow(&follower);
    let following = follower.start(&SERVE);
    following.ready();
    let rows = until_told(&following, "catalog");
    let (told, met) = folded(&broker, "changes", PARTITIONS);
    assert!(told == rows, "the feed told of {} rows, the view has {}", told.len(), rows.len());
    assert!(met.values().all(|times| *times == 1), "a change was told twice");
    following.stop();
    each_once(&broker);

    let alone = Springline::new(&dir.path().join("alone"));
    alone.run(&[&["replay"], &inputs[..]].concat());
    assert_eq!(fingerprints(&follower), fingerprints(&alone));

    consumed.again();
    consumed.read();
    let spared = consumer_of("spared");
    Victim::new(|| spared.start(&SERVE)).read();
    assert_eq!(fingerprints(&consuming), fingerprints(&spared));
    let consuming = consuming.start(&SERVE);
    for (table, key) in rows.keys().take(500) {
        let uri = encode(&format!("https://feed.example/{table}/{key}"));
        assert_eq!(consuming.get(&format!("/v1/records?uri={uri}")).json()["title"], table.as_str());
    }
    consuming.stop();
}
