//! The paths of soulcaster's dashboard over the whole process: its calls, in the order in which it makes them.

use super::{PATIENCE, Site};
use serde_json::{Value, json};
use springline_tests::{Server, eventually, send};

/// An agent that speaks of its job as soulcaster's do.
const AGENT: &str = r#"
echo "looking into it"
python3 - <<'PYTHON'
import json, os, urllib.request
report = {"status": "success", "github_branch": "fix/photos", "pr_url": "https://github.com/acme/shop/pull/7",
          "logs": "opened a pull request\n"}
to = os.environ["SPRINGLINE_URL"] + "/jobs/" + os.environ["JOB_ID"]
headers = {"authorization": "Bearer " + os.environ["JOB_TOKEN"], "content-type": "application/json"}
urllib.request.urlopen(urllib.request.Request(to, json.dumps(report).encode(), headers, method="PATCH"))
PYTHON
"#;

const ITEM: &[&str] = &[
    "id",
    "project_id",
    "source",
    "external_id",
    "title",
    "body",
    "raw_text",
    "metadata",
    "created_at",
    "repo",
    "github_issue_number",
    "github_issue_url",
    "status",
];
const CLUSTER: &[&str] = &[
    "id",
    "title",
    "summary",
    "status",
    "created_at",
    "updated_at",
    "github_branch",
    "github_pr_url",
    "error_message",
    "issue_title",
    "issue_description",
    "github_repo_url",
    "sources",
];
const JOB: &[&str] =
    &["id", "cluster_id", "plan_id", "runner", "status", "logs", "pr_url", "created_at", "updated_at"];

/// What it answers with success, with all these fields.
#[track_caller]
fn got(server: &Server, path: &str, fields: &[&str]) -> Value {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let value = answer.json();
    for field in fields {
        assert!(value.get(field).is_some(), "{path} has no `{field}`: {value}");
    }
    value
}

#[track_caller]
fn told(server: &Server, path: &str, body: &Value) -> Value {
    let answer = server.post(path, &body.to_string());
    assert!(matches!(answer.status, 200 | 202), "{path}: {} {}", answer.status, answer.text());
    answer.json()
}

#[test]
fn a_dashboard_goes_from_feedback_to_the_pull_request() {
    let site = Site::new(AGENT, "[server]\ncompat = true\n[feedback.projects.shop]");
    let server = site.serve();
    let nothing = got(&server, "/feedback", &["items", "total", "limit", "offset"]);
    assert_eq!((&nothing["total"], got(&server, "/clusters", &[])), (&json!(0), json!([])));
    assert_eq!(got(&server, "/jobs", &[]), json!([]));

    // It comes in from several places, some of it again.
    let crash = "The app crashes when I upload a photo";
    let manual = json!({ "text": crash });
    let reddit = json!({
        "id": "6f1d", "source": "reddit", "external_id": "t3_5dec00", "title": crash, "body": crash,
        "metadata": { "subreddit": "acme", "author": "ada" }, "created_at": "2026-01-02T10:00:00Z",
    });
    let sentry = json!({ "external_id": "e1", "title": "Where can I change my billing address?" });
    let ids: Vec<Value> = [("manual", &manual), ("reddit", &reddit), ("sentry", &sentry)]
        .into_iter()
        .map(|(source, item)| {
            let path = format!("/ingest/{source}");
            let first = told(&server, &path, item);
            assert_eq!((&first["status"], first["id"].is_string()), (&json!("ok"), true), "{first}");
            let again = told(&server, &path, item);
            assert_eq!((&again["status"], &again["id"]), (&json!("duplicate"), &first["id"]));
            first["id"].clone()
        })
        .collect();
    let unknown = send(server.address, "POST", "/ingest/manual", &[], &manual.to_string()).unwrap();
    assert_eq!(unknown.status, 401, "without a token nothing comes in");

    // It is listed and counted.
    let listed = eventually("it is listed", PATIENCE, || {
        let page = got(&server, "/feedback?limit=10", &[]);
        (page["total"] == 3).then_some(page)
    });
    let items = listed["items"].as_array().unwrap();
    assert!(ids.iter().all(|id| items.iter().any(|item| item["id"] == *id)), "{listed}");
    let of_reddit = got(&server, "/feedback?source=reddit", &[]);
    assert_eq!((&of_reddit["total"], &of_reddit["items"][0]["id"]), (&json!(1), &ids[1]));
    let one = got(&server, &format!("/feedback/{}", ids[1].as_str().unwrap()), ITEM);
    assert_eq!((&one["title"], &one["status"]), (&json!(crash), &json!("open")));
    assert_eq!(one["metadata"]["subreddit"], "acme");
    let stats = got(&server, "/stats", &[]);
    assert_eq!((&stats["total_feedback"], &stats["total_clusters"]), (&json!(3), &json!(2)));
    assert_eq!(stats["by_source"], json!({ "github": 0, "manual": 1, "reddit": 1, "sentry": 1 }));

    // It gathers.
    let clusters = got(&server, "/clusters", &[]);
    let of_two = clusters.as_array().unwrap().iter().find(|cluster| cluster["count"] == 2).unwrap();
    assert_eq!(of_two["sources"], json!(["manual", "reddit"]));
    let id = of_two["id"].as_str().unwrap();
    let path = format!("/clusters/{id}");
    let cluster = got(&server, &path, CLUSTER);
    assert_eq!((&cluster["status"], &cluster["title"]), (&json!("new"), &json!(crash)));
    assert_eq!(cluster["feedback_items"].as_array().unwrap().len(), 2);
    for field in ITEM {
        assert!(cluster["feedback_items"][0].get(field).is_some(), "{field}");
    }

    // And is fixed.
    let started = told(&server, &format!("{path}/start_fix"), &json!({}));
    assert_eq!((&started["status"], &started["cluster_id"]), (&json!("ok"), &json!(id)));
    let job = started["job_id"].as_str().unwrap();
    let done = eventually("the job is done", PATIENCE, || {
        let done = got(&server, &format!("/jobs/{job}"), JOB);
        assert_ne!(done["status"], "failed", "{done}");
        // What it prints and what it reports come by different ways.
        let said = ["looking into it", "opened a pull request"];
        let has_said = done["logs"].as_str().is_some_and(|logs| said.iter().all(|line| logs.contains(line)));
        (done["status"] == "success" && has_said).then_some(done)
    });
    assert_eq!((&done["runner"], &done["cluster_id"]), (&json!("fixer"), &json!(id)));
    assert_eq!(done["pr_url"], "https://github.com/acme/shop/pull/7");
    let logs = server.get(&format!("/jobs/{job}/logs")).text();
    assert!(logs.contains("looking into it") && logs.contains("opened a pull request"), "{logs}");
    for list in ["/jobs".to_owned(), format!("{path}/jobs")] {
        let jobs = got(&server, &list, &[]);
        assert_eq!((&jobs[0]["id"], jobs.as_array().unwrap().len()), (&json!(job), 1), "{list}");
    }
    let fixed = got(&server, &path, CLUSTER);
    assert_eq!((&fixed["status"], &fixed["github_branch"]), (&json!("pr_opened"), &json!("fix/photos")));
    assert_eq!(fixed["github_pr_url"], done["pr_url"]);

    for (missing, status) in
        [("/clusters/cffff", 404), ("/jobs/00000000000000000000000000", 404), ("/feedback/x", 400)]
    {
        let answer = server.get(missing);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{missing}"
        );
    }
    assert_eq!(server.post("/clusters/cffff/start_fix", "{}").status, 404);
    server.stop();
    assert!(site.springline.output(&["views", "verify"]).status.success());
}
