//! The pages for people: complete, safe, linked with each other.

use crate::{
    clusters_pages::gathered,
    support::{Got, Site, written},
};
use springline_model::{
    NodeName, Timestamp,
    rows::{Order, TopRow},
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::atomic::Ordering,
};

/// A world with something for every page.
pub(crate) async fn site() -> Site {
    let site = Site::start().await;
    site.world.change(|state| {
        for record in [
            written("alice/Foo.md", 100, "# Foo\nSee [[bar]], [[Baz|label]] and #todo.\n- #pull [[bar]]\n- [[go]] https://example.org/foo?a=1&b=ü\n"),
            written("bob/foo.md", 200, "bob's foo, [a file](../bar.md)\n- [[push]] [[bar]] pushed **text**\n"),
            written("bob/bar.md", 300, "bar, <script>alert(1)</script> [[foo#A heading]] https://x.example/\n"),
            written("alice/2022-01-01.md", 400, "- met [[bob]] in [[foo]]\n"),
            written("bob/2022-01-03.md", 500, "third day [[2022-01-01]]\n"),
            written("carol/2022-01-03.md", 600, "third day too [[C++]] [[2022-W01]] [[a/b]] [[x..y]]\n"),
            written("carol/C++.md", 700, "- [[go]] [[foo]]\n"),
            written("carol/loop.md", 800, "- [[go]] [[round]]\n"),
            written("bob/round.md", 900, "- [[go]] [[loop]]\n"),
            written("alice/a b & c.md", 1000, "odd names: [[中文 笔记]] [[\"quoted\"]] [[50%]] [[what?]]\n"),
            written("alice/sub/hostile.md", 1100, "<img src=x onerror=alert(1)> [x](javascript:alert(1)) \u{1}\n"),
        ] {
            state.put(record);
        }
        for (order, node, score) in
            [(Order::Rank, "foo", 9), (Order::Rank, "bar", 5), (Order::Size, "foo", 2), (Order::Trending, "foo", 1)]
        {
            state.top.push(TopRow { order, score, node: NodeName::canonical(node) });
        }
        gathered(state);
    });
    site
}

/// As a browser asks.
pub(crate) async fn visit(site: &Site, path: &str) -> Got {
    site.send(site.request("GET", path).header("accept", "text/html,*/*;q=0.8")).await
}

/// What every page owes its reader, and what it must never hold.
pub(crate) fn assert_page(got: &Got, path: &str) {
    assert_eq!(got.header("content-type"), "text/html; charset=utf-8", "{path}: {}", got.text);
    let policy = got.header("content-security-policy");
    for part in ["default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{path}: {policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!(got.header("x-content-type-options"), "nosniff", "{path}");
    assert!(!got.header("springline-epoch").is_empty(), "{path}");
    for bad in ["<script", "style=\"", "<style", " onerror", " onclick", "javascript:"] {
        assert!(!got.text.to_lowercase().contains(bad), "{path} has {bad}: {}", got.text);
    }
    for good in [
        "<!DOCTYPE html>",
        "lang=\"en\"",
        "<main id=\"main\">",
        "class=\"skip\"",
        "role=\"search\"",
        "<title>",
    ] {
        assert!(got.text.contains(good), "{path} lacks {good}");
    }
    assert_eq!(got.text.matches("<h1").count(), 1, "{path}: {}", got.text);
    let mut ids = BTreeSet::new();
    for part in got.text.split(" id=\"").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(ids.insert(id), "{path} has the id {id} twice");
    }
    for part in got.text.split(" for=\"").skip(1) {
        assert!(ids.contains(part.split('"').next().unwrap()), "{path} has a label for nothing");
    }
}

/// The values of an attribute, entities resolved.
fn values(html: &str, attribute: &str) -> Vec<String> {
    let start = format!(" {attribute}=\"");
    let values = html.split(start.as_str()).skip(1).map(|part| part.split('"').next().unwrap());
    values.map(|value| value.replace("&amp;", "&").replace("&quot;", "\"")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_sound_and_every_link_leads_somewhere() {
    let site = site().await;
    let mut seen = BTreeSet::from(["/".to_owned()]);
    let mut waiting = VecDeque::from(["/".to_owned()]);
    let mut pages = 0;
    while let Some(path) = waiting.pop_front() {
        let got = visit(&site, &path).await;
        if (301..=302).contains(&got.status) {
            continue;
        }
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        if !got.header("content-type").starts_with("text/html") || path.starts_with("/docs") {
            continue;
        }
        assert_page(&got, &path);
        pages += 1;
        for href in values(&got.text, "href").into_iter().chain(values(&got.text, "action")) {
            if let Some(id) = href.strip_prefix('#') {
                assert!(got.text.contains(&format!("id=\"{id}\"")), "{path}: #{id} leads nowhere");
                continue;
            }
            let href = href.split('#').next().unwrap().to_owned();
            if href.starts_with('/') {
                if seen.insert(href.clone()) {
                    waiting.push_back(href);
                }
            } else {
                let allowed =
                    href.starts_with("https://example.org/") || href.starts_with("https://x.example/");
                assert!(allowed, "{path} leads to {href}");
            }
        }
        assert!(pages < 500, "there is no end of pages");
    }
    for path in [
        "/latest",
        "/top/rank",
        "/top/1h",
        "/nodes?by=name",
        "/journals",
        "/users",
        "/@alice",
        "/tag/todo",
        "/node/foo",
        "/node/c-",
        "/node/a/b",
        "/subnode/garden/alice/sub/hostile.md",
        "/raw/node/foo",
        "/feed/latest",
        "/go/foo",
        "/docs",
        "/spaces",
        "/space/notes",
        "/space/notes?sort=growth",
        "/space/notes?source=gardens",
    ] {
        assert!(seen.contains(path), "no page leads to {path}; there are {seen:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_none_leads_to() {
    let site = site().await;
    for path in [
        "/foo",
        "/journals/2",
        "/journals/all",
        "/nodes",
        "/top",
        "/push/bar",
        "/pull/foo",
        "/context/foo",
        "/backlinks/foo",
        "/search",
        "/search?q=foo",
        "/search?q=%22unbalanced",
        "/fullsearch/foo",
        "/search?q=foo&mode=exact",
    ] {
        let got = visit(&site, path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        assert_page(&got, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_shows_all_that_is_said_of_it() {
    let site = site().await;
    let foo = visit(&site, "/node/Foo").await.text;
    for part in [
        "<h3 id=\"h-foo\">Foo</h3>",
        "<a href=\"/node/bar\" class=\"wikilink\">bar</a>",
        "<a href=\"/node/baz\" class=\"wikilink\">label</a>",
        "<a href=\"/tag/todo\" class=\"tag\">#todo</a>",
        "2 notes by 2 people",
        "Pulled: ",
        "class=\"author\" href=\"/@bob\"",
        "href=\"/go/foo\"",
        // backlinks with their lines
        "met <a href=\"/node/bob\" class=\"wikilink\">bob</a>",
        "Complete as of epoch 1",
    ] {
        assert!(foo.contains(part), "{part} in {foo}");
    }
    let bar = visit(&site, "/node/bar").await.text;
    assert!(bar.contains("Pushed here") && bar.contains("pushed <strong>text</strong>"), "{bar}");
    assert!(bar.contains("href=\"/node/foo#h-a-heading\""), "{bar}");
    let day = visit(&site, "/2022-01-01").await.text;
    assert!(day.contains("rel=\"next\" href=\"/node/2022-01-03\"") && !day.contains("rel=\"prev\""), "{day}");
    let mentioned_only = visit(&site, "/node/2022-W01").await;
    assert!(mentioned_only.status == 200 && mentioned_only.text.contains("Nobody has written here yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_lead_where_they_did() {
    let site = site().await;
    for (path, status, to) in [
        ("/Foo", 301, "/foo"),
        ("/A%20B%20%26%20C", 301, "/a-b-&-c"),
        ("/go/foo", 302, "https://example.org/foo?a=1&b=%C3%BC"),
        ("/go/c-", 302, "https://example.org/foo?a=1&b=%C3%BC"),
        ("/search?q=go%20foo", 302, "/go/foo"),
        ("/search?q=%5B%5BFoo%20Bar%5D%5D", 302, "/node/foo-bar"),
        ("/?q=a%26b", 302, "/search?q=a%26b"),
        ("/random", 302, "/node/foo"),
    ] {
        let got = visit(&site, path).await;
        assert_eq!((got.status, got.header("location")), (status, to), "{path}");
    }
    let today = visit(&site, "/today").await;
    assert_eq!(today.header("location"), format!("/{}", Timestamp::now().date()));
    for path in ["/go/loop", "/go/bar", "/go/nowhere"] {
        let got = visit(&site, path).await;
        assert_eq!(got.status, 404, "{path}");
        assert_page(&got, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_so() {
    let site = site().await;
    let got = visit(&site, "/node/fooo").await;
    assert_eq!(got.status, 404);
    assert_page(&got, "/node/fooo");
    assert!(got.text.contains("href=\"/node/foo\""), "a similar name is offered: {}", got.text);
    for path in [
        "/@nobody",
        "/@alice/bar",
        "/subnode/garden/alice/none.md",
        "/raw/garden/alice/none.md",
        "/top/best",
        "/journals/many",
        "/no/such/route",
        "/static/x.css",
        "/%FF",
        "/node/%00",
        "/raw/node/none",
        "/backlinks/none",
    ] {
        let got = visit(&site, path).await;
        assert!((400..500).contains(&got.status), "{path}: {} {}", got.status, got.text);
        assert_page(&got, path);
    }
    // To a program the same is a problem.
    site.get("/node/fooo").await.problem(404, "not-found");
    // A node with no name can't be.
    assert!(visit(&site, "/node/").await.status == 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_as_written() {
    let site = site().await;
    let got = visit(&site, "/raw/garden/bob/bar.md").await;
    assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
    assert!(got.header("content-security-policy").contains("sandbox"));
    assert!(got.text.starts_with("bar, <script>"));
    let node = visit(&site, "/raw/node/foo").await.text;
    assert!(node.starts_with("# Node: foo\n\n## Subnodes\n\n### By @alice\n\n# Foo\n"), "{node}");
    assert!(node.contains("\n\n### By @bob\n\nbob's foo"), "{node}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_notes_are_not_shown() {
    let site = site().await;
    site.world.change(|state| {
        state.hidden.insert("garden://carol/".into());
    });
    for path in ["/subnode/garden/carol/loop.md", "/raw/garden/carol/loop.md", "/@carol", "/node/loop/x"] {
        assert_eq!(visit(&site, path).await.status, 404, "{path}");
    }
    assert!(!visit(&site, "/latest").await.text.contains("@carol"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_views_are_incomplete_pages_say_so() {
    let site = site().await;
    assert!(!visit(&site, "/").await.text.contains("role=\"status\""));
    site.process.hydrating.store(true, Ordering::SeqCst);
    let page = visit(&site, "/").await;
    assert_page(&page, "/");
    assert!(
        page.text.contains("role=\"status\"") && page.text.contains("<progress value=\"1\" max=\"3\""),
        "{}",
        page.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_style_is_kept_and_files_for_machines_are_there() {
    let site = site().await;
    let page = visit(&site, "/").await.text;
    let style = values(&page, "href").into_iter().find(|href| href.ends_with(".css")).unwrap();
    let got = visit(&site, &style).await;
    assert_eq!(got.header("content-type"), "text/css; charset=utf-8");
    assert!(got.header("cache-control").contains("immutable"));
    assert!(got.text.contains("prefers-color-scheme: dark") && !got.text.contains("url("));
    let search = visit(&site, "/opensearch.xml").await;
    assert!(
        search.text.contains(&format!("template=\"{}/search?q={{searchTerms}}\"", site.url)),
        "{}",
        search.text
    );
    assert!(visit(&site, "/robots.txt").await.text.contains("Disallow: /search"));
    assert_eq!(visit(&site, "/favicon.ico").await.header("content-type"), "image/svg+xml");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_to_their_end() {
    let site = Site::start().await;
    site.world.change(|state| {
        for number in 0..130 {
            let text = format!("note {number} [[hub]] #t");
            state.put(written(
                &format!("u{}/2020-{:02}-{:02} {number}.md", number % 60, 1 + number % 12, 1 + number % 28),
                number,
                &text,
            ));
        }
    });
    for (start, items) in
        [("/latest", 130), ("/backlinks/hub", 130), ("/tag/t", 130), ("/users", 60), ("/nodes?by=name", 131)]
    {
        let (mut path, mut found) = (start.to_owned(), 0);
        loop {
            let got = visit(&site, &path).await;
            assert_eq!(got.status, 200, "{path}: {}", got.text);
            assert_page(&got, &path);
            found += got.text.matches("<li><div class=\"row\">").count();
            let more =
                got.text.split("rel=\"next\" href=\"").nth(1).map(|part| part.split('"').next().unwrap());
            match more {
                Some(next) => path = next.replace("&amp;", "&"),
                None => break,
            }
        }
        assert_eq!(found, items, "{start}");
    }
}
