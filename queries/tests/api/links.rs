//! Constellation's API, against a reading of all records.

use crate::support::{
    Site, State, link,
    network::{did, post_uri, record},
    shown,
};
use serde_json::{Value, json};
use springline_model::{Record, Uri};
use std::collections::{BTreeMap, BTreeSet};

const LIKE: &str = "app.bsky.feed.like";
const XRPC: &str = "/xrpc/blue.microcosm.links";

/// The records that link to a target, newest first.
fn linking<'a>(state: &'a State, target: &str, kind: &str, path: &str, dids: &[&str]) -> Vec<&'a Record> {
    let links = |record: &&Record| {
        record.kind == kind
            && record.links.iter().any(|l| l.target.as_str() == target && l.path.as_str() == path)
            && (dids.is_empty() || dids.contains(&record.author.as_str()))
    };
    let mut records: Vec<&Record> = shown(state).filter(links).collect();
    records.sort_by_key(|record| (std::cmp::Reverse(record.at), record.uri.clone()));
    records
}

fn uri_of(parts: &Value) -> String {
    let part = |name: &str| parts[name].as_str().unwrap().to_owned();
    format!("at://{}/{}/{}", part("did"), part("collection"), part("rkey"))
}

/// All pages of a list.
async fn pages(site: &Site, path: &str, list: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let got = site.get(&format!("{path}{cursor}")).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        let page = got.json();
        all.extend(page[list].as_array().unwrap().iter().cloned());
        assert!(page.as_object().unwrap().contains_key("cursor"), "null on the last page, but there");
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
        assert!(all.len() < 10_000);
    }
}

/// Likes of one post by a few accounts, some several times over at the same time; lists; and records that are hidden.
fn crowd(state: &mut State) {
    let target = post_uri("alice/p1");
    for number in 0..90_i64 {
        let who = format!("u{}", number * 7 % 13);
        let mut links = vec![link(".subject.uri", &target)];
        if number % 5 == 0 {
            links.extend([link(".subject.uri", &target), link(".via.uri", &post_uri("bob/r1"))]);
        }
        state.put(record(&format!("{who}/{LIKE}/k{number:02}"), 2000 + number / 4, &json!({}), links));
    }
    for number in 0..60_i64 {
        let lists = [number % 3, number % 4]
            .map(|list| link(".lists[].uri", &format!("at://did:plc:l/a.b.list/{list}")));
        let links = [&[link(".subject", &did("alice"))], &lists[..]].concat();
        state.put(record(
            &format!("u{}/a.b.item/{number}", number % 5),
            3000 + number % 7,
            &json!({}),
            links,
        ));
    }
    state.network.hosting.insert("at://did:plc:u3/".into(), springline_model::Hosting::Suspended);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_counts_are_those_of_a_reading_of_all() {
    let site = Site::network().await;
    let mut state = State::default();
    site.world.change(|world| {
        crowd(world);
        state = world.clone();
    });
    let target = post_uri("alice/p1");
    for dids in [
        vec![],
        vec!["did:plc:u1"],
        vec!["did:plc:u5", "did:plc:bob", "did:plc:u1", "did:plc:none"],
        vec!["did:plc:u3"],
    ] {
        let expected: Vec<String> =
            linking(&state, &target, LIKE, ".subject.uri", &dids).iter().map(|r| r.uri.to_string()).collect();
        let of: String = dids.iter().map(|did| format!("&did={did}")).collect();
        let asked = format!("subject={target}&source={LIKE}:subject.uri{of}");
        let older = format!("target={target}&collection={LIKE}&path=.subject.uri{of}");
        let count = expected.len();
        for path in [format!("{XRPC}.getBacklinksCount?{asked}"), format!("/links/count?{older}")] {
            assert_eq!(site.get(&path).await.json(), json!({ "total": count }), "{path}");
        }
        let authors: BTreeSet<String> = linking(&state, &target, LIKE, ".subject.uri", &dids)
            .iter()
            .map(|r| r.author.to_string())
            .collect();
        let total = site.get(&format!("/links/count/distinct-dids?{older}")).await.json();
        assert_eq!(total, json!({ "total": authors.len() }));
        for limit in [1, 7, 50, 1000] {
            let records =
                pages(&site, &format!("{XRPC}.getBacklinks?{asked}&limit={limit}"), "records").await;
            assert_eq!(records.iter().map(uri_of).collect::<Vec<_>>(), expected, "{of} {limit}");
            let linking = pages(&site, &format!("/links?{older}&limit={limit}"), "linking_records").await;
            assert_eq!(linking, records);
            let mut reverse =
                pages(&site, &format!("{XRPC}.getBacklinks?{asked}&limit={limit}&reverse=true"), "records")
                    .await;
            reverse.reverse();
            assert_eq!(reverse, records, "{of} {limit}");
        }
        if dids.is_empty() {
            assert_eq!(site.get(&format!("{XRPC}.getBacklinks?{asked}")).await.json()["total"], count);
            for limit in [1, 2, 5, 100] {
                for path in
                    [format!("{XRPC}.getBacklinkDids?{asked}"), format!("/links/distinct-dids?{older}")]
                {
                    let found = pages(&site, &format!("{path}&limit={limit}"), "linking_dids").await;
                    assert!(
                        found.iter().map(|did| did.as_str().unwrap()).eq(authors.iter()),
                        "{path} {limit}"
                    );
                    assert_eq!(site.get(&path).await.json()["total"], authors.len());
                }
            }
        } else {
            let joined = dids.join(",");
            let older = format!("target={target}&collection={LIKE}&path=.subject.uri&from_dids={joined}");
            let linking = pages(&site, &format!("/links?{older}"), "linking_records").await;
            assert_eq!(linking.iter().map(uri_of).collect::<Vec<_>>(), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_links_is_listed() {
    let site = Site::network().await;
    let mut state = State::default();
    site.world.change(|world| {
        crowd(world);
        // Of gardens nothing is told here.
        world.put(crate::support::note("g/x.md", 1, "x", vec![link("url", &did("alice"))]));
        state = world.clone();
    });
    for target in
        [did("alice"), post_uri("alice/p1"), "https://www.example.org/page".into(), "tag:garden".into()]
    {
        let mut expected: BTreeMap<&str, BTreeMap<&str, (BTreeSet<&Uri>, BTreeSet<&Uri>)>> = BTreeMap::new();
        for record in shown(&state).filter(|record| record.uri.scheme() == "at") {
            for link in record.links.iter().filter(|link| link.target.as_str() == target) {
                let group = expected.entry(&record.kind).or_default().entry(link.path.as_str()).or_default();
                group.0.insert(&record.uri);
                group.1.insert(&record.author);
            }
        }
        assert!(!expected.is_empty(), "{target}");
        let all = site.get(&format!("/links/all?target={target}")).await.json();
        let counts = site.get(&format!("/links/all/count?target={target}")).await.json();
        for (kind, paths) in &expected {
            for (path, (records, dids)) in paths {
                let group = json!({ "records": records.len(), "distinct_dids": dids.len() });
                assert_eq!(all["links"][kind][path], group, "{target} {kind} {path}");
                assert_eq!(counts["links"][kind][path], records.len());
            }
            assert_eq!(all["links"][kind].as_object().unwrap().len(), paths.len());
        }
        assert_eq!(all["links"].as_object().unwrap().len(), expected.len());
    }
    assert_eq!(site.get("/links/all?target=did:plc:nobody").await.json(), json!({ "links": {} }));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_to_many() {
    let site = Site::network().await;
    let mut state = State::default();
    site.world.change(|world| {
        crowd(world);
        state = world.clone();
    });
    let asked = format!("subject={}&source=a.b.item:subject&pathToOther=lists[].uri", did("alice"));
    let all_others: Vec<String> = (0..4).map(|list| format!("at://did:plc:l/a.b.list/{list}")).collect();
    for (dids, others) in [
        (vec![], vec![]),
        (vec!["did:plc:u1", "did:plc:u4"], vec![]),
        (vec![], vec![&all_others[3], &all_others[0]]),
        (vec!["did:plc:u2"], vec![&all_others[1]]),
    ] {
        let mut expected = Vec::new();
        let mut counts: BTreeMap<String, (u64, BTreeSet<String>)> = BTreeMap::new();
        for record in linking(&state, &did("alice"), "a.b.item", ".subject", &dids) {
            let links = record.links.iter().filter(|link| link.path.as_str() == ".lists[].uri");
            let targets: BTreeSet<String> = links.map(|link| link.target.to_string()).collect();
            for target in targets.into_iter().filter(|target| others.is_empty() || others.contains(&target)) {
                let count = counts.entry(target.clone()).or_default();
                count.0 += 1;
                count.1.insert(record.author.to_string());
                expected.push((record.uri.to_string(), target));
            }
        }
        let mut filters: String = others.iter().map(|other| format!("&otherSubject={other}")).collect();
        filters.extend(dids.iter().map(|did| format!("&linkDid={did}")));
        for limit in [1, 3, 40, 500] {
            let path = format!("{XRPC}.getManyToMany?{asked}{filters}&limit={limit}");
            let items = pages(&site, &path, "items").await;
            let found: Vec<(String, String)> = items
                .iter()
                .map(|item| (uri_of(&item["linkRecord"]), item["otherSubject"].as_str().unwrap().to_owned()))
                .collect();
            assert_eq!(found, expected, "{filters} {limit}");
            let filters = filters.replace("linkDid", "did");
            let path = format!("{XRPC}.getManyToManyCounts?{asked}{filters}&limit={limit}");
            let found = pages(&site, &path, "counts_by_other_subject").await;
            let expected: Vec<Value> = counts
                .iter()
                .map(|(subject, (total, dids))| json!({ "subject": subject, "total": total, "distinct": dids.len() }))
                .collect();
            assert_eq!(found, expected, "{filters} {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_stay_right_while_records_go() {
    let site = Site::network().await;
    site.world.change(crowd);
    let target = post_uri("alice/p1");
    for order in ["", "&reverse=true", "&did=did:plc:u1&did=did:plc:u2&did=did:plc:u4"] {
        let path = format!("{XRPC}.getBacklinks?subject={target}&source={LIKE}:subject.uri&limit=4{order}");
        let before: BTreeSet<String> = pages(&site, &path, "records").await.iter().map(uri_of).collect();
        let (mut seen, mut gone, mut cursor) = (Vec::new(), BTreeSet::new(), String::new());
        loop {
            let page = site.get(&format!("{path}{cursor}")).await.json();
            seen.extend(page["records"].as_array().unwrap().iter().map(uri_of));
            let Some(next) = page["cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            // The last that was shown goes, and the first.
            let (last, first) = (seen.last().unwrap().clone(), seen[0].clone());
            site.world.change(|state| {
                state.records.remove(last.as_str());
                state.records.remove(first.as_str());
            });
            gone.extend([last, first]);
        }
        let distinct: BTreeSet<String> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "nothing twice");
        assert_eq!(distinct, before, "nothing left out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_wrongly_is_refused_in_xrpcs_form() {
    let site = Site::network().await;
    let good = format!("subject={}&source={LIKE}:subject.uri", post_uri("alice/p1"));
    for (query, says) in [
        ("source=a.b.c:d".to_owned(), "subject"),
        ("subject=did:plc:a&source=a.b.c".into(), "collection:path"),
        ("subject=did:plc:a&source=:a".into(), "collection:path"),
        ("subject=did:plc:a&source=a.b.c:".into(), "missing"),
        ("subject=did:plc:a&source=a.b.c:.d".into(), "without a dot"),
        (format!("{good}&limit=0"), "1000"),
        (format!("{good}&limit=1001"), "1000"),
        (format!("{good}&cursor=AQE"), "cursor"),
        (
            format!("{good}{}", (0..101).map(|n| format!("&did=did:plc:{n}")).collect::<String>()),
            "the most is 100",
        ),
    ] {
        let got = site.get(&format!("{XRPC}.getBacklinks?{query}")).await;
        assert_eq!((got.status, got.header("content-type")), (400, "application/json"), "{query}");
        let error = got.json();
        assert_eq!(error["error"], "InvalidRequest", "{query}");
        assert!(error["message"].as_str().unwrap().contains(says), "{query}: {error}");
        assert_eq!(error.as_object().unwrap().len(), 2);
    }
    let unknown = site.get(&format!("{XRPC}.getBacklinksCount?subject=no.example&source=a.b.c:d")).await;
    assert_eq!((unknown.status, &unknown.json()["error"]), (404, &json!("NotFound")));
    let none = site.get("/xrpc/com.example.none").await;
    assert_eq!((none.status, &none.json()["error"]), (404, &json!("XRPCNotSupported")));
    // What is not known is passed over, and empty fields of forms are.
    let got = site.get(&format!("{XRPC}.getBacklinks?{good}&did=&colour=red&colour=blue")).await;
    assert_eq!(got.json()["total"], 4, "{}", got.text);
    assert!(got.header("etag").starts_with("W/"));
    // A handle wherever a DID can stand.
    let by_handle =
        format!("subject=at://alice.example/app.bsky.feed.post/p1&source={LIKE}:subject.uri&did=bob.example");
    assert_eq!(
        site.get(&format!("{XRPC}.getBacklinksCount?{by_handle}")).await.json(),
        json!({ "total": 2 })
    );
    site.get("/links?target=did:plc:a&collection=a.b.c&path=.d&did=x:y&from_dids=z")
        .await
        .problem(400, "malformed-query");
}
