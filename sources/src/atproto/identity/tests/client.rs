//! The guarded client.

use super::{server::raw, *};
use hickory_proto::rr::RecordType;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

const CAPS: Caps = Caps { bytes: 1000, time: Some(Duration::from_secs(5)) };

async fn text(client: &GuardedClient, url: &str) -> Result<String, FetchError> {
    let answer = client.get(url, CAPS).await?.success()?;
    Ok(String::from_utf8(answer.bytes().await?).unwrap())
}

fn strict(world: &World) -> GuardedClient {
    GuardedClient::new(&HttpConfig { allow_private: false, ..world.config.http.clone() }).unwrap()
}

#[tokio::test]
async fn follows_a_few_redirects() {
    let world = World::new().await;
    let client = GuardedClient::new(&world.config.http).unwrap();
    world.server.set("127.0.0.1/0", Reply::text("here"));
    for hop in 1..=4 {
        world.server.set(&format!("127.0.0.1/{hop}"), Reply::redirect(format!("./{}", hop - 1)));
    }
    assert_eq!(text(&client, &world.server.url("/3")).await, Ok("here".into()));
    assert!(matches!(text(&client, &world.server.url("/4")).await, Err(FetchError::Redirects(_))));
    world.server.set("127.0.0.1/loop", Reply::redirect("/loop"));
    assert!(matches!(text(&client, &world.server.url("/loop")).await, Err(FetchError::Redirects(_))));
    assert_eq!(world.server.hits("127.0.0.1/loop"), 4);
    world.server.set("127.0.0.1/nowhere", Reply::status(302));
    assert!(matches!(text(&client, &world.server.url("/nowhere")).await, Err(FetchError::Redirects(_))));
    for bad in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "gopher:x"] {
        world.server.set("127.0.0.1/away", Reply::redirect(bad));
        assert!(matches!(text(&client, &world.server.url("/away")).await, Err(FetchError::Url(_))), "{bad}");
    }
}

#[tokio::test]
async fn bounds_what_it_reads() {
    let world = World::new().await;
    let client = GuardedClient::new(&world.config.http).unwrap();
    world.server.set("127.0.0.1/most", Reply::text(vec![b'x'; 1000]));
    assert_eq!(text(&client, &world.server.url("/most")).await.map(|text| text.len()), Ok(1000));
    world.server.set("127.0.0.1/more", Reply::text(vec![b'x'; 1001]));
    let endless = raw(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 100]).await;
    for url in [world.server.url("/more"), endless] {
        assert!(matches!(text(&client, &url).await, Err(FetchError::TooLong { most: 1000, .. })), "{url}");
    }
    let head = raw(b"HTTP/1.1 200 OK\r\n", b"x: 0123456789\r\n").await;
    assert!(text(&client, &head).await.is_err());
    // TLS with a server that speaks none.
    let plain = world.server.url("/most").replace("http:", "https:");
    for garbage in [plain, raw(b"\x16\x03\x01 hello\r\n\r\n", b"").await, "http://127.0.0.1:1/".into()] {
        assert!(matches!(text(&client, &garbage).await, Err(FetchError::Network { .. })), "{garbage}");
    }
}

#[tokio::test]
async fn bounds_how_long_it_waits() {
    let world = World::new().await;
    let client = GuardedClient::new(&world.config.http).unwrap();
    world.server.set("127.0.0.1/slow", Reply::text("x").after(Duration::from_secs(30)));
    let stalls = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", b"").await;
    let silent = raw(b"", b"").await;
    for url in [world.server.url("/slow"), stalls.clone(), silent] {
        let started = Instant::now();
        assert!(matches!(text(&client, &url).await, Err(FetchError::Timeout(_))), "{url}");
        assert!(started.elapsed() < Duration::from_secs(3));
    }
    let caps = Caps { time: Some(Duration::from_millis(100)), ..CAPS };
    let answer = client.get(&stalls, caps).await.unwrap();
    assert!(matches!(answer.bytes().await, Err(FetchError::Timeout(_))));
}

#[tokio::test]
async fn keeps_away_for_as_long_as_it_is_asked_to() {
    let world = World::new().await;
    let client = GuardedClient::new(&world.config.http).unwrap();
    world.server.set("127.0.0.1/busy", Reply::status(429).with("retry-after", "120"));
    let Err(error) = text(&client, &world.server.url("/busy")).await else { panic!() };
    assert!(error.is_transient());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    for _ in 0..3 {
        let Err(error) = text(&client, &world.server.url("/other")).await else { panic!() };
        assert!(matches!(error, FetchError::Busy { .. }), "{error}");
        assert!(error.retry_after().unwrap() > Duration::from_secs(100));
    }
    assert_eq!(world.server.all_hits(), 1);
    // Another host isn't meant.
    let other = Server::start().await;
    other.set("127.0.0.1/date", Reply::status(503).with("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT"));
    let Err(error) = text(&client, &other.url("/date")).await else { panic!() };
    assert!(error.retry_after().unwrap() > Duration::from_secs(3600 * 24 * 365));
    let Err(error) = text(&client, &other.url("/date")).await else { panic!() };
    assert!(error.retry_after().unwrap() <= Duration::from_secs(3600));
}

#[tokio::test]
async fn asks_no_private_address() {
    let world = World::new().await;
    let client = strict(&world);
    world.names.host("inside.example.com", &["127.0.0.1", "10.0.0.1", "::1", "fd00::1"]);
    let port = world.server.address.port();
    let inside = [
        format!("https://127.0.0.1:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://0x7f.1:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://169.254.169.254/latest/meta-data".into(),
        "https://[64:ff9b::10.0.0.1]/".into(),
        format!("https://inside.example.com:{port}/"),
        format!("https://localhost:{port}/"),
    ];
    for url in &inside {
        let refused = text(&client, url).await;
        assert!(matches!(refused, Err(FetchError::Refused { .. })), "{url}: {refused:?}");
    }
    for url in
        [format!("http://inside.example.com:{port}/"), world.server.url("/"), "x".into(), String::new()]
    {
        assert!(matches!(text(&client, &url).await, Err(FetchError::Url(_))), "{url}");
    }
    assert!(matches!(text(&client, "https://nobody.example.com/").await, Err(FetchError::NoAddress(_))));
    // Nor when an address that is trusted redirects there.
    for url in &inside {
        world.server.set("127.0.0.1/away", Reply::redirect(url.clone()));
        let refused = client.get_trusted(&world.server.url("/away"), CAPS).await;
        assert!(matches!(refused, Err(FetchError::Refused { .. })), "{url}: {refused:?}");
    }
    assert_eq!(world.server.hits("127.0.0.1/"), 0);
    world.server.set("127.0.0.1/near", Reply::redirect("/there"));
    world.server.set("127.0.0.1/there", Reply::text("x"));
    assert_eq!(client.get_trusted(&world.server.url("/near"), CAPS).await.unwrap().status(), 200);
}

/// A name server that gives a public address to the check and a private one to the connection.
#[tokio::test]
async fn connects_to_what_it_checked() {
    let world = World::new().await;
    let client = strict(&world);
    let url = format!("https://twice.example.com:{}/", world.server.address.port());
    // An address that counts as public, but was never given to anybody.
    world.names.host("twice.example.com", &["3ffe::1", "127.0.0.1"]);
    let unreachable = text(&client, &url).await;
    assert!(
        matches!(unreachable, Err(FetchError::Network { .. } | FetchError::Timeout(_))),
        "{unreachable:?}"
    );
    assert_eq!(world.names.asked("twice.example.com", RecordType::AAAA), 1);
    world.names.host("twice.example.com", &["127.0.0.1"]);
    let Err(FetchError::Refused { address, .. }) = text(&client, &url).await else { panic!() };
    assert_eq!(address, IpAddr::from([127, 0, 0, 1]));
    assert_eq!(world.server.all_hits(), 0);
}
