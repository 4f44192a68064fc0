//! Politeness: how many requests a host gets at a time and in a second, and when it wants none.
//!
//! ```text
//!  enter(host) ──► a place at the host ──► its pace, its Retry-After ──► a place among all ──► Pass
//! ```
//!
//! A place at the host comes first, so that the queue of a slow host doesn't take places that others could use.
//! Who would have to wait longer than it wants to is told for how long.

use super::{config::HttpConfig, error::FetchError};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};

/// Of how many hosts something is remembered; those that are asked most stay longest.
const REMEMBERED: usize = 20_000;
/// A host isn't left alone for longer than this, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

pub(super) struct Hosts {
    hosts: Cache<String, Arc<Host>>,
    all: Arc<Semaphore>,
    per_host: usize,
    gap: Duration,
    burst: Duration,
}

struct Host {
    places: Arc<Semaphore>,
    pace: Mutex<Pace>,
}

/// When requests to a host may start.
struct Pace {
    /// When the last one would have started if all had kept the same distance.
    last: Instant,
    /// Until when it wants none.
    quiet: Instant,
}

/// A request's places; given back when it is dropped.
pub(super) struct Pass {
    _host: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Hosts {
    pub(super) fn new(config: &HttpConfig) -> Self {
        let per_sec = config.per_host_per_sec.max(1);
        let gap = Duration::from_secs(1) / per_sec;
        Self {
            hosts: Cache::new(REMEMBERED),
            all: Arc::new(Semaphore::new(config.max_concurrency)),
            per_host: config.per_host_concurrency,
            gap,
            burst: gap * (per_sec - 1),
        }
    }

    /// Waits until a request to the host may be made.
    pub(super) async fn enter(&self, host: &str, patience: Duration) -> Result<Pass, FetchError> {
        let deadline = Instant::now() + patience;
        let busy = |wait| FetchError::Busy { host: host.to_owned(), wait };
        let known = self.host(host);
        let place = |places: &Arc<Semaphore>| timeout_at(deadline, places.clone().acquire_owned());
        let Ok(Ok(of_host)) = place(&known.places).await else { return Err(busy(patience)) };
        loop {
            let now = Instant::now();
            let start = known.pace.lock().start(now, self.gap, self.burst, deadline);
            let start = start.map_err(|start| busy(start - now))?;
            sleep_until(start).await;
            // Somebody may have been told to wait in the meantime.
            if known.pace.lock().quiet <= Instant::now() {
                break;
            }
        }
        let Ok(Ok(of_all)) = place(&self.all).await else { return Err(busy(patience)) };
        Ok(Pass { _host: of_host, _all: of_all })
    }

    /// Leaves a host alone for some time.
    pub(super) fn quiet(&self, host: &str, wait: Duration) {
        let known = self.host(host);
        let mut pace = known.pace.lock();
        pace.quiet = pace.quiet.max(Instant::now() + wait.min(LONGEST_WAIT));
    }

    fn host(&self, host: &str) -> Arc<Host> {
        let new = || {
            let now = Instant::now();
            let pace = Mutex::new(Pace { last: now, quiet: now });
            Ok::<_, Infallible>(Arc::new(Host { places: Arc::new(Semaphore::new(self.per_host)), pace }))
        };
        let Ok(host) = self.hosts.get_or_insert_with(host, new);
        host
    }
}

impl Pace {
    /// When the next request may start; an error if that is after the deadline.
    fn start(
        &mut self,
        now: Instant,
        gap: Duration,
        burst: Duration,
        deadline: Instant,
    ) -> Result<Instant, Instant> {
        let due = self.last.max(now);
        let early = due.checked_sub(burst).unwrap_or(now);
        let start = early.max(now).max(self.quiet);
        if start > deadline {
            return Err(start);
        }
        self.last = due + gap;
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(per_host: usize, per_sec: u32) -> Hosts {
        let config = HttpConfig {
            per_host_concurrency: per_host,
            per_host_per_sec: per_sec,
            max_concurrency: 8,
            ..HttpConfig::default()
        };
        Hosts::new(&config)
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn keeps_a_pace() {
        let hosts = hosts(8, 5);
        let started = Instant::now();
        for _ in 0..5 {
            hosts.enter("a", PATIENCE).await.unwrap();
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            hosts.enter("a", PATIENCE).await.unwrap();
        }
        let elapsed = started.elapsed();
        assert!((1900..2200).contains(&elapsed.as_millis()), "{elapsed:?}");
        hosts.enter("b", Duration::ZERO).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_a_host_alone_that_wants_it() {
        let hosts = hosts(8, 50);
        hosts.quiet("a", Duration::from_secs(60));
        let Err(FetchError::Busy { wait, .. }) = hosts.enter("a", PATIENCE).await else { panic!() };
        assert_eq!(wait, Duration::from_secs(60));
        hosts.enter("b", PATIENCE).await.unwrap();
        let started = Instant::now();
        hosts.enter("a", Duration::from_secs(61)).await.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(60));
        // Also if it says so while somebody waits for its turn.
        for _ in 0..50 {
            hosts.enter("a", PATIENCE).await.unwrap();
        }
        let started = Instant::now();
        let (entered, ()) = tokio::join!(hosts.enter("a", PATIENCE), async {
            hosts.quiet("a", Duration::from_secs(5));
        });
        entered.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(5));
        hosts.quiet("a", Duration::from_secs(u64::MAX / 4));
        let Err(error) = hosts.enter("a", PATIENCE).await.map(drop) else { panic!() };
        assert_eq!(error.retry_after(), Some(LONGEST_WAIT));
    }

    #[tokio::test(start_paused = true)]
    async fn gives_each_host_its_places() {
        let hosts = hosts(2, 50);
        let passes = [hosts.enter("a", PATIENCE).await, hosts.enter("a", PATIENCE).await];
        assert!(matches!(hosts.enter("a", PATIENCE).await, Err(FetchError::Busy { .. })));
        hosts.enter("b", PATIENCE).await.unwrap();
        drop(passes);
        hosts.enter("a", PATIENCE).await.unwrap();
    }
}
