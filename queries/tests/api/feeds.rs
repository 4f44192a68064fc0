//! Posts in several orders, and what is passed on.

use crate::support::{
    Site, State, link,
    network::{did, post, post_uri, record},
    shown,
};
use serde_json::{Value, json};
use springline_model::{Hosting, Record, Timestamp, Uri, record::attr, rows::Order};

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
