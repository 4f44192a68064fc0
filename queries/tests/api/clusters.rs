//! Clusters over HTTP.

use crate::support::{Site, note};
use serde_json::json;
use springline_model::{ClusterId, Record, Uri, Vector, record::attr};
use springline_queries::v1::clusters::snapshot;

fn said(name: &str, secs: i64, text: &str) -> Record {
    Record { title: String::new(), ..note(&format!("u/{name}.md"), secs, text, Vec::new()) }
}

fn id(name: &str) -> String {
    ClusterId::of(&Uri::new(format!("garden://u/{name}.md"))).as_str().to_owned()
}

async fn site() -> Site {
    let site = Site::start().await;
    site.world.change(|state| {
        let crashes = vec![
            said("a", 10, "the app crashes with photos"),
            said("b", 30, "the app crashes with photos"),
            said("c", 20, "crashes when I open a photo album"),
        ];
        let billing = vec![said("d", 99, "billing address is wrong")];
        crashes.iter().chain(&billing).for_each(|record| state.put(record.clone()));
        state.clusters = vec![crashes, billing];
    });
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_in_every_order() {
    let site = site().await;
    let list = |query: &str| format!("/v1/clusters?space=notes{query}");
    assert_eq!(site.get(&list("")).await.items("id"), [id("a"), id("d")]);
    assert_eq!(site.all(&list("&limit=1&sort=last_seen"), "id").await, [id("d"), id("a")]);
    assert_eq!(site.get(&list("&min_items=2")).await.items("id"), [id("a")]);
    assert_eq!(site.get(&list("&level=duplicates")).await.items("id"), [id("a")]);
    assert_eq!(site.get(&list("&source=gardens&sort=growth")).await.items("id").len(), 2);
    assert!(site.get(&list("&source=elsewhere")).await.items("id").is_empty());
    assert!(site.get("/v1/clusters?project=none").await.items("id").is_empty());
    let crashes = &site.get(&list("")).await.json()["items"][0];
    assert_eq!((&crashes["items"], &crashes["texts"]), (&json!(3), &json!(2)));
    assert_eq!(crashes["growth"], json!({ "hour": 0, "day": 1, "week": 2, "trend": 3 }));
    site.get("/v1/clusters").await.problem(400, "malformed-query");
    let cursor = site.get(&list("&limit=1")).await.json()["next"].as_str().unwrap().to_owned();
    site.get(&list(&format!("&sort=growth&cursor={cursor}"))).await.problem(400, "malformed-cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_member_leads_to_its_cluster() {
    let site = site().await;
    let whole = site.get(&format!("/v1/clusters/{}", id("a"))).await;
    assert_eq!(whole.items("uri").len(), 3);
    assert!(whole.json().get("redirected_from").is_none());
    let other = site.get(&format!("/v1/clusters/{}", id("c"))).await.json();
    assert_eq!((&other["cluster"]["id"], &other["redirected_from"]), (&json!(id("a")), &json!(id("c"))));
    let set = site.get(&format!("/v1/clusters/{}?level=duplicates", id("b"))).await;
    assert_eq!(set.items("uri"), ["garden://u/a.md", "garden://u/b.md"]);
    let none = site.get(&format!("/v1/clusters/{}?level=duplicates", id("d"))).await;
    none.problem(404, "not-found");
    site.get("/v1/clusters/cffff").await.problem(404, "not-found");
    site.get(&format!("/v1/clusters/{}?space=elsewhere", id("a"))).await.problem(404, "not-found");
    for limit in 1..4 {
        let items = site.all(&format!("/v1/clusters/{}/items?limit={limit}", id("a")), "uri").await;
        assert_eq!(items, whole.items("uri"), "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_what_is_similar() {
    let site = site().await;
    let ask = |text: &str, limit: u16| json!({ "space": "notes", "text": text, "limit": limit });
    // It changes nothing: no token is needed.
    let request = site.request("POST", "/v1/similar").json(&ask("the app crashes with photos", 10));
    let similar = site.send(request).await;
    assert_eq!(similar.items("uri"), ["garden://u/a.md", "garden://u/c.md"]);
    let similar = similar.json();
    assert_eq!(
        (&similar["items"][0]["similarity"], &similar["items"][0]["duplicate"]),
        (&json!(1.0), &json!(true))
    );
    assert_eq!((&similar["compared"], &similar["complete"]), (&json!(3), &json!(true)));
    assert_eq!(similar["clusters"].as_array().unwrap().len(), 1);
    assert_eq!(site.post("/v1/similar", &ask("photos of billing", 1)).await.items("uri").len(), 1);
    assert!(site.post("/v1/similar", &ask("", 3)).await.items("uri").is_empty());
    site.post("/v1/similar", &ask("x", 0)).await.problem(400, "malformed-body");
    site.post("/v1/similar", &json!({ "text": "x" })).await.problem(400, "malformed-body");
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_what_means_the_same() {
    let site = Site::start().await;
    let vector = |direction: [f32; 2]| Vector::of("model", &direction);
    site.world.change(|state| {
        let means = |mut record: Record, direction| {
            record.attrs.extend(vector(direction).map(|vector| (attr::VECTOR.into(), vector.to_string())));
            record
        };
        let members = vec![
            means(said("a", 10, "the app crashes with photos"), [3.0, 4.0]),
            means(said("b", 20, "pictures make it quit"), [4.0, 3.0]),
            means(said("c", 30, "photos of billing"), [4.0, -3.0]),
            said("d", 40, "photos"),
        ];
        members.iter().for_each(|record| state.put(record.clone()));
        state.clusters = vec![members];
    });
    let ask = json!({ "space": "notes", "text": "photos of billing" });
    let by_words = site.post("/v1/similar", &ask).await;
    assert_eq!(
        (by_words.items("uri")[0].as_str(), &by_words.json()["by"]),
        ("garden://u/c.md", &json!("words"))
    );
    // What says the same in other words, and what there is no vector of; not what means something else.
    *site.process.meaning.lock() = vector([3.0, 4.0]);
    let similar = site.post("/v1/similar", &ask).await;
    assert_eq!(similar.items("uri"), ["garden://u/a.md", "garden://u/b.md", "garden://u/d.md"]);
    assert_eq!(
        (similar.items("by"), &similar.json()["by"]),
        (["meaning", "meaning", "words"].map(String::from).to_vec(), &json!("meaning"))
    );
    assert_eq!(
        (&similar.json()["items"][0]["similarity"], &similar.json()["items"][0]["duplicate"]),
        (&json!(1.0), &json!(false))
    );
    *site.process.meaning.lock() = Vector::of("another model", &[3.0, 4.0]);
    assert_eq!(site.post("/v1/similar", &ask).await.json()["by"], json!("words"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_whole_and_bounded() {
    let site = site().await;
    let take =
        |name: &str, members| site.world.reader().read(|views| snapshot(views, &id(name), None, members));
    let whole = take("c", 10).unwrap();
    assert_eq!((whole.id.as_str(), whole.items, whole.members.len()), (id("a").as_str(), 3, 3));
    assert!(whole.members.iter().any(|member| member.text == "crashes when I open a photo album"));
    assert_eq!(take("c", 2).unwrap().members.len(), 2);
    assert!(take("nobody", 2).is_err());
}
