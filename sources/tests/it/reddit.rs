//! Recorded submissions and comments, served by an upstream that keeps its limits, forgets tokens, breaks, and changes.

use crate::support::{Host, HostOptions, Ledger, wait_for};
use axum::{
    Form, Router,
    extract::{Path as UrlPath, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use springline_model::{Project, Rev, Timestamp, rows::SubredditRow};
use springline_sources::{SourceConfig, SourceState, reddit::RedditConfig};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const AGENT: &str = "linux:springline.tests:v1 (by /u/nobody)";
/// Things that a listing gives at most.
const LISTED: usize = 1000;

#[derive(Clone, Debug)]
struct Thing {
    kind: String,
    data: Value,
    /// The API has nothing of it any more.
    vanished: bool,
}

impl Thing {
    fn name(&self) -> &str {
        self.data["name"].as_str().unwrap()
    }

    fn text(&self) -> &str {
        self.data["selftext"].as_str().or(self.data["body"].as_str()).unwrap_or_default()
    }

    fn is_there(&self) -> bool {
        !self.vanished && !["[deleted]", "[removed]"].contains(&self.text())
    }

    fn shown(&self) -> Value {
        json!({ "kind": self.kind, "data": self.data })
    }
}

#[derive(Default)]
struct Upstream {
    things: BTreeMap<String, Thing>,
    tokens: BTreeMap<String, Instant>,
    issued: u64,
    requests: u64,
    /// How many requests a window of a second has room for; how many are left of this one, and until when.
    room: Option<u64>,
    window: Option<(u64, Instant)>,
    /// Requests beyond the room.
    pushy: u64,
    /// Every so many requests go wrong.
    broken: u64,
    private: BTreeSet<String>,
    clock: i64,
}

impl Upstream {
    fn of(things: Vec<Thing>) -> Self {
        let clock = Timestamp::now().as_secs() - 100_000;
        let mut upstream = Self { clock, ..Self::default() };
        // The newest recorded ones come last.
        for thing in things {
            upstream.say(thing, "Rust");
        }
        upstream
    }

    fn say(&mut self, mut thing: Thing, subreddit: &str) {
        self.clock += 60;
        thing.data["created_utc"] = json!(self.clock as f64);
        thing.data["subreddit"] = json!(subreddit);
        self.things.insert(thing.name().to_owned(), thing);
    }

    fn post(&mut self, name: &str, text: &str, subreddit: &str) {
        let data =
            json!({ "name": name, "title": "a title", "selftext": text, "author": "ada", "edited": false });
        self.say(Thing { kind: "t3".into(), data, vanished: false }, subreddit);
    }

    fn edit(&mut self, name: &str, text: &str) {
        let data = &mut self.things.get_mut(name).unwrap().data;
        let field = if name.starts_with("t3_") { "selftext" } else { "body" };
        data[field] = json!(text);
        data["edited"] = json!(Timestamp::now().as_secs() as f64);
    }

    /// What a reader must have in the end.
    fn wanted(&self) -> BTreeMap<String, String> {
        let there = self.things.values().filter(|thing| thing.is_there());
        there
            .map(|thing| (format!("feedback://shop/reddit/{}", thing.name()), thing.text().to_owned()))
            .collect()
    }

    /// What stands before every answer of the API: the limits, and what goes wrong.
    fn gate(&mut self, headers: &HeaderMap) -> Result<HeaderMap, Box<Response>> {
        assert_eq!(headers["user-agent"], AGENT);
        self.requests += 1;
        let now = Instant::now();
        let token = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
        if self.tokens.get(token).is_none_or(|until| *until < now) {
            return Err(Box::new((StatusCode::UNAUTHORIZED, "{\"error\": 401}").into_response()));
        }
        let mut head = HeaderMap::new();
        if let Some(room) = self.room {
            let (left, until) = self.window.get_or_insert((room, now + Duration::from_secs(1)));
            if *until <= now {
                (*left, *until) = (room, now + Duration::from_secs(1));
            }
            if *left == 0 {
                self.pushy += 1;
                let refused = (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "<html>");
                return Err(Box::new(refused.into_response()));
            }
            *left -= 1;
            let used = (room - *left).to_string();
            let reset = (*until - now).as_secs_f64();
            for (name, value) in
                [("used", used), ("remaining", format!("{left}.0")), ("reset", format!("{reset:.3}"))]
            {
                let name: axum::http::HeaderName = format!("x-ratelimit-{name}").parse().unwrap();
                head.insert(name, value.parse().unwrap());
            }
        }
        if self.broken > 0 && self.requests.is_multiple_of(self.broken) {
            return Err(Box::new(match self.requests / self.broken % 6 {
                0 => (StatusCode::INTERNAL_SERVER_ERROR, "").into_response(),
                1 => (StatusCode::OK, "<html>are you a human?</html>").into_response(),
                2 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "<html>").into_response(),
                3 => (StatusCode::OK, "{\"kind\": \"Listing\"}").into_response(),
                4 => {
                    self.tokens.clear();
                    (StatusCode::UNAUTHORIZED, "{}").into_response()
                }
                _ => (StatusCode::BAD_GATEWAY, "<html>").into_response(),
            }));
        }
        Ok(head)
    }

    fn listing(&self, kind: &str, subreddit: &str, query: &BTreeMap<String, String>) -> Value {
        assert_eq!(query["raw_json"], "1");
        let limit: usize = query["limit"].parse().unwrap();
        let of = |thing: &&Thing| {
            thing.kind == kind
                && thing.is_there()
                && thing.data["subreddit"].as_str().unwrap().eq_ignore_ascii_case(subreddit)
        };
        let mut found: Vec<&Thing> = self.things.values().filter(of).collect();
        found.sort_by(|a, b| {
            b.data["created_utc"].as_f64().unwrap().total_cmp(&a.data["created_utc"].as_f64().unwrap())
        });
        found.truncate(LISTED);
        // After one that is not there any more there is nothing.
        let from = query.get("after").map_or(Some(0), |after| {
            found.iter().position(|thing| thing.name() == after).map(|place| place + 1)
        });
        let page: Vec<&&Thing> = from.map_or(vec![], |from| found.iter().skip(from).take(limit).collect());
        let more = from.is_some_and(|from| from + page.len() < found.len());
        let after = page.last().filter(|_| more).map(|thing| thing.name());
        let children: Vec<Value> = page.iter().map(|thing| thing.shown()).collect();
        json!({ "kind": "Listing", "data": { "children": children, "after": after, "before": null } })
    }

    fn info(&self, ids: &str) -> Value {
        let ids: Vec<&str> = ids.split(',').collect();
        assert!(ids.len() <= 100);
        let found = ids.iter().filter_map(|id| self.things.get(*id)).filter(|thing| {
            !thing.vanished && !self.private.contains(thing.data["subreddit"].as_str().unwrap())
        });
        let children: Vec<Value> = found.map(Thing::shown).collect();
        json!({ "kind": "Listing", "data": { "children": children } })
    }
}

type Shared = Arc<Mutex<Upstream>>;

async fn token(
    State(state): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let mut upstream = state.lock().unwrap();
    assert_eq!(
        (&headers["user-agent"], form["grant_type"].as_str()),
        (&AGENT.parse().unwrap(), "client_credentials")
    );
    // id:secret
    if headers["authorization"] != "Basic YW4gYXBwOmh1c2g=" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    upstream.issued += 1;
    let token = format!("token-{}", upstream.issued);
    upstream.tokens.insert(token.clone(), Instant::now() + Duration::from_secs(2));
    let body = json!({ "access_token": token, "token_type": "bearer", "expires_in": 2, "scope": "*" });
    body.to_string().into_response()
}

async fn listing(
    State(state): State<Shared>,
    UrlPath((subreddit, listing)): UrlPath<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut upstream = state.lock().unwrap();
    let head = match upstream.gate(&headers) {
        Ok(head) => head,
        Err(refused) => return *refused,
    };
    if upstream.private.contains(&subreddit) {
        return (StatusCode::FORBIDDEN, "{\"reason\": \"private\"}").into_response();
    }
    let kind = if listing == "new" { "t3" } else { "t1" };
    (head, upstream.listing(kind, &subreddit, &query).to_string()).into_response()
}

async fn info(
    State(state): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut upstream = state.lock().unwrap();
    match upstream.gate(&headers) {
        Ok(head) => (head, upstream.info(&query["id"]).to_string()).into_response(),
        Err(refused) => *refused,
    }
}

/// Every submission and comment that is recorded and has anything to read, the oldest first.
fn recorded() -> Option<Vec<Thing>> {
    let Some(data) = std::env::var_os("SPRINGLINE_TEST_DATA") else {
        println!("skipped: SPRINGLINE_TEST_DATA isn't set");
        return None;
    };
    let mut things: BTreeMap<String, Thing> = BTreeMap::new();
    for file in std::fs::read_dir(PathBuf::from(data).join("feedback/reddit")).ok()?.map(Result::unwrap) {
        let Ok(cassette) = serde_json::from_str::<Value>(&std::fs::read_to_string(file.path()).unwrap())
        else {
            continue;
        };
        for interaction in cassette["interactions"].as_array().into_iter().flatten() {
            let body = interaction["response"]["body"]["string"].as_str().unwrap_or_default();
            let Ok(listing) = serde_json::from_str::<Value>(body) else { continue };
            for child in listing["data"]["children"].as_array().into_iter().flatten() {
                let (kind, mut data) = (child["kind"].as_str().unwrap().to_owned(), child["data"].clone());
                if kind.starts_with("t1") || kind.starts_with("t3") {
                    data["banned_by"] = Value::Null;
                    let thing = Thing { kind, data, vanished: false };
                    things.insert(thing.name().to_owned(), thing);
                }
            }
        }
    }
    // As many of each kind as a listing gives.
    let of = |kind: &str| {
        let things = things.values().filter(|thing| thing.kind == kind && thing.is_there());
        things.take(LISTED - 50).cloned().collect::<Vec<_>>()
    };
    Some([of("t1"), of("t3")].concat())
}

async fn serve(upstream: Upstream) -> (Shared, RedditConfig, TempDir) {
    let shared = Arc::new(Mutex::new(upstream));
    let app = Router::new()
        .route("/api/v1/access_token", post(token))
        .route("/api/info", get(info))
        .route("/r/{subreddit}/{listing}", get(listing))
        .with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let dir = TempDir::new().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "hush\n").unwrap();
    let config = RedditConfig {
        subreddits: [("Rust".to_owned(), "shop".to_owned())].into_iter().collect(),
        user_agent: AGENT.into(),
        client_id: "an app".into(),
        client_secret_file: Some(secret),
        auth_url: url.clone(),
        api_url: url,
        poll_secs: 1,
        recheck_secs: 1,
        pause_secs: 1,
        window_requests: 100_000,
        ..RedditConfig::default()
    };
    (shared, config, dir)
}

fn matches(shared: &Shared, ledger: &Ledger) -> Result<(), String> {
    let wanted = shared.lock().unwrap().wanted();
    let found: BTreeMap<String, String> =
        ledger.records().into_iter().map(|(uri, record)| (uri.to_string(), record.text)).collect();
    if wanted == found {
        return Ok(());
    }
    let missing = wanted.iter().filter(|(uri, _)| !found.contains_key(*uri)).map(|(uri, _)| uri).take(3);
    Err(format!("{} of {}, missing {:?}", found.len(), wanted.len(), missing.collect::<Vec<_>>()))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_read_once_and_followed() {
    let Some(things) = recorded() else { return };
    println!("{} things", things.len());
    let (shared, config, dir) = serve(Upstream::of(things)).await;
    let source = SourceConfig::Reddit(config);
    let ledger = Ledger::default();
    for dies_at in [1, 3, 2, 5] {
        let options = HostOptions { dies_at: Some(dies_at), ..HostOptions::default() };
        Host::start_with(&source, &ledger, dir.path(), options).bury().await;
    }
    let host = Host::start(&source, &ledger, dir.path());
    wait_for("everything", || matches(&shared, &ledger)).await;
    let all = shared.lock().unwrap().wanted().len() as u64;
    assert_eq!(ledger.counts(), (all, 0), "each once, over all lives");
    assert!(all > 500, "{all}");
    host.live().await;

    // Edits and deletions near and far, the newest among them; and news.
    {
        let mut upstream = shared.lock().unwrap();
        let mut names: Vec<(i64, String)> = upstream
            .things
            .values()
            .map(|thing| (thing.data["created_utc"].as_f64().unwrap() as i64, thing.name().to_owned()))
            .collect();
        names.sort();
        let (old, new) = (names[3].1.clone(), names[names.len() - 5].1.clone());
        upstream.edit(&old, "said otherwise, long ago");
        upstream.edit(&new, "said otherwise, just now");
        upstream.edit(&names[10].1.clone(), "[deleted]");
        upstream.edit(&names[names.len() - 7].1.clone(), "[removed]");
        let newest = names.last().unwrap().1.clone();
        for vanished in [newest, names[20].1.clone()] {
            upstream.things.get_mut(&vanished).unwrap().vanished = true;
        }
        (1..=250).for_each(|number| upstream.post(&format!("t3_new{number}"), "news", "Rust"));
    }
    wait_for("what has changed", || matches(&shared, &ledger)).await;
    assert_eq!(ledger.counts(), (all + 252, 4), "and nothing else was told");

    // Private for a while: nothing of it is lost, and it is said why it stands still.
    shared.lock().unwrap().private.insert("rust".into());
    shared.lock().unwrap().private.insert("Rust".into());
    wait_for("it is paused", || {
        let status = host.status().partitions.get("rust").cloned();
        let paused = status.as_ref().is_some_and(|status| {
            status.state == SourceState::Paused
                && status.error.as_deref().is_some_and(|error| error.contains("private"))
        });
        if paused { Ok(()) } else { Err(status) }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(ledger.counts().1, 4, "what can't be seen now is not gone");
    shared.lock().unwrap().private.clear();
    shared.lock().unwrap().post("t3_back", "back", "Rust");
    wait_for("it is back", || matches(&shared, &ledger)).await;

    // Others are named, and left, while it runs.
    shared.lock().unwrap().post("t3_cats", "about cats", "Cats");
    let say = |project: Option<&str>, rev| SubredditRow {
        name: "cats".into(),
        project: project.map(|name| Project::new(name).unwrap()),
        rev: Rev(rev),
    };
    ledger.with(|inner| inner.subreddits = vec![say(Some("shop"), 1)]);
    wait_for("the other one", || matches(&shared, &ledger)).await;
    ledger.with(|inner| inner.subreddits = vec![say(None, 2)]);
    wait_for("it is left", || {
        if host.status().partitions.contains_key("cats") { Err("still there") } else { Ok(()) }
    })
    .await;
    host.stop().await;

    // Nothing changes, nothing is told.
    let before = ledger.counts();
    let host = Host::start(&source, &ledger, dir.path());
    host.live().await;
    host.pull().await;
    assert_eq!(ledger.counts(), before);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_faults_are_borne() {
    let Some(things) = recorded() else { return };
    let mut upstream = Upstream::of(things);
    (upstream.room, upstream.broken) = (Some(12), 9);
    let (shared, config, dir) = serve(upstream).await;
    let source = SourceConfig::Reddit(config);
    let ledger = Ledger::default();
    let host = Host::start(&source, &ledger, dir.path());
    wait_for("everything", || matches(&shared, &ledger)).await;
    {
        let mut upstream = shared.lock().unwrap();
        let names: Vec<String> = upstream.things.keys().step_by(97).cloned().collect();
        names.iter().for_each(|name| upstream.edit(name, "said otherwise"));
    }
    wait_for("edits", || matches(&shared, &ledger)).await;
    let (all, edited) = {
        let upstream = shared.lock().unwrap();
        assert_eq!(upstream.pushy, 0, "it asked for more than there was room for");
        assert!(upstream.issued > 2, "tokens were renewed");
        (upstream.things.len() as u64, upstream.things.keys().step_by(97).count() as u64)
    };
    assert_eq!(ledger.counts(), (all + edited, 0));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_read_is_put_aside() {
    let mut upstream = Upstream { clock: Timestamp::now().as_secs() - 1_000, ..Upstream::default() };
    upstream.post("t3_good", "good", "Rust");
    upstream.post("t3_binary", "a\u{0}b", "Rust");
    upstream.post("t3_nameless", "x", "Rust");
    let (shared, config, dir) = serve(upstream).await;
    shared.lock().unwrap().things.get_mut("t3_nameless").unwrap().data["name"] = json!("no/name");
    let ledger = Ledger::default();
    let host = Host::start(&SourceConfig::Reddit(config), &ledger, dir.path());
    host.live().await;
    wait_for("both", || {
        let reasons = ledger.reasons();
        if reasons.len() == 2 && ledger.has("feedback://shop/reddit/t3_good") { Ok(()) } else { Err(reasons) }
    })
    .await;
    host.pull().await;
    assert_eq!(host.status().quarantined, 2, "each once");
    host.stop().await;
}
