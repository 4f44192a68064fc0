//! The paths of soulcaster's dashboard.

use crate::support::{Site, TOKEN, note};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use springline_model::{
    ClusterId, FeedbackSource, ItemName, Job, JobId, JobState, Project, Record, Timestamp, Uri,
    feedback::{KIND, attr},
    job::{Lease, Opening, RunnerId, TokenHash},
};
use springline_queries::{
    SourceCommand,
    control::{AgentKind, AgentStatus, ToldBy},
};

const JOB_TOKEN: &str = "job_0123456789abcdef";

const ITEM: [&str; 13] = [
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
const CLUSTER: [&str; 14] = [
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
    "count",
];
const JOB: [&str; 9] =
    ["id", "cluster_id", "plan_id", "runner", "status", "logs", "pr_url", "created_at", "updated_at"];

fn has(value: &Value, fields: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("{value}"));
    for field in fields {
        assert!(object.contains_key(*field), "{field}: {value}");
    }
}

fn item(number: u32, source: FeedbackSource, text: &str) -> Record {
    let project = Project::new("notes").unwrap();
    let external = format!("acme/shop#{number}");
    let mut record = note("x/y.md", i64::from(number), text, Vec::new());
    record.uri = ItemName { project, source, external }.uri();
    (record.kind, record.node) = (KIND.into(), None);
    record.author = Uri::new("person:sam");
    record.title = format!("Crash {number}");
    let issue = format!("https://github.com/acme/shop/issues/{number}");
    record.attrs = [
        (attr::REPO, "acme/shop".to_owned()),
        (attr::ISSUE, number.to_string()),
        (attr::ISSUE_URL, issue),
        (attr::SUBREDDIT, "rust".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    record
}

fn items() -> Vec<Record> {
    let source = |number| if number % 3 == 0 { FeedbackSource::Github } else { FeedbackSource::Manual };
    (1..=12).map(|number| item(number, source(number), &format!("it crashes \u{202E}{number}"))).collect()
}

fn job(number: u32, cluster: &ClusterId, state: JobState) -> Job {
    let order = Opening { agent: "fixer".into(), snapshot: String::new(), retries: 1, max_log_bytes: 100 };
    let at = Timestamp(100_000 + i64::from(number));
    let mut job = Job::open(JobId::new(at, number.into()), cluster.clone(), number, at, &order);
    let (runner, token) = (RunnerId(1), TokenHash::of(JOB_TOKEN));
    job.lease = Some(Lease { attempt: 1, runner, until: Timestamp(900_000), token });
    (job.state, job.log_rows) = (state, number.min(2));
    job.pr_url = (state == JobState::Success).then(|| "https://github.com/acme/shop/pull/7".to_owned());
    job
}

fn agent(name: &str) -> AgentStatus {
    let (name, kind) = (name.to_owned(), AgentKind::Command);
    AgentStatus { name, kind, concurrency: 1, timeout_secs: 1, retries: 0, instances: Vec::new() }
}

async fn site() -> Site {
    let site = Site::with(|config| config.compat = true).await;
    site.process.projects.lock().push(Project::new("notes").unwrap());
    site.world.change(|state| {
        let items = items();
        items.iter().for_each(|record| state.put(record.clone()));
        state.clusters = vec![items[..8].to_vec(), items[8..].to_vec()];
    });
    site
}

fn id_of(record: &Record) -> String {
    URL_SAFE_NO_PAD.encode(record.uri.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn are_not_there_unless_switched_on() {
    let site = Site::start().await;
    for path in ["/stats", "/feedback", "/clusters", "/jobs"] {
        // The short address of a node, as any other.
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    for path in ["/feedback/x", "/clusters/x", "/clusters/x/jobs", "/jobs/x", "/config/reddit/subreddits"] {
        assert_eq!(site.get(path).await.status, 404, "{path}");
    }
    site.post("/ingest/manual", &json!({ "text": "x" })).await.problem(404, "no-such-route");
    site.post("/clusters/x/start_fix", &json!({})).await.problem(404, "no-such-route");
    let patch = site.request("PATCH", "/jobs/x").bearer_auth(JOB_TOKEN).json(&json!({}));
    site.send(patch).await.problem(404, "no-such-route");
    assert!(!site.get("/openapi.json").await.text.contains("Soulcaster"));
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_is_listed_by_number() {
    let site = site().await;
    let all = items();
    for source in [None, Some(FeedbackSource::Github), Some(FeedbackSource::Reddit)] {
        let mut expected: Vec<&Record> = all.iter().rev().collect();
        expected.retain(|record| {
            source.is_none_or(|source| ItemName::parse(&record.uri).unwrap().source == source)
        });
        let filter = source.map(|source| format!("&source={source}")).unwrap_or_default();
        for (limit, offset) in [(5, 0), (5, 3), (100, 0), (1, 11), (3, 10_000)] {
            for project in ["", "&project_id=notes"] {
                let path = format!("/feedback?limit={limit}&offset={offset}{filter}{project}");
                let page = site.get(&path).await;
                let ids: Vec<String> =
                    expected.iter().skip(offset).take(limit).map(|record| id_of(record)).collect();
                assert_eq!(page.items("id"), ids, "{path}");
                let page = page.json();
                let told = (&page["total"], &page["limit"], &page["offset"]);
                assert_eq!(told, (&json!(expected.len()), &json!(limit), &json!(offset)), "{path}");
            }
        }
    }
    let shown = site.get(&format!("/feedback/{}", id_of(&all[2]))).await.json();
    has(&shown, &ITEM);
    assert_eq!(shown.as_object().unwrap().len(), ITEM.len());
    assert_eq!(
        (&shown["body"], &shown["raw_text"]),
        (&json!("it crashes 3"), &json!("it crashes \u{202E}3"))
    );
    assert_eq!((&shown["project_id"], &shown["source"]), (&json!("notes"), &json!("github")));
    assert_eq!((&shown["external_id"], &shown["status"]), (&json!("acme/shop#3"), &json!("open")));
    assert_eq!((&shown["repo"], &shown["github_issue_number"]), (&json!("acme/shop"), &json!(3)));
    assert_eq!(shown["metadata"]["subreddit"], "rust");
    // As /v1 calls it, too.
    assert_eq!(site.get("/feedback/notes/github/acme%252Fshop%25233").await.json()["id"], shown["id"]);
    site.get("/feedback/notes/github/other").await.problem(404, "not-found");
    assert_eq!(site.get("/feedback?project_id=other").await.json()["total"], 0);
    for wrong in ["limit=101", "limit=0", "offset=10001", "offset=-1", "source=usenet", "project_id=A%20b"] {
        site.get(&format!("/feedback?{wrong}")).await.problem(400, "malformed-query");
    }
    site.get("/feedback/%C3%A9").await.problem(400, "malformed-query");
    let stats = site.get("/stats").await.json();
    assert_eq!((&stats["total_feedback"], &stats["total_clusters"]), (&json!(12), &json!(2)));
    assert_eq!(stats["by_source"], json!({ "github": 4, "manual": 8, "reddit": 0, "sentry": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_comes_in() {
    let site = site().await;
    let body = json!({ "text": "it crashes", "external_id": 7, "project_id": "notes", "more": [1] });
    let got = site.post("/ingest/manual", &body).await;
    assert!(matches!(got.status, 200 | 202), "{}", got.text);
    let id = URL_SAFE_NO_PAD.encode("feedback://notes/manual/1");
    assert_eq!(got.json(), json!({ "status": "ok", "id": id }));
    assert_eq!(site.post("/ingest/manual", &body).await.json()["status"], "duplicate");
    site.post("/ingest/sentry?project_id=notes", &json!({ "message": "x" })).await;
    {
        let told = site.process.told.lock();
        assert_eq!((told[0].source, &told[0].by), (FeedbackSource::Manual, &ToldBy::Client(vec![body])));
        assert_eq!((told[2].source, told[2].project.as_deref()), (FeedbackSource::Sentry, Some("notes")));
    }
    site.post("/ingest/usenet", &json!({})).await.problem(400, "malformed-query");
    site.post("/ingest/manual", &json!([1])).await.problem(400, "malformed-body");
    let open = site.send(site.request("POST", "/ingest/manual").json(&json!({ "text": "x" }))).await;
    open.problem(401, "unauthorized");
    for repo in ["acme/shop", "Acme%2FShop"] {
        let synced = site.post(&format!("/ingest/github/sync/{repo}"), &json!({})).await.json();
        assert_eq!((&synced["status"], &synced["source"]), (&json!("ok"), &json!("issues")));
        let pull = SourceCommand::Pull { partition: Some("acme/shop".into()) };
        assert_eq!(site.process.commands.lock().pop(), Some(("issues".to_owned(), pull)));
    }
    site.post("/ingest/github/sync/acme/other", &json!({})).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_are_shown_as_they_stand() {
    let site = site().await;
    let all = items();
    let (old, new) = (ClusterId::of(&all[0].uri), ClusterId::of(&all[8].uri));
    let list = site.get("/clusters").await.json();
    let ids: Vec<&str> =
        list.as_array().unwrap().iter().map(|cluster| cluster["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [new.as_str(), old.as_str()]);
    has(&list[0], &CLUSTER);
    assert_eq!((&list[1]["count"], &list[1]["status"]), (&json!(8), &json!("new")));
    assert_eq!(list[1]["github_repo_url"], "https://github.com/acme/shop");
    assert_eq!(site.get("/clusters?limit=1&offset=1").await.json()[0]["id"], old.as_str());
    for (state, status, pr) in [
        (JobState::Running, "fixing", false),
        (JobState::Success, "pr_opened", true),
        (JobState::Cancelled, "new", false),
    ] {
        site.world.change(|world| world.jobs = vec![job(2, &old, state)]);
        let shown = site.get(&format!("/clusters/{}", ClusterId::of(&all[3].uri).as_str())).await.json();
        has(&shown, &CLUSTER);
        assert_eq!((&shown["id"], &shown["status"]), (&json!(old.as_str()), &json!(status)), "{state:?}");
        assert_eq!(shown["github_pr_url"].is_string(), pr);
        assert_eq!(shown["feedback_items"].as_array().unwrap().len(), 8);
        has(&shown["feedback_items"][0], &ITEM);
    }
    let jobs = site.get(&format!("/clusters/{}/jobs", old.as_str())).await.json();
    has(&jobs[0], &JOB);
    assert_eq!((&jobs[0]["status"], &jobs[0]["logs"]), (&json!("failed"), &Value::Null));
    site.get("/clusters/cffff").await.problem(404, "not-found");
    site.get("/clusters/cffff/jobs").await.problem(404, "not-found");
    site.process.projects.lock().push(Project::new("other").unwrap());
    site.get("/clusters").await.problem(400, "malformed-query");
    assert_eq!(site.get("/clusters?project_id=other").await.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_set_to_work() {
    let site = site().await;
    let cluster = ClusterId::of(&items()[0].uri).as_str().to_owned();
    let path = format!("/clusters/{cluster}/start_fix");
    site.post(&path, &json!({})).await.problem(404, "not-found");
    site.process.agents.lock().push(agent("fixer"));
    site.post(&format!("/clusters/{cluster}/plan"), &json!({})).await.problem(404, "not-found");
    let started = site.post(&path, &json!({ "other": 1 })).await.json();
    assert_eq!((&started["status"], &started["cluster_id"]), (&json!("ok"), &json!(cluster)));
    let id = started["job_id"].as_str().unwrap().to_owned();
    assert_eq!(site.get(&format!("/jobs/{id}")).await.json()["runner"], "fixer");
    let ordered = site.process.orders.lock().pop().unwrap();
    assert!(ordered.snapshot.contains("it crashes"), "{}", ordered.snapshot);
    site.post("/jobs", &json!({ "cluster_id": cluster })).await.problem(409, "conflict");
    site.world.change(|world| world.jobs.clear());
    site.process.agents.lock().push(agent("plan"));
    site.post(&path, &json!({})).await.problem(400, "malformed-query");
    site.post(&format!("/clusters/{cluster}/plan"), &json!({})).await.json();
    assert_eq!(site.process.orders.lock().pop().unwrap().agent, "plan");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_and_told_of() {
    let site = site().await;
    let cluster = ClusterId::of(&items()[0].uri);
    let all = [job(1, &cluster, JobState::Cancelled), job(2, &cluster, JobState::Running)];
    site.world.change(|state| state.jobs = all.to_vec());
    let list = site.get("/jobs").await.json();
    let told: Vec<_> = list.as_array().unwrap().iter().map(|job| (&job["id"], &job["status"])).collect();
    let ids = all.each_ref().map(|job| json!(job.id.to_string()));
    assert_eq!(told, [(&ids[1], &json!("running")), (&ids[0], &json!("failed"))]);
    assert_eq!(site.get("/jobs?limit=1&offset=1").await.json()[0]["id"], ids[0]);
    let path = format!("/jobs/{}", all[1].id);
    let shown = site.get(&path).await.json();
    has(&shown, &JOB);
    assert_eq!(
        (&shown["logs"], &shown["cluster_id"]),
        (&json!("line 1\nline 2\n"), &json!(cluster.as_str()))
    );
    assert_eq!(site.get(&format!("{path}/logs")).await.text, "line 1\nline 2\n");
    let patch = async |token: &str, body: Value| {
        site.send(site.request("PATCH", &path).bearer_auth(token).json(&body)).await
    };
    let told = patch(JOB_TOKEN, json!({ "status": "running", "logs": "more" })).await;
    assert_eq!((told.status, &told.json()["status"]), (200, &json!("ok")), "{}", told.text);
    has(&told.json()["job"], &JOB);
    patch("job_another", json!({ "status": "failed" })).await.problem(403, "forbidden");
    patch("nothing", json!({ "status": "failed" })).await.problem(401, "unauthorized");
    patch(TOKEN, json!({ "status": "done" })).await.problem(400, "malformed-body");
    patch(TOKEN, json!({ "pr_url": "javascript:x" })).await.problem(400, "malformed-body");
    site.get("/jobs/x").await.problem(400, "malformed-query");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_have_no_seams() {
    let site = site().await;
    let cluster = ClusterId::new("c1");
    let all: Vec<Job> = (1..=1_100).map(|number| job(number, &cluster, JobState::Running)).collect();
    site.world.change(|state| state.jobs = all.clone());
    for (limit, offset) in [(100, 0), (100, 500), (2, 511), (1, 512), (100, 1_000), (100, 1_090), (5, 1_100)]
    {
        let page = site.get(&format!("/jobs?limit={limit}&offset={offset}")).await.json();
        let told: Vec<&str> =
            page.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
        let expected: Vec<String> =
            all.iter().rev().skip(offset).take(limit).map(|job| job.id.to_string()).collect();
        assert_eq!(told, expected, "{limit} {offset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subreddits_are_named() {
    let site = site().await;
    let path = "/config/reddit/subreddits";
    let empty = json!({ "subreddits": [], "project_id": null });
    assert_eq!(site.get(path).await.json(), empty);
    let body = json!({ "subreddits": ["r/Rust", "rust", "learnrust"] });
    let set = site.post(path, &body).await.json();
    assert_eq!(set, json!({ "subreddits": ["learnrust", "rust"], "project_id": "notes" }));
    assert_eq!(site.process.submitted.lock().len(), 2);
    for wrong in [json!([]), json!(["a b"]), json!(vec!["rust"; 101])] {
        site.post(path, &json!({ "subreddits": wrong })).await.problem(400, "malformed-body");
    }
    let gone = site.request("DELETE", &format!("{path}?subreddit=rust")).bearer_auth(TOKEN);
    assert_eq!(site.send(gone).await.status, 200);
}
