//! `/v1/threads`, against a reading of all records.

use crate::support::{
    Site, State, link,
    network::{did, post, post_uri, record, reply},
    shown,
};
use serde_json::{Value, json};
use springline_model::Record;
use std::collections::VecDeque;

fn parent(record: &Record) -> Option<&str> {
    record
        .links
        .iter()
        .find(|link| link.path.as_str() == ".reply.parent.uri")
        .map(|link| link.target.as_str())
}

fn children<'a>(state: &'a State, uri: &str) -> Vec<&'a Record> {
    let mut children: Vec<&Record> = shown(state).filter(|record| parent(record) == Some(uri)).collect();
    children.sort_by_key(|record| (record.at, std::cmp::Reverse(record.uri.clone())));
    children
}

/// (depth, URI) of every answer, breadth first.
fn answers(state: &State, uri: &str) -> Vec<(u64, String)> {
    let (mut all, mut waiting) = (Vec::new(), VecDeque::from([(0, uri.to_owned())]));
    while let Some((depth, uri)) = waiting.pop_front() {
        for child in children(state, &uri) {
            waiting.push_back((depth + 1, child.uri.to_string()));
            all.push((depth + 1, child.uri.to_string()));
        }
    }
    all
}

fn shown_answers(thread: &Value) -> Vec<(u64, String)> {
    let answers = thread["answers"].as_array().unwrap_or_else(|| panic!("{thread}")).iter();
    answers.map(|a| (a["depth"].as_u64().unwrap(), a["uri"].as_str().unwrap().to_owned())).collect()
}

fn uris(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["uri"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn around_a_post() {
    let site = Site::network().await;
    let thread = site.get("/v1/threads/at://alice.example/app.bsky.feed.post/p1").await.json();
    assert_eq!(
        (&thread["record"]["author"], &thread["record"]["handle"]),
        (&json!(did("alice")), &json!("alice.example"))
    );
    assert_eq!(thread["record"]["counts"], json!({ "likes": 3, "reposts": 1, "replies": 2, "quotes": 1 }));
    assert_eq!(thread["record"]["labels"].as_array().unwrap().len(), 1);
    assert_eq!((&thread["truncated"], &thread["more_parents"]), (&json!(false), &json!(false)));
    // Neither the hidden account's answer nor the hidden one.
    let expected = ["bob/r1", "carol/r2", "alice/r3"].map(post_uri);
    assert_eq!(uris(&thread["answers"]), expected);
    assert_eq!(thread["answers"][2]["answers"], post_uri("bob/r1"));
    let below = site.get(&format!("/v1/threads/{}", post_uri("alice/r3"))).await.json();
    assert_eq!(uris(&below["parents"]), [post_uri("alice/p1"), post_uri("bob/r1")]);
    let cut = site.get(&format!("/v1/threads/{}?parents=1&depth=0", post_uri("alice/r3"))).await.json();
    assert_eq!(
        (uris(&cut["parents"]), &cut["more_parents"]),
        (vec![post_uri("bob/r1").as_str()], &json!(true))
    );
    // A parent that is not here; and a thread whose root is not.
    let missing = json!({ "uri": post_uri("gone/x"), "missing": true });
    let orphan = site.get(&format!("/v1/threads/{}", post_uri("carol/r4"))).await.json();
    assert_eq!(orphan["parents"], json!([missing]));
    let gone = site.get(&format!("/v1/threads/{}", post_uri("gone/x"))).await.json();
    assert_eq!((&gone["record"], uris(&gone["answers"])), (&missing, vec![post_uri("carol/r4").as_str()]));
    for hidden in ["bob/rh", "mallory/rm", "no/one"] {
        let problem = site.get(&format!("/v1/threads/{}", post_uri(hidden))).await.problem(404, "not-found");
        assert!(!problem.to_string().contains("answer\""), "{problem}");
    }
    site.get("/v1/threads/at://did:plc:a/b/c?depth=101").await.problem(400, "malformed-query");
    site.get("/v1/threads/at://did:plc:a/b/c?breadth=0").await.problem(400, "malformed-query");
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_are_those_of_a_reading_of_all() {
    let site = Site::start().await;
    let mut state = State::default();
    site.world.change(|world| {
        world.put(post("u0/n0", 10, "the root", vec![]));
        for number in 1..120_u32 {
            let to = (number * 7919 + 13) % (1 + number * 2 / 3);
            let name = |number: u32| format!("u{}/n{number}", number % 7);
            world.put(reply(&name(number), i64::from(20 + number / 3), "an answer", "u0/n0", &name(to)));
        }
        // Of another kind.
        let links = vec![link(".reply.parent.uri", &post_uri("u0/n0"))];
        world.put(record("u9/a.b.answer/x", 22, &json!({ "text": "from elsewhere" }), links));
        // Each the parent of the other.
        world.put(reply("u1/x", 5, "x", "u1/x", "u2/y"));
        world.put(reply("u2/y", 6, "y", "u1/x", "u1/x"));
        state = world.clone();
    });
    let root = post_uri("u0/n0");
    let get = async |uri: &str, query: &str| site.get(&format!("/v1/threads/{uri}?{query}")).await.json();
    let expected = answers(&state, &root);
    assert!(expected.len() == 120, "{}", expected.len());
    let whole = get(&root, "depth=100&breadth=500&limit=500").await;
    assert_eq!(shown_answers(&whole), expected);
    assert!(whole["answers"].as_array().unwrap().iter().all(|answer| answer["truncated"] == false));
    for depth in 0..4 {
        let thread = get(&root, &format!("depth={depth}&breadth=500&limit=500")).await;
        let within: Vec<_> = expected.iter().filter(|(at, _)| *at <= depth).cloned().collect();
        assert_eq!(shown_answers(&thread), within);
        for answer in thread["answers"].as_array().unwrap() {
            let has = !children(&state, answer["uri"].as_str().unwrap()).is_empty();
            assert_eq!(answer["truncated"], has && answer["depth"] == depth, "{answer}");
            assert!(answer["more"].is_null(), "none is shown: there is no place to go on from");
        }
    }
    for limit in [1, 2, 5, 77] {
        let thread = get(&root, &format!("depth=100&breadth=500&limit={limit}")).await;
        assert_eq!(shown_answers(&thread), expected[..limit]);
    }
    // By `more`, one after the other.
    for breadth in [1, 3, 500] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let thread = get(&root, &format!("depth=1&breadth={breadth}{cursor}")).await;
            found.extend(shown_answers(&thread).into_iter().map(|(_, uri)| uri));
            assert_eq!(thread["truncated"], thread["more"].is_string());
            let Some(more) = thread["more"].as_str() else { break };
            cursor = format!("&cursor={more}");
        }
        let direct: Vec<String> =
            children(&state, &root).iter().map(|record| record.uri.to_string()).collect();
        assert_eq!(found, direct);
    }
    let round = get(&post_uri("u1/x"), "").await;
    assert_eq!(
        (uris(&round["parents"]), uris(&round["answers"]).len()),
        (vec![post_uri("u2/y").as_str()], 0)
    );
}
