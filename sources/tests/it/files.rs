//! A folder that is one garden.

use crate::support::{DEADLINE, Host, Ledger, difference, my_folder, wait_for};
use springline_sources::{Command, SourceConfig, SourceState, files::FilesConfig};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A folder with a few notes, a source of it, and what the source sent.
struct Garden {
    dir: TempDir,
    data: TempDir,
    ledger: Ledger,
    config: FilesConfig,
}

impl Garden {
    fn new() -> Self {
        let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = FilesConfig { rescan_secs: 0, ..FilesConfig::garden(dir.path(), "me") };
        let garden = Self { dir, data, ledger: Ledger::default(), config };
        garden.write("a.md", "see [[b]]");
        garden.write("sub/b.md", "# B");
        garden.write("sub/deep/c.org", "* C");
        garden.write("pic.png", [0x89, b'P', b'N', b'G']);
        garden.write(".hidden/x.md", "no");
        garden.write(".x.md", "no");
        garden.write("x.txt", "no");
        garden
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn start(&self) -> Host {
        Host::start(&SourceConfig::Files(self.config.clone()), &self.ledger, self.data.path())
    }

    async fn started(&self) -> Host {
        let host = self.start();
        host.live().await;
        self.agrees().await;
        host
    }

    /// Waits until the ledger has exactly what is in the folder.
    async fn agrees(&self) {
        wait_for("the ledger follows the folder", || {
            let difference = difference(&self.ledger.records(), &my_folder(self.path()));
            if difference.is_empty() { Ok(()) } else { Err(difference) }
        })
        .await;
    }
}

#[tokio::test]
async fn indexes_a_folder_and_sends_only_news_after_a_restart() {
    let garden = Garden::new();
    let host = garden.started().await;
    assert_eq!(garden.ledger.records().len(), 4);
    let status = host.status();
    assert_eq!((status.puts, status.deletes, status.quarantined), (4, 0, 0));
    assert_eq!(status.partitions["garden/me"].files, 4);
    host.stop().await;

    let counts = garden.ledger.counts();
    garden.started().await.stop().await;
    assert_eq!(garden.ledger.counts(), counts, "nothing changed, nothing is sent");

    garden.write("a.md", "changed while down");
    fs::remove_file(garden.path().join("pic.png")).unwrap();
    garden.write("new.md", "new while down");
    garden.started().await.stop().await;
    assert_eq!(garden.ledger.counts(), (counts.0 + 2, counts.1 + 1));
}

#[tokio::test]
async fn reads_again_when_the_rules_changed() {
    let mut garden = Garden::new();
    garden.started().await.stop().await;
    let counts = garden.ledger.counts();
    garden.config.max_file_bytes = 6;
    let host = garden.start();
    wait_for("a.md is too large now", || {
        let reasons = garden.ledger.reasons();
        if reasons.get("garden://me/a.md").is_some_and(|why| why == "larger than 6 bytes") {
            Ok(())
        } else {
            Err(reasons)
        }
    })
    .await;
    assert!(!garden.ledger.has("garden://me/a.md"));
    host.stop().await;
    assert_eq!(garden.ledger.counts().0, counts.0 + 3, "the others were read again");
}

#[tokio::test]
async fn follows_edits_renames_and_deletes() {
    let garden = Garden::new();
    let host = garden.started().await;

    garden.write("a.md", "edited [[x]]");
    garden.agrees().await;
    garden.write("d.md", "new");
    garden.agrees().await;
    fs::remove_file(garden.path().join("d.md")).unwrap();
    garden.agrees().await;

    // Written beside and renamed over, as most programs save.
    garden.write("a.md.tmp", "saved");
    fs::rename(garden.path().join("a.md.tmp"), garden.path().join("a.md")).unwrap();
    garden.agrees().await;
    assert_eq!(garden.ledger.text("garden://me/a.md").as_deref(), Some("saved"));

    // As vim does it: the old one steps aside, the new one is written, the old one goes.
    fs::rename(garden.path().join("a.md"), garden.path().join("a.md~")).unwrap();
    garden.write("4913", "");
    garden.write(".a.md.swp", "swap");
    garden.write("a.md", "by vim");
    fs::remove_file(garden.path().join("4913")).unwrap();
    fs::remove_file(garden.path().join("a.md~")).unwrap();
    garden.agrees().await;

    fs::rename(garden.path().join("a.md"), garden.path().join("renamed.md")).unwrap();
    garden.agrees().await;
    fs::rename(garden.path().join("sub"), garden.path().join("moved")).unwrap();
    garden.agrees().await;
    garden.write("moved/deep/e.md", "in a folder that moved");
    garden.agrees().await;
    fs::remove_dir_all(garden.path().join("moved")).unwrap();
    garden.agrees().await;
    assert!(garden.ledger.reasons().is_empty());
    host.stop().await;
}

#[tokio::test]
async fn follows_folders_as_they_come() {
    let garden = Garden::new();
    let host = garden.started().await;
    // Faster than any watch can be set on them.
    for n in 0..20 {
        garden.write(&format!("new{n}/a/b/c/{n}.md"), format!("deep {n}"));
    }
    garden.agrees().await;
    let elsewhere = tempfile::tempdir_in(garden.data.path()).unwrap();
    fs::create_dir_all(elsewhere.path().join("x/y")).unwrap();
    fs::write(elsewhere.path().join("x/y/z.md"), "from elsewhere").unwrap();
    fs::rename(elsewhere.path().join("x"), garden.path().join("x")).unwrap();
    garden.agrees().await;
    garden.write("x/y/z.md", "still followed");
    garden.agrees().await;
    // Out again: what happens there is none of our business.
    fs::rename(garden.path().join("x"), elsewhere.path().join("x")).unwrap();
    garden.agrees().await;
    host.stop().await;
}

#[tokio::test]
async fn follows_thousands_of_changes_at_once() {
    let garden = Garden::new();
    let host = garden.started().await;
    for n in 0..3000 {
        garden.write(&format!("mass/{}/{n}.md", n % 7), format!("note {n} [[{}]]", n + 1));
    }
    garden.agrees().await;
    fs::remove_dir_all(garden.path().join("mass")).unwrap();
    garden.agrees().await;
    host.stop().await;
}

#[tokio::test]
async fn finds_what_no_event_told() {
    let mut garden = Garden::new();
    (garden.config.watch, garden.config.rescan_secs) = (false, 1);
    let host = garden.started().await;
    garden.write("a.md", "found by the rescan");
    fs::rename(garden.path().join("sub"), garden.path().join("sub2")).unwrap();
    garden.agrees().await;
    host.stop().await;
}

#[tokio::test]
async fn keeps_everything_while_the_folder_is_away() {
    let garden = Garden::new();
    let host = garden.started().await;
    let records = garden.ledger.records();
    let away = garden.data.path().join("away");
    fs::rename(garden.path(), &away).unwrap();
    host.state(SourceState::Paused).await;
    assert!(host.try_pull(None).await.is_err());
    assert_eq!(garden.ledger.records(), records);
    fs::remove_file(away.join("a.md")).unwrap();
    fs::rename(&away, garden.path()).unwrap();
    host.live().await;
    garden.agrees().await;
    garden.write("sub/b.md", "followed again");
    garden.agrees().await;
    host.stop().await;

    // The same when it is away at the start.
    fs::rename(garden.path(), &away).unwrap();
    let host = garden.start();
    host.state(SourceState::Paused).await;
    fs::rename(&away, garden.path()).unwrap();
    host.live().await;
    garden.agrees().await;
    host.stop().await;
}

#[tokio::test]
async fn follows_another_folder_of_the_same_name() {
    let garden = Garden::new();
    let host = garden.started().await;
    let (old, new) = (garden.data.path().join("old"), garden.data.path().join("new"));
    fs::create_dir(&new).unwrap();
    fs::write(new.join("other.md"), "other").unwrap();
    fs::rename(garden.path(), &old).unwrap();
    fs::rename(&new, garden.path()).unwrap();
    garden.agrees().await;
    garden.write("other.md", "followed");
    garden.agrees().await;
    host.stop().await;
}

#[tokio::test]
async fn follows_rules_of_what_to_ignore() {
    let garden = Garden::new();
    garden.write(".springlineignore", "drafts/\n");
    garden.write(".gitignore", "*.org\n");
    garden.write("drafts/x.md", "draft");
    let host = garden.start();
    let has = |names: &'static [&str]| {
        let ledger = garden.ledger.clone();
        async move {
            wait_for("the rules are kept", || {
                let found: Vec<String> =
                    ledger.records().keys().map(|uri| uri.rest()[3..].to_owned()).collect();
                if found == names { Ok(()) } else { Err(found) }
            })
            .await;
        }
    };
    has(&["a.md", "pic.png", "sub/b.md"]).await;
    garden.write("drafts/y.md", "draft");
    garden.write("e.md", "no draft");
    has(&["a.md", "e.md", "pic.png", "sub/b.md"]).await;
    garden.write(".springlineignore", "e.md\n");
    has(&["a.md", "drafts/x.md", "drafts/y.md", "pic.png", "sub/b.md"]).await;
    fs::remove_file(garden.path().join(".gitignore")).unwrap();
    has(&["a.md", "drafts/x.md", "drafts/y.md", "pic.png", "sub/b.md", "sub/deep/c.org"]).await;
    host.stop().await;
}

#[tokio::test]
async fn obeys() {
    let garden = Garden::new();
    let host = garden.started().await;
    host.command(Command::Pause).await;
    host.state(SourceState::Paused).await;
    let counts = garden.ledger.counts();
    garden.write("a.md", "while paused");
    assert_eq!(host.try_pull(None).await.unwrap_err(), "the source is paused");
    assert_eq!(garden.ledger.counts(), counts);
    host.command(Command::Resume).await;
    host.live().await;
    garden.agrees().await;

    garden.write("b.md", "pulled");
    host.pull().await;
    assert!(garden.ledger.has("garden://me/b.md"), "a pull is answered when its news is durable");
    assert!(host.try_pull(Some("garden/me")).await.is_ok());
    assert!(host.try_pull(Some("garden/you")).await.is_err());

    let counts = garden.ledger.counts();
    host.command(Command::Reset).await;
    host.pull().await;
    let now = garden.ledger.counts();
    assert!(now.0 >= counts.0 + 5 && now.1 == counts.1, "everything was read again: {now:?}");
    host.stop().await;
}

/// The part of the budget for "an edit is visible everywhere" that is ours.
#[tokio::test]
async fn tells_an_edit_at_once() {
    let garden = Garden::new();
    let host = garden.started().await;
    let mut times = Vec::new();
    for n in 0..50 {
        let text = format!("edit {n}");
        let start = Instant::now();
        garden.write("a.md", &text);
        while garden.ledger.text("garden://me/a.md").as_ref() != Some(&text) {
            assert!(start.elapsed() < DEADLINE);
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        times.push(start.elapsed());
    }
    times.sort();
    println!("an edit is told after {:?} (p50), {:?} (p90), {:?} (max)", times[25], times[45], times[49]);
    host.stop().await;
}
