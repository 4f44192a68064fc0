//! Documents, from the directory and from domains.

use super::*;
use std::time::Duration;

#[tokio::test]
async fn finds_documents_in_the_directory_once() {
    let world = World::new().await;
    let resolver = world.resolver();
    world.publish(&document(DID, "alice.test", KEY));
    for _ in 0..3 {
        let found = resolver.document(DID).await.unwrap();
        assert_eq!(found.signing_key.as_deref(), Some(KEY));
        assert_eq!(found.pds.as_deref(), Some("https://pds.example.com"));
    }
    assert_eq!(world.server.all_hits(), 1);
    let want = LookupStats { hits: 2, fetches: 1, ..Default::default() };
    assert_eq!(resolver.stats(), IdentityStats { documents: want, handles: LookupStats::default() });
}

#[tokio::test]
async fn sees_a_new_key_when_it_refreshes() {
    let world = World::new().await;
    let resolver = world.resolver();
    world.publish(&document(DID, "alice.test", KEY));
    let key = async |resolver: &Resolver| resolver.document(DID).await.unwrap().signing_key.clone();
    assert_eq!(key(&resolver).await.as_deref(), Some(KEY));
    world.publish(&document(DID, "alice.test", NEW_KEY));
    assert_eq!(key(&resolver).await.as_deref(), Some(KEY));
    let fresh = resolver.refresh_document(DID).await.unwrap();
    assert_eq!(fresh.signing_key.as_deref(), Some(NEW_KEY));
    assert_eq!(key(&resolver).await.as_deref(), Some(NEW_KEY));
    // A directory that is down takes nothing away.
    world.server.set(&format!("127.0.0.1/{DID}"), Reply::status(500));
    assert!(resolver.refresh_document(DID).await.unwrap_err().is_transient());
    assert_eq!(key(&resolver).await.as_deref(), Some(NEW_KEY));
}

#[tokio::test]
async fn finds_documents_at_domains() {
    let world = World::new().await;
    let resolver = world.resolver();
    let did = format!("did:web:localhost%3A{}", world.server.address.port());
    world.server.set("localhost/.well-known/did.json", Reply::json(&document(&did, "x.test", KEY)));
    assert_eq!(resolver.document(&did).await.unwrap().signing_key.as_deref(), Some(KEY));
    world.names.host("site.test", &["127.0.0.1"]);
    let other = document("did:web:site.test", "x.test", KEY);
    world.server.set("site.test/.well-known/did.json", Reply::json(&other));
    assert_eq!(&*resolver.document("did:web:site.test").await.unwrap().did, "did:web:site.test");
    world.server.set("site.test/.well-known/did.json", Reply::json(&document(DID, "x.test", KEY)));
    let error = resolver.refresh_document("did:web:site.test").await.unwrap_err();
    assert_eq!(error, ResolveError::Document(DocumentError::OtherDid));
    // On a network that isn't private, neither is asked.
    let mut strict = World::new().await;
    strict.config.http.allow_private = false;
    for did in [did.as_str(), "did:web:site.test"] {
        assert_eq!(strict.resolver().document(did).await, Err(ResolveError::Did(did.into())));
    }
}

#[tokio::test]
async fn tells_failures_apart() {
    let mut world = World::new().await;
    world.config.http.per_host_per_sec = 1000;
    let place = format!("127.0.0.1/{DID}");
    let huge = Reply::text(vec![b' '; 64 * 1024 + 1]);
    for (reply, is_transient) in [
        (Reply::status(404), false),
        (Reply::status(410), false),
        (Reply::status(400), false),
        (Reply::text("<html>"), false),
        (Reply::json(&document(OTHER, "x.test", KEY)), false),
        (huge, false),
        (Reply::redirect(format!("/{DID}")), false),
        (Reply::status(500), true),
        (Reply::status(502), true),
        (Reply::status(429).with("retry-after", "60"), true),
        (Reply::status(200).after(Duration::from_secs(20)), true),
    ] {
        // Each its own: the directory wants to be left alone after one of them.
        let resolver = world.resolver();
        world.server.set(&place, reply);
        let error = resolver.document(DID).await.unwrap_err();
        println!("{error}");
        assert_eq!(error.is_transient(), is_transient, "{error}");
        let hits = world.server.hits(&place);
        let again = resolver.document(DID).await.unwrap_err();
        // What is known isn't asked again.
        assert!(is_transient || (again == error && world.server.hits(&place) == hits));
    }
}

#[tokio::test]
async fn knows_offline_what_it_was_given() {
    let mut world = World::new().await;
    world.config.offline = true;
    let resolver = world.resolver();
    world.publish(&document(DID, "alice.test", KEY));
    assert_eq!(resolver.document(DID).await, Err(ResolveError::Offline));
    assert_eq!(resolver.resolve_handle("alice.test").await, Err(ResolveError::Offline));
    assert!(ResolveError::Offline.is_transient());
    let json = document(DID, "alice.test", KEY).to_string();
    resolver.preload(Document::parse(DID, json.as_bytes()).unwrap());
    for identity in [resolver.resolve(DID).await.unwrap(), resolver.refresh(DID).await.unwrap()] {
        assert_eq!(identity.signing_key.as_deref(), Some(KEY));
        assert_eq!((identity.handle, identity.unverified), (None, Some(ResolveError::Offline)));
    }
    assert_eq!(world.server.all_hits(), 0);
}

#[tokio::test]
async fn refuses_settings_that_make_no_sense() {
    let refused = |config: IdentityConfig| Resolver::new(&config).is_err();
    assert!(!refused(IdentityConfig::default()));
    assert!(refused(IdentityConfig { plc_url: "plc.directory".into(), ..Default::default() }));
    assert!(refused(IdentityConfig { plc_url: "ftp://plc.directory".into(), ..Default::default() }));
    assert!(refused(IdentityConfig { fresh_secs: u64::MAX, ..Default::default() }));
    assert!(refused(IdentityConfig { cache_entries: 0, ..Default::default() }));
    let http = HttpConfig { per_host_per_sec: 0, ..Default::default() };
    assert!(refused(IdentityConfig { http, ..Default::default() }));
    let given = json!({"plc_url": "http://plc:2582/", "http": {"dns_servers": ["127.0.0.1:5353"]}});
    let config: IdentityConfig = serde_json::from_value(given).unwrap();
    assert!(!refused(config));
    assert!(serde_json::from_value::<IdentityConfig>(json!({"plc": ""})).is_err());
    assert!(serde_json::to_string(&schemars::schema_for!(IdentityConfig)).unwrap().contains("plc_url"));
}
