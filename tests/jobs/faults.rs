//! Springline is killed at every step: each job ends once, rightly, and its agent never runs twice at once.

use super::{Site, cluster, job, start, until};
use crate::dice::Dice;
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

/// Wherever it is killed: before the lease, between lease and start, while the agent works, at its end.
#[test]
fn killed_anywhere() {
    let site = Site::new("sleep 0.3; echo done", "retries = 100\nconcurrency = 1");
    let mut dice = Dice::new(0xA6E27);
    let mut server = site.serve();
    let mut jobs = vec![start(&server, "c0")];
    for number in 1..=12 {
        std::thread::sleep(Duration::from_millis(dice.roll(500)));
        server.kill();
        drop(server);
        server = site.serve();
        if number % 3 == 0 {
            jobs.push(start(&server, &format!("c{number}")));
        }
    }
    let mut attempts = 0;
    for id in &jobs {
        let job = until(&server, id, "success");
        attempts += job["attempt"].as_u64().unwrap();
        assert_eq!(job["attempt"].as_u64().unwrap(), job["lost"].as_u64().unwrap() + 1, "{job}");
        assert!(server.get(&format!("/v1/jobs/{id}/logs")).text().ends_with("done\n"));
    }
    site.is_quiet();
    // Some were killed between lease and start.
    assert!((jobs.len()..=attempts as usize).contains(&site.runs()));
    server.stop();
    let said = site.springline.run(&["views", "verify"]);
    assert!(said.lines().all(|line| line.ends_with("right")), "{said}");
}

/// The whole process stands still for longer than a lease holds, as a laptop does that sleeps; its agent goes on.
#[test]
fn frozen_for_longer_than_a_lease() {
    use rustix::process::{Pid, Signal, kill_process};
    let site = Site::new(WAITS, "");
    let server = site.serve();
    let id = start(&server, "c1");
    site.token();
    let pid = Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    std::thread::sleep(Duration::from_secs(32));
    kill_process(pid, Signal::CONT).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    site.go();
    let job = until(&server, &id, "success");
    // Whether the steward or the runner woke first: the books say as much as was run.
    let lost = job["lost"].as_u64().unwrap();
    assert_eq!((job["attempt"].as_u64().unwrap(), site.runs() as u64), (lost + 1, lost + 1), "{job}");
    site.is_quiet();
    server.stop();
}

#[test]
fn an_agent_that_is_no_longer_there() {
    let site = Site::new(WAITS, "");
    let server = site.serve();
    let (first, second) = (start(&server, "c1"), start(&server, "c2"));
    site.token();
    server.kill();
    drop(server);
    let config = site.path("springline.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[agents.fixer]", "[agents.other]")).unwrap();
    let server = site.serve();
    for id in [first, second] {
        let job = until(&server, &id, "failed");
        assert!(job["reason"].as_str().unwrap().contains("no agent `fixer`"), "{job}");
    }
    site.is_quiet();
    server.stop();
}
