//! Several processes that answer as one: what they say together, and what they say when one of them does not.

use crate::support::{Got, SECRET, Site, State, TOKEN, World, cluster, garden, link, network::network, note};
use serde_json::Value;
use springline_model::{Table, key::text_key};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

/// A little of everything.
fn everything(state: &mut State) {
    garden(state);
    network(state);
}

const ASKED: &[&str] = &[
    "/v1/latest?limit=3",
    "/v1/backlinks?target=node:digital%20garden",
    "/v1/backlinks/count?target=node:digital%20garden",
    "/v1/search?q=garden&limit=2",
    "/v1/search?q=-garden%20lang:en",
    "/v1/search?q=ools%20%3Cb&mode=substring",
    "/v1/nodes?limit=4",
    "/v1/nodes/digital%20garden",
    "/v1/authors",
    "/v1/authors/alice",
    "/v1/journals",
    "/v1/sources",
    "/v1/rankings/size",
    "/v1/collections",
    "/v1/stats",
    "/v1/counts/at://alice.example/app.bsky.feed.post/p1",
    "/v1/actors/alice.example",
    "/v1/repos",
    "/xrpc/app.bsky.feed.searchPosts?q=answer",
    "/feed/digital%20garden",
    "/node/digital%20garden",
    "/",
];

/// What an answer says, whoever gives it.
fn said(got: &Got, url: &str) -> (u16, String, String) {
    (got.status, got.header("springline-epoch").to_owned(), got.text.replace(url, ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn several_answer_as_one() {
    let alone = Site::several(1, |_| {}).await.remove(0);
    alone.world.change(everything);
    let sites = Site::several(3, |_| {}).await;
    sites[0].world.change(everything);
    for path in ASKED {
        let expected = alone.get(path).await;
        assert_eq!(expected.status, 200, "{path}: {}", expected.text);
        for site in &sites {
            let got = site.get(path).await;
            assert_eq!(said(&got, &site.url), said(&expected, &alone.url), "{path}");
            for header in ["springline-partial", "springline-epochs"] {
                assert_eq!(got.header(header), "", "{path}");
            }
        }
    }
    for path in ["/v1/latest?limit=2", "/v1/search?q=garden&limit=1", "/v1/nodes?limit=2"] {
        let field = if path.contains("nodes") { "node" } else { "uri" };
        assert_eq!(sites[1].all(path, field).await, alone.all(path, field).await, "{path}");
    }
    let mut views = sites[2].get("/v1/views").await.json();
    let processes = views.as_object_mut().unwrap().remove("processes").unwrap();
    assert_eq!(views, alone.get("/v1/views").await.json());
    let process = |process| serde_json::json!({ "process": process, "answers": true, "applied": 1 });
    assert_eq!(processes, Value::from((0..3).map(process).collect::<Vec<_>>()));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_revalidated_by_their_bytes() {
    let sites = Site::several(2, |_| {}).await;
    sites[0].world.change(garden);
    let site = &sites[0];
    let ask =
        async |tag: &str| site.send(site.request("GET", "/v1/latest").header("if-none-match", tag)).await;
    let first = ask("").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\"1-"), "{tag}");
    let again = ask(&tag).await;
    assert_eq!((again.status, again.header("springline-epoch")), (304, "1"));
    // One is late: the answer has all of epoch 1 and some of 2, says so, and nobody keeps it.
    site.world.hold(1, true);
    site.world.change(|_| {});
    let mixed = ask(&tag).await;
    assert_eq!((mixed.status, mixed.header("etag")), (200, ""));
    assert_eq!((mixed.header("springline-epoch"), mixed.header("springline-epochs")), ("1", "1-2"));
    assert_eq!(mixed.json()["epoch"], 1);
    site.world.hold(1, false);
    let settled = ask(&tag).await;
    assert_eq!((settled.status, settled.header("springline-epochs")), (200, ""));
    assert!(settled.header("etag").starts_with("W/\"2-"));
    // A write is visible when everybody shows it.
    site.world.hold(1, true);
    site.world.change(|_| {});
    let visible = async |secs: u8| {
        site.get(&format!("/v1/epochs/3?wait=visible&wait_secs={secs}")).await.json()["visible"] == true
    };
    assert!(!visible(1).await);
    site.world.hold(1, false);
    assert!(visible(5).await);
}

/// Notes of users whose rows are with each of the processes.
fn users(processes: usize) -> Vec<String> {
    let owner = |user: &str| World::owner(processes, Table::Authors, &text_key(&format!("user:{user}")));
    (0..processes)
        .map(|process| (0..).map(|n| format!("u{n}")).find(|user| owner(user) == process).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_without_one() {
    let mut sites = Site::several(3, |_| {}).await;
    let users = users(3);
    sites[0].world.change(|state| {
        garden(state);
        for user in &users {
            state.put(note(&format!("{user}/n.md"), 5, "a text", vec![]));
        }
    });
    let dead = sites.pop().unwrap();
    let author = |user: &str| format!("/v1/authors/{user}");
    assert_eq!(sites[0].get(&author(&users[2])).await.status, 200);
    dead.stop.cancel();
    dead.server.await.unwrap();

    let start = Instant::now();
    let latest = sites[0].get("/v1/latest").await;
    assert_eq!(latest.status, 200);
    assert_eq!(latest.header("springline-partial"), "1 of 3 processes did not answer: 2");
    assert_eq!((latest.header("etag"), latest.json()["partial"] == true), ("", true));
    let search = sites[1].get("/v1/search?q=text").await;
    assert_eq!(search.json()["complete"], false);
    // What only it knows is not denied, and what it has no part of is as ever.
    let problem = sites[0].get(&author(&users[2])).await.problem(503, "unavailable");
    assert!(problem["detail"].as_str().unwrap().starts_with("process 2"), "{problem}");
    sites[0].get("/v1/backlinks?target=nobody.example").await.problem(503, "unavailable");
    for user in &users[..2] {
        let got = sites[0].get(&author(user)).await;
        assert_eq!((got.status, got.header("springline-partial")), (200, ""));
        assert!(got.header("etag").starts_with("W/\"1-"));
    }
    let views = sites[1].get("/v1/views").await;
    assert_eq!(views.json()["processes"][2]["answers"], false);
    assert_ne!(views.header("springline-partial"), "");
    assert!(start.elapsed() < Duration::from_secs(2), "nobody waits for what is gone");

    // It comes back.
    let urls: Vec<String> = sites.iter().map(|site| site.url.clone()).chain([dead.url.clone()]).collect();
    let address = dead.url.trim_start_matches("http://").parse().unwrap();
    let (process, server) = Site::bind(&dead.world, 2, address, |_| {}).await;
    let back = Site::run(dead.world.clone(), process, Some(cluster(2, &urls)), server);
    assert_eq!(back.get(&author(&users[0])).await.status, 200);
    let until = Instant::now() + Duration::from_secs(10);
    while sites[0].get(&author(&users[2])).await.status != 200 {
        assert!(Instant::now() < until, "it is asked again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(sites[0].get("/v1/latest").await.header("springline-partial"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_once_for_who_never_answers() {
    let world = World::of(2);
    world.change(garden);
    let (process, server) = Site::bind(&world, 0, "127.0.0.1:0".parse().unwrap(), |_| {}).await;
    // It accepts, as a process does that is stuck.
    let stuck = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls = [server.address(), stuck.local_addr().unwrap()].map(|address| format!("http://{address}"));
    let deadline = Duration::from_secs(1);
    let site = Site::run(
        world,
        process,
        Some(springline_queries::ClusterConfig { deadline, ..cluster(0, &urls) }),
        server,
    );
    let ask = async || {
        let start = Instant::now();
        let got = site.get("/v1/latest").await;
        assert_eq!(got.header("springline-partial"), "1 of 2 processes did not answer: 1");
        start.elapsed()
    };
    let first = ask().await;
    assert!(first >= deadline && first < deadline * 10, "{first:?}");
    let mut others = Duration::ZERO;
    for _ in 0..20 {
        others += ask().await;
    }
    assert!(others < deadline * 10, "{others:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_not_let_in() {
    let sites = Site::several(2, |_| {}).await;
    let site = &sites[0];
    let ask = |secret: &str| site.request("POST", "/internal/v1/ask").bearer_auth(secret).body(vec![0; 40]);
    site.send(site.request("POST", "/internal/v1/ask")).await.problem(401, "unauthorized");
    site.send(ask(TOKEN)).await.problem(401, "unauthorized");
    site.send(ask(SECRET)).await.problem(400, "malformed-body");
    site.send(ask(SECRET).body(vec![0; 3 << 20])).await.problem(413, "too-large");
    site.send(site.request("GET", "/internal/v1/ask").bearer_auth(SECRET))
        .await
        .problem(405, "method-not-allowed");
    site.send(site.request("POST", "/v1/quarantine/retry").bearer_auth(SECRET))
        .await
        .problem(401, "unauthorized");
    assert!(!site.get("/openapi.json").await.text.contains("internal/v1"));
    let alone = Site::several(1, |_| {}).await.remove(0);
    alone.send(alone.request("POST", "/internal/v1/ask").bearer_auth(SECRET)).await.problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_are_set_up_otherwise_refuse() {
    let world = World::of(2);
    world.change(garden);
    let any = "127.0.0.1:0".parse().unwrap();
    let (one, other) = (Site::bind(&world, 0, any, |_| {}).await, Site::bind(&world, 1, any, |_| {}).await);
    let urls = [one.1.address(), other.1.address()].map(|address| format!("http://{address}"));
    let mut wrong = cluster(1, &urls);
    wrong.workers += 1;
    let site = Site::run(world.clone(), one.0, Some(cluster(0, &urls)), one.1);
    let _other = Site::run(world, other.0, Some(wrong), other.1);
    let got = site.get("/v1/latest").await;
    assert_eq!(got.header("springline-partial"), "1 of 2 processes did not answer: 1");
    for wrong in [
        springline_queries::ClusterConfig { process: 2, ..cluster(0, &urls) },
        springline_queries::ClusterConfig { workers: 0, ..cluster(0, &urls) },
        springline_queries::ClusterConfig {
            secret: springline_model::Secret::new("short"),
            ..cluster(0, &urls)
        },
        cluster(0, &["ftp://x".to_owned()]),
        cluster(0, &["10.0.0.1:8080".to_owned()]),
    ] {
        let (_, server) = Site::bind(&World::of(1), 0, any, |_| {}).await;
        assert!(server.in_cluster(&wrong).is_err(), "{wrong:?}");
    }
}

/// While epochs come, an answer that does not say otherwise is all of the epoch that it names.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_of_one_epoch_is_exact() {
    const PATHS: [&str; 4] = [
        "/v1/latest?limit=5",
        "/v1/search?q=text&limit=5",
        "/v1/backlinks?target=node:x&limit=5",
        "/v1/nodes/x",
    ];
    let alone = Site::several(1, |_| {}).await.remove(0);
    let sites = Site::several(3, |_| {}).await;
    let change = |world: &World, epoch: i64| {
        world.change(|state| {
            for user in ["ann", "bob", "eve"].iter().skip((epoch % 3) as usize) {
                let links = vec![link("wikilink", "node:x")];
                state.put(note(&format!("{user}/n{}.md", epoch % 7), epoch, &format!("text {epoch}"), links));
            }
        });
    };
    let mut expected: Vec<BTreeMap<String, String>> = vec![BTreeMap::new()];
    for epoch in 1..=40 {
        change(&alone.world, epoch);
        let mut answers = BTreeMap::new();
        for path in PATHS {
            answers.insert(path.to_owned(), alone.get(path).await.text);
        }
        expected.push(answers);
    }
    let world = sites[0].world.clone();
    change(&world, 1);
    let writer = tokio::task::spawn_blocking(move || {
        for epoch in 2..=40 {
            std::thread::sleep(Duration::from_millis(15));
            change(&world, epoch);
        }
    });
    let (mut exact, mut mixed, mut at) = (0, 0, 0);
    while !writer.is_finished() {
        let (site, path) = (&sites[at % 3], PATHS[at % 4]);
        at += 1;
        let got = site.get(path).await;
        assert_eq!((got.status, got.header("springline-partial")), (200, ""), "{}", got.text);
        let epoch: usize = got.header("springline-epoch").parse().unwrap();
        if got.header("springline-epochs").is_empty() {
            assert_eq!(got.text, expected[epoch][path], "{path} of {epoch}");
            exact += 1;
        } else {
            mixed += 1;
        }
    }
    writer.await.unwrap();
    println!("{exact} answers of one epoch, {mixed} of several");
    for (at, path) in PATHS.into_iter().enumerate() {
        let got = sites[at % 3].get(path).await;
        assert_eq!((got.header("springline-epoch"), got.header("springline-epochs")), ("40", ""));
        assert_eq!(got.text, expected[40][path], "{path} when all is quiet");
    }
}

/// What asking costs: `cargo test -p springline-queries --test api -- --ignored --nocapture cluster::costs`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn costs() {
    const NOTES: u64 = 20_000;
    // Few words are in many notes, many in few.
    let word = |note: u64, nth: u64| {
        let lot = (note * 31 + nth * 7919).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        format!("w{}", lot % 2_000 * (lot % 97) / 97)
    };
    let fill = |world: &World| {
        world.change(|state| {
            for n in 0..NOTES {
                let text: Vec<String> = (0..40).map(|nth| word(n, nth)).collect();
                let target = format!("node:t{}", n % 200);
                let links = vec![link("wikilink", &target)];
                state.put(note(&format!("u{}/n{n}.md", n % 50), n as i64, &text.join(" "), links));
            }
        });
    };
    for processes in [1, 2, 3] {
        let sites = Site::several(processes, |_| {}).await;
        fill(&sites[0].world);
        for (what, path) in [
            ("backlinks", "/v1/backlinks?limit=50&target=node:t"),
            ("search, a word", "/v1/search?limit=20&q=w"),
            ("latest", "/v1/latest?limit=50"),
        ] {
            let mut times = Vec::new();
            for n in 0..600 {
                let path =
                    if path.ends_with("50") { path.to_owned() } else { format!("{path}{}", n * 7 % 200) };
                let start = Instant::now();
                let got = sites[0].get(&path).await;
                if n >= 100 {
                    times.push(start.elapsed());
                }
                assert_eq!(got.status, 200, "{}", got.text);
                assert!(got.text.len() > 500, "{}", got.text);
            }
            times.sort();
            println!(
                "{processes} processes, {what}: p50 {:?}, p99 {:?}",
                times[times.len() / 2],
                times[times.len() * 99 / 100]
            );
        }
    }
}
