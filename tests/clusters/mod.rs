//! Clusters by hand through the whole process: pinned, moved, split, merged, taken back; and over a restart and a crash.

use serde_json::{Value, json};
use springline_tests::{Server, Springline};
use std::collections::BTreeSet;
use tempfile::TempDir;

fn configured(dir: &std::path::Path) -> Springline {
    let config = dir.join("springline.toml");
    std::fs::write(&config, "[feedback.projects.shop]\n[feedback.projects.other]\n").unwrap();
    Springline::new(&dir.join("data")).configured(&config).with("identity.offline", "true")
}

fn start(springline: &Springline) -> Server {
    let server = springline.serve_configured();
    server.ready();
    server
}

/// Something said in a project, on the day of its number.
fn say(server: &Server, project: &str, number: u32, text: &str) {
    let at = format!("2026-01-{number:02}T10:00:00Z");
    let item = json!({ "external_id": number.to_string(), "title": text, "body": text, "created_at": at });
    let target = format!("/v1/ingest/manual?project={project}&wait=visible");
    let answer = server.post(&target, &item.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn uri(number: u32) -> String {
    format!("feedback://shop/manual/{number}")
}

/// The numbers of the items of each cluster.
fn clusters(server: &Server) -> BTreeSet<Vec<u32>> {
    let answer = server.get("/v1/clusters?space=shop");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = answer.json()["items"].as_array().cloned().unwrap();
    all.iter().map(|cluster| numbers(server, cluster["id"].as_str().unwrap())).collect()
}

fn numbers(server: &Server, cluster: &str) -> Vec<u32> {
    let items = server.get(&format!("/v1/clusters/{cluster}/items?space=shop")).json();
    let number = |item: &Value| item["uri"].as_str()?.rsplit('/').next()?.parse().ok();
    let mut numbers: Vec<u32> = items["items"].as_array().unwrap().iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// The name of the cluster that an item is in.
fn cluster_of(server: &Server, number: u32) -> String {
    let all = server.get("/v1/clusters?space=shop").json()["items"].as_array().cloned().unwrap();
    let mut names = all.iter().map(|cluster| cluster["id"].as_str().unwrap().to_owned());
    names.find(|name| numbers(server, name).contains(&number)).unwrap()
}

fn order(server: &Server, cluster: &str, what: &str, body: &Value) -> Value {
    let answer = server.post(&format!("/v1/clusters/{cluster}/{what}?wait=visible"), &body.to_string());
    assert_eq!(answer.status, 200, "{what} {body}: {}", answer.text());
    answer.json()
}

fn undo(server: &Server, target: &str) -> Value {
    let wait = if target.contains('?') { "&wait=visible" } else { "?wait=visible" };
    let answer = server.delete(&format!("{target}{wait}"));
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer.json()
}

fn sets(sets: &[&[u32]]) -> BTreeSet<Vec<u32>> {
    sets.iter().map(|set| set.to_vec()).collect()
}

#[test]
fn what_is_said_by_hand_counts_until_it_is_taken_back() {
    let dir = TempDir::new().unwrap();
    let springline = configured(dir.path());
    let server = start(&springline);
    say(&server, "shop", 1, "The app crashes when I upload a photo");
    say(&server, "shop", 2, "The app crashes when I upload a photo!!");
    say(&server, "shop", 3, "the app crashes when I upload my photo");
    say(&server, "shop", 4, "Where can I change my billing address?");
    say(&server, "shop", 5, "Dark mode please");
    say(&server, "other", 6, "Where can I change my billing address?");
    let found = sets(&[&[1, 2, 3], &[4], &[5]]);
    assert_eq!(clusters(&server), found);

    // Moved, and with it what says the same words.
    let [crashes, billing] = [1, 4].map(|number| cluster_of(&server, number));
    let moved = order(&server, &crashes, "move", &json!({ "items": [uri(2)], "into": billing }));
    assert_eq!(clusters(&server), sets(&[&[3], &[1, 2, 4], &[5]]));
    // A name leads to where its item is now; the cluster goes by its oldest member.
    assert_eq!(moved["cluster"], json!(crashes));
    let one = server.get(&format!("/v1/clusters/{billing}?space=shop")).json();
    assert_eq!(
        (&one["cluster"]["by_hand"], &one["cluster"]["items"], &one["redirected_from"]),
        (&json!(2), &json!(3), &json!(billing))
    );
    assert_eq!(one["cluster"]["title"], "Where can I change my billing address?");
    let other = server.get("/v1/clusters?space=other").json();
    let other = other["items"][0]["id"].as_str().unwrap().to_owned();
    for (what, body) in
        [("merge", json!({ "into": other })), ("pin", json!({ "items": ["feedback://other/manual/6"] }))]
    {
        let answer = server.post(&format!("/v1/clusters/{crashes}/{what}"), &body.to_string());
        assert_eq!(answer.status, 422, "{what}: {}", answer.text());
    }

    // Merged, and split, over a restart and a crash.
    let dark = cluster_of(&server, 5);
    let merged = order(&server, &dark, "merge", &json!({ "into": cluster_of(&server, 3) }));
    assert_eq!(clusters(&server), sets(&[&[3, 5], &[1, 2, 4]]));
    server.stop();
    let server = start(&springline);
    assert_eq!(clusters(&server), sets(&[&[3, 5], &[1, 2, 4]]));
    let split = order(&server, &cluster_of(&server, 4), "split", &json!({ "items": [uri(4)] }));
    assert_eq!(numbers(&server, split["cluster"].as_str().unwrap()), [4]);
    // What 1 and 2 hang on is where 4 would be, not where it is by hand.
    assert_eq!(clusters(&server), sets(&[&[3, 5], &[1, 2], &[4]]));
    server.kill();
    drop(server);
    let server = start(&springline);
    assert_eq!(clusters(&server), sets(&[&[3, 5], &[1, 2], &[4]]));

    // What nobody else looks for is nowhere else.
    for view in ["/v1/latest", "/v1/search?q=kind:clusters.order", "/v1/collections"] {
        let said = server.get(view).text().to_string();
        assert!(!said.contains("clusters.order") && !said.contains("clusters://"), "{view}: {said}");
    }
    let orders = server.get("/v1/orders?space=shop").json();
    assert_eq!(orders["items"].as_array().unwrap().len(), 3, "{orders}");

    // An order for what is gone has no effect, and counts again when it is back.
    undo(&server, "/v1/feedback/shop/manual/5");
    assert_eq!(clusters(&server), sets(&[&[3], &[1, 2], &[4]]));
    say(&server, "shop", 5, "Dark mode please");
    assert_eq!(clusters(&server), sets(&[&[3, 5], &[1, 2], &[4]]));

    // Taken back, one after the other, in another order than they were given.
    undo(&server, &format!("/v1/orders/{}", moved["orders"][0].as_str().unwrap()));
    assert_eq!(clusters(&server), sets(&[&[1, 2, 3, 5], &[4]]));
    undo(&server, &format!("/v1/orders/{}", merged["orders"][0].as_str().unwrap()));
    assert_eq!(clusters(&server), found);
    let undone = undo(&server, &format!("/v1/clusters/{}/orders", split["cluster"].as_str().unwrap()));
    assert_eq!(undone["orders"], split["orders"]);
    assert_eq!(clusters(&server), found);

    // Pinned: what would leave with other words stays.
    order(&server, &crashes, "pin", &json!({ "items": [uri(1), uri(3)] }));
    assert_eq!(clusters(&server), found);
    say(&server, "shop", 3, "Dark mode please");
    assert_eq!(clusters(&server), sets(&[&[1, 2, 3, 5], &[4]]));

    // What was said of how a cluster stands goes with its name.
    let resolved = server.post(&format!("/v1/clusters/{billing}/resolve"), "{}");
    assert_eq!(resolved.status, 200, "{}", resolved.text());
    order(&server, &billing, "merge", &json!({ "into": crashes }));
    assert_eq!(clusters(&server), sets(&[&[1, 2, 3, 4, 5]]));
    let one = server.get(&format!("/v1/clusters/{crashes}?space=shop")).json();
    assert_eq!(one["cluster"]["status"], "resolved", "{one}");
    server.stop();
    assert!(springline.output(&["views", "verify"]).status.success());
}
