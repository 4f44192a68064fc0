//! What stands in a folder that is no plain file: links, pipes, sockets, names, things that can't be read.

use crate::support::{Host, Ledger, wait_for};
use springline_sources::{SourceConfig, files::FilesConfig};
use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::PathBuf,
};
use tempfile::TempDir;

struct Place {
    dir: TempDir,
    ledger: Ledger,
    host: Host,
}

impl Place {
    async fn new(prepare: impl FnOnce(&dyn Fn(&str) -> PathBuf)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("a.md"), "a").unwrap();
        fs::write(root.join("sub/b.md"), "b").unwrap();
        fs::write(dir.path().join("outside.md"), "secret").unwrap();
        prepare(&|name| root.join(name));
        let config = FilesConfig { rescan_secs: 0, ..FilesConfig::garden(&root, "me") };
        let ledger = Ledger::default();
        let host = Host::start(&SourceConfig::Files(config), &ledger, dir.path());
        host.live().await;
        Self { dir, ledger, host }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("root").join(name)
    }

    /// Waits until exactly these notes are there, and these are quarantined for a reason that has this word in it.
    async fn has(&self, notes: &[&str], refused: &[(&str, &str)]) {
        wait_for("the folder is as it should be", || {
            let found: Vec<String> =
                self.ledger.records().keys().map(|uri| uri.rest()[3..].to_owned()).collect();
            let reasons = self.ledger.reasons();
            let reasons_fit = reasons.len() == refused.len()
                && refused.iter().all(|(name, why)| {
                    reasons.get(&format!("garden://me/{name}")).is_some_and(|reason| reason.contains(why))
                });
            if found == notes && reasons_fit { Ok(()) } else { Err((found, reasons)) }
        })
        .await;
    }
}

#[tokio::test]
async fn follows_links_inside_and_refuses_the_others() {
    let place = Place::new(|at| {
        symlink("a.md", at("link.md")).unwrap();
        symlink("sub", at("folder")).unwrap();
        symlink("../outside.md", at("out.md")).unwrap();
        symlink(".", at("loop")).unwrap();
        symlink("nowhere.md", at("dead.md")).unwrap();
        symlink("x.md", at("x.md")).unwrap();
        symlink("..", at("sub/up")).unwrap();
        symlink("/etc/passwd", at("unwanted.txt")).unwrap();
    })
    .await;
    let refused = [
        ("dead.md", "nowhere"),
        ("folder/up", "lies in"),
        ("loop", "lies in"),
        ("out.md", "leaves"),
        ("sub/up", "lies in"),
        ("x.md", "circles"),
    ];
    let mut refused = refused.to_vec();
    // Seen through the other link, the folder's parent is the whole root.
    refused[1].1 = "";
    place.has(&["a.md", "folder/b.md", "link.md", "sub/b.md"], &refused).await;

    // What a link leads to changes without an event at the link.
    fs::write(place.at("a.md"), "changed").unwrap();
    fs::write(place.at("sub/c.md"), "new").unwrap();
    place.has(&["a.md", "folder/b.md", "folder/c.md", "link.md", "sub/b.md", "sub/c.md"], &refused).await;
    wait_for("the link's text", || {
        let text = place.ledger.text("garden://me/link.md");
        if text.as_deref() == Some("changed") { Ok(()) } else { Err(text) }
    })
    .await;

    // A link that turns away takes its note with it; a file in its place is a note again.
    fs::remove_file(place.at("link.md")).unwrap();
    symlink("../outside.md", place.at("link.md")).unwrap();
    let mut more = refused.clone();
    more.push(("link.md", "leaves"));
    place.has(&["a.md", "folder/b.md", "folder/c.md", "sub/b.md", "sub/c.md"], &more).await;
    fs::remove_file(place.at("link.md")).unwrap();
    fs::write(place.at("link.md"), "plain").unwrap();
    fs::remove_file(place.at("folder")).unwrap();
    let fewer: Vec<_> = refused.iter().copied().filter(|(name, _)| *name != "folder/up").collect();
    place.has(&["a.md", "link.md", "sub/b.md", "sub/c.md"], &fewer).await;
    place.host.stop().await;
}

#[tokio::test]
async fn a_folder_that_becomes_a_link_outside_is_not_followed() {
    let place = Place::new(|_| {}).await;
    place.has(&["a.md", "sub/b.md"], &[]).await;
    let outside = place.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("b.md"), "secret").unwrap();
    fs::remove_dir_all(place.at("sub")).unwrap();
    symlink(&outside, place.at("sub")).unwrap();
    place.has(&["a.md"], &[("sub", "leaves")]).await;
    place.host.stop().await;
}

#[tokio::test]
async fn refuses_what_is_no_file() {
    let mut listener = None;
    let place = Place::new(|at| {
        let mode = rustix::fs::Mode::RWXU;
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe.md"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        listener = Some(UnixListener::bind(at("socket.md")).unwrap());
        fs::create_dir(at("folder.md")).unwrap();
        fs::write(at("folder.md/inside.md"), "a note in a folder with a note's name").unwrap();
        fs::write(at(".git"), "gitdir: /etc").unwrap();
    })
    .await;
    let notes = ["a.md", "folder.md/inside.md", "sub/b.md"];
    place.has(&notes, &[("pipe.md", "FIFO"), ("socket.md", "socket")]).await;
    assert!(place.host.retry("garden://me/pipe.md").await.unwrap_err().contains("FIFO"));
    fs::remove_file(place.at("pipe.md")).unwrap();
    place.has(&notes, &[("socket.md", "socket")]).await;
    fs::remove_file(place.at("socket.md")).unwrap();
    fs::write(place.at("socket.md"), "a note now").unwrap();
    place.has(&["a.md", "folder.md/inside.md", "socket.md", "sub/b.md"], &[]).await;
    place.host.stop().await;
}

#[tokio::test]
async fn names_that_are_not_utf8_are_told_once() {
    let odd = |name: &[u8]| PathBuf::from(OsStr::from_bytes(name));
    let place = Place::new(|at| {
        fs::write(at("").join(odd(b"caf\xe9.md")), "latin 1").unwrap();
        fs::create_dir(at("").join(odd(b"d\xff"))).unwrap();
        fs::write(at("").join(odd(b"d\xff/x.md")), "below").unwrap();
        fs::write(at("").join(odd(b"z\xff.txt")), "unwanted").unwrap();
    })
    .await;
    let refused = [("caf\u{fffd}.md", "UTF-8"), ("d\u{fffd}", "UTF-8")];
    place.has(&["a.md", "sub/b.md"], &refused).await;
    // A restart finds its own rows again.
    let Place { dir, ledger, host } = place;
    host.stop().await;
    let config = FilesConfig { rescan_secs: 0, ..FilesConfig::garden(dir.path().join("root"), "me") };
    let host = Host::start(&SourceConfig::Files(config), &ledger, dir.path());
    host.live().await;
    let place = Place { dir, ledger, host };
    place.has(&["a.md", "sub/b.md"], &refused).await;
    fs::remove_file(place.at("").join(odd(b"caf\xe9.md"))).unwrap();
    place.has(&["a.md", "sub/b.md"], &refused[1..]).await;
    place.host.stop().await;
}

#[tokio::test]
async fn what_can_not_be_read_stays_as_it_was() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: root can read everything");
        return;
    }
    let place = Place::new(|_| {}).await;
    fs::set_permissions(place.at("a.md"), Permissions::from_mode(0o0)).unwrap();
    fs::set_permissions(place.at("sub"), Permissions::from_mode(0o0)).unwrap();
    place.has(&["a.md", "sub/b.md"], &[("a.md", "can't be read"), ("sub", "can't be listed")]).await;
    fs::set_permissions(place.at("a.md"), Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(place.at("sub"), Permissions::from_mode(0o755)).unwrap();
    place.has(&["a.md", "sub/b.md"], &[]).await;
    place.host.stop().await;
}

#[tokio::test]
async fn large_files_are_quarantined_with_their_beginning() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("big.md"), vec![b'x'; 10_000]).unwrap();
    let config =
        FilesConfig { max_file_bytes: 9_999, rescan_secs: 0, ..FilesConfig::garden(dir.path(), "me") };
    let ledger = Ledger::default();
    let host = Host::start(&SourceConfig::Files(config), &ledger, dir.path());
    host.live().await;
    let row = ledger.with(|inner| inner.quarantine.values().next().cloned()).unwrap();
    assert_eq!((row.uri.as_str(), row.bytes, row.sample.len()), ("garden://me/big.md", 10_000, 4096));
    assert!(row.origin.ends_with("/big.md") && row.reason == "larger than 9999 bytes");
    assert_eq!(host.retry("garden://me/big.md").await.unwrap_err(), "larger than 9999 bytes");
    fs::write(dir.path().join("big.md"), "small").unwrap();
    wait_for("it is a note now", || if ledger.has("garden://me/big.md") { Ok(()) } else { Err(()) }).await;
    assert!(ledger.reasons().is_empty());
    assert!(host.retry("garden://me/none.md").await.is_err());
    host.stop().await;
}
