//! Issues of an API that has pages, tags and little room, breaks now and then, and changes while it is read.

use crate::support::{Host, HostOptions, Ledger, wait_for};
use axum::{
    Router,
    extract::{Path as UrlPath, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use springline_model::Timestamp;
use springline_sources::{SourceConfig, github::GithubConfig};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const DAY: i64 = 1_750_000_000;

#[derive(Default)]
struct Upstream {
    issues: BTreeMap<u64, (i64, String, bool)>,
    requests: u64,
    unchanged: u64,
    /// Requests that are left, and until when.
    room: Option<(u64, Instant)>,
    /// Requests beyond the room.
    pushy: u64,
    /// Every so many requests fail.
    broken: u64,
    gone: bool,
    url: String,
}

impl Upstream {
    fn put(&mut self, number: u64, text: &str) {
        let at = self.issues.values().map(|issue| issue.0).max().unwrap_or(DAY) + 1;
        self.issues.insert(number, (at, text.to_owned(), number.is_multiple_of(10)));
    }

    /// What a reader must have in the end.
    fn wanted(&self) -> BTreeMap<String, String> {
        let issues = self.issues.iter().filter(|(_, issue)| !issue.2);
        issues
            .map(|(number, issue)| {
                (format!("feedback://shop/github/acme%2Fshop%23{number}"), issue.1.clone())
            })
            .collect()
    }

    fn answer(&mut self, query: &BTreeMap<String, String>, headers: &HeaderMap) -> Response {
        self.requests += 1;
        if self.gone {
            return StatusCode::NOT_FOUND.into_response();
        }
        if headers.get("authorization").is_none_or(|token| token != "Bearer hush") {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        if self.broken > 0 && self.requests.is_multiple_of(self.broken) {
            return match self.requests / self.broken % 3 {
                0 => (StatusCode::BAD_GATEWAY, "<html>").into_response(),
                1 => (StatusCode::OK, "<html>a page</html>").into_response(),
                _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            };
        }
        let now = Instant::now();
        let mut limits = HeaderMap::new();
        if let Some((left, until)) = &mut self.room {
            if *until <= now {
                (*left, *until) = (4, now + Duration::from_secs(1));
            }
            let reset = (Timestamp::now().as_secs() + 1).to_string();
            if *left == 0 {
                self.pushy += 1;
                let head = [("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)];
                return (StatusCode::FORBIDDEN, head, "{}").into_response();
            }
            *left -= 1;
            limits.insert("x-ratelimit-remaining", left.to_string().parse().unwrap());
            limits.insert("x-ratelimit-reset", reset.parse().unwrap());
        }
        assert_eq!((query["state"].as_str(), query["per_page"].as_str()), ("all", "100"));
        let since = query.get("since").map_or(i64::MIN, |since| Timestamp::parse(since).unwrap().as_secs());
        let page: usize = query.get("page").map_or(1, |page| page.parse().unwrap());
        let mut found: Vec<_> = self.issues.iter().filter(|(_, issue)| issue.0 >= since).collect();
        found.sort_by_key(|(number, issue)| (-issue.0, **number));
        let tag = format!("\"{page}-{}-{}\"", found.len(), found.first().map_or(0, |(_, issue)| issue.0));
        if headers.get("if-none-match").is_some_and(|known| known.to_str().unwrap() == tag) {
            self.unchanged += 1;
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let issue = |(number, (at, text, pull)): &(&u64, &(i64, String, bool))| {
            let at = Timestamp::from_secs(*at).to_rfc3339();
            let mut issue = json!({
                "number": number, "title": format!("issue {number}"), "body": text, "state": "open",
                "html_url": format!("https://github.com/acme/shop/issues/{number}"), "user": { "login": "ada" },
                "created_at": "2025-01-01T00:00:00Z", "updated_at": at, "labels": [{ "name": "bug" }],
            });
            if *pull {
                issue["pull_request"] = json!({ "url": "x" });
            }
            issue
        };
        let shown: Vec<Value> = found.iter().skip((page - 1) * 100).take(100).map(issue).collect();
        let mut head = vec![("etag", tag)];
        if found.len() > page * 100 {
            let mut next = query.clone();
            next.insert("page".into(), (page + 1).to_string());
            let next: Vec<String> =
                next.iter().map(|(name, value)| format!("{name}={}", value.replace(':', "%3A"))).collect();
            let url = format!("{}/repos/acme/shop/issues?{}", self.url, next.join("&"));
            head.push(("link", format!("<{}/x>; rel=\"prev\", <{url}>; rel=\"next\"", self.url)));
        }
        for (name, value) in head {
            limits.insert(name, value.parse().unwrap());
        }
        (limits, serde_json::to_string(&shown).unwrap()).into_response()
    }
}

type Shared = Arc<Mutex<Upstream>>;

async fn serve() -> (Shared, SourceConfig, TempDir) {
    let shared = Shared::default();
    let handler = |State(state): State<Shared>,
                   UrlPath((owner, repo)): UrlPath<(String, String)>,
                   Query(query): Query<BTreeMap<String, String>>,
                   headers: HeaderMap| async move {
        assert_eq!((owner.as_str(), repo.as_str()), ("acme", "shop"));
        state.lock().unwrap().answer(&query, &headers)
    };
    let app = Router::new().route("/repos/{owner}/{repo}/issues", get(handler)).with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    shared.lock().unwrap().url.clone_from(&url);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let dir = TempDir::new().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "hush\n").unwrap();
    let config = SourceConfig::Github(GithubConfig {
        repos: [("acme/shop".to_owned(), "shop".to_owned())].into_iter().collect(),
        base_url: url,
        token_file: Some(token),
        token_env: None,
        poll_secs: 1,
    });
    (shared, config, dir)
}

fn matches(shared: &Shared, ledger: &Ledger) -> Result<(), String> {
    let wanted = shared.lock().unwrap().wanted();
    let found: BTreeMap<String, String> =
        ledger.records().into_iter().map(|(uri, record)| (uri.to_string(), record.text)).collect();
    if wanted == found { Ok(()) } else { Err(format!("{} of {}", found.len(), wanted.len())) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_issue_is_read_once_and_followed() {
    let (shared, config, dir) = serve().await;
    (1..=530).for_each(|number| shared.lock().unwrap().put(number, "as it was"));
    let ledger = Ledger::default();
    // Killed after a few batches, as often as it takes.
    for dies_at in 1..4 {
        let options = HostOptions { dies_at: Some(dies_at), ..HostOptions::default() };
        let host = Host::start_with(&config, &ledger, dir.path(), options);
        host.bury().await;
        assert_eq!(ledger.position("acme/shop"), None, "what was not read whole is not counted as read");
    }
    let host = Host::start(&config, &ledger, dir.path());
    wait_for("all issues", || matches(&shared, &ledger)).await;
    wait_for("a position", || ledger.position("acme/shop").map(drop).ok_or("none")).await;
    let (puts, _) = ledger.counts();
    assert_eq!(puts, 477, "each once, over all lives");
    shared.lock().unwrap().put(7, "changed");
    shared.lock().unwrap().put(531, "new");
    wait_for("changes", || matches(&shared, &ledger)).await;
    assert_eq!(ledger.counts(), (479, 0));
    wait_for("nothing new is free", || {
        let unchanged = shared.lock().unwrap().unchanged;
        if unchanged > 1 { Ok(()) } else { Err(unchanged) }
    })
    .await;
    shared.lock().unwrap().gone = true;
    wait_for("it is paused", || {
        let error = host.status().partitions.get("acme/shop").and_then(|partition| partition.error.clone());
        if error.as_deref().is_some_and(|error| error.contains("no such repository")) {
            Ok(())
        } else {
            Err(error)
        }
    })
    .await;
    shared.lock().unwrap().gone = false;
    shared.lock().unwrap().put(532, "back");
    wait_for("it is back", || matches(&shared, &ledger)).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_faults_are_borne() {
    let (shared, config, dir) = serve().await;
    {
        let mut upstream = shared.lock().unwrap();
        (1..=720).for_each(|number| upstream.put(number, "as it was"));
        upstream.room = Some((2, Instant::now() + Duration::from_secs(1)));
        upstream.broken = 7;
    }
    let ledger = Ledger::default();
    let host = Host::start(&config, &ledger, dir.path());
    wait_for("all issues", || matches(&shared, &ledger)).await;
    let names: BTreeSet<_> = ledger.records().into_keys().collect();
    assert_eq!((names.len(), ledger.counts()), (648, (648, 0)));
    assert_eq!(shared.lock().unwrap().pushy, 0, "it asked for more than there was room for");
    host.stop().await;
}
