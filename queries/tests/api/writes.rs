//! Every writing route, happy and sad; and who may use it.

use crate::support::{Site, TOKEN};
use serde_json::json;
use springline_model::{AccountStatus, EventBody};
use springline_queries::SourceCommand;
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread")]
async fn writes_need_the_token() {
    let site = Site::garden().await;
    for path in ["/v1/sources/gardens/pull", "/v1/quarantine/discard", "/v1/moderation/hide", "/v1/latest"] {
        let got = site.send(site.request("POST", path)).await;
        got.problem(401, "unauthorized");
        assert!(got.header("www-authenticate").starts_with("Bearer"));
        let wrong = site.request("POST", path).bearer_auth("a token for the testz");
        site.send(wrong).await.problem(401, "unauthorized");
    }
    assert!(site.process.commands.lock().is_empty() && site.process.submitted.lock().is_empty());
    let closed = Site::with(|config| config.token = None).await;
    let write = closed.request("POST", "/v1/sources/gardens/pull").bearer_auth(TOKEN);
    closed.send(write).await.problem(403, "forbidden");
    assert_eq!(closed.get("/v1/latest").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_names_are_not_answered() {
    let site = Site::garden().await;
    let rebound = site.request("GET", "/v1/latest").header("host", "evil.example");
    site.send(rebound).await.problem(403, "forbidden");
    let trusted = site.request("GET", "/v1/latest").header("host", "evil.example").bearer_auth(TOKEN);
    assert_eq!(site.send(trusted).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_told() {
    let site = Site::garden().await;
    let got = site.post("/v1/sources/gardens/pull?partition=garden/alice", &json!({})).await;
    assert_eq!(got.json(), json!({"source": "gardens", "result": {"changed": 2}}));
    assert_eq!(site.post("/v1/sources/gardens/pause", &json!({})).await.status, 200);
    assert_eq!(site.post("/v1/sources/gardens/resume", &json!({})).await.status, 200);
    site.post("/v1/sources/gardens/reset", &json!({})).await.problem(409, "conflict");
    let problem = site.post("/v1/sources/relay/pull", &json!({})).await.problem(404, "not-found");
    assert!(problem["detail"].as_str().unwrap().contains("gardens"));
    site.post("/v1/sources/gardens/explode", &json!({})).await.problem(400, "malformed-query");
    site.post("/v1/sources/gardens/pause?partition=x", &json!({})).await.problem(400, "malformed-query");
    let pull = SourceCommand::Pull { partition: Some("garden/alice".into()) };
    let commands: Vec<SourceCommand> = site.process.commands.lock().iter().map(|(_, c)| c.clone()).collect();
    assert_eq!(commands, [pull, SourceCommand::Pause, SourceCommand::Resume]);
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantine_is_worked_off() {
    let site = Site::garden().await;
    let piece = json!({"uri": "garden://bob/broken.md"});
    let got = site.post("/v1/quarantine/retry", &piece).await;
    assert_eq!(got.json()["result"]["changed"], 2);
    let expected = SourceCommand::Retry { uri: "garden://bob/broken.md".into() };
    assert_eq!(site.process.commands.lock()[0], ("gardens".to_owned(), expected));
    let got = site.post("/v1/quarantine/discard", &piece).await;
    assert_eq!((got.status, got.json()), (202, json!({"epoch": 2, "visible": false})));
    assert!(matches!(&site.process.submitted.lock()[0].body, EventBody::Release { .. }));
    site.post("/v1/quarantine/discard", &json!({"uri": "garden://x/y"})).await.problem(404, "not-found");
    let problem =
        site.post("/v1/quarantine/discard", &json!({"url": "x"})).await.problem(400, "malformed-body");
    assert!(problem["detail"].as_str().unwrap().contains("url"), "{problem}");
    site.post("/v1/quarantine/retry", &json!({})).await.problem(400, "malformed-body");
    let form = site.request("POST", "/v1/quarantine/retry").bearer_auth(TOKEN).body("uri=x");
    site.send(form).await.problem(415, "unsupported-media");
    let torn = site.request("POST", "/v1/quarantine/retry").bearer_auth(TOKEN);
    let torn = torn.header("content-type", "application/json").body("{\"uri\": ");
    site.send(torn).await.problem(400, "malformed-body");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_can_be_waited_for() {
    let site = Site::garden().await;
    let subject = json!({"authority": "garden://carol/"});
    let got = site.post("/v1/moderation/hide?wait=visible", &subject).await;
    assert_eq!((got.status, got.json()), (200, json!({"epoch": 2, "visible": true})));
    assert_eq!(site.get("/v1/latest").await.header("springline-epoch"), "2");
    let got = site.post("/v1/moderation/unhide?wait=visible&wait_secs=0", &subject).await;
    assert_eq!((got.status, got.json()), (202, json!({"epoch": 3, "visible": false})));
    assert_eq!(site.get("/v1/epochs/3?wait=visible").await.json()["visible"], true);
    assert_eq!(site.get("/v1/epochs/99").await.status, 202);
    site.get("/v1/epochs/next").await.problem(400, "malformed-query");
    site.get("/v1/epochs/1?wait_secs=61").await.problem(400, "malformed-query");
    let submitted = site.process.submitted.lock();
    let statuses: Vec<AccountStatus> = submitted
        .iter()
        .map(|event| match &event.body {
            EventBody::Account { status, .. } => *status,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(statuses, [AccountStatus::Hidden, AccountStatus::Active]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_is_meant_without_its_slash() {
    let site = Site::garden().await;
    let got = site.post("/v1/moderation/hide?wait=visible", &json!({"authority": "garden://carol"})).await;
    assert_eq!(got.status, 200, "{}", got.json());
    let submitted = site.process.submitted.lock();
    let EventBody::Account { authority, .. } = &submitted[0].body else { panic!("{submitted:?}") };
    assert_eq!(authority.as_str(), "garden://carol/");
}

#[tokio::test(flavor = "multi_thread")]
async fn moderation_refuses() {
    let site = Site::garden().await;
    let record = json!({"authority": "garden://carol/x.md"});
    let problem = site.post("/v1/moderation/hide", &record).await.problem(400, "malformed-body");
    assert!(problem["detail"].as_str().unwrap().contains("`garden://carol/`"), "{problem}");
    for nothing in ["", "carol", "user:carol", "node:foo"] {
        let nothing = json!({ "authority": nothing });
        site.post("/v1/moderation/hide", &nothing).await.problem(400, "malformed-body");
    }
    site.post("/v1/moderation/burn", &json!({"authority": "garden://carol/"}))
        .await
        .problem(400, "malformed-query");
    site.process.stopping.store(true, Ordering::SeqCst);
    let got = site.post("/v1/moderation/hide", &json!({"authority": "garden://carol/"})).await;
    got.problem(503, "unavailable");
    assert_eq!(got.header("retry-after"), "1");
}
