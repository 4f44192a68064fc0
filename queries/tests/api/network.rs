//! Counts, feeds and accounts of the network.

use crate::support::{
    Got, Site, State, link,
    network::{did, label, post, post_uri, record, reply},
    shown,
};
use serde_json::{Value, json};
use springline_model::{Hosting, Record};

fn count(state: &State, kind: &str, path: &str, target: &str) -> u64 {
    let links = |record: &&Record| {
        record.kind == kind
            && record.links.iter().any(|l| l.path.as_str() == path && l.target.as_str() == target)
    };
    let mut authors: Vec<&str> = shown(state).filter(links).map(|record| record.author.as_str()).collect();
    authors.sort_unstable();
    authors.dedup();
    authors.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn counts() {
    let site = Site::network().await;
    let mut state = State::default();
    site.world.change(|world| state = world.clone());
    let target = post_uri("alice/p1");
    let got = site.get("/v1/counts/at://alice.example/app.bsky.feed.post/p1").await.json();
    let expected = json!({
        "epoch": 2, "uri": target,
        "likes": count(&state, "app.bsky.feed.like", ".subject.uri", &target),
        "reposts": count(&state, "app.bsky.feed.repost", ".subject.uri", &target),
        "replies": count(&state, "app.bsky.feed.post", ".reply.parent.uri", &target),
        "quotes": count(&state, "app.bsky.feed.post", ".embed.record.uri", &target),
    });
    assert_eq!(got, expected);
    assert_eq!((&got["likes"], &got["replies"]), (&json!(3), &json!(2)));
    let followers = count(&state, "app.bsky.graph.follow", ".subject", &did("alice"));
    let own = |kind: &str| {
        let is_own =
            |record: &&Record| record.author.as_str() == did("alice") && record.kind.starts_with(kind);
        shown(&state).filter(is_own).count()
    };
    let expected = json!({
        "epoch": 2, "uri": did("alice"), "followers": followers, "records": own(""),
        "follows": own("app.bsky.graph.follow"), "posts": own("app.bsky.feed.post"),
    });
    for who in ["alice.example", "did:plc:alice", "?uri=did:plc:alice"] {
        let path =
            if who.starts_with('?') { format!("/v1/counts{who}") } else { format!("/v1/counts/{who}") };
        let got = site.get(&path).await.json();
        assert_eq!(got, expected);
    }
    site.get("/v1/counts/node:x").await.problem(400, "malformed-query");
    site.get("/v1/counts/nobody.example").await.problem(404, "not-found");
    // What an account did goes with it.
    site.world.change(|state| {
        state.network.hosting.insert("at://did:plc:bob/".into(), Hosting::Deactivated);
    });
    assert_eq!(site.get(&format!("/v1/counts/{target}")).await.json()["likes"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shown_and_not_known_is_looked_up_once_an_answer() {
    let site = Site::network().await;
    let met = || {
        let mut met: Vec<String> = site.process.met.lock().drain(..).map(|did| did.to_string()).collect();
        met.sort();
        met
    };
    site.get("/v1/feeds/latest").await.items("uri");
    assert!(met().is_empty(), "all are known, even who has no handle");
    site.world.change(|world| {
        for post in ["new/a", "new/b", "other/c"] {
            world.put(reply(post, 1500, "said anew", "alice/p1", "alice/p1"));
        }
        let links = vec![link(".subject.uri", &post_uri("alice/p1"))];
        world.put(record("sharer/app.bsky.feed.repost/r", 1600, &json!({}), links));
    });
    let unknown = vec![did("new"), did("other")];
    for path in [
        "/v1/feeds/latest".to_owned(),
        format!("/v1/threads/{}", post_uri("alice/p1")),
        "/xrpc/app.bsky.feed.searchPosts?q=anew".to_owned(),
    ] {
        assert_eq!(site.get(&path).await.status, 200, "{path}");
        assert_eq!(met(), unknown, "{path}");
    }
    site.get("/v1/feeds/author?actor=did:plc:sharer").await.items("uri");
    assert_eq!(met(), [did("sharer")]);
    site.get("/v1/actors/did:plc:new").await;
    assert_eq!(met(), [did("new")]);
    site.world.change(|world| {
        for number in 0..60 {
            world.put(post(&format!("u{number}/p"), 5000, "one of many", vec![]));
        }
    });
    assert_eq!(site.get("/v1/feeds/latest?limit=60").await.items("uri").len(), 60);
    assert_eq!(met().len(), 25, "no answer asks for more");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_read_what_they_may() {
    let (page, path) = (
        "https://client.example",
        "/xrpc/blue.microcosm.links.getBacklinksCount?subject=did:plc:alice&source=app.bsky.graph.follow:subject",
    );
    let ask = async |site: &Site, method: &str, path: &str, origin: &str| {
        site.send(site.request(method, path).header("origin", origin)).await
    };
    let allowed = |got: &Got| got.header("access-control-allow-origin").to_owned();
    let site = Site::network().await;
    assert_eq!(allowed(&ask(&site, "GET", path, page).await), "", "nobody, unless told so");
    for (origins, others) in [(vec![page.to_owned()], ""), (vec!["*".to_owned()], "https://evil.example")] {
        let site = Site::with(|config| config.cors_origins = origins.clone()).await;
        site.world.change(crate::support::network::network);
        let got = ask(&site, "GET", path, page).await;
        assert_eq!((got.status, allowed(&got).as_str(), &got.json()["total"]), (200, page, &json!(2)));
        assert!(got.header("access-control-expose-headers").contains("etag"));
        assert_eq!(allowed(&ask(&site, "HEAD", path, page).await), page);
        assert_eq!(allowed(&ask(&site, "GET", "/v1/none", page).await), page, "errors can be read, too");
        assert_eq!(allowed(&ask(&site, "GET", path, "https://evil.example").await), others);
        // What may be sent is told before it is: no writes, no token, no cookies.
        let asking = site.request("OPTIONS", "/v1/moderation/hide").header("origin", page);
        let asking = asking
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
        let got = site.send(asking).await;
        assert_eq!((got.status, allowed(&got).as_str()), (200, page));
        assert_eq!(got.header("access-control-allow-methods"), "GET,HEAD");
        assert!(!got.header("access-control-allow-headers").contains("authorization"));
        for got in [&got, &ask(&site, "POST", "/v1/moderation/hide", page).await] {
            assert_eq!(got.header("access-control-allow-credentials"), "");
        }
        assert_eq!(allowed(&ask(&site, "POST", "/v1/moderation/hide", page).await), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actors() {
    let site = Site::network().await;
    let alice = site.get("/v1/actors/alice.example").await.json();
    assert_eq!((&alice["did"], &alice["handle"]), (&json!(did("alice")), &json!("alice.example")));
    assert_eq!((&alice["pds"], &alice["hosting"]), (&json!("https://pds.example"), &json!("active")));
    let profile = json!({
        "displayName": "Alice", "description": "I garden.", "avatar": "bafkavatar", "banner": null,
    });
    assert_eq!((&alice["profile"], alice["rev"].as_str().unwrap().len()), (&profile, 13));
    assert_eq!(alice["counts"]["followers"], 2);
    assert_eq!(alice["counts"]["posts"], 2);
    assert_eq!(alice["labels"][0]["val"], "gardener");
    assert_eq!(alice["desynchronized"], false);
    let dan = site.get("/v1/actors/did:plc:dan").await.json();
    assert_eq!(
        (&dan["handle"], &dan["profile"], &dan["desynchronized"]),
        (&Value::Null, &Value::Null, &json!(true))
    );
    // Whoever is hidden: only why.
    site.world.change(|state| {
        state.hidden.insert("at://did:plc:bob/".into());
        state.network.labels.push(label(&did("carol"), "!takedown", true));
    });
    for (who, why) in
        [("mallory.example", "takendown"), ("bob.example", "hidden"), ("did:plc:carol", "labelled")]
    {
        let problem = site.get(&format!("/v1/actors/{who}")).await.problem(404, "not-found");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.ends_with(&format!("is not shown: {why}")), "{detail}");
        assert!(!detail.contains("Mal"), "{detail}");
    }
    for status in [Hosting::Suspended, Hosting::Deactivated, Hosting::Deleted, Hosting::Inactive] {
        site.world.change(|state| {
            state.network.hosting.insert("at://did:plc:dan/".into(), status);
        });
        let problem = site.get("/v1/actors/did:plc:dan").await.problem(404, "not-found");
        assert!(problem["detail"].as_str().unwrap().ends_with(status.name()), "{problem}");
    }
    site.get("/v1/actors/did:plc:nobody").await.problem(404, "not-found");
    site.get("/v1/actors/nobody.example").await.problem(404, "not-found");
    site.get("/v1/actors/gardener").await.problem(404, "not-found");
    site.world.change(|state| state.put(post("zoe/p", 1, "x", vec![])));
    assert_eq!(site.get("/v1/actors/did:plc:zoe").await.json()["handle"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn collections() {
    let site = Site::network().await;
    let mut state = State::default();
    site.world.change(|world| {
        world.put(record("dan/app.bsky.feed.post/early", -5, &json!({ "text": "before 1970" }), vec![]));
        world.put(record("dan/app.bsky.feed.post/late", 200_000, &json!({ "text": "later" }), vec![]));
        state = world.clone();
    });
    let mut kinds: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    shown(&state).for_each(|record| *kinds.entry(&record.kind).or_default() += 1);
    let mut kinds: Vec<(&str, u64)> = kinds.into_iter().collect();
    let names = |kinds: &[(&str, u64)]| kinds.iter().map(|(kind, _)| (*kind).to_owned()).collect::<Vec<_>>();
    for limit in [1, 3, 500] {
        let found = site.all(&format!("/v1/collections?limit={limit}"), "kind").await;
        assert_eq!(found, names(&kinds));
    }
    kinds.sort_by_key(|(kind, records)| (std::cmp::Reverse(*records), *kind));
    for limit in [1, 3, 500] {
        let found = site.all(&format!("/v1/collections?sort=records&limit={limit}"), "kind").await;
        assert_eq!(found, names(&kinds));
    }
    let posts = site.get("/v1/collections/app.bsky.feed.post").await.json();
    let count = kinds.iter().find(|(kind, _)| *kind == "app.bsky.feed.post").unwrap().1;
    assert_eq!((&posts["records"], &posts["authors"]), (&json!(count), &json!(4)));
    let days = ["1970-01-03", "1970-01-01", "1969-12-31"].map(|day| format!("{day}T00:00:00.000Z"));
    assert_eq!(site.all("/v1/collections/app.bsky.feed.post?limit=1", "day").await, days);
    assert_eq!(posts["items"][1]["records"], count - 2);
    site.get("/v1/collections/a.b.none").await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_and_gaps() {
    let site = Site::network().await;
    let all = ["alice", "bob", "carol", "dan", "mallory"].map(did);
    assert_eq!(site.all("/v1/repos?limit=2", "did").await, all);
    assert_eq!(site.all("/v1/repos?state=desynchronized&limit=1", "did").await, [did("dan")]);
    assert_eq!(site.all("/v1/repos?state=hidden", "did").await, [did("mallory")]);
    let hidden = site.get("/v1/repos?state=hidden").await.json()["items"][0].clone();
    // 2^53 in base 32.
    let expected = json!({
        "did": did("mallory"), "rev": "22c2222222222", "hosting": "takendown", "labelled": false,
    });
    assert_eq!(hidden, expected);
    let dan = site.get("/v1/repos?state=desynchronized").await.json()["items"][0].clone();
    assert_eq!(dan["desynchronized"], "222222222222b");
    site.get("/v1/repos?state=lost").await.problem(400, "malformed-query");
    let gaps = site.get("/v1/gaps").await;
    assert_eq!((gaps.items("from"), gaps.items("to")), (vec!["10".into()], vec!["20".into()]));
    assert_eq!(gaps.items("reason"), ["the relay was away"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications() {
    let site = Site::network().await;
    let mine = "/v1/notifications?recipient=alice.example";
    let got = site.get(mine).await;
    // Follows are muted; the first like and the answer were seen.
    assert_eq!(got.items("reason"), ["like", "like", "reply"]);
    let page = got.json();
    let read: Vec<bool> =
        page["items"].as_array().unwrap().iter().map(|item| item["is_read"].as_bool().unwrap()).collect();
    assert_eq!(read, [false, true, true]);
    assert_eq!((&page["unread"], &page["seen"]), (&json!(1), &json!("1970-01-01T00:18:25.000Z")));
    assert_eq!(page["items"][2]["text"], "An answer by bob");
    assert!(page["items"][0]["text"].is_null());
    assert_eq!(site.all(&format!("{mine}&limit=1"), "reason").await.len(), 3);
    assert_eq!(site.all(&format!("{mine}&unread=true&limit=1"), "actor").await, [did("carol")]);
    assert_eq!(site.get(&format!("{mine}&reason=follow")).await.items("reason").len(), 0);
    let none = site.get("/v1/notifications?recipient=bob.example").await.json();
    assert_eq!((&none["unread"], &none["seen"]), (&json!(0), &Value::Null));
    site.world.change(|state| state.network.inboxes.clear());
    let all = site.get(mine).await.json();
    assert_eq!((&all["unread"], all["items"].as_array().unwrap().len()), (&json!(4), 4));
}
