//! Springline is killed at every step: each job ends once, rightly, and its agent never runs twice at once.

use super::{Site, cluster, job, start, until};
use serde_json::json;
use springline_tests::{eventually, write};
use std::time::Duration;

/// Waits for a word.
const WAITS: &str = r#"while [ ! -e "$DIR/go" ]; do sleep 0.05; done"#;

#[test]
fn killed_before_a_lease_and_under_one() {
    let site = Site::new(WAITS, "");
    let server = site.serve();
    let (first, second) = (start(&server, "c1"), start(&server, "c2"));
    site.token();
    assert_eq!(
        (&job(&server, &first)["state"], &job(&server, &second)["state"]),
        (&json!("running"), &json!("pending"))
    );
    server.kill();
    drop(server);
    // The agent lives on, until the next start.
    site.go();
    let server = site.serve();
    let (first, second) = (until(&server, &first, "success"), until(&server, &second, "success"));
    // Lost once, and tried again as a second attempt; or the word came before the end of the first.
    assert_eq!((&first["lost"], &first["attempt"]), (&json!(1), &json!(2)), "{first}");
    assert_eq!((&second["lost"], &second["attempt"]), (&json!(0), &json!(1)), "{second}");
    site.is_quiet();
    assert_eq!(site.runs(), 3);
    server.stop();
}

#[test]
fn killed_too_often() {
    let site = Site::new(WAITS, "retries = 1");
    let mut server = site.serve();
    let id = start(&server, "c1");
    for runs in 1..=2 {
        eventually("the agent begins", Duration::from_secs(60), || (site.runs() == runs).then_some(()));
        server.kill();
        drop(server);
        server = site.serve();
    }
    let job = until(&server, &id, "failed");
    assert!(job["reason"].as_str().unwrap().contains("2 times"), "{job}");
    assert_eq!(cluster(&server, "c1"), "failed");
    site.is_quiet();
    assert_eq!(site.runs(), 2);
    server.stop();
}

#[test]
fn killed_after_the_report() {
    let site = Site::new("sleep 1000", "");
    let server = site.serve();
    let id = start(&server, "c1");
    let token = site.token();
    let report = json!({ "state": "success", "pr_url": "https://git.example/1" }).to_string();
    let answer = write(server.address, "PATCH", &format!("/v1/jobs/{id}"), &token, &report).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    server.kill();
    drop(server);
    let server = site.serve();
    let job = until(&server, &id, "success");
    assert_eq!((&job["attempt"], &job["lost"]), (&json!(1), &json!(0)));
    assert_eq!(cluster(&server, "c1"), "pr_opened");
    site.is_quiet();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(site.runs(), 1);
    server.stop();
}

#[test]
fn stopped_in_order() {
    let site = Site::new(WAITS, "grace_secs = 5");
    let server = site.serve();
    let id = start(&server, "c1");
    site.token();
    server.stop();
    site.is_quiet();
    site.go();
    let server = site.serve();
    let job = until(&server, &id, "success");
    assert_eq!((&job["attempt"], &job["lost"]), (&json!(2), &json!(0)), "{job}");
    assert_eq!(site.runs(), 2);
    server.stop();
}
