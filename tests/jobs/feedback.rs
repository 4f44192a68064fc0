//! From what people say to the pull request: feedback gathers in a cluster, and one call sets an agent to work on it.

use super::{PATIENCE, Site, until};
use serde_json::{Value, json};
use springline_tests::{Server, eventually};
use std::fs;

/// An agent that keeps what it is given, and opens a pull request.
const AGENT: &str = r#"
cat > "$DIR/given.new"; mv "$DIR/given.new" "$DIR/given"
python3 - <<'PYTHON'
import json, os, urllib.request
body = json.dumps({"state": "success", "pr_url": "https://git.example/pull/7"}).encode()
to = os.environ["SPRINGLINE_URL"] + "/v1/jobs/" + os.environ["JOB_ID"]
headers = {"authorization": "Bearer " + os.environ["JOB_TOKEN"], "content-type": "application/json"}
urllib.request.urlopen(urllib.request.Request(to, body, headers, method="PATCH"))
PYTHON
"#;

fn say(server: &Server, id: &str, at: &str, title: &str) {
    let item = json!({ "external_id": id, "title": title, "body": title, "created_at": at });
    let answer = server.post("/v1/ingest/manual?project=shop&wait=visible", &item.to_string());
    assert_eq!(
        (answer.status, &answer.json()["items"][0]["status"]),
        (200, &json!("accepted")),
        "{}",
        answer.text()
    );
}

fn clusters(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("/v1/clusters?space=shop{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["items"].as_array().cloned().unwrap()
}

#[test]
fn what_is_said_gathers_and_is_fixed() {
    let site = Site::new(AGENT, "[feedback.projects.shop]");
    let server = site.serve();
    say(&server, "1", "2026-01-01T10:00:00Z", "The app crashes when I upload a photo");
    say(&server, "2", "2026-01-02T10:00:00Z", "The app crashes when I upload a photo!");
    say(&server, "3", "2026-01-03T10:00:00Z", "Where can I change my billing address?");
    let found = clusters(&server, "&min_items=2");
    assert_eq!(found.len(), 1, "{found:?}");
    let id = found[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&found[0]["items"], &found[0]["status"]), (&json!(2), &json!("new")));
    assert_eq!(clusters(&server, "&status=new").len(), 2);
    assert!(clusters(&server, "&status=fixing").is_empty());

    let unknown = server.post("/v1/clusters/cffff/start_fix", &json!({ "agent": "fixer" }).to_string());
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    let answer =
        server.post(&format!("/v1/clusters/{id}/start_fix"), &json!({ "agent": "fixer" }).to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let job = answer.json()["job"].as_str().unwrap().to_owned();
    until(&server, &job, "success");
    let given: Value = serde_json::from_slice(&fs::read(site.path("given")).unwrap()).unwrap();
    let given = given.get("snapshot").unwrap_or(&given);
    assert_eq!((&given["id"], &given["items"]), (&json!(id), &json!(2)), "{given}");
    assert!(given["members"][0]["text"].as_str().unwrap().contains("upload a photo"), "{given}");

    let one = server.get(&format!("/v1/clusters/{id}")).json();
    assert_eq!(one["cluster"]["status"], "pr_opened");
    assert_eq!(
        (&one["jobs"][0]["id"], &one["jobs"][0]["pr_url"]),
        (&json!(job), &json!("https://git.example/pull/7"))
    );
    assert_eq!(clusters(&server, "&status=pr_opened").len(), 1);

    // The oldest goes, and the cluster's name with it: its jobs stay with those that are left as long as their names
    // lead there, and an older one that comes takes them over.
    say(&server, "0", "2025-12-31T10:00:00Z", "The app crashes when I upload a photo.");
    let renamed = clusters(&server, "&min_items=3");
    assert_eq!(renamed.len(), 1);
    assert_ne!(renamed[0]["id"], json!(id));
    assert_eq!(renamed[0]["status"], "pr_opened");
    let old = server.get(&format!("/v1/clusters/{id}")).json();
    assert_eq!((&old["redirected_from"], &old["cluster"]["id"]), (&json!(id), &renamed[0]["id"]));
    eventually("the agents are gone", PATIENCE, || {
        let agents = server.get("/v1/agents").json();
        agents["agents"][0]["instances"].as_array().is_none_or(Vec::is_empty).then_some(())
    });
    server.stop();
}
