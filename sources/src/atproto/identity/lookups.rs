//! A cache of answers that have to be fetched, in which equal questions are asked once.
//!
//! ```text
//!        answered             fresh ends              stale ends
//!  good ────┼── taken as it is ──┼── taken, and fetched ──┼── fetched, waited for
//!           │                    │   behind its back      │
//!  none ────┼── remembered for a while (shorter if it only failed), then fetched
//! ```
//!
//! A fetch runs in a task of its own: who waits for it may go away, and its answer is kept all the same. A
//! question that wants a new answer doesn't join a fetch that began before it, unless that was a moment ago: the
//! upstream may have changed since. A fetch that was overtaken like that is answered to those who waited for it,
//! but not kept.
//!
//! A fetch that fails for reasons that pass leaves a good answer in its place.

use super::{config::IdentityConfig, error::ResolveError};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// More fetches at a time aren't begun.
const MAX_FLIGHTS: usize = 10_000;
/// Nothing is remembered to have failed for longer than this.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

pub(super) type Answer<V> = Result<V, ResolveError>;

pub(super) struct Lookups<V> {
    kept: Cache<String, Kept<V>>,
    flights: Mutex<HashMap<String, Flight<V>>>,
    times: Times,
    counts: Counts,
}

#[derive(Clone, Copy)]
struct Times {
    fresh: Duration,
    stale: Duration,
    negative: Duration,
    retry: Duration,
    refresh_min: Duration,
}

#[derive(Clone)]
struct Kept<V> {
    answer: Answer<V>,
    at: Instant,
    fresh_until: Instant,
    stale_until: Instant,
}

/// A fetch that is under way.
struct Flight<V> {
    begun: Instant,
    number: u64,
    answer: watch::Receiver<Option<Answer<V>>>,
}

/// Which answers will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// One that was kept, if it is recent enough.
    Known,
    /// One that is fetched now.
    New,
}

/// How questions were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupStats {
    /// From the cache.
    pub hits: u64,
    /// From the cache, while a newer answer was fetched.
    pub stale: u64,
    /// By a fetch that somebody else had begun.
    pub joined: u64,
    /// Fetches that were begun.
    pub fetches: u64,
    /// Fetches that had no answer, for reasons that pass.
    pub failures: u64,
}

#[derive(Default)]
struct Counts {
    hits: AtomicU64,
    stale: AtomicU64,
    joined: AtomicU64,
    fetches: AtomicU64,
    failures: AtomicU64,
}

impl<V: Clone + Send + Sync + 'static> Lookups<V> {
    pub(super) fn new(config: &IdentityConfig) -> Arc<Self> {
        let times = Times {
            fresh: Duration::from_secs(config.fresh_secs),
            stale: Duration::from_secs(config.stale_secs),
            negative: Duration::from_secs(config.negative_secs),
            retry: Duration::from_secs(config.retry_secs),
            refresh_min: Duration::from_secs(config.refresh_min_secs),
        };
        let kept = Cache::new(config.cache_entries);
        Arc::new(Self { kept, flights: Mutex::default(), times, counts: Counts::default() })
    }

    /// The answer for a key, fetched if it has to be.
    pub(super) async fn get<F, R>(self: &Arc<Self>, key: &str, want: Want, fetch: F) -> Answer<V>
    where
        F: FnOnce() -> R,
        R: Future<Output = Answer<V>> + Send + 'static,
    {
        let now = Instant::now();
        let kept = self.kept.get(key);
        match (want, kept) {
            (Want::Known, Some(kept)) if now < kept.fresh_until => {
                self.counts.hits.fetch_add(1, Relaxed);
                return kept.answer;
            }
            (Want::Known, Some(kept)) if kept.answer.is_ok() && now < kept.stale_until => {
                self.counts.stale.fetch_add(1, Relaxed);
                self.flight(key, want, fetch);
                return kept.answer;
            }
            (Want::New, Some(kept)) if now < kept.at + self.times.refresh_min => {
                self.counts.hits.fetch_add(1, Relaxed);
                return kept.answer;
            }
            _ => {}
        }
        let Some(mut flight) = self.flight(key, want, fetch) else { return Err(ResolveError::Overload) };
        match flight.wait_for(Option::is_some).await.map(|answer| answer.clone()) {
            Ok(Some(answer)) => answer,
            // The task that fetches it was dropped with the runtime.
            _ => Err(ResolveError::Overload),
        }
    }

    /// What is kept for a key, of any age.
    pub(super) fn peek(&self, key: &str) -> Option<Answer<V>> {
        let kept = self.kept.get(key)?;
        self.counts.hits.fetch_add(1, Relaxed);
        Some(kept.answer)
    }

    /// Keeps an answer that was found otherwise.
    pub(super) fn put(&self, key: &str, value: V) {
        self.keep(key, Ok(value));
    }

    pub(super) fn stats(&self) -> LookupStats {
        let counts = &self.counts;
        LookupStats {
            hits: counts.hits.load(Relaxed),
            stale: counts.stale.load(Relaxed),
            joined: counts.joined.load(Relaxed),
            fetches: counts.fetches.load(Relaxed),
            failures: counts.failures.load(Relaxed),
        }
    }

    /// Joins the fetch of a key, or begins it; `None` if there are too many.
    fn flight<F, R>(
        self: &Arc<Self>,
        key: &str,
        want: Want,
        fetch: F,
    ) -> Option<watch::Receiver<Option<Answer<V>>>>
    where
        F: FnOnce() -> R,
        R: Future<Output = Answer<V>> + Send + 'static,
    {
        let now = Instant::now();
        let mut flights = self.flights.lock();
        let is_full = flights.len() >= MAX_FLIGHTS;
        let slot = match flights.entry(key.to_owned()) {
            Entry::Occupied(slot) => {
                let flight = slot.get();
                // One whose task is gone will never land.
                let is_alive = flight.answer.has_changed().is_ok();
                let is_new = want == Want::Known || now < flight.begun + self.times.refresh_min;
                if is_alive && is_new {
                    self.counts.joined.fetch_add(1, Relaxed);
                    return Some(flight.answer.clone());
                }
                Entry::Occupied(slot)
            }
            Entry::Vacant(_) if is_full => return None,
            vacant => vacant,
        };
        let number = self.counts.fetches.fetch_add(1, Relaxed);
        let (sender, answer) = watch::channel(None);
        slot.insert_entry(Flight { begun: now, number, answer: answer.clone() });
        drop(flights);
        let (lookups, key, fetched) = (self.clone(), key.to_owned(), fetch());
        tokio::spawn(async move {
            let answer = fetched.await;
            lookups.land(&key, number, &answer);
            sender.send_replace(Some(answer));
        });
        Some(answer)
    }

    /// Keeps the answer of a fetch, if none that began later overtook it.
    fn land(&self, key: &str, number: u64, answer: &Answer<V>) {
        if answer.as_ref().is_err_and(ResolveError::is_transient) {
            self.counts.failures.fetch_add(1, Relaxed);
        }
        let mut flights = self.flights.lock();
        if flights.get(key).is_some_and(|flight| flight.number == number) {
            flights.remove(key);
            self.keep(key, answer.clone());
        }
    }

    fn keep(&self, key: &str, answer: Answer<V>) {
        let (now, times) = (Instant::now(), self.times);
        let kept = match &answer {
            Ok(_) => Kept {
                answer,
                at: now,
                fresh_until: now + times.fresh,
                stale_until: now + times.fresh + times.stale,
            },
            Err(error) if error.is_transient() => {
                let wait = error.retry_after().unwrap_or(times.retry).min(LONGEST_RETRY);
                match self.kept.get(key) {
                    Some(good) if good.answer.is_ok() && now < good.stale_until => {
                        Kept { fresh_until: now + wait, ..good }
                    }
                    _ => Kept { answer, at: now, fresh_until: now + wait, stale_until: now },
                }
            }
            Err(_) => Kept { answer, at: now, fresh_until: now + times.negative, stale_until: now },
        };
        self.kept.insert(key.to_owned(), kept);
    }
}
