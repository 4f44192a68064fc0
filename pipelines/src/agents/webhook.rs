//! Another machine at work on a job: told with a signed POST, it reports with the job's token.
//!
//! The body is `{"job", "cluster", "agent", "attempt", "token", "url", "snapshot"}`; `X-Springline-Signature-256` is
//! `sha256=` and the HMAC-SHA256 of the body in hexadecimal. Whoever gets it answers with a 2xx at once and `PATCH`es
//! `url` later.

use super::work::{Over, Work};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use springline_model::job::Act;
use springline_queries::control::InstancePhase;
use std::{fmt::Write as _, time::Duration};
use tokio::time::Instant;

/// How long the other machine may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// After how long it is asked again, if nobody was there.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// What the webhook is given.
pub(super) struct Given<'a> {
    pub(super) target: reqwest::Url,
    pub(super) secret: &'a str,
    pub(super) snapshot: &'a str,
    pub(super) token: &'a str,
    /// Where the server answers.
    pub(super) url: &'a str,
    pub(super) http: &'a reqwest::Client,
}

/// Tells the other machine, and waits for its report.
pub(super) async fn run(work: &Work, given: Given<'_>) {
    let body = body(work, &given);
    let signature = sign(given.secret, body.as_bytes());
    let mut pauses = AGAIN.into_iter();
    loop {
        let request = given.http.post(given.target.clone()).timeout(ANSWER).body(body.clone());
        let request = request
            .header("content-type", "application/json")
            .header("x-springline-signature-256", &signature);
        let asked = tokio::select! {
            asked = request.send() => asked,
            over = work.over() => return match over { Over::Reported | Over::Lost => () },
        };
        match asked {
            Ok(answer) if answer.status().is_success() => break,
            Ok(answer) => return work.fail(format!("the webhook answered {}", answer.status())).await,
            // Only then it is certain that nobody has begun.
            Err(error) if error.is_connect() => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return work.fail("nobody answers at the webhook's address".to_owned()).await,
            },
            Err(error) if error.is_timeout() => {
                return work.fail(format!("the webhook did not answer in {} s", ANSWER.as_secs())).await;
            }
            Err(_) => return work.fail("the webhook could not be asked".to_owned()).await,
        }
    }
    work.tell(vec![Act::Start { attempt: work.attempt }]).await;
    wait(work, work.agent.timeout()).await;
}

/// Waits for the report of one that has been told. When the process stops it is left at work: the next one goes on.
pub(super) async fn wait(work: &Work, at_most: Duration) {
    work.at_work.change(|instance| instance.phase = InstancePhase::Working);
    let deadline = Instant::now() + at_most;
    tokio::select! {
        _ = work.over() => {}
        () = work.stop.cancelled() => {}
        () = work.heartbeat() => {}
        () = tokio::time::sleep_until(deadline) => {
            work.fail(format!("there was no report within {} s", work.agent.config.timeout_secs)).await;
        }
    }
}

fn body(work: &Work, given: &Given<'_>) -> String {
    let snapshot: serde_json::Value = serde_json::from_str(given.snapshot).unwrap_or_default();
    let body = json!({
        "job": work.job.id.to_string(),
        "cluster": work.job.cluster.as_str(),
        "agent": work.job.agent,
        "attempt": work.attempt,
        "token": given.token,
        "url": format!("{}/v1/jobs/{}", given.url, work.job.id),
        "snapshot": snapshot,
    });
    body.to_string()
}

/// `sha256=` and the HMAC-SHA256 in hexadecimal, as most webhooks have it.
pub(super) fn sign(secret: &str, body: &[u8]) -> String {
    let mut signature = String::from("sha256=");
    // A key of any length will do: there is no error to be had.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            let _ = write!(signature, "{byte:02x}");
        }
    }
    signature
}
