//! A handle wherever a DID can stand.

use crate::support::{Site, network::did};
use springline_model::{Identity, Timestamp};

#[tokio::test(flavor = "multi_thread")]
async fn handles_stand_for_accounts() {
    let site = Site::network().await;
    let by_did = site.get("/v1/authors/did:plc:alice").await.json();
    for who in ["alice.example", "@alice.example", "%40Alice.EXAMPLE"] {
        assert_eq!(site.get(&format!("/v1/authors/{who}")).await.json(), by_did, "{who}");
    }
    // The last owner.
    assert_eq!(site.get("/v1/authors/bob.example").await.json()["author"], did("bob"));
    let target = async |target: &str| {
        site.get(&format!("/v1/backlinks/count?target={target}")).await.json()["target"].clone()
    };
    assert_eq!(target("alice.example").await, "did:plc:alice");
    assert_eq!(
        target("at://alice.example/app.bsky.feed.post/p1").await,
        "at://did:plc:alice/app.bsky.feed.post/p1"
    );
    let record = site.get("/v1/records/at://alice.example/app.bsky.feed.post/p1").await.json();
    assert_eq!(record["author"], "did:plc:alice");
    let mine = "/v1/backlinks?target=at://alice.example/app.bsky.feed.post/p1&author=@bob.example";
    let all: Vec<String> = site.get(mine).await.items("author");
    assert!(!all.is_empty() && all.iter().all(|author| *author == did("bob")), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_handles_are_told() {
    let site = Site::network().await;
    for path in [
        "/v1/authors/nobody.example",
        "/v1/notifications?recipient=nobody.example",
        "/v1/backlinks?target=at://nobody.example/a.b.c/d",
        "/v1/backlinks?target=node:a&author=@nobody.example",
        "/v1/records?uri=at://nobody.example/a.b.c/d",
    ] {
        let problem = site.get(path).await.problem(404, "not-found");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("has not seen the handle `nobody.example`"), "{path}: {detail}");
    }
    // It has moved on: the old handle leads nowhere any more.
    site.world.change(|state| {
        let identities = &mut state.network.identities;
        let carol = identities.iter_mut().find(|identity| identity.did.as_str() == did("carol")).unwrap();
        *carol = Identity {
            handle: Some("carol.moved.example".into()),
            at: Timestamp::from_secs(600),
            ..carol.clone()
        };
    });
    site.get("/v1/authors/carol.example").await.problem(404, "not-found");
    assert_eq!(site.get("/v1/authors/carol.moved.example").await.json()["author"], did("carol"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gardener_may_have_a_dot() {
    let site = Site::network().await;
    site.world.change(|state| state.put(crate::support::note("some.body/x.md", 1, "x", vec![])));
    assert_eq!(site.get("/v1/authors/some.body").await.json()["author"], "user:some.body");
}
