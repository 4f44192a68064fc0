//! Clusters over HTTP.

use crate::support::{Site, TOKEN, is_spread, note};
use serde_json::json;
use springline_model::{
    ClusterId, Event, EventBody, Record, Rev, Space, Timestamp, Uri, Vector,
    hand::{Act, Anchor, GroupId, Order},
    record::attr,
};
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
async fn clusters_belong_to_themes() {
    let site = site().await;
    site.world.change(|state| {
        state.clusters.push(vec![said("e", 5, "nothing else is like this")]);
        state.theme = vec![0, 1];
    });
    let themes = site.get("/v1/clusters?space=notes&level=theme").await;
    assert_eq!((themes.items("id"), &themes.json()["items"][0]["items"]), (vec![id("a")], &json!(4)));
    assert_eq!(themes.json()["items"][0].get("status"), None);
    // By the name of any item in it.
    for name in ["a", "c", "d"] {
        let of = |more: &str| format!("/v1/clusters?space=notes&theme={}{more}", id(name));
        assert_eq!(site.get(&of("")).await.items("id"), [id("a"), id("d")], "{name}");
        assert_eq!(site.all(&of("&limit=1&sort=last_seen"), "id").await, [id("d"), id("a")], "{name}");
        let theme = site.get(&format!("/v1/clusters/{}?level=theme", id(name))).await.json();
        assert_eq!((&theme["cluster"]["level"], &theme["cluster"]["id"]), (&json!("theme"), &json!(id("a"))));
        let whole = site.get(&format!("/v1/clusters/{}", id(name))).await.json();
        assert_eq!(whole["theme"]["id"], json!(id("a")));
    }
    let items = format!("/v1/clusters/{}/items?level=theme", id("c"));
    let mut all = site.get(&items).await.items("uri");
    for limit in 1..5 {
        assert_eq!(site.all(&format!("{items}&limit={limit}"), "uri").await, all, "{limit}");
    }
    all.sort_unstable();
    assert_eq!(all, ["a", "b", "c", "d"].map(|name| format!("garden://u/{name}.md")));
    for (query, status) in [
        (format!("/v1/clusters?space=notes&theme={}", id("e")), 404),
        (format!("/v1/clusters/{}?level=theme", id("e")), 404),
        (format!("/v1/clusters?space=notes&level=duplicates&theme={}", id("a")), 400),
        ("/v1/clusters?space=notes&level=theme&status=new".to_owned(), 400),
    ] {
        assert_eq!(site.get(&query).await.status, status, "{query}");
    }
    assert!(site.get(&format!("/v1/clusters/{}", id("e"))).await.json().get("theme").is_none());
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
    if is_spread("the snapshot is read from one process") {
        return;
    }
    let site = site().await;
    let take =
        |name: &str, members| site.world.reader(0).read(|views| snapshot(views, &id(name), None, members));
    let whole = take("c", 10).unwrap();
    assert_eq!((whole.id.as_str(), whole.items, whole.members.len()), (id("a").as_str(), 3, 3));
    assert!(whole.members.iter().any(|member| member.text == "crashes when I open a photo album"));
    assert_eq!(take("c", 2).unwrap().members.len(), 2);
    assert!(take("nobody", 2).is_err());
}

/// What was last told to the process, as orders.
fn told(site: &Site) -> Vec<Order> {
    let submitted = std::mem::take(&mut *site.process.submitted.lock());
    let read = |event: Event| match event.body {
        EventBody::Put { record, .. } => Order::of(&record).unwrap(),
        other => panic!("{other:?}"),
    };
    submitted.into_iter().map(read).collect()
}

fn uri(name: &str) -> Uri {
    Uri::new(format!("garden://u/{name}.md"))
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_given() {
    let site = site().await;
    let space = || Space::new("notes");
    let path = |what: &str| format!("/v1/clusters/{}/{what}", id("a"));
    let items = json!({ "items": [uri("c"), uri("c")] });
    let got = site.post(&path("pin"), &items).await;
    assert_eq!((got.status, got.json()["visible"].clone()), (202, json!(false)));
    let [Order { act: Act::Place { item, to: Anchor::With(with) }, .. }] = &told(&site)[..] else { panic!() };
    // The item that the cluster is named after leads there, and another text's first.
    assert_eq!((item, with.len(), &with[0]), (&uri("c"), 2, &uri("a")));
    assert_eq!(got.json()["orders"], json!([Order::of_item(&space(), item).rest()]));

    let into = json!({ "items": [uri("b")], "into": id("d") });
    assert_eq!(site.post(&path("move"), &into).await.status, 202);
    let place = |item: &str, to: Anchor| Order::place(space(), uri(item), to);
    assert_eq!(told(&site), [place("b", Anchor::With(vec![uri("d")]))]);

    let both = json!({ "items": [uri("a"), uri("b")] });
    let got = site.post(&(path("split") + "?wait=visible"), &both).await;
    assert_eq!((got.status, got.json()["cluster"].clone()), (200, json!(id("a"))), "{}", got.text);
    let said = told(&site);
    let Act::Place { to: Anchor::Group(group), .. } = said[0].act else { panic!("{said:?}") };
    assert_eq!(said, ["a", "b"].map(|item| place(item, Anchor::Group(group))));

    let got = site.post(&path("merge"), &json!({ "into": id("d") })).await;
    assert_eq!(got.status, 202);
    let said = told(&site);
    assert_eq!(said.len(), 1);
    assert!(matches!(&said[0].act, Act::Join(parts) if parts.contains(&Anchor::With(vec![uri("d")]))));
    // They are one already.
    let again = site.post(&path("merge"), &json!({ "into": id("c") })).await;
    assert_eq!((again.status, &again.json()["orders"]), (200, &json!([])), "{}", again.text);
    assert!(told(&site).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_make_no_sense_are_refused() {
    let site = site().await;
    let path = |what: &str| format!("/v1/clusters/{}/{what}", id("a"));
    let one = json!({ "items": [uri("c")] });
    site.send(site.request("POST", &path("pin")).json(&one)).await.problem(401, "unauthorized");
    site.post("/v1/clusters/cffff/pin", &one).await.problem(404, "not-found");
    for (what, body, status, kind) in [
        ("pin", json!({ "items": [] }), 400, "malformed-body"),
        ("pin", json!({ "items": vec![uri("c"); 501] }), 400, "malformed-body"),
        ("pin", json!({ "items": ["c"] }), 400, "malformed-body"),
        ("pin", json!({ "items": [uri("nobody")] }), 404, "not-found"),
        ("pin", json!({ "items": [uri("d")] }), 422, "mismatch"),
        ("split", json!({ "items": [uri("a"), uri("d")] }), 422, "mismatch"),
        ("move", json!({ "items": [uri("a")], "into": "cffff" }), 404, "not-found"),
        ("move", json!({ "items": [uri("a")] }), 400, "malformed-body"),
        ("merge", json!({ "into": "" }), 404, "not-found"),
        ("merge", json!({ "into": id("d"), "items": [] }), 400, "malformed-body"),
    ] {
        site.post(&path(what), &body).await.problem(status, kind);
    }
    // Where they are to be is no reason to refuse them.
    let back = json!({ "items": [uri("d")], "into": id("d") });
    assert_eq!(site.post(&path("move"), &back).await.status, 202);
    assert_eq!(told(&site).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_and_taken_back() {
    let site = site().await;
    let space = || Space::new("notes");
    let orders = [
        Order::place(space(), uri("a"), Anchor::Group(GroupId(7))),
        Order::place(space(), uri("c"), Anchor::With(vec![uri("nobody"), uri("a")])),
        Order::place(space(), uri("gone"), Anchor::With(vec![uri("a")])),
        Order::join(space(), Anchor::Group(GroupId(7)), Anchor::With(vec![uri("gone")])).unwrap(),
        Order::place(Space::new("other"), uri("a"), Anchor::With(vec![uri("d")])),
    ];
    site.world.change(|state| {
        for order in &orders {
            state.put(order.record(Timestamp::from_secs(7)));
        }
    });
    let names = |at: &[usize]| {
        let mut names: Vec<String> = at.iter().map(|at| orders[*at].uri().rest().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let whole = site.get("/v1/orders?space=notes").await;
    assert_eq!(whole.items("order"), names(&[0, 1, 2, 3]));
    assert_eq!(site.all("/v1/orders?space=notes&limit=1", "order").await, names(&[0, 1, 2, 3]));
    let whole = whole.json();
    let find = |at: usize| {
        let mut items = whole["items"].as_array().unwrap().iter();
        items.find(|item| item["order"] == names(&[at])[0]).unwrap()
    };
    assert_eq!(
        (&find(1)["act"], &find(1)["item"], &find(1)["to"][0]["with"][1], &find(1)["cluster"]),
        (&json!("place"), &json!(uri("c")), &json!(uri("a")), &json!(id("a")))
    );
    assert_eq!((&find(2)["cluster"], &find(3)["cluster"]), (&json!(null), &json!(id("a"))));
    let of = |name: &str| format!("/v1/clusters/{}/orders", id(name));
    assert_eq!(site.get(&of("b")).await.items("order"), names(&[0, 1, 3]));
    assert!(site.get(&of("d")).await.items("order").is_empty());
    site.get("/v1/clusters/cffff/orders").await.problem(404, "not-found");

    let delete = |path: String| site.send(site.request("DELETE", &path).bearer_auth(TOKEN));
    let deleted = || {
        let submitted = std::mem::take(&mut *site.process.submitted.lock());
        let read = |event: Event| match event.body {
            EventBody::Delete { uri, rev } if rev > Rev(1) => uri.rest().to_owned(),
            other => panic!("{other:?}"),
        };
        submitted.into_iter().map(read).collect::<Vec<_>>()
    };
    assert_eq!(delete(format!("/v1/orders/{}", names(&[2])[0])).await.status, 202);
    assert_eq!(deleted(), names(&[2]));
    assert_eq!(delete(of("c")).await.json()["orders"], json!(names(&[0, 1, 3])));
    assert_eq!(deleted(), names(&[0, 1, 3]));
    // Those that say the same words go together.
    assert_eq!(delete(of("c") + "?item=garden://u/b.md").await.status, 202);
    assert_eq!(deleted(), names(&[0]));
    delete(of("c") + "?item=garden://u/d.md").await.problem(404, "not-found");
    delete("/v1/orders/notes/place/00".to_owned()).await.problem(404, "not-found");
    delete("/v1/orders/x".to_owned()).await.problem(404, "not-found");
    assert!(deleted().is_empty());
}
