//! What a repository may hold that no garden should.

use crate::support::{Host, Ledger, Upstream, git_config};
use springline_sources::{SourceConfig, git::GitConfig};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path};

/// Writes an object; gives its id.
fn object(upstream: &Upstream, kind: &str, data: &[u8]) -> String {
    let (id, ok) = upstream.try_git(["hash-object", "-w", "-t", kind, "--stdin", "--literally"], data);
    assert!(ok, "{}", String::from_utf8_lossy(&id));
    String::from_utf8(id).unwrap().trim().to_owned()
}

/// A tree of (mode, name, id).
fn tree(upstream: &Upstream, entries: &[(&str, &[u8], &str)]) -> String {
    let mut data = Vec::new();
    for (mode, name, id) in entries {
        data.extend_from_slice(mode.as_bytes());
        data.push(b' ');
        data.extend_from_slice(name);
        data.push(0);
        data.extend((0..20).map(|n| u8::from_str_radix(&id[n * 2..n * 2 + 2], 16).unwrap()));
    }
    object(upstream, "tree", &data)
}

/// Puts a commit with this header behind the branch.
fn commit(upstream: &Upstream, tree: &str, author: &str) {
    let parent = upstream.try_git(["rev-parse", "--verify", "--quiet", "refs/heads/main"], &[]);
    let parent =
        if parent.1 { format!("parent {}", String::from_utf8(parent.0).unwrap()) } else { String::new() };
    let data = format!("tree {tree}\n{parent}author {author}\ncommitter C <c@e.org> 1600000000 +0000\n\nx\n");
    let id = object(upstream, "commit", data.as_bytes());
    upstream.git(["update-ref", "refs/heads/main", &id]);
}

async fn start(upstream: &Upstream, change: impl FnOnce(&mut GitConfig)) -> (Host, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let mut config = git_config(upstream.path().to_str().unwrap());
    change(&mut config);
    (Host::start(&SourceConfig::Git(config), &Ledger::default(), data.path()), data)
}

const ANN: &str = "Ann <a@e.org> 1500000000 +0000";

#[tokio::test]
async fn odd_entries_are_skipped_or_quarantined() {
    let upstream = Upstream::new();
    let blob = object(&upstream, "blob", b"text");
    let big = object(&upstream, "blob", &[b'x'; 5000]);
    let secret = object(&upstream, "blob", b"/etc/passwd");
    let sub = tree(&upstream, &[("100644", b"inside.md", &blob)]);
    let hidden = tree(&upstream, &[("100644", b"config.md", &blob)]);
    let root = tree(
        &upstream,
        &[
            ("40000", b".git", &hidden),
            ("100755", b"a.md", &blob),
            ("100644", b"big.md", &big),
            ("100644", b"caf\xe9.md", &blob),
            ("120000", b"link.md", &secret),
            ("160000", b"module.md", &blob),
            ("100644", b"new\nline.md", &blob),
            ("100664", b"old.md", &blob),
            ("40000", b"sub", &sub),
            ("40000", b"\xff", &sub),
        ],
    );
    commit(&upstream, &root, ANN);
    let (host, _data) = start(&upstream, |config| config.max_file_bytes = 4999).await;
    assert_eq!(host.pull().await.partitions[0].error, None);
    let names: Vec<String> =
        host.ledger.records().into_keys().map(|uri| uri.rest()[3..].to_owned()).collect();
    assert_eq!(names, ["a.md", "new\nline.md", "old.md", "sub/inside.md"]);
    let reasons = host.ledger.reasons();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert_eq!(reasons["garden://me/big.md"], "larger than 4999 bytes");
    assert!(reasons["garden://me/caf\u{fffd}.md"].contains("UTF-8"));
    assert!(reasons["garden://me/\u{fffd}/inside.md"].contains("UTF-8"));
    assert_eq!(host.retry("garden://me/big.md").await.unwrap_err(), "larger than 4999 bytes");
    assert!(host.retry("garden://me/none.md").await.is_err());
    assert!(host.retry("garden://you/big.md").await.is_err());

    // What was a note and becomes too large, a link or nothing goes.
    // The names are not even sorted.
    let root = tree(
        &upstream,
        &[("100644", b"a.md", &big), ("120000", b"old.md", &secret), ("100644", b"big.md", &blob)],
    );
    commit(&upstream, &root, ANN);
    host.pull().await;
    let names: Vec<String> =
        host.ledger.records().into_keys().map(|uri| uri.rest()[3..].to_owned()).collect();
    assert_eq!(names, ["big.md"]);
    assert_eq!(host.ledger.reasons().into_keys().collect::<Vec<_>>(), ["garden://me/a.md"]);
    host.stop().await;
}

#[tokio::test]
async fn odd_authors_and_times_are_taken_as_they_are() {
    let upstream = Upstream::new();
    let blob = |text: &[u8]| object(&upstream, "blob", text);
    for (n, author) in
        ["<> 0 +0000", "A B <a> 99999999999999 +0000", "\u{202e}<x@y> -5 +0000", "no date <x@y>", "nobody"]
            .iter()
            .enumerate()
    {
        let root = tree(&upstream, &[("100644", b"x.md", &blob(format!("{n}").as_bytes()))]);
        commit(&upstream, &root, author);
    }
    let (host, _data) = start(&upstream, |_| {}).await;
    let error = host.pull().await.partitions.remove(0).error;
    // Git itself may refuse the worst of them; then the reason is told.
    if error.is_none() {
        assert_eq!(host.ledger.text("garden://me/x.md").as_deref(), Some("4"));
    } else {
        println!("refused: {error:?}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_tree_that_explodes_ends_with_a_reason() {
    let upstream = Upstream::new();
    let blob = object(&upstream, "blob", b"boom");
    let mut level = tree(&upstream, &[("100644", b"x.md", &blob)]);
    for _ in 0..9 {
        let names: Vec<String> = (0..10).map(|n| format!("d{n}")).collect();
        let entries: Vec<_> = names.iter().map(|name| ("40000", name.as_bytes(), level.as_str())).collect();
        level = tree(&upstream, &entries);
    }
    commit(&upstream, &level, ANN);
    let (host, _data) = start(&upstream, |config| config.max_files = 20_000).await;
    let error = host.pull().await.partitions.remove(0).error.unwrap();
    assert!(error.contains("more than 20000 files"), "{error}");
    assert!(host.ledger.records().is_empty());
    host.stop().await;
}

#[tokio::test]
async fn folders_nested_too_deep_are_told() {
    let upstream = Upstream::new();
    let blob = object(&upstream, "blob", b"deep");
    let mut level = tree(&upstream, &[("100644", b"x.md", &blob)]);
    for _ in 0..1000 {
        level = tree(&upstream, &[("40000", b"d", &level), ("100644", b"x.md", &blob)]);
    }
    commit(&upstream, &level, ANN);
    let (host, _data) = start(&upstream, |_| {}).await;
    assert_eq!(host.pull().await.partitions[0].error, None);
    let reasons = host.ledger.reasons();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons.values().all(|why| why.contains("nested too deep")));
    assert!(host.ledger.records().len() > 100);
    host.stop().await;
}

#[tokio::test]
async fn nothing_of_a_garden_is_ever_run() {
    let upstream = Upstream::new();
    let mark = upstream.path().join(".git/mark");
    upstream.write("a.md", "text");
    upstream.write(".gitattributes", "*.md filter=evil\n");
    upstream.write(".gitmodules", "[submodule \"m\"]\n\tpath = m\n\turl = ext::sh -c 'touch mark'\n");
    upstream.commit();
    for hook in
        ["post-upload-pack", "pre-receive", "post-checkout", "reference-transaction", "post-index-change"]
    {
        let path = upstream.path().join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let (host, data) = start(&upstream, |_| {}).await;
    assert_eq!(host.pull().await.partitions[0].error, None);
    host.stop().await;
    assert!(!mark.exists());
    let clone = fs::read_dir(data.path()).unwrap().next().unwrap().unwrap().path();
    assert!(!clone.join("hooks").exists() && !clone.join("a.md").exists());
    assert!(!Path::new(OsStr::from_bytes(b"mark")).exists());
}

#[tokio::test]
async fn a_clone_that_grows_too_large_is_given_up() {
    let upstream = Upstream::new();
    // Noise does not compress.
    let mut noise = Vec::new();
    let mut state = 1u64;
    while noise.len() < 24 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend_from_slice(&state.to_le_bytes());
    }
    upstream.write("noise.bin", noise);
    upstream.commit();
    let (host, _data) = start(&upstream, |config| config.max_clone_bytes = 1 << 20).await;
    let error = host.pull().await.partitions.remove(0).error;
    assert!(error.as_ref().is_some_and(|error| error.contains("larger than 1048576")), "{error:?}");
    host.stop().await;
}
