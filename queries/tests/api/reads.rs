//! Every reading route, happy and sad.

use crate::support::{Site, link, note};
use serde_json::json;
use springline_model::LinkPath;

#[tokio::test(flavor = "multi_thread")]
async fn backlinks() {
    let site = Site::garden().await;
    let target = "/v1/backlinks?target=node:digital%20garden";
    let got = site.get(target).await;
    assert_eq!(got.items("path"), ["wikilink", "wikilink", "push", "wikilink"]);
    assert_eq!(got.items("at")[3], "1970-01-01T00:03:20.000Z");
    let first = &got.json()["items"][0];
    assert_eq!(first["author"], "user:carol");
    assert_eq!(first["label"], "a label");
    assert_eq!(first["node"], "2021-05-01");
    assert_eq!(got.header("springline-epoch"), "1");
    assert_eq!(got.json()["epoch"], 1);
    // Any spelling of a node.
    assert_eq!(site.get("/v1/backlinks?target=node:Digital-Garden").await.items("path").len(), 4);
    // Filters.
    let count = async |filter: &str| site.get(&format!("{target}{filter}")).await.items("source").len();
    assert_eq!(count("&path=wikilink").await, 3);
    assert_eq!(count("&context=code").await, 1);
    assert_eq!(count("&author=alice").await, 1);
    assert_eq!(count("&author=user:alice&path=push").await, 0);
    assert_eq!(count("&kind=image").await, 0);
    // The agora's reading: the uncut text is a node of its own, the cut link is not there.
    assert_eq!(count("&links=agora").await, 2);
    let uncut = "/v1/backlinks?target=node:digital%20garden%7Ca%20label";
    assert_eq!(site.get(&format!("{uncut}&links=agora")).await.items("path"), ["agora"]);
    assert_eq!(site.get(uncut).await.items("path").len(), 0);
    // Other targets.
    assert_eq!(site.get("/v1/backlinks?target=tag:%23TODO").await.items("author"), ["user:carol"]);
    assert_eq!(site.get("/v1/backlinks?target=https://example.org/x").await.items("author"), ["user:bob"]);
    assert_eq!(site.get("/v1/backlinks?target=node:nothing").await.items("author").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn backlinks_refused() {
    let site = Site::garden().await;
    let refused = async |query: &str, parameter: &str| {
        let problem = site.get(&format!("/v1/backlinks?{query}")).await.problem(400, "malformed-query");
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    };
    assert!(refused("target=foo", "target").await.contains("node:foo"));
    refused("target=", "target").await;
    assert!(refused("target=node:a&limit=0", "limit").await.contains("between 1 and 500"));
    refused("target=node:a&limit=1000000000", "limit").await;
    refused("target=node:a&limit=ten", "limit").await;
    refused("target=node:a&links=maybe", "links").await;
    refused("target=node:a&context=dream", "context").await;
    let problem = site.get("/v1/backlinks").await.problem(400, "malformed-query");
    assert!(problem["detail"].as_str().unwrap().contains("target"), "{problem}");
    let problem = site.get("/v1/backlinks?target=node:a&colour=red").await.problem(400, "malformed-query");
    assert!(problem["detail"].as_str().unwrap().contains("colour"), "{problem}");
    site.get("/v1/backlinks?target=node:a&target=node:b").await.problem(400, "malformed-query");
    site.get("/v1/backlinks?target=node:a&cursor=zz").await.problem(400, "malformed-cursor");
    site.get("/v1/backlinks?target=node:a&cursor=").await.problem(400, "malformed-cursor");
    let problem = site.get("/v1/backlinks?target=node:a&cursor=ab*c").await.problem(400, "malformed-cursor");
    assert_eq!(problem["at"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn backlinks_of_another_query_refuse_the_cursor() {
    let site = Site::garden().await;
    let page = site.get("/v1/backlinks?target=node:digital%20garden&limit=1").await.json();
    let cursor = page["next"].as_str().unwrap();
    let same = format!("/v1/backlinks?target=node:Digital-Garden&cursor={cursor}");
    assert_eq!(site.get(&same).await.items("path").len(), 3);
    let other = format!("/v1/backlinks?target=node:ideas&cursor={cursor}");
    site.get(&other).await.problem(400, "malformed-cursor");
    site.get(&format!("/v1/latest?cursor={cursor}")).await.problem(400, "malformed-cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn backlink_counts() {
    let site = Site::garden().await;
    let got = site.get("/v1/backlinks/count?target=node:digital%20garden").await.json();
    assert_eq!(got["links"], 4);
    let wikilinks =
        got["groups"].as_array().unwrap().iter().find(|group| group["path"] == "wikilink").unwrap();
    assert_eq!(
        *wikilinks,
        json!({"kind": "note", "path": "wikilink", "links": 3, "records": 2, "authors": 2})
    );
    assert_eq!(site.get("/v1/backlinks/count?target=tag:none").await.json()["links"], 0);
    site.get("/v1/backlinks/count?target=x").await.problem(400, "malformed-query");
}

#[tokio::test(flavor = "multi_thread")]
async fn rankings() {
    let site = Site::garden().await;
    assert_eq!(site.get("/v1/rankings/size").await.items("node"), ["digital garden", "ideas", "tools"]);
    assert_eq!(site.all("/v1/rankings/size?limit=1", "node").await.len(), 3);
    assert_eq!(site.get("/v1/rankings/24h").await.items("node").len(), 0);
    let problem = site.get("/v1/rankings/beauty").await.problem(404, "not-found");
    assert!(problem["detail"].as_str().unwrap().contains("indegree"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn catalog() {
    let site = Site::garden().await;
    let latest = site.get("/v1/latest").await;
    assert_eq!(latest.items("author")[..2], ["user:carol", "user:bob"]);
    assert_eq!(latest.items("uri").len(), 5);
    assert_eq!(site.get("/v1/latest?kind=image").await.items("uri").len(), 0);
    assert_eq!(site.get("/v1/authors").await.items("author"), ["user:alice", "user:bob", "user:carol"]);
    assert_eq!(site.get("/v1/authors/alice").await.json()["records"], 2);
    assert_eq!(site.get("/v1/authors/@alice").await.json()["author"], "user:alice");
    let notes = site.get("/v1/authors/user:alice/notes").await;
    assert_eq!(notes.items("title"), ["ideas", "Digital Garden"]);
    site.get("/v1/authors/nobody").await.problem(404, "not-found");
    site.get("/v1/authors/nobody/notes").await.problem(404, "not-found");
    assert_eq!(site.get("/v1/journals").await.items("day"), ["2021-05-01"]);
    assert_eq!(site.get("/v1/journals/2021-05-01").await.items("author"), ["user:carol"]);
    assert_eq!(site.get("/v1/journals/2021-05-02").await.items("author").len(), 0);
    site.get("/v1/journals/2021-13-02").await.problem(400, "malformed-query");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes() {
    let site = Site::garden().await;
    assert_eq!(site.get("/v1/nodes").await.items("node"), ["2021-05-01", "digital garden", "ideas", "tools"]);
    assert_eq!(site.get("/v1/nodes?prefix=Digital").await.items("node"), ["digital garden"]);
    let got = site.get("/v1/nodes/Digital-Garden").await;
    assert_eq!(got.status, 200, "{}", got.text);
    let node = got.json();
    assert_eq!(node["node"], "digital garden");
    assert_eq!(node["slug"], "digital-garden");
    assert_eq!((&node["subnodes"], &node["authors"], &node["links"]), (&json!(2), &json!(2), &json!(3)));
    assert_eq!(node["subnodes_list"][0]["text"], "A garden of [[ideas]] by alice.");
    assert_eq!(node["subnodes_list"][0]["cut"], false);
    assert_eq!(node["subnodes_list"][1]["author"], "user:bob");
    assert_eq!(node["backlinks"].as_array().unwrap().len(), 4);
    assert_eq!(node["pushes"][0]["author"], "user:carol");
    assert_eq!(node["pulls"], json!(["tools"]));
    assert_eq!(node["forward"][0], json!({"target": "node:ideas", "path": "wikilink", "links": 1}));
    assert_eq!(node["related"][0]["node"], "ideas", "mutual links are the strongest tie");
    let bare = site.get("/v1/nodes/digital%20garden?text=false").await.json();
    assert!(bare["subnodes_list"][0].get("text").is_none());
    assert_eq!(bare["forward"], node["forward"]);
    // Linked to, but no note.
    site.world.change(|state| {
        state.put(note("bob/x.md", 1, "", vec![link(LinkPath::WIKILINK, "node:foo/bar")]));
    });
    assert_eq!(site.get("/v1/nodes/foo/bar").await.json()["links"], 1);
    let problem = site.get("/v1/nodes/digital%20mountain").await.problem(404, "not-found");
    assert!(problem["detail"].as_str().unwrap().contains("`digital garden`"), "{problem}");
    assert_eq!(problem["instance"], "/v1/nodes/digital%20mountain");
    site.get("/v1/nodes/x?limit=501").await.problem(400, "malformed-query");
    site.get("/v1/nodes/x?node=y").await.problem(400, "malformed-query");
    assert_eq!(
        site.all("/v1/subnodes?node=digital-garden&limit=1", "author").await,
        ["user:alice", "user:bob"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn long_texts_are_cut() {
    let site = Site::start().await;
    let long = "é".repeat(600_000);
    site.world.change(|state| {
        state.put(note("a/long.md", 1, &long, vec![]));
        state.put(note("b/long.md", 1, "short", vec![]));
    });
    let node = site.get("/v1/nodes/long").await.json();
    let text = node["subnodes_list"][0]["text"].as_str().unwrap();
    assert_eq!((text.len(), &node["subnodes_list"][0]["cut"]), (1 << 20, &json!(true)));
    assert_eq!(node["subnodes_list"][1]["cut"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn graph() {
    let site = Site::garden().await;
    let graph = site.get("/v1/graph/digital-garden").await.json();
    let names = |graph: &serde_json::Value| -> Vec<String> {
        let nodes = graph["nodes"].as_array().unwrap();
        nodes.iter().map(|node| format!("{}@{}", node["node"].as_str().unwrap(), node["depth"])).collect()
    };
    assert_eq!(names(&graph), ["digital garden@0", "2021-05-01@1", "ideas@1"]);
    let edges = json!([
        {"source": "2021-05-01", "target": "digital garden", "links": 2},
        {"source": "digital garden", "target": "ideas", "links": 1},
        {"source": "ideas", "target": "digital garden", "links": 1},
    ]);
    assert_eq!(graph["edges"], edges);
    assert_eq!(graph["truncated"], false);
    let wide = site.get("/v1/graph/ideas?depth=2").await.json();
    assert_eq!(names(&wide), ["ideas@0", "digital garden@1", "2021-05-01@2"]);
    let small = site.get("/v1/graph/ideas?depth=2&limit=2").await.json();
    assert_eq!((names(&small).len(), &small["truncated"]), (2, &json!(true)));
    site.get("/v1/graph/ideas?depth=3").await.problem(400, "malformed-query");
    site.get("/v1/graph/nothing").await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn records() {
    let site = Site::garden().await;
    let by_query = site.get("/v1/records?uri=garden://carol/2021-05-01.md").await;
    let record = by_query.json();
    assert_eq!(record["author"], "user:carol");
    assert_eq!(record["links"][0]["label"], "a label");
    assert_eq!(record["source"], "gardens");
    assert_eq!(record["attrs"]["format"], "markdown");
    let by_path = site.get("/v1/records/garden://alice/Digital%20Garden.md").await;
    assert_eq!(by_path.json()["title"], "Digital Garden");
    let encoded = site.get("/v1/records/garden%3A%2F%2Falice%2FDigital%20Garden.md").await;
    assert_eq!(encoded.json(), by_path.json());
    site.get("/v1/records?uri=garden://carol/none.md").await.problem(404, "not-found");
    site.get("/v1/records?uri=none").await.problem(400, "malformed-query");
    site.get("/v1/records").await.problem(400, "malformed-query");
    // What is hidden is gone, also for those who know its name.
    site.world.change(|state| {
        state.hidden.insert("garden://carol/".into());
    });
    site.get("/v1/records?uri=garden://carol/2021-05-01.md").await.problem(404, "not-found");
    assert_eq!(site.get("/v1/moderation").await.items("authority"), ["garden://carol/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications() {
    let site = Site::garden().await;
    let got = site.get("/v1/notifications?recipient=alice").await;
    assert_eq!(got.items("reason"), ["push"]);
    assert_eq!(got.items("actor"), ["user:carol"]);
    assert_eq!(site.get("/v1/notifications?recipient=alice&reason=link").await.items("reason").len(), 0);
    assert_eq!(site.get("/v1/notifications?recipient=bob").await.items("reason").len(), 0);
    site.get("/v1/notifications").await.problem(400, "malformed-query");
    site.get("/v1/notifications?recipient=alice&reason=love").await.problem(400, "malformed-query");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_quarantine_and_views() {
    let site = Site::garden().await;
    let sources = site.get("/v1/sources").await;
    let gardens = &sources.json()["sources"][0];
    assert_eq!((&gardens["name"], &gardens["state"]), (&json!("gardens"), &json!("live")));
    assert_eq!(gardens["brought"][0]["records"], 5);
    assert_eq!(sources.header("cache-control"), "no-store");
    let quarantine = site.get("/v1/quarantine").await;
    assert_eq!(quarantine.items("sample"), ["a\u{FFFD}b"]);
    assert_eq!(quarantine.items("reason"), ["too large"]);
    let views = site.get("/v1/views").await.json();
    let catalog = views["views"].as_array().unwrap().iter().find(|view| view["name"] == "catalog").unwrap();
    assert!(catalog["rows"].as_u64().unwrap() > 0, "{catalog}");
}
