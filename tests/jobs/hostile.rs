//! Agents that misbehave.

use super::{PATIENCE, Site, cluster, job, start, until};
use serde_json::json;
use springline_tests::{Answer, Server, eventually, write};
use std::time::{Duration, Instant};

fn patch(server: &Server, id: &str, token: &str, body: &serde_json::Value) -> Answer {
    write(server.address, "PATCH", &format!("/v1/jobs/{id}"), token, &body.to_string()).unwrap()
}

#[test]
fn one_that_forks_and_ignores_what_it_is_told() {
    // In its group, out of its group, and deaf; all of them hold the lock.
    let script = r#"
        trap '' TERM
        (trap '' TERM; sleep 1000; sleep 1000) &
        setsid sleep 1000 &
        echo begun; sleep 1000; sleep 1000
    "#;
    let site = Site::new(script, "timeout_secs = 2\ngrace_secs = 1");
    let server = site.serve();
    let started = Instant::now();
    let id = start(&server, "c1");
    let job = until(&server, &id, "failed");
    assert!(job["reason"].as_str().unwrap().contains("longer than 2 s"), "{job}");
    assert!(started.elapsed() < Duration::from_secs(30));
    site.is_quiet();
    assert_eq!((cluster(&server, "c1"), site.runs()), (json!("failed"), 1));
    server.stop();
}

#[test]
fn one_that_leaves_others_behind() {
    let site = Site::new("sleep 1000 & setsid sleep 1000 & echo bye; exit 3", "grace_secs = 1");
    let server = site.serve();
    let id = start(&server, "c1");
    let job = until(&server, &id, "failed");
    assert!(job["reason"].as_str().unwrap().contains("status 3"), "{job}");
    assert_eq!(server.get(&format!("/v1/jobs/{id}/logs")).text(), "bye\n");
    site.is_quiet();
    server.stop();
}

#[test]
fn one_that_floods_its_log() {
    let site = Site::new("yes flooded | head -c 50000000; echo never kept >&2", "max_log_bytes = 100000");
    let server = site.serve();
    let id = start(&server, "c1");
    let job = until(&server, &id, "success");
    assert_eq!((&job["log_bytes"], &job["truncated"]), (&json!(100_000), &json!(true)));
    let logs = server.get(&format!("/v1/jobs/{id}/logs"));
    assert_eq!((logs.body.len(), logs.header("springline-truncated")), (100_000, Some("true")));
    assert!(logs.text().starts_with("flooded\n"));
    server.stop();
}

#[test]
fn a_token_opens_its_own_job_and_nothing_else() {
    // Two at once, each with a file of its own.
    let script =
        r#"printf %s "$JOB_TOKEN" > "$DIR/$JOB_ID.new"; mv "$DIR/$JOB_ID.new" "$DIR/$JOB_ID"; sleep 1000"#;
    let site = Site::new(script, "concurrency = 2\ngrace_secs = 0");
    let server = site.serve();
    let (mine, other) = (start(&server, "c1"), start(&server, "c2"));
    let token = eventually("the agent begins", PATIENCE, || std::fs::read_to_string(site.path(&mine)).ok());
    let told = patch(&server, &mine, &token, &json!({ "progress": "so far", "log": "said\r\n" }));
    assert_eq!((told.status, &told.json()["job"]["progress"]), (200, &json!("so far")), "{}", told.text());
    assert_eq!(patch(&server, &other, &token, &json!({ "state": "failed" })).status, 403);
    assert_eq!(patch(&server, &mine, "job_0123456789", &json!({ "state": "failed" })).status, 403);
    for (method, target) in [
        ("POST", format!("/v1/jobs/{mine}/cancel")),
        ("POST", "/v1/jobs".to_owned()),
        ("POST", "/v1/clusters/c3/start_fix".to_owned()),
        ("POST", "/v1/clusters/c1/resolve".to_owned()),
        ("POST", "/v1/moderation/hide".to_owned()),
        ("POST", "/v1/labels".to_owned()),
    ] {
        let answer = write(server.address, method, &target, &token, "{}").unwrap();
        assert_eq!(answer.status, 401, "{target}");
    }
    for wrong in [
        json!({ "pr_url": "javascript:alert(1)" }),
        json!({ "pr_url": "https://" }),
        json!({ "branch": "a b" }),
        json!({ "branch": "b".repeat(256) }),
        json!({ "progress": "p".repeat(2_049) }),
        json!({ "log": "l".repeat(64 * 1024 + 1) }),
        json!({ "state": "pending" }),
        json!({ "reason": "why" }),
        json!({ "token": "x" }),
    ] {
        assert_eq!(patch(&server, &mine, &token, &wrong).status, 400, "{wrong}");
    }

    // A second one for the same cluster is refused, with the name of the first.
    let order = json!({ "agent": "fixer", "cluster": "c1", "snapshot": {} }).to_string();
    let refused = server.post("/v1/jobs", &order);
    assert_eq!(refused.status, 409);
    assert!(refused.json()["detail"].as_str().unwrap().contains(&mine), "{}", refused.text());
    assert_eq!(server.post("/v1/clusters/c1/resolve", "{}").status, 409);
    let big = json!({ "agent": "fixer", "cluster": "c4", "snapshot": "s".repeat(300_000) }).to_string();
    assert_eq!(server.post("/v1/jobs", &big).status, 413);

    // Reports after it was called off are refused; its process ends.
    let answer = server.post(&format!("/v1/jobs/{mine}/cancel"), "{}");
    assert_eq!((answer.status, &answer.json()["job"]["state"]), (200, &json!("cancelled")));
    for late in [json!({ "state": "success" }), json!({ "log": "late" }), json!({ "progress": "late" })] {
        let answer = patch(&server, &mine, &token, &late);
        assert_eq!(answer.status, 409, "{}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains("cancelled"), "{}", answer.text());
    }
    assert_eq!(server.post(&format!("/v1/jobs/{mine}/cancel"), "{}").status, 409);
    eventually("it is ended", PATIENCE, || {
        let agents = server.get("/v1/agents").json();
        let instances = agents["agents"][0]["instances"].as_array().unwrap().clone();
        (instances.len() == 1 && instances[0]["job"] == json!(other)).then_some(())
    });
    assert_eq!((&job(&server, &mine)["state"], cluster(&server, "c1")), (&json!("cancelled"), json!("new")));

    // The operator may report, too; then nothing more can become of it.
    let operator = "a token for the tests";
    assert_eq!(
        patch(&server, &other, operator, &json!({ "state": "failed", "reason": "no use" })).status,
        200
    );
    assert_eq!(patch(&server, &other, operator, &json!({ "state": "success" })).status, 409);
    assert_eq!(cluster(&server, "c2"), "failed");
    site.is_quiet();
    server.stop();
}

#[test]
fn one_that_was_called_off_never_begins() {
    let site = Site::new(r#"while [ ! -e "$DIR/go" ]; do sleep 0.05; done"#, "");
    let server = site.serve();
    let (first, second) = (start(&server, "c1"), start(&server, "c2"));
    site.token();
    assert_eq!(server.post(&format!("/v1/jobs/{second}/cancel"), "{}").status, 200);
    site.go();
    until(&server, &first, "success");
    let third = start(&server, "c2");
    until(&server, &third, "success");
    assert_eq!((&job(&server, &second)["attempt"], site.runs()), (&json!(0), 2));
    server.stop();
}

#[test]
fn one_that_looks_around() {
    let site = Site::new("env; pwd; touch here; cat", "");
    let server = site.serve();
    let id = start(&server, "c1");
    until(&server, &id, "success");
    let said = server.get(&format!("/v1/jobs/{id}/logs")).text();
    for given in [format!("JOB_ID={id}"), format!("SPRINGLINE_URL=http://{}", server.address)] {
        assert!(said.contains(&given), "{said}");
    }
    assert!(said.ends_with("{\"title\":\"It is broken\"}"), "{said}");
    assert!(!said.contains("a token for the tests") && !said.contains("SPRINGLINE__"), "{said}");
    let folder = site.path("data/agents/work").join(format!("{id}-1"));
    assert!(said.contains(&folder.display().to_string()) && !folder.exists(), "{said}");
    server.stop();
}
