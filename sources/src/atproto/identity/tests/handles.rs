//! Handles, both ways.

use super::*;
use hickory_proto::rr::RecordType;

const WELL_KNOWN: &str = "alice.test/.well-known/atproto-did";

#[tokio::test]
async fn verifies_by_texts() {
    let world = World::new().await;
    let resolver = world.resolver();
    world.publish(&document(DID, "Alice.test", KEY));
    world.names.texts("alice.test", &["v=spf1", &format!("did={DID}")]);
    for _ in 0..2 {
        let identity = resolver.resolve(DID).await.unwrap();
        assert_eq!(identity.handle.as_deref(), Some("alice.test"));
        assert_eq!(identity.unverified, None);
        assert_eq!(identity.pds.as_deref(), Some("https://pds.example.com"));
    }
    assert_eq!(world.names.asked("_atproto.alice.test", RecordType::TXT), 1);
    assert_eq!(resolver.stats().handles.hits, 1);
    assert_eq!(resolver.resolve_handle("ALICE.TEST").await, Ok(DID.into()));
}

#[tokio::test]
async fn verifies_by_the_web() {
    let world = World::new().await;
    let resolver = world.resolver();
    world.publish(&document(DID, "alice.test", KEY));
    world.names.host("alice.test", &["127.0.0.1"]);
    world.server.set(WELL_KNOWN, Reply::text(format!("{DID}\n")));
    assert_eq!(resolver.resolve(DID).await.unwrap().handle.as_deref(), Some("alice.test"));
    // A text is asked for first, and goes first.
    assert_eq!(world.names.asked("_atproto.alice.test", RecordType::TXT), 1);
    world.names.texts("alice.test", &[&format!("did={OTHER}")]);
    let identity = resolver.refresh(DID).await.unwrap();
    assert_eq!((identity.handle, identity.unverified), (None, Some(ResolveError::Mismatch(OTHER.into()))));
    assert_eq!(world.server.hits(WELL_KNOWN), 1);
}

#[tokio::test]
async fn follows_a_handle_that_moves() {
    let world = World::new().await;
    let resolver = world.resolver();
    world.publish(&document(DID, "alice.test", KEY));
    world.names.texts("alice.test", &[&format!("did={DID}")]);
    world.names.texts("bob.test", &[&format!("did={DID}")]);
    assert_eq!(resolver.resolve(DID).await.unwrap().handle.as_deref(), Some("alice.test"));
    world.publish(&document(DID, "bob.test", KEY));
    assert_eq!(resolver.resolve(DID).await.unwrap().handle.as_deref(), Some("alice.test"));
    assert_eq!(resolver.refresh(DID).await.unwrap().handle.as_deref(), Some("bob.test"));
}

#[tokio::test]
async fn tells_a_wrong_handle_from_one_that_is_unknown() {
    let world = World::new().await;
    world.publish(&document(DID, "alice.test", KEY));
    let resolver = world.resolver();
    let refreshed = async || {
        let identity = resolver.refresh(DID).await.unwrap();
        assert_eq!(identity.handle, None);
        identity.unverified.unwrap()
    };
    // Nobody has it.
    assert_eq!(refreshed().await, ResolveError::NotFound);
    world.names.host("alice.test", &["127.0.0.1"]);
    assert_eq!(refreshed().await, ResolveError::NotFound);
    world.server.set(WELL_KNOWN, Reply::text(OTHER));
    assert_eq!(refreshed().await, ResolveError::Mismatch(OTHER.into()));
    world.server.set(WELL_KNOWN, Reply::text("<html>welcome</html>"));
    assert_eq!(refreshed().await, ResolveError::NoDid);
    world.server.set(WELL_KNOWN, Reply::text(b"\xff\xfe".as_slice()));
    assert_eq!(refreshed().await, ResolveError::NoDid);
    world.server.set(WELL_KNOWN, Reply::text(vec![b' '; 3000]));
    assert!(matches!(refreshed().await, ResolveError::Fetch(FetchError::TooLong { most: 2048, .. })));
    world.names.texts("alice.test", &["did=did:plc:a", "did=did:plc:b"]);
    assert_eq!(refreshed().await, ResolveError::Ambiguous);
    // It can't be known.
    world.names.texts("alice.test", &[]);
    world.server.set(WELL_KNOWN, Reply::status(500));
    assert!(refreshed().await.is_transient());
    // A text may say it, whatever the web server says.
    world.server.set(WELL_KNOWN, Reply::status(404));
    world.names.fail(RecordType::TXT);
    assert!(matches!(refreshed().await, ResolveError::Fetch(FetchError::Dns { .. })));
}

#[tokio::test]
async fn asks_nothing_for_domains_that_nobody_has() {
    let world = World::new().await;
    let resolver = world.resolver();
    for handle in [
        "",
        "x",
        "a.local",
        "a.localhost",
        "a.invalid",
        "A.INTERNAL",
        "127.0.0.1",
        "a.onion",
        "a b.com",
        "a/b.com",
    ] {
        let error = resolver.resolve_handle(handle).await.unwrap_err();
        assert_eq!(error, ResolveError::Handle(handle.to_ascii_lowercase().into()));
    }
    assert_eq!(world.server.all_hits(), 0);
}
