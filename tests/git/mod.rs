//! Gardens that are pulled commit by commit end where a fresh index of their tips ends, killed on the way or not.
//!
//! The smaller gardens by default, to keep the suite short; all ten with `SPRINGLINE_TEST_GARDENS=all` (in a release
//! build: `cargo test --release -p springline-tests git::`).

use crate::dice::Dice;
use springline_tests::{Repository, Server, Springline, Upstreams, data, eventually, fingerprints};
use std::{collections::BTreeMap, env, fs, net::TcpListener, path::Path, time::Duration};
use tempfile::TempDir;

const SMALLER: [&str; 4] = ["silverbullet", "foam-docs", "flancia.org", "logseq-docs"];

struct World {
    dir: TempDir,
    upstreams: Upstreams,
}

impl World {
    fn new() -> Option<Self> {
        let data = data()?;
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("upstream");
        fs::create_dir_all(&root).unwrap();
        let names = if env::var("SPRINGLINE_TEST_GARDENS").is_ok_and(|which| which == "all") {
            &[][..]
        } else {
            &SMALLER
        };
        let upstreams = Upstreams::new(&data, &root, names);
        Some(Self { upstreams, dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn springline(&self, name: &str) -> Springline {
        Springline::new(&self.path().join(name)).configured(&self.upstreams.config())
    }

    /// What a fresh index of where the upstreams are now gives.
    fn fresh(&self) -> BTreeMap<String, String> {
        let fresh = self.springline("fresh");
        fresh.index_configured();
        fingerprints(&fresh)
    }
}

/// Pulls, and says what went wrong.
fn pull(server: &Server) {
    let answer = server.pull("gardens").expect("the server answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    for partition in answer.json()["result"]["partitions"].as_array().expect("it pulls gardens") {
        assert!(partition["error"].is_null(), "{partition}");
    }
}

#[test]
fn pulled_commit_by_commit_is_as_indexed_at_the_tips() {
    let Some(mut world) = World::new() else { return };
    let springline = world.springline("pulled");
    springline.index_configured();
    let early = fingerprints(&springline);
    let server = springline.serve_configured();
    server.ready();
    while world.upstreams.ahead() > 0 {
        world.upstreams.advance(1);
        pull(&server);
    }
    server.stop();
    let pulled = fingerprints(&springline);
    assert_ne!(pulled, early);
    assert_eq!(pulled, world.fresh());
}

fn killed_again_and_again(engine: &str, kills: usize) {
    let Some(mut world) = World::new() else { return };
    // Small epochs, so that a kill finds some of them under way.
    let springline = world.springline("killed").with("store.engine", engine).with("runtime.epoch_events", &8);
    springline.index_configured();
    let mut dice = Dice::new(0x5EED);
    for left in (1..=kills).rev() {
        world.upstreams.advance(world.upstreams.ahead().div_ceil(left));
        let server = springline.serve_configured();
        if dice.roll(3) > 0 {
            server.ready();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| drop(server.pull("gardens")));
            std::thread::sleep(Duration::from_millis(dice.roll(300)));
            server.kill();
        });
    }
    assert_eq!(world.upstreams.ahead(), 0);
    springline.index_configured();
    assert_eq!(fingerprints(&springline), world.fresh());
    let journal = springline.run(&["inspect", "journal"]);
    assert!(journal.contains("no damage"), "{journal}");
}

#[test]
fn killed_while_pulling_with_sled() {
    killed_again_and_again("sled", 50);
}

#[test]
fn killed_while_pulling_with_fjall() {
    killed_again_and_again("fjall", 50);
}

#[test]
fn a_garden_is_followed_from_the_terminal() {
    let dir = TempDir::new().unwrap();
    let upstream = Repository::new(&dir.path().join("upstream"));
    upstream.commit("note.md", "a quokka in [[foo]]\n");
    let config = "[sources.gardens]\ntype = 'git'\nallow_file = true\npoll_secs = 0\n\
                  [[sources.gardens.gardens]]\ntarget = 'garden/ann'\nurl = 'upstream'\n\
                  [[sources.gardens.gardens]]\ntarget = 'garden/bob'\nurl = 'nowhere'\n";
    let url = format!("url = '{}'", dir.path().join("upstream").display());
    fs::write(dir.path().join("springline.toml"), config.replace("url = 'upstream'", &url)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The data folder as it is by default: beside the configuration, and relative.
    let springline = Springline::new(Path::new("data")).within(dir.path()).with("server.listen", &free);
    let server = springline.start(&["run"]);
    server.ready();
    assert!(springline.run(&["query", "search", "quokka"]).contains("garden://ann/note.md"));
    upstream.commit("more.md", "a wombat\n");
    let pulled = springline.run(&["sources", "pull", "gardens", "--partition", "garden/ann"]);
    let report: serde_json::Value = serde_json::from_str(&pulled).unwrap();
    assert_eq!(report["result"]["partitions"][0]["error"], serde_json::Value::Null, "{pulled}");
    // The pull answers when it is definite; the views show it a moment later.
    let found =
        || springline.run(&["query", "search", "wombat"]).contains("garden://ann/more.md").then_some(());
    eventually("what was pulled", Duration::from_secs(10), found);
    let listed = springline.run(&["sources", "list"]);
    assert!(listed.lines().any(|line| line.trim().starts_with("garden/bob: ")), "what is wrong: {listed}");
    springline.run(&["sources", "pause", "gardens"]);
    assert!(springline.run(&["sources", "list"]).contains("paused"));
    springline.run(&["sources", "resume", "gardens"]);
    server.stop();
}
