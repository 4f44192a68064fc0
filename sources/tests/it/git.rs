//! One repository that is followed: what is sent, and what trouble with it does.

use crate::support::{DEADLINE, Host, Ledger, Upstream, difference, git_config, wait_for};
use springline_sources::{Command, SourceConfig, SourceState, git::GitConfig};
use std::{fs, time::Instant};

async fn agrees(host: &Host, upstream: &Upstream) {
    let report = host.pull().await;
    assert_eq!(report.partitions.len(), 1);
    assert_eq!(report.partitions[0].error, None);
    assert_eq!(difference(&host.ledger.records(), &upstream.records()), "");
}

fn settled(upstream: &Upstream) -> (SourceConfig, Ledger, tempfile::TempDir) {
    upstream.write("a.md", "see [[b]]");
    upstream.write("sub/b.md", "# B");
    upstream.write("pic.png", [0x89, b'P']);
    upstream.write(".hidden/x.md", "no");
    upstream.write("x.txt", "no");
    upstream.commit();
    (upstream.config(), Ledger::default(), tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn indexes_and_follows() {
    let upstream = Upstream::new();
    let (config, ledger, data) = settled(&upstream);
    let host = Host::start(&config, &ledger, data.path());
    agrees(&host, &upstream).await;
    host.live().await;
    assert_eq!(ledger.counts(), (3, 0));
    let position = ledger.position("garden/me").unwrap();
    assert!(position.starts_with(&format!("{} ", upstream.head())), "{position}");
    assert_eq!(host.status().partitions["garden/me"].files, 3);

    upstream.write("a.md", "changed");
    let commit = upstream.commit();
    let report = host.pull().await;
    assert_eq!((report.partitions[0].puts, report.partitions[0].deletes), (1, 0));
    assert!(report.epoch.is_some());
    assert_eq!(difference(&ledger.records(), &upstream.records()), "");
    let record = ledger.records().remove("garden://me/a.md").unwrap();
    assert_eq!(record.attrs["commit"], commit);
    assert_eq!(record.attrs["committer"], "Cy");

    // Nothing that we read: the position moves, nothing else.
    upstream.write("x.txt", "still no");
    upstream.commit();
    let counts = ledger.counts();
    agrees(&host, &upstream).await;
    assert_eq!(ledger.counts(), counts);
    assert!(ledger.position("garden/me").unwrap().starts_with(&upstream.head()));
    assert_eq!(host.pull().await.epoch, None, "no news, no epoch");

    fs::rename(upstream.file("sub"), upstream.file("moved")).unwrap();
    fs::remove_file(upstream.file("pic.png")).unwrap();
    upstream.commit();
    agrees(&host, &upstream).await;
    host.stop().await;

    // A restart goes on from the position.
    upstream.write("new.md", "new");
    upstream.commit();
    let counts = ledger.counts();
    let host = Host::start(&config, &ledger, data.path());
    agrees(&host, &upstream).await;
    assert_eq!(ledger.counts(), (counts.0 + 1, counts.1));
    host.stop().await;
}

#[tokio::test]
async fn a_merge_is_the_change_of_what_it_brings() {
    let upstream = Upstream::new();
    let (config, ledger, data) = settled(&upstream);
    upstream.git(["checkout", "--quiet", "-b", "side"]);
    upstream.write("side.md", "from the side");
    let side = upstream.commit();
    upstream.git(["checkout", "--quiet", "main"]);
    upstream.write("a.md", "meanwhile");
    upstream.commit();
    upstream.tick();
    upstream.git(["merge", "--quiet", "--no-ff", "-m", "merge", "side"]);
    let host = Host::start(&config, &ledger, data.path());
    agrees(&host, &upstream).await;
    let records = ledger.records();
    assert_eq!(records["garden://me/side.md"].attrs["commit"], upstream.head());
    assert_ne!(records["garden://me/side.md"].attrs["commit"], side);
    host.stop().await;
}

#[tokio::test]
async fn rewritten_history_sends_what_differs() {
    let upstream = Upstream::new();
    let (config, ledger, data) = settled(&upstream);
    upstream.write("gone.md", "goes with the rewrite");
    upstream.write("a.md", "second");
    upstream.commit();
    let host = Host::start(&config, &ledger, data.path());
    agrees(&host, &upstream).await;
    let counts = ledger.counts();
    upstream.git(["reset", "--quiet", "--hard", "HEAD~1"]);
    upstream.write("other.md", "instead");
    upstream.commit();
    agrees(&host, &upstream).await;
    assert_eq!(ledger.counts(), (counts.0 + 2, counts.1 + 1), "a.md and other.md are put, gone.md goes");
    // Amended: the same content by another commit is another record.
    upstream.tick();
    upstream.git(["commit", "--quiet", "--amend", "--reset-author", "-m", "amended"]);
    agrees(&host, &upstream).await;
    assert_eq!(ledger.counts(), (counts.0 + 3, counts.1 + 1));
    // Back to where it was before: an ancestor is a rewrite, too.
    upstream.git(["reset", "--quiet", "--hard", "HEAD~1"]);
    agrees(&host, &upstream).await;
    // And a history that shares nothing.
    upstream.git(["checkout", "--quiet", "--orphan", "fresh"]);
    upstream.git(["rm", "-r", "--quiet", "--force", "sub"]);
    upstream.commit();
    upstream.git(["branch", "--quiet", "-M", "main"]);
    agrees(&host, &upstream).await;
    host.stop().await;
}

async fn paused_because(host: &Host, upstream_records: &Ledger, why: &str) {
    let before = upstream_records.records();
    let report = host.pull().await;
    let error = report.partitions[0].error.clone().unwrap_or_default();
    assert!(error.contains(why), "{error}");
    let status = host.status().partitions.remove("garden/me").unwrap();
    assert_eq!((status.state, status.error), (SourceState::Paused, Some(error)));
    assert_eq!(upstream_records.records(), before, "what was there stays");
}

#[tokio::test]
async fn keeps_what_it_has_while_the_upstream_is_away() {
    let upstream = Upstream::new();
    let (_, ledger, data) = settled(&upstream);
    let mut config = git_config(upstream.path().to_str().unwrap());
    config.gardens[0].branch = Some("notes".into());
    upstream.git(["branch", "notes"]);
    let host = Host::start(&SourceConfig::Git(config), &ledger, data.path());
    agrees(&host, &upstream).await;

    upstream.git(["branch", "-D", "notes"]);
    paused_because(&host, &ledger, "the branch is not there").await;
    upstream.write("a.md", "on a branch that comes back");
    upstream.commit();
    upstream.git(["branch", "notes"]);
    agrees(&host, &upstream).await;

    let away = data.path().join("away");
    fs::rename(upstream.file(".git"), &away).unwrap();
    paused_because(&host, &ledger, "does not appear to be a git repository").await;
    fs::rename(&away, upstream.file(".git")).unwrap();
    agrees(&host, &upstream).await;
    assert_eq!(host.status().partitions["garden/me"].state, SourceState::Live);
    host.stop().await;
}

#[tokio::test]
async fn an_empty_repository_may_fill() {
    let upstream = Upstream::new();
    let (ledger, data) = (Ledger::default(), tempfile::tempdir().unwrap());
    let host = Host::start(&upstream.config(), &ledger, data.path());
    host.live().await;
    paused_because(&host, &ledger, "the repository is empty").await;
    upstream.write("a.md", "first");
    upstream.commit();
    agrees(&host, &upstream).await;
    upstream.git(["rm", "--quiet", "a.md"]);
    upstream.commit();
    agrees(&host, &upstream).await;
    assert!(ledger.records().is_empty());
    host.stop().await;
}

#[tokio::test]
async fn makes_a_damaged_clone_anew() {
    let upstream = Upstream::new();
    let (config, ledger, data) = settled(&upstream);
    let host = Host::start(&config, &ledger, data.path());
    agrees(&host, &upstream).await;
    let clone = fs::read_dir(data.path()).unwrap().next().unwrap().unwrap().path();
    let damage = |what: &str| {
        upstream.write("a.md", what);
        upstream.commit();
    };

    // Locks of a process that was killed.
    for lock in ["shallow.lock", "packed-refs.lock", "config.lock", "refs/springline/tip.lock"] {
        fs::write(clone.join(lock), "").unwrap();
    }
    damage("behind locks");
    agrees(&host, &upstream).await;

    // Objects that are gone.
    damage("objects gone");
    for folder in fs::read_dir(clone.join("objects")).unwrap() {
        fs::remove_dir_all(folder.unwrap().path()).unwrap();
    }
    fs::create_dir_all(clone.join("objects/pack")).unwrap();
    let start = Instant::now();
    while host.pull().await.partitions[0].error.is_some() {
        assert!(start.elapsed() < DEADLINE);
    }
    agrees(&host, &upstream).await;

    // No repository at all any more.
    damage("clone gone");
    fs::remove_dir_all(&clone).unwrap();
    agrees(&host, &upstream).await;
    fs::remove_file(clone.join("HEAD")).unwrap();
    damage("no HEAD");
    agrees(&host, &upstream).await;
    host.stop().await;
}

#[tokio::test]
async fn only_some_folders_are_read() {
    let upstream = Upstream::new();
    let (_, ledger, data) = settled(&upstream);
    upstream.write("docs/en/x.md", "x");
    upstream.write("docs/fr/x.md", "x");
    upstream.commit();
    let mut config = git_config(upstream.path().to_str().unwrap());
    config.gardens[0].path_prefixes = vec!["docs/en".into(), "sub".into()];
    let host = Host::start(&SourceConfig::Git(config.clone()), &ledger, data.path());
    host.pull().await;
    let names = |ledger: &Ledger| ledger.records().into_keys().map(|uri| uri.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&ledger), ["garden://me/docs/en/x.md", "garden://me/sub/b.md"]);
    host.stop().await;
    // Other rules at the same commit.
    config.gardens[0].path_prefixes = vec!["docs".into()];
    let host = Host::start(&SourceConfig::Git(config), &ledger, data.path());
    host.pull().await;
    assert_eq!(names(&ledger), ["garden://me/docs/en/x.md", "garden://me/docs/fr/x.md"]);
    host.stop().await;
}

#[tokio::test]
async fn polls_pauses_and_starts_over() {
    let upstream = Upstream::new();
    let (_, ledger, data) = settled(&upstream);
    let config = GitConfig { poll_secs: 1, ..git_config(upstream.path().to_str().unwrap()) };
    let host = Host::start(&SourceConfig::Git(config), &ledger, data.path());
    let follows = || {
        let wanted = upstream.records();
        let ledger = ledger.clone();
        async move {
            wait_for("the poll finds it", || {
                let difference = difference(&ledger.records(), &wanted);
                if difference.is_empty() { Ok(()) } else { Err(difference) }
            })
            .await;
        }
    };
    follows().await;
    upstream.write("a.md", "polled");
    upstream.commit();
    follows().await;

    host.command(Command::Pause).await;
    host.state(SourceState::Paused).await;
    let counts = ledger.counts();
    upstream.write("a.md", "while paused");
    upstream.commit();
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(ledger.counts(), counts);
    host.command(Command::Resume).await;
    follows().await;

    let counts = ledger.counts();
    host.command(Command::Reset).await;
    wait_for("everything is read again", || {
        let now = ledger.counts();
        if now == (counts.0 + 3, counts.1) { Ok(()) } else { Err(now) }
    })
    .await;
    host.stop().await;
}

#[tokio::test]
async fn gardens_come_and_go_with_the_list() {
    let (ann, bob) = (Upstream::new(), Upstream::new());
    for (upstream, text) in [(&ann, "ann's"), (&bob, "bob's")] {
        upstream.write("x.md", text);
        upstream.commit();
    }
    let (ledger, data) = (Ledger::default(), tempfile::tempdir().unwrap());
    let list = data.path().join("sources.yaml");
    let line = |name: &str, upstream: &Upstream| {
        format!("- target: garden/{name}\n  url: {}\n  format: foam\n", upstream.path().display())
    };
    let both = line("ann", &ann) + &line("bob", &bob);
    fs::write(&list, &both).unwrap();
    let config = SourceConfig::Git(GitConfig {
        sources_yaml: Some(list.clone()),
        poll_secs: 0,
        allow_file: true,
        ..GitConfig::default()
    });
    let clones = data.path().join("clones");
    let has = |names: &'static [&str]| {
        let ledger = ledger.clone();
        async move {
            wait_for("the gardens of the list", || {
                let found: Vec<String> = ledger.records().into_keys().map(|uri| uri.to_string()).collect();
                if found == names { Ok(()) } else { Err(found) }
            })
            .await;
        }
    };
    let host = Host::start(&config, &ledger, &clones);
    has(&["garden://ann/x.md", "garden://bob/x.md"]).await;
    fs::write(&list, line("ann", &ann)).unwrap();
    host.pull().await;
    has(&["garden://ann/x.md"]).await;
    // A list that can't be read is not an empty one.
    fs::write(&list, "- {").unwrap();
    host.pull().await;
    assert!(host.status().last_error.is_some());
    has(&["garden://ann/x.md"]).await;
    fs::write(&list, &both).unwrap();
    host.pull().await;
    has(&["garden://ann/x.md", "garden://bob/x.md"]).await;
    // The other repository under the same name.
    fs::write(&list, line("ann", &bob)).unwrap();
    host.pull().await;
    wait_for("bob's text at ann's", || {
        let text = ledger.text("garden://ann/x.md");
        if text.as_deref() == Some("bob's") { Ok(()) } else { Err(text) }
    })
    .await;
    has(&["garden://ann/x.md"]).await;
    host.stop().await;

    // Left the list while nobody looked.
    fs::write(&list, line("bob", &bob)).unwrap();
    let host = Host::start(&config, &ledger, &clones);
    has(&["garden://bob/x.md"]).await;
    host.stop().await;
    assert_eq!(ledger.position("garden/ann").as_deref(), Some("removed"));
    assert_eq!(fs::read_dir(&clones).unwrap().count(), 1);
    fs::write(&list, &both).unwrap();
    let host = Host::start(&config, &ledger, &clones);
    has(&["garden://ann/x.md", "garden://bob/x.md"]).await;
    host.stop().await;
}
