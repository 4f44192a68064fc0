//! The Agora's own endpoints, against what agora-server itself answered on the same notes
//! (`src/agora/fixtures/shapes.json`).

use crate::{
    pages,
    support::{Site, written},
};
use serde_json::Value;
use springline_model::{
    NodeName,
    rows::{Order, TopRow},
};
use std::collections::BTreeSet;

/// The notes that the fixture was recorded on.
async fn site() -> Site {
    let site = Site::start().await;
    site.world.change(|state| {
        for record in [
            written(
                "alice/foo.md",
                1_795_251_982,
                "Foo [[bar]] [[Baz|label]]\n- #pull [[bar]]\n- [[go]] https://example.org/foo\n",
            ),
            written("alice/2022-01-01.md", 1_795_251_983, "- met [[bob]]\n"),
            written("alice/2021-05-22 Some Title.md", 1_795_251_984, "capital journal-like\n"),
            written("bob/Foo.md", 1_795_251_985, "# bob foo\n- [[push]] [[bar]] pushed text\n"),
            written("bob/bar.md", 1_795_251_986, "bar\n"),
            written("bob/readme.md", 1_795_251_987, "root readme [[foo]]\n"),
        ] {
            state.put(record);
        }
        for (node, score) in [("foo", 2), ("bar", 1), ("2022-01-01", 1)] {
            state.top.push(TopRow { order: Order::Size, score, node: NodeName::canonical(node) });
        }
    });
    site
}

fn fixture(path: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../src/agora/fixtures/shapes.json")).unwrap();
    all[path].clone()
}

/// Whether one JSON value has the shape of another: the same keys, the same types; `null` for what we can't know.
fn assert_shape(ours: &Value, theirs: &Value, at: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys =
                |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(keys(ours), keys(theirs), "{at}");
            for (key, value) in ours {
                assert_shape(value, &theirs[key], &format!("{at}.{key}"));
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for value in ours {
                assert_shape(value, theirs.first().unwrap_or(&Value::Null), &format!("{at}[]"));
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        _ => {
            assert_eq!(std::mem::discriminant(ours), std::mem::discriminant(theirs), "{at}: {ours} {theirs}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_shapes_of_the_agora() {
    let site = site().await;
    for path in [
        "/users.json",
        "/nodes.json",
        "/similar/fo.json",
        "/user/alice.json",
        "/journals.json",
        "/journal/alice.json",
        "/graph/json/foo",
        "/graph/json/all",
        "/graph/json/top/3",
    ] {
        let got = site.get(path).await;
        assert_eq!(
            (got.status, got.header("content-type")),
            (200, "application/json"),
            "{path}: {}",
            got.text
        );
        let theirs = fixture(path);
        assert!(!theirs.is_null(), "{path}");
        assert!(got.json().as_array().is_none_or(|items| !items.is_empty()), "{path}");
        assert_shape(&got.json(), &theirs, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_say_the_same() {
    let site = site().await;
    assert_eq!(site.get("/users.json").await.json(), serde_json::json!(["alice", "bob"]));
    assert_eq!(site.get("/user/alice.json").await.json(), fixture("/user/alice.json"));
    assert_eq!(site.get("/similar/fo.json").await.json(), serde_json::json!(["foo"]));
    let nodes = site.get("/nodes.json").await.json();
    assert_eq!(nodes, serde_json::json!(["2021-05-22 Some Title", "2022-01-01", "bar", "foo", "readme"]));
    let journal = &site.get("/journals.json").await.json()[0];
    for (key, value) in fixture("/journals.json")[0].as_object().unwrap() {
        let known = !matches!(key.as_str(), "datetime" | "mtime" | "edit" | "web" | "user_config" | "path");
        assert!(!known || journal[key] == *value, "{key}: {} is not {value}", journal[key]);
    }
    assert_eq!(journal["user_config"]["target"], "garden/alice");
    assert_eq!(site.get("/journal/alice.json").await.json().as_array().unwrap().len(), 1);
    assert_eq!(site.get("/journal/nobody.json").await.json(), serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn graphs_say_the_same() {
    let site = site().await;
    let links = |graph: &Value| -> BTreeSet<(String, String)> {
        let text = |link: &Value, key: &str| link[key].as_str().unwrap().to_owned();
        let links = graph["links"].as_array().unwrap().iter();
        links.map(|link| (text(link, "source"), text(link, "target"))).collect()
    };
    let groups = |graph: &Value| -> BTreeSet<(String, u64, u64)> {
        let nodes = graph["nodes"].as_array().unwrap().iter();
        nodes
            .map(|n| {
                (n["id"].as_str().unwrap().into(), n["val"].as_u64().unwrap(), n["group"].as_u64().unwrap())
            })
            .collect()
    };
    let ours = site.get("/graph/json/foo").await.json();
    let pair = |source: &str, target: &str| (source.to_owned(), target.to_owned());
    for link in [
        pair("readme", "back"),
        pair("back", "foo"),
        pair("foo", "forward"),
        pair("forward", "bar"),
        pair("forward", "go"),
        pair("forward", "baz"),
    ] {
        assert!(links(&ours).contains(&link), "{link:?} in {ours}");
    }
    for node in [("foo", 6, 1), ("forward", 3, 2), ("back", 3, 2), ("readme", 1, 4), ("bar", 1, 5)] {
        assert!(groups(&ours).contains(&(node.0.to_owned(), node.1, node.2)), "{node:?} in {ours}");
    }
    assert!(!ours.to_string().contains("\"\""), "no nameless node: {ours}");
    let all = site.get("/graph/json/all").await.json();
    assert!(links(&all).is_superset(&links(&fixture("/graph/json/all"))), "{all}");
    let top = site.get("/graph/json/top/3").await.json();
    assert_eq!(links(&top), links(&fixture("/graph/json/top/3")));
    assert_eq!(top["nodes"][0], serde_json::json!({"id": "/2022-01-01", "name": "2022 01 01", "val": 1}));
    assert_eq!(site.get("/graph/json/none").await.status, 404);
    let turtle = site.get("/graph/turtle/foo").await;
    assert_eq!(turtle.header("content-type"), "text/turtle; charset=utf-8");
    for line in ["<{}/readme> a:links <{}/foo> .", "<{}/foo> a:links <{}/bar> ."] {
        assert!(turtle.text.contains(&line.replace("{}", &site.url)), "{}", turtle.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_are_read_back() {
    let site = site().await;
    for (path, title, items) in [
        ("/feed/foo", "Agora feed for node [[foo]]", 2),
        ("/feed/@alice", "Agora feed for user @alice", 3),
        ("/feed/latest", "Agora feed for latest updates", 6),
        ("/feed/journals", "Agora feed for journals", 1),
        ("/feed/journals/@alice", "Agora feed for journals of user @alice", 1),
    ] {
        let got = site.get(path).await;
        assert_eq!(
            (got.status, got.header("content-type")),
            (200, "application/rss+xml; charset=utf-8"),
            "{path}"
        );
        let channel = rss::Channel::read_from(got.text.as_bytes()).unwrap();
        assert_eq!((channel.title(), channel.items().len()), (title, items), "{path}");
        assert!(!channel.description().is_empty() && channel.link().starts_with(&site.url));
        assert_eq!(channel.atom_ext().unwrap().links[0].href, format!("{}{path}", site.url));
        assert_eq!(channel.last_build_date(), Some("Fri, 15 Jan 2027 08:00:00 +0000"));
        let mut guids = BTreeSet::new();
        for item in channel.items() {
            let guid = item.guid().unwrap();
            assert!(
                !guid.is_permalink()
                    && guid.value().starts_with("garden/")
                    && guids.insert(guid.value().to_owned())
            );
            assert!(
                item.pub_date().unwrap().ends_with("Nov 2026 09:06:22 +0000")
                    || item.pub_date().unwrap().contains("Nov 2026")
            );
            assert!(item.link().unwrap().starts_with(&format!("{}/@", site.url)));
            assert!(!item.content().unwrap().is_empty() && !item.content().unwrap().contains("href=\"/"));
        }
    }
    let foo = rss::Channel::read_from(site.get("/feed/foo").await.text.as_bytes()).unwrap();
    let alice =
        foo.items().iter().find(|item| item.guid().unwrap().value() == "garden/alice/foo.md").unwrap();
    assert_eq!(alice.description(), Some("A post by user @alice in node [[foo]]."));
    assert_eq!(alice.link(), Some(format!("{}/@alice/foo", site.url).as_str()));
    assert_eq!(alice.pub_date(), Some("Sat, 21 Nov 2026 09:06:22 +0000"));
    assert!(alice.content().unwrap().contains(&format!("<a href=\"{}/node/bar\"", site.url)));
    assert_eq!(site.get("/feed/none").await.status, 404);
    assert_eq!(site.get("/feed/@nobody").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_hold_whatever_notes_do() {
    let site = pages::site().await;
    let got = site.get("/feed/latest").await;
    let channel = rss::Channel::read_from(got.text.as_bytes()).unwrap();
    assert!(!channel.items().is_empty());
    assert!(!got.text.contains('\u{1}') && !got.text.contains("<script") && !got.text.contains("onerror"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_servers_find_out() {
    let site = site().await;
    let info = site.get("/.well-known/nodeinfo").await.json();
    assert_shape(&info, &fixture("/.well-known/nodeinfo"), "nodeinfo");
    let info = site.get("/nodeinfo/2.0").await.json();
    for key in fixture("/nodeinfo/2.0").as_object().unwrap().keys() {
        assert!(!info[key].is_null(), "{key} in {info}");
    }
    assert_eq!(info["usage"]["users"]["total"], 2);
    let found = site.get("/.well-known/webfinger?resource=acct:alice@anagora.org").await;
    assert_eq!((found.status, found.header("content-type")), (200, "application/jrd+json"));
    assert_eq!(found.json()["subject"], "acct:alice@anagora.org");
    assert_eq!(found.json()["links"][0]["href"], format!("{}/@alice", site.url));
    assert_eq!(site.get("/.well-known/webfinger?resource=acct:zoe@x").await.status, 404);
    assert_eq!(site.get("/.well-known/webfinger?resource=alice").await.status, 400);
    assert_eq!(site.get("/.well-known/webfinger").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_cut_and_go_on() {
    let site = Site::start().await;
    site.world.change(|state| {
        for number in 0..450_i64 {
            let day =
                format!("20{:02}-{:02}-{:02}", 10 + number / 336, 1 + number / 28 % 12, 1 + number % 28);
            state.put(written(&format!("alice/{day}.md"), number, "x"));
        }
    });
    for start in ["/journals.json", "/journal/alice.json"] {
        let (mut path, mut found) = (start.to_owned(), BTreeSet::new());
        loop {
            let got = site.get(&path).await;
            let items = got
                .json()
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["uri"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>();
            assert!(items.len() <= 200 && !items.is_empty(), "{path}");
            assert!(items.into_iter().all(|uri| found.insert(uri)), "{path} repeats a note");
            match got.header("link").strip_suffix(">; rel=\"next\"") {
                Some(next) => path = next.trim_start_matches('<').to_owned(),
                None => break,
            }
        }
        assert_eq!(found.len(), 450, "{start}");
    }
}
