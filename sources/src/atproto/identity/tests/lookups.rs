//! The cache by itself, in a time that the tests move.

use super::super::{
    config::IdentityConfig,
    error::{FetchError, ResolveError},
    lookups::{Answer, LookupStats, Lookups, Want},
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::time::{advance, sleep};

/// An upstream whose answers take a second.
struct Upstream {
    lookups: Arc<Lookups<u32>>,
    answer: Arc<Mutex<Answer<u32>>>,
}

const SECOND: Duration = Duration::from_secs(1);

impl Upstream {
    fn new() -> Self {
        let config = IdentityConfig {
            fresh_secs: 100,
            stale_secs: 1000,
            negative_secs: 50,
            retry_secs: 10,
            refresh_min_secs: 5,
            cache_entries: 1000,
            ..IdentityConfig::default()
        };
        Self { lookups: Lookups::new(&config), answer: Arc::new(Mutex::new(Ok(1))) }
    }

    fn set(&self, answer: Answer<u32>) {
        *self.answer.lock() = answer;
    }

    async fn ask(&self, key: &str, want: Want) -> Answer<u32> {
        let fetch = || {
            // What the upstream has when it is asked, not when it answers.
            let answer = self.answer.lock().clone();
            async move {
                sleep(SECOND).await;
                answer
            }
        };
        self.lookups.get(key, want, fetch).await
    }

    async fn known(&self) -> Answer<u32> {
        self.ask("k", Want::Known).await
    }

    fn stats(&self) -> LookupStats {
        self.lookups.stats()
    }
}

fn down() -> ResolveError {
    ResolveError::Fetch(FetchError::Timeout("x".into()))
}

#[tokio::test(start_paused = true)]
async fn answers_age() {
    let upstream = Upstream::new();
    assert_eq!(upstream.known().await, Ok(1));
    upstream.set(Ok(2));
    advance(99 * SECOND).await;
    assert_eq!(upstream.known().await, Ok(1));
    assert_eq!(upstream.stats(), LookupStats { hits: 1, fetches: 1, ..Default::default() });
    // Stale: at once, and fetched meanwhile.
    advance(2 * SECOND).await;
    assert_eq!(upstream.known().await, Ok(1));
    assert_eq!(upstream.known().await, Ok(1));
    assert_eq!(
        upstream.stats(),
        LookupStats { hits: 1, stale: 2, joined: 1, fetches: 2, ..Default::default() }
    );
    sleep(2 * SECOND).await;
    assert_eq!(upstream.known().await, Ok(2));
    // Gone.
    upstream.set(Ok(3));
    advance(1101 * SECOND).await;
    assert_eq!(upstream.known().await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn equal_questions_are_asked_once() {
    let upstream = Upstream::new();
    let answers =
        tokio::join!(upstream.known(), upstream.known(), upstream.ask("k", Want::New), upstream.known());
    assert_eq!(answers, (Ok(1), Ok(1), Ok(1), Ok(1)));
    assert_eq!(upstream.stats(), LookupStats { joined: 3, fetches: 1, ..Default::default() });
    assert_eq!(upstream.ask("other", Want::Known).await, Ok(1));
    assert_eq!(upstream.stats().fetches, 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_when_nobody_waits_any_more() {
    let upstream = Upstream::new();
    assert!(tokio::time::timeout(SECOND / 2, upstream.known()).await.is_err());
    sleep(SECOND).await;
    assert_eq!(upstream.known().await, Ok(1));
    assert_eq!(upstream.stats(), LookupStats { hits: 1, fetches: 1, ..Default::default() });
}

#[tokio::test(start_paused = true)]
async fn a_new_answer_overtakes() {
    let upstream = Upstream::new();
    assert_eq!(upstream.known().await, Ok(1));
    upstream.set(Ok(2));
    // A moment ago is new.
    assert_eq!(upstream.ask("k", Want::New).await, Ok(1));
    sleep(5 * SECOND).await;
    assert_eq!(upstream.ask("k", Want::New).await, Ok(2));
    assert_eq!(upstream.known().await, Ok(2));
    // One that began long before isn't joined, and what it brings isn't kept.
    let slow = || async {
        sleep(20 * SECOND).await;
        Ok(0)
    };
    advance(2000 * SECOND).await;
    let (old, new) = tokio::join!(upstream.lookups.get("k", Want::Known, slow), async {
        sleep(10 * SECOND).await;
        upstream.set(Ok(3));
        upstream.ask("k", Want::New).await
    });
    assert_eq!((old, new), (Ok(0), Ok(3)));
    assert_eq!(upstream.known().await, Ok(3));
    // Nor if it is the first to come back.
    advance(2000 * SECOND).await;
    let (old, new) = tokio::join!(upstream.lookups.get("k", Want::Known, slow), async {
        sleep(10 * SECOND).await;
        let slower = async || {
            sleep(30 * SECOND).await;
            Ok(4)
        };
        upstream.lookups.get("k", Want::New, slower).await
    });
    assert_eq!((old, new), (Ok(0), Ok(4)));
    assert_eq!(upstream.known().await, Ok(4));
}

#[tokio::test(start_paused = true)]
async fn failures_are_remembered_for_a_while() {
    let upstream = Upstream::new();
    upstream.set(Err(ResolveError::NotFound));
    assert_eq!(upstream.known().await, Err(ResolveError::NotFound));
    upstream.set(Err(down()));
    sleep(48 * SECOND).await;
    assert_eq!(upstream.known().await, Err(ResolveError::NotFound));
    sleep(3 * SECOND).await;
    assert_eq!(upstream.known().await, Err(down()));
    upstream.set(Ok(1));
    sleep(8 * SECOND).await;
    assert_eq!(upstream.known().await, Err(down()));
    sleep(3 * SECOND).await;
    assert_eq!(upstream.known().await, Ok(1));
    assert_eq!(upstream.stats().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_outlives_failures() {
    let upstream = Upstream::new();
    assert_eq!(upstream.known().await, Ok(1));
    upstream.set(Err(down()));
    sleep(101 * SECOND).await;
    assert_eq!(upstream.ask("k", Want::New).await, Err(down()));
    for _ in 0..3 {
        assert_eq!(upstream.known().await, Ok(1));
        sleep(3 * SECOND).await;
    }
    // It isn't tried again in the meantime.
    assert_eq!(upstream.stats().fetches, 2);
    sleep(10 * SECOND).await;
    assert_eq!(upstream.known().await, Ok(1));
    sleep(2 * SECOND).await;
    assert_eq!(upstream.stats().fetches, 3);
    // That the account is gone is an answer.
    upstream.set(Err(ResolveError::Deleted));
    sleep(20 * SECOND).await;
    assert_eq!(upstream.known().await, Ok(1));
    sleep(2 * SECOND).await;
    assert_eq!(upstream.known().await, Err(ResolveError::Deleted));
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_so_many() {
    let upstream = Upstream::new();
    for key in 0..5000 {
        upstream.lookups.put(&key.to_string(), key);
    }
    let kept = (0..5000).filter(|key| upstream.lookups.peek(&key.to_string()).is_some()).count();
    assert!((1..=1000).contains(&kept), "{kept}");
}
