//! Random histories, followed step by step and over restarts, against `git log` and against a fresh index.

use crate::support::{Chance, Host, Ledger, Upstream, difference, git_config};
use springline_sources::SourceConfig;
use std::fs;

const NAMES: [&str; 9] =
    ["x.md", "a/x.md", "a/b/y.org", "a/b.md", "Z z.md", "é/ü.md", "pic.png", "w.txt", "a.d/x.md"];

/// Changes the working tree in a few places.
fn edit(upstream: &Upstream, chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let (one, other) = (*chance.pick(&NAMES), *chance.pick(&NAMES));
        match chance.below(6) {
            0..=3 => upstream.write(one, format!("text {} [[link]]", chance.below(50))),
            4 => drop(fs::remove_file(upstream.file(one))),
            _ => {
                if let Ok(text) = fs::read(upstream.file(one)) {
                    upstream.write(other, text);
                    if one != other {
                        fs::remove_file(upstream.file(one)).unwrap();
                    }
                }
            }
        }
    }
}

/// One thing that people do with a repository.
fn step(upstream: &Upstream, chance: &mut Chance) {
    match chance.below(10) {
        0..=4 => {
            edit(upstream, chance);
            upstream.commit();
        }
        5 => {
            let branch = format!("side{}", chance.next());
            let back = chance.below(3);
            let start = if back == 0 { "HEAD".to_owned() } else { format!("HEAD~{back}") };
            if !upstream.try_git(["checkout", "--quiet", "-b", &branch, &start], &[]).1 {
                return;
            }
            edit(upstream, chance);
            upstream.commit();
            upstream.git(["checkout", "--quiet", "main"]);
            upstream.tick();
            let strategy = *chance.pick(&["ours", "theirs"]);
            let merge = ["merge", "--quiet", "--no-ff", "-m", "m", "-X", strategy, &branch];
            if !upstream.try_git(merge, &[]).1 {
                upstream.git(["merge", "--abort"]);
            }
        }
        6 => {
            let back = format!("HEAD~{}", 1 + chance.below(3));
            upstream.try_git(["reset", "--quiet", "--hard", &back], &[]);
            edit(upstream, chance);
            upstream.commit();
        }
        7 => {
            upstream.tick();
            edit(upstream, chance);
            upstream.git(["add", "--all"]);
            upstream.git([
                "commit",
                "--quiet",
                "--allow-empty",
                "--amend",
                "--reset-author",
                "-m",
                "amended",
            ]);
        }
        8 => {
            // Undone by the next commit: the content is as before, its commit is not.
            edit(upstream, chance);
            upstream.commit();
            upstream.tick();
            upstream.git(["revert", "--no-edit", "HEAD"]);
        }
        _ => {
            upstream.git([
                "update-index",
                "--add",
                "--cacheinfo",
                "120000,e69de29bb2d1d6434b8b29ae775ad8c2e48c5391,l.md",
            ]);
            upstream.git(["commit", "--quiet", "--allow-empty", "-m", "a link"]);
            upstream.tick();
            edit(upstream, chance);
            upstream.commit();
        }
    }
}

async fn run(seed: u64) {
    let (upstream, data) = (Upstream::new(), tempfile::tempdir().unwrap());
    let (ledger, mut chance) = (Ledger::default(), Chance::new(seed));
    upstream.git(["hash-object", "-w", "--stdin"]);
    edit(&upstream, &mut chance);
    upstream.commit();
    let config = SourceConfig::Git(git_config(upstream.path().to_str().unwrap()));
    let mut host = Host::start(&config, &ledger, data.path());
    for number in 0..12 {
        for _ in 0..=chance.below(3) {
            step(&upstream, &mut chance);
        }
        if chance.once_in(4) {
            host.stop().await;
            if chance.once_in(3) {
                fs::remove_dir_all(data.path()).unwrap();
            }
            host = Host::start(&config, &ledger, data.path());
        }
        assert_eq!(host.pull().await.partitions[0].error, None);
        let difference = difference(&ledger.records(), &upstream.records());
        assert_eq!(difference, "", "seed {seed}, step {number}");
    }
    host.stop().await;
    assert!(ledger.reasons().is_empty());

    let (fresh, fresh_data) = (Ledger::default(), tempfile::tempdir().unwrap());
    let host = Host::start(&config, &fresh, fresh_data.path());
    host.pull().await;
    assert_eq!(difference(&ledger.records(), &fresh.records()), "", "seed {seed}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_history_is_followed() {
    for seed in 0..5 {
        run(seed).await;
    }
}
