//! What changes in a view: pages, and a stream of them.

use crate::support::{Site, is_spread, note};
use serde_json::{Value, json};
use springline_model::View;
use springline_sinks::views::Follow;
use std::{collections::BTreeMap, time::Duration};

type Rows = BTreeMap<(String, String), Value>;

/// Puts a change into effect, and checks that it fits.
fn apply(rows: &mut Rows, change: &Value) {
    let text = |field: &str| change[field].as_str().unwrap().to_owned();
    let key = (text("table"), text("key"));
    let was = match change["after"].clone() {
        Value::Null => rows.remove(&key),
        after => rows.insert(key, after),
    };
    assert_eq!(was.unwrap_or(Value::Null), change["before"], "{change}");
    let op = match (&change["before"], &change["after"]) {
        (Value::Null, _) => "c",
        (_, Value::Null) => "d",
        _ => "u",
    };
    assert_eq!(change["op"], op);
}

async fn pages(site: &Site, query: &str, after: &mut Option<String>, rows: &mut Rows) {
    loop {
        let position = after.as_ref().map_or(String::new(), |after| format!("&after={after}"));
        let page = site.get(&format!("/v1/changes/catalog?{query}{position}")).await.json();
        page["changes"].as_array().unwrap().iter().for_each(|change| apply(rows, change));
        *after = Some(page["next"].as_str().unwrap().to_owned());
        if page["more"] == false {
            return;
        }
    }
}

async fn site(keep_bytes: u64) -> Site {
    let site = Site::start().await;
    let views = [View::Catalog, View::Feedback, View::Ledger].into();
    site.world.follow(&Follow { views, keep_bytes, ..Follow::default() });
    site
}

fn edit(site: &Site, number: usize) {
    site.world.change(|state| {
        state.put(note(&format!("ada/n{}.md", number % 5), number as i64, &"x".repeat(number), vec![]));
        if number.is_multiple_of(3) {
            state.records.pop_first();
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_fold_to_the_rows() {
    if is_spread("a log is of one process' rows") {
        return;
    }
    let site = site(u64::MAX).await;
    let (mut rows, mut after) = (Rows::new(), None);
    for number in 0..20 {
        edit(&site, number);
        if number % 4 == 0 {
            pages(&site, "limit=7", &mut after, &mut rows).await;
        }
    }
    pages(&site, "limit=7", &mut after, &mut rows).await;
    let (mut again, mut nodes) = (Rows::new(), Rows::new());
    pages(&site, "limit=1000", &mut None, &mut again).await;
    assert_eq!(again, rows);
    pages(&site, "table=nodes&limit=2", &mut None, &mut nodes).await;
    rows.retain(|(table, _), _| table == "nodes");
    assert_eq!(nodes, rows);
    let listed = site.get("/v1/nodes").await.items("node");
    let known: Vec<&str> = nodes.values().map(|row| row["node"].as_str().unwrap()).collect();
    assert_eq!(listed.len(), known.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_on_where_they_were() {
    let site = site(u64::MAX).await;
    edit(&site, 1);
    let stream = |last: Option<String>| {
        let request = site.request("GET", "/v1/changes/catalog").header("accept", "text/event-stream");
        match last {
            Some(last) => request.header("last-event-id", last),
            None => request.query(&[("after", "0.0")]),
        }
    };
    let (mut rows, mut last) = (Rows::new(), None);
    for round in 0..3 {
        let mut response = stream(last.clone()).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        edit(&site, 2 + round);
        let mut text = String::new();
        while let Ok(Ok(Some(bytes))) =
            tokio::time::timeout(Duration::from_millis(500), response.chunk()).await
        {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        let events = text.split("\n\n").filter(|event| event.contains("data:"));
        // As if the connection had broken before the last event.
        let events: Vec<&str> = events.collect();
        assert!(events.len() > 1, "{text}");
        for event in &events[..events.len() - 1] {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
            assert_eq!(field("event:"), "change");
            let change: Value = serde_json::from_str(field("data:")).unwrap();
            let id = field("id:");
            assert!(id.starts_with(&format!("{}.{}-", change["epoch"], change["n"])), "{id}");
            apply(&mut rows, &change);
            last = Some(id.to_owned());
        }
    }
    pages(&site, "limit=100", &mut last, &mut rows).await;
    let mut all = Rows::new();
    pages(&site, "limit=1000", &mut None, &mut all).await;
    assert_eq!(rows, all);
    site.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_told() {
    let site = site(1000).await;
    for number in 1..30 {
        edit(&site, number);
    }
    let gone = site.get("/v1/changes/catalog?after=1.1").await.problem(410, "gone");
    let page = site.get("/v1/changes/catalog").await.json();
    assert!(gone["detail"].as_str().unwrap().contains(page["oldest"].as_str().unwrap()), "{gone}");
    let oldest = page["oldest"].as_str().unwrap();
    assert_eq!(site.get(&format!("/v1/changes/catalog?after={oldest}")).await.status, 200);
    let (at, log) = oldest.split_once('-').unwrap();
    let other = format!("{at}-{:016x}", u64::from_str_radix(log, 16).unwrap() ^ 1);
    site.get(&format!("/v1/changes/catalog?after={other}")).await.problem(410, "gone");
    let stream = site.request("GET", "/v1/changes/catalog?after=1").header("accept", "text/event-stream");
    site.send(stream).await.problem(410, "gone");
    for (path, status, kind) in [
        ("search", 404, "not-found"),
        ("nothing", 404, "not-found"),
        ("backlinks", 404, "not-found"),
        ("catalog?after=x", 400, "malformed-query"),
        ("catalog?after=999.1", 400, "malformed-query"),
        ("catalog?table=feedback", 400, "malformed-query"),
        ("catalog?project=shop", 400, "malformed-query"),
        ("catalog?limit=0", 400, "malformed-query"),
        ("ledger?table=records", 400, "malformed-query"),
    ] {
        site.get(&format!("/v1/changes/{path}")).await.problem(status, kind);
    }
    let page = site.get("/v1/changes/feedback?project=shop").await.json();
    assert_eq!((&page["changes"], &page["more"]), (&json!([]), &json!(false)));
}
