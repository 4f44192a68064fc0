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
    /// On which issue, when, and what.
    comments: BTreeMap<u64, (u64, i64, String)>,
    closed: BTreeSet<u64>,
    /// Transferred: they answer with where they are now.
    moved: BTreeSet<u64>,
    /// Single things that were asked for.
    asked: Vec<String>,
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
    /// When comments were made: so young that they are looked for.
    born: i64,
}

impl Upstream {
    fn put(&mut self, number: u64, text: &str) {
        let at = self.next();
        self.issues.insert(number, (at, text.to_owned(), number.is_multiple_of(10)));
    }

    /// What is said moves its issue.
    fn say(&mut self, id: u64, number: u64, text: &str) {
        let at = self.next();
        self.comments.insert(id, (number, at, text.to_owned()));
        self.issues.get_mut(&number).unwrap().0 = at;
    }

    /// The issue is gone, and what was said on it.
    fn delete(&mut self, number: u64) {
        self.issues.remove(&number);
        self.comments.retain(|_, comment| comment.0 != number);
    }

    fn next(&self) -> i64 {
        self.issues.values().map(|issue| issue.0).max().unwrap_or(DAY) + 1
    }

    /// What a reader must have in the end.
    fn wanted(&self) -> BTreeMap<String, String> {
        let name = |number: u64| format!("feedback://shop/github/acme%2Fshop%23{number}");
        let is_issue = |number: &u64| self.issues.get(number).is_some_and(|issue| !issue.2);
        let issues = self.issues.iter().filter(|(number, _)| is_issue(number));
        let issues = issues.map(|(number, issue)| (name(*number), issue.1.clone()));
        let comments = self.comments.iter().filter(|(_, comment)| is_issue(&comment.0));
        let comments =
            comments.map(|(id, comment)| (format!("{}%2Fcomment-{id}", name(comment.0)), comment.2.clone()));
        issues.chain(comments).collect()
    }

    fn issue(&self, number: u64) -> Value {
        let (at, text, pull) = &self.issues[&number];
        let state = if self.closed.contains(&number) { "closed" } else { "open" };
        let mut issue = json!({
            "number": number, "title": format!("issue {number}"), "body": text, "state": state,
            "html_url": format!("https://github.com/acme/shop/issues/{number}"), "user": { "login": "ada" },
            "created_at": "2025-01-01T00:00:00Z", "updated_at": rfc3339(*at), "labels": [{ "name": "bug" }],
        });
        if *pull {
            issue["pull_request"] = json!({ "url": "x" });
        }
        issue
    }

    fn comment(&self, id: u64) -> Value {
        let (number, at, text) = &self.comments[&id];
        json!({
            "id": id, "body": text, "user": { "login": "bob" },
            "issue_url": format!("{}/repos/acme/shop/issues/{number}", self.url),
            "html_url": format!("https://github.com/acme/shop/issues/{number}#issuecomment-{id}"),
            "created_at": rfc3339(self.born), "updated_at": rfc3339(*at),
        })
    }

    /// A single thing.
    fn one(&mut self, path: &str) -> Response {
        self.asked.push(path.to_owned());
        let (kind, number) = path.rsplit_once('/').unwrap();
        let number: u64 = number.parse().unwrap();
        match kind {
            "issues" if self.moved.contains(&number) => {
                (StatusCode::MOVED_PERMANENTLY, [("location", "/elsewhere")]).into_response()
            }
            "issues" if self.issues.contains_key(&number) => self.issue(number).to_string().into_response(),
            "issues" => StatusCode::GONE.into_response(),
            _ if self.comments.contains_key(&number) => self.comment(number).to_string().into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn answer(&mut self, path: &str, query: &BTreeMap<String, String>, headers: &HeaderMap) -> Response {
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
        if !matches!(path, "issues" | "issues/comments") {
            return self.one(path);
        }
        assert_eq!(query["per_page"], "100");
        let since = query.get("since").map_or(i64::MIN, |since| Timestamp::parse(since).unwrap().as_secs());
        let page: usize = query.get("page").map_or(1, |page| page.parse().unwrap());
        let is_listed = |number: &u64| !self.moved.contains(number);
        let mut found: Vec<(u64, i64)> = match (path, query.get("state").map(String::as_str)) {
            ("issues", Some(state)) => {
                let is_open = |number: &u64| state == "all" || !self.closed.contains(number);
                let issues = self.issues.iter().filter(|(number, _)| is_listed(number) && is_open(number));
                issues.map(|(number, issue)| (*number, issue.0)).collect()
            }
            (_, state) => {
                assert_eq!(state, None);
                self.comments.iter().map(|(id, comment)| (*id, comment.1)).collect()
            }
        };
        // The young ones are looked for by our clock, which is ahead of these times.
        if query["sort"] == "updated" {
            found.retain(|(_, at)| *at >= since);
            found.sort_by_key(|(number, at)| (-at, *number));
        }
        let tag = format!("\"{path}-{page}-{}-{}\"", found.len(), found.first().map_or(0, |(_, at)| *at));
        if headers.get("if-none-match").is_some_and(|known| known.to_str().unwrap() == tag) {
            self.unchanged += 1;
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let shown = found.iter().skip((page - 1) * 100).take(100).map(|(number, _)| *number);
        let shown: Vec<Value> = match path {
            "issues" => shown.map(|number| self.issue(number)).collect(),
            _ => shown.map(|id| self.comment(id)).collect(),
        };
        let mut head = vec![("etag", tag)];
        if found.len() > page * 100 {
            let mut next = query.clone();
            next.insert("page".into(), (page + 1).to_string());
            let next: Vec<String> =
                next.iter().map(|(name, value)| format!("{name}={}", value.replace(':', "%3A"))).collect();
            let url = format!("{}/repos/acme/shop/{path}?{}", self.url, next.join("&"));
            head.push(("link", format!("<{}/x>; rel=\"prev\", <{url}>; rel=\"next\"", self.url)));
        }
        for (name, value) in head {
            limits.insert(name, value.parse().unwrap());
        }
        (limits, serde_json::to_string(&shown).unwrap()).into_response()
    }
}

fn rfc3339(secs: i64) -> String {
    Timestamp::from_secs(secs).to_rfc3339()
}

type Shared = Arc<Mutex<Upstream>>;

async fn serve() -> (Shared, GithubConfig, TempDir) {
    let shared = Shared::default();
    let handler = |State(state): State<Shared>,
                   UrlPath((owner, repo, path)): UrlPath<(String, String, String)>,
                   Query(query): Query<BTreeMap<String, String>>,
                   headers: HeaderMap| async move {
        assert_eq!((owner.as_str(), repo.as_str()), ("acme", "shop"));
        state.lock().unwrap().answer(&path, &query, &headers)
    };
    let app = Router::new().route("/repos/{owner}/{repo}/{*path}", get(handler)).with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    {
        let mut upstream = shared.lock().unwrap();
        upstream.url.clone_from(&url);
        upstream.born = Timestamp::now().as_secs() - 60;
    }
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let dir = TempDir::new().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "hush\n").unwrap();
    let config = GithubConfig {
        repos: [("acme/shop".to_owned(), "shop".to_owned())].into_iter().collect(),
        base_url: url,
        token_file: Some(token),
        token_env: None,
        comments: false,
        poll_secs: 1,
        recheck_secs: 0,
        recheck_days: 30,
    };
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
    let config = SourceConfig::Github(config);
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
    let config = SourceConfig::Github(config);
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

#[tokio::test(flavor = "multi_thread")]
async fn comments_are_items_of_their_own() {
    let (shared, config, dir) = serve().await;
    {
        let mut upstream = shared.lock().unwrap();
        (1..=12).for_each(|number| upstream.put(number, "as it was"));
        // More than a page, some on a pull request.
        (1..=250).for_each(|id| upstream.say(id, 1 + id % 12, "so it is"));
    }
    let ledger = Ledger::default();
    let config = SourceConfig::Github(GithubConfig { comments: true, ..config });
    let host = Host::start(&config, &ledger, dir.path());
    wait_for("all comments", || matches(&shared, &ledger)).await;
    let records = ledger.records();
    let (_, one) = records.iter().find(|(uri, _)| uri.as_str().ends_with("%2Fcomment-3")).unwrap();
    assert_eq!((one.title.as_str(), one.author.as_str()), ("issue 4", "https://github.com/bob"));
    assert_eq!(
        (one.attrs["answers"].as_str(), one.attrs["github_issue_number"].as_str()),
        ("acme/shop#4", "4")
    );
    let (puts, _) = ledger.counts();
    {
        let mut upstream = shared.lock().unwrap();
        upstream.put(13, "new");
        upstream.say(251, 13, "on a new one");
        upstream.say(3, 4, "edited");
    }
    wait_for("what is new", || matches(&shared, &ledger)).await;
    assert_eq!(ledger.counts(), (puts + 4, 0), "an issue, a comment, an edit, and the issue that it moves");
    host.stop().await;
    // Nothing of it is told again.
    let host = Host::start(&config, &ledger, dir.path());
    shared.lock().unwrap().say(252, 5, "after a pause");
    wait_for("what is new", || matches(&shared, &ledger)).await;
    assert_eq!(ledger.counts().1, 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_taken_back() {
    let (shared, config, dir) = serve().await;
    {
        let mut upstream = shared.lock().unwrap();
        (1..=240).for_each(|number| upstream.put(number, "as it was"));
        (1..=30).for_each(|id| upstream.say(id, 1 + id % 5, "so it is"));
    }
    let ledger = Ledger::default();
    let config = SourceConfig::Github(GithubConfig { comments: true, recheck_secs: 1, ..config });
    let host = Host::start(&config, &ledger, dir.path());
    wait_for("all of it", || matches(&shared, &ledger)).await;
    assert_eq!(shared.lock().unwrap().asked, Vec::<String>::new(), "all are in the lists");
    {
        let mut upstream = shared.lock().unwrap();
        upstream.delete(2);
        upstream.delete(233);
        upstream.moved.insert(7);
        upstream.comments.remove(&2);
        // Closed without a trace: there, but not among the open ones.
        upstream.closed.insert(9);
    }
    let without_the_moved = |shared: &Shared, ledger: &Ledger| {
        let mut wanted = shared.lock().unwrap().wanted();
        wanted.remove("feedback://shop/github/acme%2Fshop%237");
        let found = ledger.records().into_iter().map(|(uri, record)| (uri.to_string(), record.text));
        let found: BTreeMap<String, String> = found.collect();
        if wanted == found { Ok(()) } else { Err(format!("{} of {}", found.len(), wanted.len())) }
    };
    wait_for("it is taken back", || without_the_moved(&shared, &ledger)).await;
    let nine = "feedback://shop/github/acme%2Fshop%239";
    wait_for("it is closed", || {
        let records = ledger.records();
        let status = records
            .iter()
            .find(|(uri, _)| uri.as_str() == nine)
            .map(|(_, nine)| nine.attrs["status"].clone());
        if status.as_deref() == Some("closed") { Ok(()) } else { Err(status) }
    })
    .await;
    // An API that is out of order takes nothing away.
    shared.lock().unwrap().broken = 1;
    let before = ledger.counts();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(ledger.counts(), before);
    host.stop().await;
}
