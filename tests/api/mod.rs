//! What a newcomer does: serve a tree, look around, edit, see it follow.

use serde_json::Value;
use springline_tests::{Garden, Server, Springline, encode, eventually, fingerprints};
use std::time::Duration;
use tempfile::TempDir;

/// A generous bound: what is asserted is that every view follows, not how fast (`bench/` measures that).
const SOON: Duration = Duration::from_secs(10);

fn small() -> (TempDir, Garden, Springline) {
    let dir = TempDir::new().unwrap();
    let garden = Garden::new(&dir.path().join("agora"));
    garden.write("garden/alice/Foo.md", "# Foo\n\nsee [[Bar]] and #todo, 中文 too\n");
    garden.write("garden/alice/2022-01-01.md", "- met [[@bob]]\n");
    garden.write("garden/bob/bar.md", "- [[push]] [[foo]] from bob\n- quokka\n");
    let springline = Springline::new(&dir.path().join("data"));
    (dir, garden, springline)
}

fn items(server: &Server, target: &str) -> Vec<Value> {
    let answer = server.get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer.json()["items"].as_array().cloned().unwrap_or_default()
}

fn hits(server: &Server, query: &str) -> usize {
    items(server, &format!("/v1/search?q={}", encode(query))).len()
}

fn sources(server: &Server, target: &str) -> Vec<String> {
    let links = items(server, &format!("/v1/backlinks?target={}", encode(target)));
    links.iter().filter_map(|link| link["source"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_view_answers() {
    let (_dir, garden, springline) = small();
    let server = springline.serve(garden.path());
    server.ready();
    assert_eq!(sources(&server, "node:bar"), ["garden://alice/Foo.md"]);
    assert_eq!(sources(&server, "tag:todo"), ["garden://alice/Foo.md"]);
    assert_eq!((hits(&server, "quokka"), hits(&server, "中文"), hits(&server, "author:bob")), (1, 1, 1));
    assert_eq!(items(&server, "/v1/latest").len(), 3);
    assert_eq!(items(&server, "/v1/rankings/size").len(), 3);
    assert_eq!(items(&server, "/v1/journals").len(), 1);
    let told = items(&server, &format!("/v1/notifications?recipient={}", encode("user:bob")));
    assert!(told.iter().any(|row| row["reason"] == "mention"), "{told:?}");
    for page in ["/", "/node/foo", "/latest", "/users", "/journals", "/@alice", "/search?q=quokka", "/docs"] {
        assert_eq!(server.get(page).status, 200, "{page}");
    }
    for endpoint in
        ["/nodes.json", "/users.json", "/graph/json/foo", "/feed/latest", "/metrics", "/openapi.json"]
    {
        assert_eq!(server.get(endpoint).status, 200, "{endpoint}");
    }
    let node = server.get("/node/foo");
    assert!(node.text().contains("from bob"), "a push shows on the page of its node");
    assert!(node.header("springline-epoch").is_some());
    assert!(
        node.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    server.stop();
}

#[test]
fn a_view_that_is_switched_off_and_on_again() {
    let (_dir, garden, springline) = small();
    springline.index(garden.path());
    let wanted = fingerprints(&springline);
    let without = springline.clone().with("views.off", "[search, notifications]");
    let server = without.serve(garden.path());
    server.ready();
    for target in ["/v1/search?q=quokka", "/v1/notifications?recipient=user:bob"] {
        let answer = server.get(target);
        assert_eq!(answer.status, 404, "{target}: {}", answer.text());
        assert!(answer.text().contains("does not keep the view"), "{}", answer.text());
    }
    assert_eq!(items(&server, "/v1/latest").len(), 3);
    garden.write("garden/bob/bar.md", "- [[push]] [[foo]] from bob\n- quokka again\n");
    eventually("the edit", SOON, || server.get("/node/foo").text().contains("from bob").then_some(()));
    server.stop();
    let rows = |view: &str| fingerprints(&without)[view].clone();
    assert!(rows("search").starts_with("0 ") && rows("notifications").starts_with("0 "));

    garden.write("garden/bob/bar.md", "- [[push]] [[foo]] from bob\n- quokka\n");
    let server = springline.serve(garden.path());
    server.ready();
    assert_eq!(hits(&server, "quokka"), 1);
    server.stop();
    let again = fingerprints(&springline);
    // When bob wrote is part of what is told: the rows are as many, and are what a recompute gives.
    let count = |fingerprint: &str| fingerprint.split(' ').next().map(str::to_owned);
    for view in ["search", "notifications"] {
        assert_eq!(count(&again[view]), count(&wanted[view]), "{view}");
    }
}

#[test]
fn an_edit_a_rename_and_a_delete_leave_nothing_behind() {
    let (_dir, garden, springline) = small();
    let server = springline.serve(garden.path());
    server.ready();
    garden.write("garden/alice/Foo.md", "# Foo\n\nnow [[Baz]] and wombat\n");
    eventually("the edit", SOON, || (hits(&server, "wombat") == 1).then_some(()));
    assert_eq!(sources(&server, "node:baz"), ["garden://alice/Foo.md"]);
    assert!(sources(&server, "node:bar").is_empty() && sources(&server, "tag:todo").is_empty());
    assert_eq!(hits(&server, "中文"), 0);

    garden.replace("garden/alice/Foo.md", "# Foo\n\nplatypus\n");
    eventually("the atomic rename", SOON, || (hits(&server, "platypus") == 1).then_some(()));
    assert_eq!((hits(&server, "wombat"), sources(&server, "node:baz").len()), (0, 0));

    garden.delete("garden/alice/Foo.md");
    eventually("the delete", SOON, || (hits(&server, "platypus") == 0).then_some(()));
    assert_eq!(items(&server, "/v1/latest").len(), 2);
    assert_eq!(server.get("/v1/nodes/baz").status, 404);
    server.stop();
}

#[test]
fn the_terminal_answers_as_the_server_does() {
    let (_dir, garden, springline) = small();
    springline.index(garden.path());
    let folder = |arguments: &[&str]| springline.run(arguments);
    let node = folder(&["query", "node", "bar"]);
    let lines: Vec<&str> = node.lines().map(str::trim).collect();
    let at = |line: &str| lines.iter().position(|found| *found == line).expect(line);
    let (notes, here, to) = (at("notes:"), at("links here:"), at("links to:"));
    assert!(lines[notes..here].iter().any(|line| line.ends_with("garden://bob/bar.md")), "{node}");
    assert!(lines[here..to].iter().any(|line| line.ends_with("garden://alice/Foo.md")), "{node}");
    assert!(lines[to..].iter().any(|line| line.ends_with("node:foo")), "{node}");
    assert!(folder(&["query", "backlinks", "tag:todo"]).contains("garden://alice/Foo.md"));
    assert!(folder(&["query", "top", "size"]).contains("bar"));
    assert!(folder(&["query", "latest"]).contains("garden://bob/bar.md"));
    assert!(folder(&["query", "search", "quokka"]).contains("quokka"));
    let listed = folder(&["sources", "list"]);
    let source = listed.lines().nth(1).unwrap();
    assert_eq!(source.split_whitespace().nth(2), Some("3"), "its records: {listed}");
}

#[test]
fn who_is_hidden_leaves_every_view_and_comes_back_whole() {
    let (_dir, garden, springline) = small();
    let server = springline.serve(garden.path());
    server.ready();
    let seen = || {
        let told = items(&server, &format!("/v1/notifications?recipient={}", encode("user:bob")));
        let links = sources(&server, "tag:todo");
        (hits(&server, "中文"), links, told, server.get("/raw/garden/alice/Foo.md").status)
    };
    let before = seen();
    let moderate = |action: &str| {
        let said = r#"{"authority": "garden://alice"}"#;
        let answer = server.post(&format!("/v1/moderation/{action}?wait=visible"), said);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    moderate("hide");
    assert_eq!(seen(), (0, vec![], vec![], 404));
    moderate("unhide");
    assert_eq!(seen(), before);
    server.stop();
}

#[test]
fn bad_questions_are_told_what_is_wrong() {
    let (_dir, garden, springline) = small();
    let server = springline.serve(garden.path());
    server.ready();
    for target in
        ["/v1/search?q=%22open", "/v1/latest?cursor=nonsense", "/v1/latest?limit=0", "/v1/latest?limti=3"]
    {
        let answer = server.get(target);
        assert_eq!(answer.status, 400, "{target}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{target}");
    }
    assert_eq!(server.get("/v1/rankings/nonsense").status, 404);
    server.stop();
}

#[test]
fn hostile_files_are_indexed_or_quarantined_and_the_rest_goes_on() {
    let (dir, garden, springline) = small();
    garden.write("garden/eve/broken.md", b"caf\xE9 [[foo]] numbat\n");
    garden.write("garden/eve/nul.md", b"a\0b [[foo]] bilby\n");
    garden.write("garden/eve/deep.md", "> ".repeat(10_000) + "[[foo]]");
    garden.write("garden/eve/many.md", "[[foo]] ".repeat(100_000));
    garden.write("garden/eve/self.md", "[[self]]");
    std::os::unix::fs::symlink("/etc/hostname", garden.path().join("garden/eve/out.md")).unwrap();
    std::os::unix::fs::symlink(".", garden.path().join("garden/eve/loop")).unwrap();
    springline.index(garden.path());
    let found = |query: &str| springline.run(&["query", "search", query]).lines().last().unwrap().to_owned();
    assert_eq!(
        (found("numbat"), found("bilby"), found("quokka")),
        ("1 in all".into(), "1 in all".into(), "1 in all".into())
    );
    let refused = springline.run(&["quarantine", "list"]);
    assert!(refused.contains("out.md"), "{refused}");
    assert!(!springline.run(&["query", "latest"]).contains("out.md"));
    let _ = springline_tests::fingerprints(&springline);
    drop(dir);
}
