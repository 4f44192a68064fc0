//! Jobs, listed and reported of.

use crate::support::Site;
use serde_json::json;
use springline_model::{
    ClusterId, Job, JobId, JobState, Timestamp,
    job::{Lease, Opening, RunnerId, TokenHash},
};

const TOKEN: &str = "job_0123456789abcdef";

fn jobs() -> Vec<Job> {
    let job = |number: u32| {
        let cluster = ClusterId::new(format!("c{}", number % 3));
        let agent = ["fixer", "writer"][number as usize % 2].to_owned();
        let order = Opening { agent, snapshot: String::new(), retries: 1, max_log_bytes: 100 };
        let at = Timestamp(1_000 + i64::from(number));
        let mut job = Job::open(JobId::new(at, number.into()), cluster, number, at, &order);
        job.state = JobState::ALL[number as usize % 5];
        let (runner, token) = (RunnerId(1), TokenHash::of(TOKEN));
        job.lease = Some(Lease { attempt: 1, runner, until: Timestamp(9_000), token });
        job
    };
    (1..=40).map(job).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn are_listed_in_pages_by_what_is_asked() {
    let site = Site::start().await;
    let all = jobs();
    site.world.change(|state| state.jobs = all.clone());
    for cluster in [None, Some("c0"), Some("c1"), Some("c9")] {
        for state in [None, Some(JobState::Running), Some(JobState::Failed)] {
            for agent in [None, Some("fixer"), Some("nobody")] {
                let mut expected: Vec<&Job> = all.iter().collect();
                expected.retain(|job| cluster.is_none_or(|cluster| job.cluster.as_str() == cluster));
                expected.retain(|job| state.is_none_or(|state| job.state == state));
                expected.retain(|job| agent.is_none_or(|agent| job.agent == agent));
                expected.sort_by_key(|job| std::cmp::Reverse(job.created));
                let expected: Vec<String> = expected.iter().map(|job| job.id.to_string()).collect();
                let mut path = "/v1/jobs?limit=3".to_owned();
                for (key, value) in
                    [("cluster", cluster), ("state", state.map(JobState::name)), ("agent", agent)]
                {
                    path.extend(value.map(|value| format!("&{key}={value}")));
                }
                assert_eq!(site.all(&path, "id").await, expected, "{path}");
            }
        }
    }
    let shown = site.get(&format!("/v1/jobs/{}", all[0].id)).await.json();
    assert_eq!((&shown["snapshot"]["title"], &shown["state"]), (&json!("t"), &json!("running")));
    assert!(!shown.to_string().contains("token"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn are_reported_of_with_their_own_token() {
    let site = Site::start().await;
    let all = jobs();
    site.world.change(|state| state.jobs = all.clone());
    let report = async |job: &Job, token: &str, body: serde_json::Value| {
        let request = site.request("PATCH", &format!("/v1/jobs/{}", job.id)).bearer_auth(token);
        site.send(request.json(&body)).await
    };
    let (running, over) = (&all[0], &all[1]);
    assert_eq!((running.state, over.state), (JobState::Running, JobState::Success));
    report(running, "job_another", json!({ "progress": "x" })).await.problem(403, "forbidden");
    report(running, "not of a job", json!({ "progress": "x" })).await.problem(401, "unauthorized");
    let problem = report(over, TOKEN, json!({ "state": "failed" })).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("success"), "{problem}");
    assert!(site.process.submitted.lock().is_empty(), "nothing of that is journalled");
    // The world stands still behind the journal, so that it is as if nothing had been said.
    let told = report(running, TOKEN, json!({ "progress": "x", "log": "y" })).await;
    assert_eq!((told.status, site.process.submitted.lock().len()), (200, 2), "{}", told.text);
    report(running, TOKEN, json!({ "state": "success" })).await.problem(409, "conflict");
    let order = json!({ "agent": "nobody", "cluster": "c77" });
    site.post("/v1/jobs", &order).await.problem(404, "not-found");
}
