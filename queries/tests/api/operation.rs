//! Health, caching, limits, and the end.

use crate::support::{Site, TOKEN};
use serde_json::json;
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test(flavor = "multi_thread")]
async fn health_and_staleness() {
    let site = Site::garden().await;
    assert_eq!(site.get("/livez").await.text, "alive\n");
    assert_eq!(site.get("/readyz").await.status, 200);
    assert!(site.get("/metrics").await.text.contains("springline_test_total 1"));
    let tag = site.get("/v1/latest").await.header("etag").to_owned();
    site.process.hydrating.store(true, Ordering::SeqCst);
    let ready = site.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["progress"][0]["done"]), (503, &json!(1)));
    // What is stored is served meanwhile, and says so; nobody keeps it.
    let stale = site.send(site.request("GET", "/v1/latest").header("if-none-match", tag)).await;
    assert_eq!((stale.status, stale.header("springline-stale")), (200, "catching up"));
    assert_eq!(stale.header("etag"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_revalidated() {
    let site = Site::garden().await;
    let got = site.get("/v1/latest?limit=2").await;
    let tag = got.header("etag").to_owned();
    assert!(tag.starts_with("W/\"1-"), "{tag}");
    assert_eq!(got.header("cache-control"), "no-cache");
    let ask = async |path: &str, tags: &str| {
        site.send(site.request("GET", path).header("if-none-match", tags)).await.status
    };
    assert_eq!(ask("/v1/latest?limit=2", &tag).await, 304);
    assert_eq!(ask("/v1/latest?limit=2", &format!("\"x\", {tag}")).await, 304);
    assert_eq!(ask("/v1/latest?limit=3", &tag).await, 200);
    site.world.change(|_| {});
    assert_eq!(ask("/v1/latest?limit=2", &tag).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_and_methods() {
    let site = Site::garden().await;
    let problem = site.get("/v1/nonsense").await.problem(404, "no-such-route");
    assert_eq!(problem["instance"], "/v1/nonsense");
    site.get("/v1/sources/gardens/pull").await.problem(405, "method-not-allowed");
    let got = site.send(site.request("DELETE", "/v1/latest").bearer_auth(TOKEN)).await;
    got.problem(405, "method-not-allowed");
    assert!(got.header("allow").contains("GET"));
    let head = site.send(site.request("HEAD", "/v1/latest")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("x-content-type-options"), "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_and_compressed() {
    let site = Site::with(|config| config.max_body_bytes = 1_000).await;
    let long = json!({"uri": "x".repeat(2_000)});
    site.post("/v1/quarantine/retry", &long).await.problem(413, "too-large");
    let zipped = site.request("GET", "/openapi.json").header("accept-encoding", "gzip");
    let response = zipped.send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let plain = site.get("/openapi.json").await;
    assert!(response.bytes().await.unwrap().len() * 4 < plain.text.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_heads_are_refused() {
    let site = Site::start().await;
    let mut client = TcpStream::connect(site.url.trim_start_matches("http://")).await.unwrap();
    let head = format!("GET /v1/latest?cursor={} HTTP/1.1\r\nhost: localhost\r\n", "x".repeat(200_000));
    // The server may hang up before all of it is written.
    let written = client.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let read = client.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 4") || written.is_err() || read.is_err(), "{answer:?}");
    assert_eq!(site.get("/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_bound_wait() {
    let site = Site::with(|config| config.max_connections = 1).await;
    let address = site.url.trim_start_matches("http://").to_owned();
    let mut first = TcpStream::connect(&address).await.unwrap();
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut second = TcpStream::connect(&address).await.unwrap();
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), second.read_exact(&mut byte)).await;
    assert!(early.is_err(), "the second must wait");
    drop(first);
    tokio::time::timeout(Duration::from_secs(5), second.read_exact(&mut byte)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_gracefully() {
    let site = Site::with(|config| config.shutdown_timeout_secs = 5).await;
    assert_eq!(site.get("/livez").await.status, 200); // and the connection stays open, idle
    let waiting = site.request("GET", "/v1/epochs/9?wait=visible&wait_secs=1").send();
    let waiting = tokio::spawn(waiting);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    site.stop.cancel();
    site.server.await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().status().as_u16(), 202, "an open request ends in peace");
    assert!(start.elapsed() < Duration::from_secs(4), "idle connections don't hold it up");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_answers_are_given_up() {
    let site = Site::with(|config| config.request_timeout_secs = 1).await;
    // The wait for an epoch ends before the request does.
    let got = site.get("/v1/epochs/9?wait=visible&wait_secs=60").await;
    assert_eq!(got.status, 202);
}
