#![allow(warnings)]
#[path = "/tmp/q1perf/support/mod.rs"]
mod support;
use springline_model::LinkPath;
use std::time::Instant;
use support::*;
#[tokio::test(flavor = "multi_thread")]
async fn perf() {
    let site = Site::start().await;
    let words: Vec<String> = (0..5000).map(|i| format!("word{}", (i * 7919) % 5003)).collect();
    let mut seed = 1u64;
    let mut rnd = move |n: u64| { seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); (seed >> 33) % n };
    let t = Instant::now();
    site.world.change(|state| {
        for i in 0..12_000u64 {
            let mut text = String::new();
            for _ in 0..280 { let w = rnd(5000) * rnd(5000) / 5000; text.push_str(&words[w as usize]); text.push(' '); }
            let links = (0..6).map(|_| { let a = rnd(9000); let t = a * a / 9000; link([LinkPath::WIKILINK, LinkPath::PUSH, LinkPath::EMBED, LinkPath::WIKILINK][rnd(4) as usize], &format!("node:n{t}")) }).collect();
            let mut n = note(&format!("u{}/n{}.md", i % 40, i * 7 % 9000), (i * 1000) as i64, &text, links);
            state.put(n);
        }
    });
    println!("built in {:?}", t.elapsed());
    let http = &site;
    async fn measure(site: &Site, name: &str, paths: impl Fn(u64) -> String) {
        let mut times = vec![];
        let mut bytes = 0;
        for i in 0..1500u64 {
            let path = paths(i);
            let t = Instant::now();
            let got = site.get(&path).await;
            times.push(t.elapsed());
            bytes += got.text.len();
            assert!(got.status == 200 || got.status == 404, "{path} {}", got.text);
        }
        times.sort();
        println!("{name}: p50 {:?} p95 {:?} p99 {:?} max {:?} bytes {}", times[750], times[1425], times[1485], times[1499], bytes / 1500);
    }
    measure(http, "livez", |_| "/livez".into()).await;
    measure(http, "backlinks", |i| format!("/v1/backlinks?target=node:n{}", i * 13 % 9000)).await;
    measure(http, "backlinks hub", |i| format!("/v1/backlinks?target=node:n{}", i % 5)).await;
    measure(http, "count", |i| format!("/v1/backlinks/count?target=node:n{}", i * 13 % 9000)).await;
    measure(http, "node", |i| format!("/v1/nodes/n{}", i * 13 % 9000)).await;
    measure(http, "node hub", |i| format!("/v1/nodes/n{}", i % 5)).await;
    measure(http, "web node", |i| format!("/node/n{}", i * 13 % 9000)).await;
    measure(http, "graph2", |i| format!("/v1/graph/n{}?depth=2&limit=200", i * 13 % 9000)).await;
    measure(http, "search1", |i| format!("/v1/search?q=word{}", i % 5000)).await;
    measure(http, "search2", |i| format!("/v1/search?q=word{}%20word{}", i % 5000, i * 31 % 5000)).await;
    measure(http, "search common", |i| format!("/v1/search?q=word0%20OR%20word{}", (i * 7919) % 60)).await;
    measure(http, "latest", |i| format!("/v1/latest?limit={}", 50 + i % 10)).await;
}
