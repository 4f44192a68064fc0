//! Feedback through the whole process: told, told again, changed, deleted, delivered, counted; and over a crash.

use axum::{Router, extract::Path};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use springline_tests::{Answer, Server, Springline, data, encode, eventually, fingerprints, send};
use std::{net::SocketAddr, time::Duration};
use tempfile::TempDir;

const SECRET: &str = "a secret for the hooks";

/// A process with two projects.
fn configured(dir: &std::path::Path) -> Springline {
    std::fs::write(dir.join("hook.secret"), format!("{SECRET}\n")).unwrap();
    let config = dir.join("springline.toml");
    let text = "
        [feedback.projects.shop]
        github_secret_file = \"HOOK\"
        sentry_secret_file = \"HOOK\"

        [feedback.projects.picky]
        keywords = [\"crash\"]
        min_length = 10
    ";
    std::fs::write(&config, text.replace("HOOK", &dir.join("hook.secret").to_string_lossy())).unwrap();
    Springline::new(&dir.join("data")).configured(&config).with("identity.offline", "true")
}

fn start(springline: &Springline) -> Server {
    let server = springline.serve_configured();
    server.ready();
    server
}

fn post(server: &Server, target: &str, body: &Value) -> Value {
    let join = if target.contains('?') { '&' } else { '?' };
    let answer = server.post(&format!("{target}{join}wait=visible"), &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn statuses(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap()).collect()
}

fn listed(server: &Server, query: &str) -> Vec<String> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/feedback?limit=2{query}{cursor}"));
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        items.extend(
            page["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

fn deliver(server: &Server, source: &str, kind: &str, body: &str, secret: &str) -> Answer {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let (signature, event) = match source {
        "github" => (("x-hub-signature-256", format!("sha256={hex}")), "x-github-event"),
        _ => (("sentry-hook-signature", hex), "sentry-hook-resource"),
    };
    let headers = [(signature.0, signature.1.as_str()), (event, kind), ("content-type", "application/json")];
    send(server.address, "POST", &format!("/v1/hooks/{source}/shop"), &headers, body).unwrap()
}

#[test]
fn each_item_is_here_once_as_it_is_now() {
    let dir = TempDir::new().unwrap();
    let springline = configured(dir.path());
    let server = start(&springline);
    let item = |id: &str, title: &str, day: u32| json!({ "external_id": id, "title": title, "body": "it is so", "created_at": format!("2026-01-{day:02}") });
    let shop = "/v1/ingest/manual?project=shop";
    let told = post(&server, shop, &item("a", "one", 1));
    assert_eq!((statuses(&told), told["visible"].clone()), (vec!["accepted"], json!(true)));
    let again = post(&server, shop, &item("a", "one", 1));
    assert_eq!(statuses(&again), ["duplicate"]);
    assert!(again["epoch"].as_u64() >= told["epoch"].as_u64(), "the epoch that it is durable in");

    // One bad item costs no other; of two that are the same one is news.
    let batch = json!([
        item("b", "two", 2), item("b", "two", 2), { "body": "a\u{0}b" }, {}, "x", item("c", "three", 3),
        { "title": "elsewhere", "created_at": "soon" }, item("a", "one, edited", 1),
    ]);
    let told = post(&server, shop, &batch);
    assert_eq!(
        statuses(&told),
        ["accepted", "duplicate", "refused", "refused", "refused", "accepted", "refused", "accepted"]
    );
    assert_eq!((told["accepted"].clone(), told["refused"].clone()), (json!(3), json!(4)));
    assert!(told["items"][2]["reason"].as_str().unwrap().contains("NUL"));
    assert_eq!(listed(&server, ""), ["three", "two", "one, edited"]);

    // What is not wanted is told why; what makes no sense is a problem.
    let picky = post(
        &server,
        "/v1/ingest/manual",
        &json!([
            { "project": "picky", "title": "crash" }, { "project": "picky", "title": "it is slow today" },
            { "project": "picky", "title": "a crash at the start" }, { "project": "nobody", "title": "x" }, { "title": "x" },
        ]),
    );
    assert_eq!(statuses(&picky), ["filtered", "filtered", "accepted", "refused", "refused"]);
    for (target, body, status) in [
        (shop, "{}", 400),
        (shop, "[]", 400),
        (shop, "7", 400),
        (shop, "{\"title\": ", 400),
        ("/v1/ingest/manual?project=nobody", "{\"title\": \"x\"}", 404),
        ("/v1/ingest/manual", "{\"title\": \"x\", \"project\": \"nobody\"}", 404),
        ("/v1/ingest/manual?project=No+Body", "{\"title\": \"x\"}", 404),
        ("/v1/ingest/usenet?project=shop", "{\"title\": \"x\"}", 400),
    ] {
        let answer = server.post(target, body);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{target} {body}"
        );
    }
    let long = json!({ "title": "x", "body": "y".repeat(300 * 1024) }).to_string();
    assert_eq!(server.post(shop, &long).status, 400);
    let longer = json!({ "title": "x", "body": "y".repeat(2 * 1024 * 1024) }).to_string();
    assert_eq!(server.post(shop, &longer).status, 413);
    let many: Vec<Value> = (0..257).map(|number| json!({ "title": number.to_string() })).collect();
    assert_eq!(server.post(shop, &json!(many).to_string()).status, 400);
    let bare =
        send(server.address, "POST", shop, &[("content-type", "application/json")], "{\"title\": \"x\"}")
            .unwrap();
    assert_eq!(bare.status, 401);

    // The same told many times at once is accepted once.
    let accepted: usize = std::thread::scope(|scope| {
        let tell = || {
            let told = post(&server, shop, &item("d", "four", 4));
            usize::from(statuses(&told) == ["accepted"])
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(tell)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(accepted, 1);
    assert_eq!(listed(&server, "&project=shop"), ["four", "three", "two", "one, edited"]);
    assert_eq!(listed(&server, "&project=shop&since=2026-01-02&until=2026-01-04"), ["three", "two"]);
    assert_eq!(listed(&server, "&project=shop&until=2026-01-02T00:00:00.001Z"), ["two", "one, edited"]);
    assert_eq!(listed(&server, "&since=2026-01-03&until=2026-01-04"), ["three"]);
    assert_eq!(listed(&server, "&q=crash"), ["a crash at the start"]);
    assert_eq!(listed(&server, "&q=so&project=shop&source=manual"), ["four", "three", "two", "one, edited"]);
    assert_eq!(listed(&server, "&source=github"), Vec::<String>::new());

    // Closed, then deleted; and it stays so over a crash.
    let mut closed = item("b", "two", 2);
    closed["status"] = json!("closed");
    assert_eq!(statuses(&post(&server, shop, &closed)), ["accepted"]);
    assert_eq!(listed(&server, "&status=closed"), ["two"]);
    let stats = server.get("/v1/stats?project=shop").json();
    assert_eq!(
        (stats["items"].clone(), stats["statuses"].clone()),
        (json!(4), json!({ "closed": 1, "open": 3 }))
    );
    assert_eq!(stats["days"]["2026-01-02"], 1);
    let one = server.get("/v1/feedback/shop/manual/b").json();
    assert_eq!((one["external_id"].clone(), one["text"].clone()), (json!("b"), json!("it is so")));
    let uri = encode("feedback://shop/manual/b");
    assert_eq!(server.delete(&format!("/v1/feedback/{uri}?wait=visible")).status, 200);
    assert_eq!(server.delete(&format!("/v1/feedback/{uri}")).status, 404);
    assert_eq!(server.get("/v1/feedback/shop/manual/b").status, 404);
    assert_eq!(server.get("/v1/stats?project=shop").json()["items"], 3);
    for view in ["/v1/search?q=two", "/v1/latest", "/v1/feedback"] {
        assert!(!server.get(view).text().contains("shop/manual/b"), "{view}");
    }
    drop(server); // killed
    let server = start(&springline);
    assert_eq!(statuses(&post(&server, shop, &item("c", "three", 3))), ["duplicate"]);
    assert_eq!(listed(&server, "&project=shop"), ["four", "three", "one, edited"]);
    assert_eq!(
        statuses(&post(&server, shop, &item("b", "two", 2))),
        ["accepted"],
        "a client may post it again"
    );

    // A hidden project leaves every view.
    let hide = json!({ "authority": "feedback://shop/" }).to_string();
    assert_eq!(server.post("/v1/moderation/hide?wait=visible", &hide).status, 200);
    assert_eq!(listed(&server, ""), ["a crash at the start"]);
    assert_eq!(server.get("/v1/stats").json()["projects"], json!({ "picky": 1 }));
    server.stop();
    let verified = springline.output(&["views", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    assert!(fingerprints(&springline).contains_key("feedback"));
}

#[test]
fn subreddits_are_named_while_running() {
    let dir = TempDir::new().unwrap();
    let springline = configured(dir.path());
    let server = start(&springline);
    let path = "/v1/config/reddit/subreddits";
    let said = |server: &Server| {
        let page = server.get(path).json();
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| (item["subreddit"].clone(), item["project"].clone())).collect::<Vec<_>>()
    };
    assert!(said(&server).is_empty());
    post(&server, path, &json!({ "subreddit": "r/Rust", "project": "shop" }));
    post(&server, path, &json!({ "subreddit": "cats", "project": "picky" }));
    post(&server, path, &json!({ "subreddit": "rust", "project": "picky" }));
    for (body, status) in [
        (json!({ "subreddit": "a/b", "project": "shop" }), 400),
        (json!({ "subreddit": "rust", "project": "No Body" }), 400),
        (json!({ "subreddit": "rust", "project": "nobody" }), 404),
        (json!({ "subreddit": "rust" }), 400),
    ] {
        assert_eq!(server.post(path, &body.to_string()).status, status, "{body}");
    }
    assert_eq!(server.delete(&format!("{path}/cats?wait=visible")).status, 200);
    assert_eq!(server.delete(&format!("{path}/a%2Fb")).status, 400);
    let expected = vec![(json!("cats"), Value::Null), (json!("rust"), json!("picky"))];
    assert_eq!(said(&server), expected);
    drop(server); // killed
    let server = start(&springline);
    assert_eq!(said(&server), expected);
    server.stop();
    assert!(springline.output(&["views", "verify"]).status.success());
    assert!(
        springline
            .output(&["export", "--out", &dir.path().join("tables").to_string_lossy()])
            .status
            .success()
    );
    assert!(dir.path().join("tables/subreddits").is_dir());
}

/// A Reddit with one subreddit, in which one thing was said.
fn reddit() -> (SocketAddr, Value) {
    let data = json!({
        "name": "t3_one", "title": "one", "selftext": "it is so", "author": "ada", "subreddit": "Cats", "edited": false,
        "created_utc": springline_model::Timestamp::now().as_secs() - 60, "permalink": "/r/Cats/comments/one/_/",
    });
    let thing = json!({ "kind": "t3", "data": data });
    let listing =
        |children: Vec<Value>| json!({ "kind": "Listing", "data": { "children": children, "after": null } });
    let (all, none) = (listing(vec![thing.clone()]).to_string(), listing(vec![]).to_string());
    let info = all.clone();
    let said = move |Path((subreddit, kind)): Path<(String, String)>| async move {
        if (subreddit.as_str(), kind.as_str()) == ("cats", "new") { all } else { none }
    };
    let token = || async { r#"{"access_token": "x", "token_type": "bearer", "expires_in": 3600}"# };
    let app = Router::new()
        .route("/api/v1/access_token", axum::routing::post(token))
        .route("/api/info", axum::routing::get(|| async { info }))
        .route("/r/{subreddit}/{kind}", axum::routing::get(said));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
        });
    });
    (address, thing)
}

#[test]
fn a_poller_and_a_client_tell_of_the_same_item() {
    let dir = TempDir::new().unwrap();
    let (address, thing) = reddit();
    let springline = configured(dir.path());
    let config = dir.path().join("springline.toml");
    let source = "
        [sources.reddit]
        type = \"reddit\"
        user_agent = \"linux:springline.tests:v1 (by /u/nobody)\"
        client_id = \"an app\"
        client_secret_file = \"HOOK\"
        auth_url = \"http://ADDRESS\"
        api_url = \"http://ADDRESS\"
        poll_secs = 1
        recheck_secs = 1
        window_requests = 100000
    ";
    let source = source
        .replace("HOOK", &dir.path().join("hook.secret").to_string_lossy())
        .replace("ADDRESS", &address.to_string());
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + &source).unwrap();
    let server = start(&springline);
    assert!(listed(&server, "").is_empty(), "nothing is to be read yet");
    post(&server, "/v1/config/reddit/subreddits", &json!({ "subreddit": "Cats", "project": "shop" }));
    let there = || (listed(&server, "") == ["one"]).then_some(());
    eventually("it is read", Duration::from_secs(30), there);
    let ingest = "/v1/ingest/reddit?project=shop";
    assert_eq!(statuses(&post(&server, ingest, &thing)), ["duplicate"]);
    assert_eq!(server.delete("/v1/feedback/shop/reddit/t3_one?wait=visible").status, 200);
    let pulled = server.pull("reddit").unwrap();
    assert_eq!(pulled.status, 200, "{}", pulled.text());
    assert!(listed(&server, "").is_empty(), "the poller does not bring it back");
    assert_eq!(statuses(&post(&server, ingest, &thing)), ["accepted"]);
    assert_eq!(server.delete("/v1/config/reddit/subreddits?subreddit=cats&wait=visible").status, 200);
    assert_eq!(listed(&server, ""), ["one"], "what was read stays");
    server.stop();
    assert!(springline.output(&["views", "verify"]).status.success());
}

#[test]
fn hooks_are_believed_when_they_are_signed() {
    let Some(recorded) = data().map(|data| data.join("feedback/webhooks")) else { return };
    let read = |name: &str| std::fs::read_to_string(recorded.join(name)).unwrap();
    let dir = TempDir::new().unwrap();
    let springline = configured(dir.path());
    let server = start(&springline);
    let outcome = |source: &str, kind: &str, body: &str| {
        let answer = deliver(&server, source, kind, body, SECRET);
        assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
        let status = statuses(&answer.json())[0].to_owned();
        let epoch = answer.json()["epoch"].as_u64().unwrap();
        assert_eq!(server.get(&format!("/v1/epochs/{epoch}?wait=visible")).status, 200);
        status
    };
    let opened = read("github-issues-opened.payload.json");
    assert_eq!(deliver(&server, "github", "issues", &opened, "another secret").status, 401);
    let unsigned = send(server.address, "POST", "/v1/hooks/github/shop", &[], &opened).unwrap();
    assert_eq!(unsigned.status, 401);
    let elsewhere = |project: &str| {
        send(server.address, "POST", &format!("/v1/hooks/github/{project}"), &[], "{}").unwrap()
    };
    assert_eq!((elsewhere("nobody").status, elsewhere("picky").status), (404, 403));
    assert!(listed(&server, "").is_empty());
    assert_eq!(deliver(&server, "github", "issues", "{", SECRET).status, 400);

    assert_eq!(outcome("github", "ping", &read("github-ping-payload.json")), "filtered");
    assert_eq!(outcome("github", "issues", &opened), "accepted");
    assert_eq!(outcome("github", "issues", &opened), "duplicate", "delivered again");
    assert_eq!(outcome("github", "push", &opened), "filtered");
    let change = |action: &str, state: &str, updated: &str| {
        let mut payload: Value = serde_json::from_str(&opened).unwrap();
        payload["action"] = json!(action);
        payload["issue"]["state"] = json!(state);
        payload["issue"]["updated_at"] = json!(updated);
        payload.to_string()
    };
    let closed = change("closed", "closed", "2026-02-01T00:00:00Z");
    assert_eq!(outcome("github", "issues", &closed), "accepted");
    assert_eq!(listed(&server, "&status=closed").len(), 1);
    let edited = read("github-issues-edited.payload.json");
    assert_eq!(outcome("github", "issues", &edited), "duplicate", "it was overtaken");
    let reopened = change("reopened", "open", "2026-02-02T00:00:00Z");
    assert_eq!(outcome("github", "issues", &reopened), "accepted");
    assert_eq!(outcome("github", "issues", &closed), "duplicate", "a replay closes nothing");
    assert_eq!(listed(&server, "&status=open").len(), 1);
    assert_eq!(
        outcome("github", "issue_comment", &read("github-issue_comment-created.payload.json")),
        "accepted"
    );
    assert_eq!(
        outcome("github", "issue_comment", &read("github-issue_comment-edited.payload.json")),
        "accepted"
    );
    assert_eq!(listed(&server, "&source=github").len(), 2);
    let deleted = read("github-issues-deleted.payload.json");
    assert_eq!(outcome("github", "issues", &deleted), "accepted");
    assert_eq!(outcome("github", "issues", &deleted), "duplicate");
    assert_eq!(outcome("github", "issues", &opened), "duplicate", "what is deleted stays deleted");
    assert_eq!(listed(&server, "&source=github").len(), 1);

    for (name, expected) in [
        ("issue.created", "accepted"),
        ("issue.assigned", "duplicate"),
        ("issue.resolved", "accepted"),
        ("issue.created", "duplicate"),
        ("event_alert.triggered", "accepted"),
        ("event-soulcaster-fixture", "accepted"),
        ("metric_alert.critical", "accepted"),
        ("metric_alert.warning", "accepted"),
        ("metric_alert.resolved", "accepted"),
        ("installation.created", "filtered"),
        ("installation.deleted", "filtered"),
    ] {
        let status = outcome("sentry", "", &read(&format!("sentry-{name}.json")));
        assert_eq!(status, expected, "{name}");
    }
    assert_eq!(listed(&server, "&source=sentry&status=closed").len(), 2);
    assert_eq!(listed(&server, "&source=sentry&status=open").len(), 2);
    server.stop();
    assert!(springline.output(&["views", "verify"]).status.success());
}
