//! Whatever is sent: never a 5xx, always a well-formed problem.

use crate::support::{Site, network::network};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::sync::LazyLock;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

const PATHS: &[&str] = &[
    "/v1/backlinks",
    "/v1/backlinks/count",
    "/v1/search",
    "/v1/rankings/size",
    "/v1/latest",
    "/v1/authors",
    "/v1/authors/alice/notes",
    "/v1/journals",
    "/v1/nodes",
    "/v1/nodes/digital-garden",
    "/v1/subnodes",
    "/v1/graph/ideas",
    "/v1/records",
    "/v1/notifications",
    "/v1/quarantine",
    "/v1/counts/alice.example",
    "/v1/threads/at://did:plc:alice/app.bsky.feed.post/p1",
    "/v1/feeds/latest",
    "/v1/feeds/tag",
    "/v1/feeds/author",
    "/v1/collections",
    "/v1/repos",
    "/v1/gaps",
    "/links",
    "/links/distinct-dids",
    "/links/all",
    "/xrpc/app.bsky.feed.searchPosts",
    "/xrpc/blue.microcosm.links.getBacklinks",
    "/xrpc/blue.microcosm.links.getManyToMany",
    "/xrpc/blue.microcosm.links.getManyToManyCounts",
];

const NAMES: &[&str] = &[
    "target",
    "q",
    "limit",
    "cursor",
    "node",
    "uri",
    "kind",
    "path",
    "author",
    "mode",
    "recipient",
    "prefix",
    "depth",
    "links",
    "text",
    "nonsense",
    "subject",
    "source",
    "pathToOther",
    "otherSubject",
    "did",
    "collection",
    "tag",
    "actor",
    "lang",
    "unread",
    "since",
    "until",
    "domain",
    "url",
    "mentions",
    "sort",
];

/// Gardens and a network.
async fn both() -> Site {
    let site = Site::garden().await;
    site.world.change(network);
    site
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z:/\"()#*-]{0,40}",
        any::<i64>().prop_map(|number| number.to_string()),
        "[A-Za-z0-9_-]{0,60}",
        Just("AQE".to_owned()),
        Just("node:digital garden".to_owned()),
        Just("did:plc:alice".to_owned()),
        Just("alice.example".to_owned()),
        Just("app.bsky.graph.listitem:subject".to_owned()),
        Just("true".to_owned()),
        (1..3_000_usize).prop_map(|many| "(".repeat(many)),
        (1..3_000_usize).prop_map(|many| "é ".repeat(many)),
    ]
}

fn check(site: &Site, path: &str) -> Result<(), TestCaseError> {
    let got = RUNTIME.block_on(site.get(path));
    prop_assert!(got.status < 500, "{path}: {} {}", got.status, got.text);
    if got.status >= 400 && path.starts_with("/xrpc/") {
        prop_assert!(got.json()["message"].as_str().is_some_and(|message| !message.is_empty()));
    } else if got.status >= 400 {
        prop_assert_eq!(got.header("content-type"), "application/problem+json", "{}", path);
        prop_assert!(got.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
    Ok(())
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, source_file: Some(file!()), ..Config::default() })
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn query_strings() {
    let site = RUNTIME.block_on(both());
    let pairs = prop::collection::vec((prop::sample::select(NAMES), value()), 0..4);
    let strategy = (prop::sample::select(PATHS), pairs);
    let mut runner = runner(600);
    let outcome = runner.run(&strategy, |(path, pairs)| {
        let query: Vec<String> =
            pairs.iter().map(|(name, text)| format!("{name}={}", encode(text))).collect();
        check(&site, &format!("{path}?{}", query.join("&")))
    });
    outcome.unwrap();
}

#[test]
fn paths() {
    let site = RUNTIME.block_on(both());
    let stems = [
        "/v1/nodes/",
        "/v1/graph/",
        "/v1/records/",
        "/v1/authors/",
        "/v1/journals/",
        "/v1/rankings/",
        "/v1/epochs/",
        "/v1/threads/",
        "/v1/counts/",
        "/v1/actors/",
        "/v1/feeds/",
        "/v1/collections/",
        "/",
    ];
    let bytes = prop::collection::vec(any::<u8>(), 0..30);
    let strategy = (prop::sample::select(stems.to_vec()), bytes);
    let mut runner = runner(300);
    let outcome = runner.run(&strategy, |(stem, bytes)| {
        let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        check(&site, &format!("{stem}{encoded}"))
    });
    outcome.unwrap();
}

/// A real cursor, damaged in any way, is refused or names another place; and never fails.
#[test]
fn cursors() {
    let site = RUNTIME.block_on(both());
    let lists = [
        "/v1/backlinks?target=node:digital%20garden&limit=1",
        "/v1/latest?limit=1",
        "/v1/nodes?limit=1",
        "/v1/authors?limit=1",
        "/v1/rankings/size?limit=1",
        "/v1/feeds/latest?limit=1",
        "/v1/collections?sort=records&limit=1",
        "/v1/repos?limit=1",
    ];
    let strategy = (prop::sample::select(lists.to_vec()), any::<prop::sample::Index>(), any::<u8>(), 0..3);
    let mut runner = runner(300);
    let outcome = runner.run(&strategy, |(list, at, byte, way)| {
        let page = RUNTIME.block_on(site.get(list)).json();
        let mut cursor = page["next"].as_str().unwrap().as_bytes().to_vec();
        let at = at.index(cursor.len());
        match way {
            0 => cursor[at] = byte,
            1 => cursor.truncate(at),
            _ => cursor.insert(at, byte),
        }
        let cursor: String = cursor.iter().map(|byte| format!("%{byte:02X}")).collect();
        check(&site, &format!("{list}&cursor={cursor}"))
    });
    outcome.unwrap();
}
