//! `/v1/search`: what it finds is the index's matter; here is what it says of it over HTTP.

use crate::support::{Site, note};
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
