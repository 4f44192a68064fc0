//! Random changes to a folder, with restarts, against a naive re-reading of it.

use crate::support::{Chance, Host, Ledger, difference, my_folder, wait_for};
use springline_sources::{SourceConfig, files::FilesConfig};
use std::{fs, path::Path};

/// One change; whatever doesn't fit what is there does nothing.
fn change(root: &Path, chance: &mut Chance) {
    let folders = ["", "a", "a/b", "c", "a/b/d", "new folder"];
    let names = ["x.md", "y.md", "Z z.org", "é.md", "pic.png", "w.txt"];
    let mut file =
        || format!("{}/{}", chance.pick(&folders), chance.pick(&names)).trim_matches('/').to_owned();
    let (one, other) = (root.join(file()), root.join(file()));
    let folder = root.join(*chance.pick(&folders[1..]));
    let text = "words [[link]] ".repeat(chance.below(40));
    // Parts that are not there, or not what they were, are part of the game.
    let done = match chance.below(10) {
        0..=3 => fs::create_dir_all(one.parent().unwrap()).and_then(|()| fs::write(&one, text)),
        4 => fs::write(root.join("saved.tmp"), text).and_then(|()| fs::rename(root.join("saved.tmp"), &one)),
        5 => fs::remove_file(&one),
        6 => fs::rename(&one, &other),
        7 => fs::rename(&folder, root.join(*chance.pick(&folders[1..]))),
        8 => fs::remove_dir_all(&folder),
        _ => fs::create_dir_all(&folder),
    };
    drop(done);
}

async fn agrees(ledger: &Ledger, root: &Path, seed: u64) {
    wait_for(&format!("the ledger follows, seed {seed}"), || {
        let difference = difference(&ledger.records(), &my_folder(root));
        if difference.is_empty() { Ok(()) } else { Err(difference) }
    })
    .await;
}

async fn run(seed: u64, watch: bool) {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = dir.path();
    let config = FilesConfig { rescan_secs: 0, watch, ..FilesConfig::garden(root, "me") };
    let config = SourceConfig::Files(config);
    let (ledger, mut chance) = (Ledger::default(), Chance::new(seed));
    let mut host = Host::start(&config, &ledger, data.path());
    for _ in 0..25 {
        for _ in 0..=chance.below(12) {
            change(root, &mut chance);
        }
        if chance.once_in(6) {
            host.stop().await;
            change(root, &mut chance);
            host = Host::start(&config, &ledger, data.path());
        }
        if !watch {
            host.live().await;
            host.pull().await;
        }
        agrees(&ledger, root, seed).await;
    }
    assert!(ledger.reasons().is_empty());
    host.stop().await;

    let fresh = Ledger::default();
    let host = Host::start(&config, &fresh, data.path());
    host.live().await;
    assert_eq!(difference(&ledger.records(), &fresh.records()), "");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_changes_are_followed() {
    for seed in 0..6 {
        run(seed, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_changes_are_found_by_looking() {
    for seed in 100..104 {
        run(seed, false).await;
    }
}
