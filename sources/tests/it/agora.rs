//! A folder that is a whole Agora.

use crate::support::{Host, Ledger, difference, read_folder, wait_for};
use springline_sources::{SourceConfig, files::FilesConfig, formats::Place};
use std::{fs, os::unix::fs::symlink, path::Path};

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

async fn agrees(ledger: &Ledger, root: &Path) {
    wait_for("the ledger follows the tree", || {
        let wanted = read_folder(root, |path| {
            let (place, inside) = Place::parse(path);
            (place, inside.to_owned())
        });
        let difference = difference(&ledger.records(), &wanted);
        if difference.is_empty() { Ok(()) } else { Err(difference) }
    })
    .await;
}

#[tokio::test]
async fn gardens_come_and_go() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = dir.path();
    write(root, "README.md", "the agora");
    write(root, "garden/ann/x.md", "[[y]]");
    write(root, "garden/bob/x.md", "[[z]]");
    write(root, "stoa/pad.org/y.md", "anybody");
    write(root, "stream/bot@x.org/log.md", "log");
    write(root, "garden/loose.md", "whose?");
    let config = SourceConfig::Files(FilesConfig { rescan_secs: 0, ..FilesConfig::agora(root) });
    let ledger = Ledger::default();
    let host = Host::start(&config, &ledger, data.path());
    host.live().await;
    agrees(&ledger, root).await;
    assert!(ledger.has("garden://ann/x.md") && ledger.has("agora://agora/garden/loose.md"));
    let partitions: Vec<String> = host.status().partitions.into_keys().collect();
    assert_eq!(partitions, ["agora", "garden/ann", "garden/bob", "stoa/pad.org", "stream/bot@x.org"]);

    write(root, "garden/cy/new.md", "a new garden");
    agrees(&ledger, root).await;
    fs::remove_dir_all(root.join("garden/bob")).unwrap();
    agrees(&ledger, root).await;
    fs::rename(root.join("garden/ann"), root.join("garden/anna")).unwrap();
    agrees(&ledger, root).await;
    write(root, "garden/anna/x.md", "followed");
    agrees(&ledger, root).await;
    assert!(host.try_pull(Some("garden/anna")).await.is_ok());
    host.stop().await;

    // A garden that goes while nobody looks is known by its position.
    fs::remove_dir_all(root.join("garden/cy")).unwrap();
    write(root, "garden/dan/x.md", "new while down");
    let counts = ledger.counts();
    let host = Host::start(&config, &ledger, data.path());
    host.live().await;
    agrees(&ledger, root).await;
    host.stop().await;
    assert_eq!(ledger.counts(), (counts.0 + 1, counts.1 + 1));
}

#[tokio::test]
async fn a_garden_is_a_border_for_links() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = dir.path();
    write(root, "garden/ann/x.md", "ann's");
    write(root, "garden/ann/.git/config", "token");
    fs::create_dir_all(root.join("garden/bob")).unwrap();
    symlink("../ann/x.md", root.join("garden/bob/stolen.md")).unwrap();
    symlink(".git/config", root.join("garden/ann/config.md")).unwrap();
    symlink("x.md", root.join("garden/ann/y.md")).unwrap();
    let config = SourceConfig::Files(FilesConfig { rescan_secs: 0, ..FilesConfig::agora(root) });
    let ledger = Ledger::default();
    let host = Host::start(&config, &ledger, data.path());
    host.live().await;
    let names: Vec<String> = ledger.records().into_keys().map(|uri| uri.to_string()).collect();
    assert_eq!(names, ["garden://ann/x.md", "garden://ann/y.md"]);
    let reasons = ledger.reasons();
    assert!(reasons["garden://bob/stolen.md"].contains("leaves the garden"), "{reasons:?}");
    assert!(reasons["garden://ann/config.md"].contains("hidden"), "{reasons:?}");
    host.stop().await;
}
