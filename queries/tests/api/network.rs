//! Counts, feeds and accounts of the network.

use crate::support::{
    Got, Site, State, link,
    network::{did, label, post, post_uri, record, reply},
    shown,
};
use serde_json::{Value, json};
use springline_model::{Hosting, Record, Timestamp, Uri, record::attr, rows::Order};

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

/// The posts that a feed lists, newest first.
fn feed(state: &State, takes: impl Fn(&Record) -> bool) -> Vec<&str> {
    let mut posts: Vec<&Record> = shown(state)
        .filter(|record| record.kind == "app.bsky.feed.post" && record.has_content() && takes(record))
        .collect();
    posts.sort_by_key(|record| (std::cmp::Reverse(record.at), record.uri.clone()));
    posts.into_iter().map(|record| record.uri.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds() {
    let site = Site::network().await;
    let mut state = State::default();
    site.world.change(|world| {
        for number in 0..40 {
            let (lang, tag) = (["en", "de"][number % 2], ["garden", "other"][number % 3 / 2]);
            let value = json!({ "text": "more", "langs": [lang], "tags": [tag] });
            let path = format!("u{}/app.bsky.feed.post/n{number}", number % 3);
            world.put(record(&path, 5000 + number as i64 / 4, &value, vec![]));
        }
        world.put(crate::support::note("g/x.md", 9000, "a note", vec![]));
        world.put(record("u1/app.bsky.feed.post/image", 9000, &json!({}), vec![]));
        state = world.clone();
    });
    let author = |record: &Record, name: &str| record.author.as_str() == did(name);
    let lang = |record: &Record, lang: &str| record.langs.iter().any(|known| known == lang);
    let tag = |record: &Record, tag: &str| record.tags.iter().any(|known| known.eq_ignore_ascii_case(tag));
    let cases: Vec<(&str, Vec<&str>)> = vec![
        ("latest?", feed(&state, |_| true)),
        ("latest?lang=de", feed(&state, |record| lang(record, "de"))),
        ("author?actor=bob.example", feed(&state, |record| author(record, "bob"))),
        ("author?actor=did:plc:u1&lang=en", feed(&state, |r| author(r, "u1") && lang(r, "en"))),
        ("author?actor=did:plc:mallory", vec![]),
        ("tag?tag=garden", feed(&state, |record| tag(record, "garden"))),
        ("tag?tag=%23OTHER&lang=DE", feed(&state, |record| tag(record, "other") && lang(record, "de"))),
    ];
    for (path, expected) in cases {
        for limit in [1, 7, 100] {
            let found = site.all(&format!("/v1/feeds/{path}&limit={limit}"), "uri").await;
            assert_eq!(found, expected, "{path} {limit}");
        }
    }
    assert_eq!(site.get("/v1/feeds/latest?kind=note").await.items("text"), ["a note"]);
    let hot = |order: Order| {
        let rows = state.network.hot.iter().filter(move |row| row.order == order);
        rows.map(|row| row.uri.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(site.all("/v1/feeds/trending?limit=1", "uri").await, hot(Order::Trending));
    assert_eq!(site.all("/v1/feeds/trending?window=24h", "uri").await, hot(Order::Day));
    assert_eq!(site.get("/v1/feeds/trending?window=1h").await.items("uri").len(), 0);
    let first = site.get("/v1/feeds/author?actor=alice.example").await.json()["items"][1].clone();
    assert_eq!((&first["uri"], &first["handle"]), (&json!(post_uri("alice/p1")), &json!("alice.example")));
    assert_eq!((&first["counts"]["likes"], &first["labels"][0]["val"]), (&json!(3), &json!("pretty")));
    assert_eq!((&first["cid"], &first["langs"]), (&json!("cid-alice-p1"), &json!(["en"])));
    for wrong in ["none?", "author?", "tag?", "tag?tag=a%22b", "trending?window=1y", "latest?limit=101"] {
        site.get(&format!("/v1/feeds/{wrong}")).await.problem(400, "malformed-query");
    }
    // What turns the direction of a text, or shows nothing, is not shown; and there is an end.
    let long = format!("a\u{202E}b\u{0}{}", "é".repeat(20_000));
    site.world.change(|state| state.put(post("u9/long", 99_000, &long, vec![])));
    let page = site.get("/v1/feeds/latest?limit=1").await.json();
    let text = page["items"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("abé") && text.len() < 16 * 1024, "{}", text.len());
    assert_eq!(page["items"][0]["cut"], true);
    let cursor = page["next"].as_str().unwrap();
    site.get(&format!("/v1/feeds/latest?lang=de&cursor={cursor}")).await.problem(400, "malformed-cursor");
}

/// What somebody says and passes on, newest first: the post, and who passes it on.
fn timeline(state: &State, name: &str) -> Vec<(String, Option<String>)> {
    let own = |record: &&Record| record.author.as_str() == did(name);
    let mut entries: Vec<(Timestamp, &Uri, (String, Option<String>))> = Vec::new();
    for record in shown(state).filter(own) {
        let subject = record.links.iter().find(|link| link.path.as_str() == ".subject.uri");
        let (post, by) = match record.kind.as_str() {
            "app.bsky.feed.post" => (Some(&record.uri), None),
            "app.bsky.feed.repost" => (subject.map(|link| &link.target), Some(record.uri.to_string())),
            _ => continue,
        };
        if let Some(post) = shown(state).find(|other| Some(&other.uri) == post) {
            entries.push((record.at, &record.uri, (post.uri.to_string(), by)));
        }
    }
    entries.sort_by_key(|(at, uri, _)| (std::cmp::Reverse(*at), *uri));
    entries.into_iter().map(|(.., entry)| entry).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn reposts_are_in_their_authors_feed_while_both_records_are_there() {
    let site = Site::network().await;
    let repost = |key: &str, secs: i64, of: &str| {
        let links = vec![link(".subject.uri", of)];
        record(&format!("carol/app.bsky.feed.repost/{key}"), secs, &json!({}), links)
    };
    let mut state = State::default();
    site.world.change(|world| {
        for (key, secs, of) in [("s2", 1015, "bob/r1"), ("s3", 2000, "mallory/rm"), ("s4", 1020, "carol/r2")]
        {
            world.put(repost(key, secs, &post_uri(of)));
        }
        world.put(repost("s5", 2010, &post_uri("nobody/x")));
        world.put(repost("s6", 2020, "at://did:plc:alice/app.bsky.actor.profile/self"));
        state = world.clone();
        state.records.remove(&Uri::from("at://did:plc:carol/app.bsky.feed.repost/s6"));
    });
    let got = async |limit: usize| {
        let (mut entries, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/feeds/author?actor=carol.example&limit={limit}{cursor}");
            let page = site.get(&path).await.json();
            for item in page["items"].as_array().unwrap() {
                let reason = &item["reason"];
                if !reason.is_null() {
                    assert_eq!((&reason["kind"], &reason["by"]), (&json!("repost"), &json!(did("carol"))));
                    assert_eq!(reason["handle"], "carol.example");
                }
                let by = reason["uri"].as_str().map(str::to_owned);
                entries.push((item["uri"].as_str().unwrap().to_owned(), by));
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return entries,
            }
        }
    };
    let expected = timeline(&state, "carol");
    assert_eq!(expected.iter().filter(|(_, by)| by.is_some()).count(), 3);
    for limit in [1, 2, 100] {
        assert_eq!(got(limit).await, expected, "{limit}");
    }
    // Neither in the lists of what is said, nor found.
    let kinds = site.all("/v1/authors/carol.example/notes?", "kind").await;
    assert!(!kinds.is_empty() && !kinds.contains(&"app.bsky.feed.repost".to_owned()), "{kinds:?}");
    assert_eq!(site.get("/v1/search?q=kind:app.bsky.feed.repost").await.json()["total"], 0);
    // Gone with the one or the other.
    site.world.change(|world| {
        world.network.hosting.insert("at://did:plc:alice/".into(), Hosting::Deactivated);
        world.records.remove(&Uri::from("at://did:plc:carol/app.bsky.feed.repost/s2"));
        state = world.clone();
    });
    assert_eq!(timeline(&state, "carol").iter().filter(|(_, by)| by.is_some()).count(), 1);
    assert_eq!(got(100).await, timeline(&state, "carol"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_alone_is_listed_and_found_by_what_describes_it() {
    let site = Site::network().await;
    let uri = post_uri("dan/pic");
    let picture = |at: &str, secs: i64, text: &str, alt: &str| {
        let value = json!({ "text": text, "tags": ["birds"] });
        let mut post = record(&format!("dan/app.bsky.feed.post/{at}"), secs, &value, vec![]);
        post.attrs.insert(attr::MEDIA.into(), "image/png".into());
        post.attrs.insert(attr::ALT.into(), alt.into());
        post
    };
    site.world.change(|world| {
        world.put(picture("pic", 3000, "", "A heron <in> the reeds"));
        world.put(picture("both", 2990, "said", "Her nest"));
    });
    for path in ["latest?limit=1", "author?actor=did:plc:dan&limit=1", "tag?tag=birds&limit=1"] {
        let item = &site.get(&format!("/v1/feeds/{path}")).await.json()["items"][0];
        assert_eq!((&item["uri"], &item["text"]), (&json!(uri), &json!("")), "{path}");
        assert_eq!((&item["media"], &item["alt"]), (&json!("image/png"), &json!("A heron <in> the reeds")));
    }
    let title = &site.get("/v1/latest?limit=1").await.json()["items"][0]["title"];
    assert_eq!(title, "A heron <in> the reeds");
    for query in ["heron", "%22heron%20in%20the%22", "heron&mode=substring", "n%20%3Cin&mode=substring"] {
        let found = site.get(&format!("/v1/search?q={query}")).await.json();
        assert_eq!((&found["total"], &found["items"][0]["uri"]), (&json!(1), &json!(uri)), "{query}");
        assert_eq!(found["items"][0]["is_alt"], true, "{query}");
    }
    let nest = &site.get("/v1/search?q=nest").await.json()["items"][0];
    assert_eq!((&nest["snippet_html"], &nest["is_alt"]), (&json!("Her <mark>nest</mark>"), &json!(true)));
    let said = &site.get("/v1/search?q=said%20nest").await.json()["items"][0];
    assert_eq!((&said["snippet"], &said["is_alt"]), (&json!("said"), &Value::Null));
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
        let site = Site::with(|config| config.cors_origins = origins).await;
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
