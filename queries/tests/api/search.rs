//! `/v1/search`: what it finds is the index's matter; here is what it says of it over HTTP.

use crate::support::{
    Site, State, link,
    network::{did, post_uri, record},
    note, shown,
};
use serde_json::json;
use springline_model::Record;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn finds_and_marks() {
    let site = Site::garden().await;
    let got = site.get("/v1/search?q=digital%20garden").await;
    let hits = got.json();
    assert_eq!(hits["total"], 4, "{hits}");
    assert_eq!((&hits["complete"], &hits["epoch"]), (&true.into(), &1.into()));
    let scores: Vec<u64> =
        hits["items"].as_array().unwrap().iter().map(|hit| hit["score"].as_u64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores[0] > 0, "{scores:?}");
    let bold = site.get("/v1/search?q=bold").await.json();
    let hit = &bold["items"][0];
    assert_eq!((&hit["author"], &hit["node"]), (&"user:carol".into(), &"tools".into()));
    assert_eq!(hit["snippet"], "Tools <b>bold</b> & more, 中文.");
    let html = "Tools &lt;b&gt;<mark>bold</mark>&lt;/b&gt; &amp; more, 中文.";
    assert_eq!(hit["snippet_html"], html);
    assert_eq!(hit["marks"], serde_json::json!([[9, 13]]));
    let title = site.get("/v1/search?q=title:tools").await.json();
    assert_eq!(title["items"][0]["title_html"], "<mark>tools</mark>");
    assert_eq!(site.get("/v1/search?q=%E4%B8%AD%E6%96%87").await.items("node"), ["tools"]);
    assert_eq!(site.get("/v1/search?q=author:carol%20digital").await.items("node"), ["2021-05-01"]);
    assert_eq!(site.get("/v1/search?q=nowhere").await.items("uri").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn modes() {
    let site = Site::garden().await;
    let found = async |query: &str| site.get(&format!("/v1/search?{query}")).await.items("uri").len();
    assert_eq!(found("q=digi%20gard&mode=broad").await, 4);
    assert_eq!(found("q=digi%20gard").await, 0);
    assert_eq!(found("q=by%20alice&mode=exact").await, 1);
    assert_eq!(found("q=ools%20%3Cb&mode=substring").await, 1);
    site.get("/v1/search?q=a&mode=telepathy").await.problem(400, "malformed-query");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_with_the_place() {
    let site = Site::garden().await;
    for (query, at) in [("garden%20(digital", 7), ("", 0), ("since:yesterday", 6)] {
        let problem = site.get(&format!("/v1/search?q={query}")).await.problem(400, "malformed-query");
        assert_eq!(
            (&problem["at"], &problem["errors"][0]["parameter"]),
            (&at.into(), &"q".into()),
            "{problem}"
        );
    }
    site.get("/v1/search").await.problem(400, "malformed-query");
    site.get("/v1/search?q=a&limit=0").await.problem(400, "malformed-query");
    site.get("/v1/search?q=a&cursor=AQIx").await.problem(400, "malformed-cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_make_the_whole_answer() {
    let site = Site::start().await;
    site.world.change(|state| {
        for number in 0..60 {
            let text = format!("garden {}", "and more ".repeat(number % 7));
            state.put(note(&format!("u/n{number:02}.md"), 1, &text, vec![]));
        }
    });
    let whole = site.get("/v1/search?q=garden&limit=500").await.items("uri");
    assert_eq!(whole.len(), 60);
    for limit in [1, 7, 59] {
        assert_eq!(site.all(&format!("/v1/search?q=garden&limit={limit}"), "uri").await, whole);
    }
    let page = site.get("/v1/search?q=garden&limit=7").await.json();
    let cursor = page["next"].as_str().unwrap();
    let other = site.get(&format!("/v1/search?q=more&limit=7&cursor={cursor}")).await;
    other.problem(400, "malformed-cursor");
    // What was shown goes, what comes ranks somewhere: nothing that stays comes twice.
    let shown: BTreeSet<String> = whole[..7].iter().cloned().collect();
    site.world.change(|state| {
        state.records.remove(whole[6].as_str());
    });
    let rest = site.get(&format!("/v1/search?q=garden&limit=500&cursor={cursor}")).await.items("uri");
    assert!(rest.iter().all(|uri| !shown.contains(uri)));
}

/// Posts by several people with every mix of words, tags, languages and links.
fn posts(state: &mut State) {
    const MENTION: &str = ".facets[].features[app.bsky.richtext.facet#mention].did";
    for number in 0..96_usize {
        let (who, word) = (["alice", "bob", "mallory"][number % 3], ["moss", "fern"][number / 3 % 2]);
        let lang = ["en", "pt"][number / 6 % 2];
        let tags = [&["a"][..], &["b"], &["a", "b"], &[]][number / 12 % 4];
        let value =
            json!({ "text": format!("{word} {}", word.repeat(number % 5)), "langs": [lang], "tags": tags });
        let mut links = vec![link(".embed.external.uri", &format!("https://www.e{}.example/P", number % 4))];
        if number % 5 == 0 {
            links.push(link(MENTION, &did("carol")));
        }
        state.put(record(
            &format!("{who}/app.bsky.feed.post/w{number}"),
            10_000 + number as i64 / 2,
            &value,
            links,
        ));
    }
    state.put(note("g/moss.md", 20_000, "moss in a garden", vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_are_found_as_bluesky_does() {
    let site = Site::network().await;
    let mut state = State::default();
    site.world.change(|world| {
        posts(world);
        state = world.clone();
    });
    let has = |record: &Record, target: &str| record.links.iter().any(|link| link.target.as_str() == target);
    type Takes<'a> = Box<dyn Fn(&Record) -> bool + 'a>;
    let cases: Vec<(&str, Takes<'_>)> = vec![
        ("q=moss", Box::new(|r| r.text.split(' ').any(|word| word == "moss"))),
        ("q=*", Box::new(|_| true)),
        ("q=&author=bob.example", Box::new(|r| r.author.as_str() == did("bob"))),
        ("q=&author=did:plc:mallory", Box::new(|_| false)),
        ("q=fern&lang=pt-BR", Box::new(|r| r.text.starts_with("fern") && r.langs == ["pt"])),
        ("q=&tag=a&tag=b", Box::new(|r| r.tags == ["a", "b"])),
        ("q=&mentions=@carol.example", Box::new(|r| has(r, &did("carol")))),
        ("q=&domain=e1.example", Box::new(|r| has(r, "https://www.e1.example/P"))),
        ("q=&url=https://www.e2.example/P", Box::new(|r| has(r, "https://www.e2.example/P"))),
        (
            "q=moss&url=https://www.e2.example/P/&tag=a&lang=en",
            Box::new(|r| {
                r.text.starts_with("moss")
                    && has(r, "https://www.e2.example/P")
                    && r.langs == ["en"]
                    && r.tags.contains(&"a".to_owned())
            }),
        ),
        (
            "q=&since=1970-01-01T02:46:50Z&until=1970-01-01T02:47:00Z",
            Box::new(|r| (10_010..10_020).contains(&r.at.as_secs())),
        ),
        ("q=&until=1970-01-02", Box::new(|r| r.at.as_secs() < 86_400)),
    ];
    for (query, takes) in cases {
        let is_post = |record: &&Record| record.kind == "app.bsky.feed.post" && takes(record);
        let mut expected: Vec<&Record> = shown(&state).filter(is_post).collect();
        expected.sort_by_key(|record| (std::cmp::Reverse(record.at), record.uri.clone()));
        let expected: Vec<&str> = expected.into_iter().map(|record| record.uri.as_str()).collect();
        for limit in [3, 100] {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/xrpc/app.bsky.feed.searchPosts?{query}&limit={limit}{cursor}");
                let got = site.get(&path).await;
                assert_eq!(got.status, 200, "{path}: {}", got.text);
                let page = got.json();
                assert_eq!(page["hitsTotal"], expected.len());
                let posts = page["posts"].as_array().unwrap();
                found.extend(posts.iter().map(|post| post["uri"].as_str().unwrap().to_owned()));
                let Some(next) = page["cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found, expected, "{query} {limit}");
        }
    }
    let top = site.get("/xrpc/app.bsky.feed.searchPosts?q=moss&sort=top&limit=100").await.json();
    let scored = site.get("/v1/search?q=moss%20kind:app.bsky.feed.post&limit=100").await;
    let top: Vec<&str> =
        top["posts"].as_array().unwrap().iter().map(|post| post["uri"].as_str().unwrap()).collect();
    assert_eq!(top, scored.items("uri"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_as_bluesky_shows_it() {
    let site = Site::network().await;
    let page = site.get("/xrpc/app.bsky.feed.searchPosts?q=gardens").await.json();
    let post = &page["posts"][0];
    let expected = json!({
        "uri": post_uri("alice/p1"), "cid": "cid-alice-p1",
        "author": { "did": did("alice"), "handle": "alice.example" },
        "record": { "$type": "app.bsky.feed.post", "text": "A first post about gardens", "langs": ["en"] },
        "replyCount": 2, "repostCount": 1, "likeCount": 3, "quoteCount": 1,
        "indexedAt": "1970-01-01T00:16:40.000Z",
        "labels": [{
            "src": did("labeler"), "uri": post_uri("alice/p1"), "val": "pretty", "cts": "1970-01-01T00:15:00.000Z",
        }],
    });
    assert_eq!(*post, expected);
    let by_nobody = site.get("/xrpc/app.bsky.feed.searchPosts?q=Look").await.json();
    assert_eq!(by_nobody["posts"][0]["author"]["handle"], "handle.invalid");
    for (query, status, error) in [
        ("", 400, "InvalidRequest"),
        ("q=(a", 400, "InvalidRequest"),
        // Nothing gets out of the filters around it.
        ("q=a)%20OR%20(b", 400, "InvalidRequest"),
        ("q=a&since=yesterday", 400, "InvalidRequest"),
        ("q=a&limit=101", 400, "InvalidRequest"),
        ("q=a&tag=a%22b", 400, "InvalidRequest"),
        ("q=a&author=nobody.example", 404, "NotFound"),
    ] {
        let got = site.get(&format!("/xrpc/app.bsky.feed.searchPosts?{query}")).await;
        assert_eq!((got.status, &got.json()["error"]), (status, &json!(error)), "{query}: {}", got.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_in_queries() {
    let site = Site::network().await;
    let found = async |query: &str| site.get(&format!("/v1/search?q={query}")).await.items("uri");
    assert_eq!(found("author:carol.example").await, found("author:did:plc:carol").await);
    assert_eq!(found("-author:@bob.example%20answer").await, found("-author:did:plc:bob%20answer").await);
    assert!(!found("author:carol.example").await.is_empty());
    let named = found("(mentions:alice.example%20OR%20nothing)").await;
    assert_eq!(named, ["at://did:plc:dan/app.bsky.feed.post/m1"]);
    assert_eq!(found("domain:example.org").await, named);
    assert_eq!(found("url:https://www.example.org/page").await, named);
    site.get("/v1/search?q=author:nobody.example").await.problem(404, "not-found");
}
