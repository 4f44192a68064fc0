//! Runs a sink of events until it is told to stop.

use super::{EventLog, EventLogError, Gone, Orders, OrdersError};
use crate::{
    follow::{FeedError, Round, SinkState, SinkStatus, chain, rounds},
    parquet::EventsFeed,
    views::{ReadError, Reader},
};
use parking_lot::Mutex;
use springline_model::Epoch;
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A sink that is told what came in.
#[derive(Clone)]
pub struct EventsRunner(Arc<Shared>);

struct Shared {
    name: String,
    reader: Reader,
    /// Where its orders are kept.
    path: PathBuf,
    told: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    orders: Orders,
    state: SinkState,
    reason: Option<String>,
    /// It is complete as of this epoch, as far as there was anything.
    at: Epoch,
    /// It has committed all up to here; none before it has begun.
    committed: Option<Epoch>,
    bytes: u64,
    commits: u64,
    items: u64,
    failures: u64,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Lost(String),
    #[error(transparent)]
    Failed(#[from] FeedError),
    #[error("the store")]
    Store(#[from] ReadError),
    #[error(transparent)]
    Orders(#[from] OrdersError),
}

impl From<EventLogError> for Trouble {
    fn from(error: EventLogError) -> Self {
        match error {
            EventLogError::Lost(why) => Self::Lost(why),
            EventLogError::Failed(error) => Self::Failed(error),
        }
    }
}

/// What is known of a feed that has begun.
struct Open {
    /// Of whom nothing may be kept.
    gone: Gone,
    /// Since when something waits for its commit, and how many events that are.
    waits: Option<(Instant, u64)>,
}

impl EventsRunner {
    /// Of a sink whose orders are kept in a file.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn new(name: &str, reader: Reader, path: PathBuf) -> Result<Self, OrdersError> {
        let told = State { orders: Orders::load(&path)?, ..State::default() };
        let (name, told, changed) = (name.to_owned(), Mutex::new(told), Notify::new());
        Ok(Self(Arc::new(Shared { name, reader, path, told, changed })))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> SinkStatus {
        let told = self.0.told.lock();
        SinkStatus {
            name: self.0.name.clone(),
            kind: "parquet",
            view: crate::parquet::Subject::Events.name(),
            state: if told.orders.is_paused { SinkState::Paused } else { told.state },
            reason: told.reason.clone(),
            at: told.at.to_string(),
            lag_epochs: self.0.reader.applied().0.saturating_sub(told.at.0),
            log_bytes: told.bytes,
            commits: told.commits,
            items: told.items,
            failures: told.failures,
        }
    }

    /// The first epoch that the journal has to keep for it.
    #[must_use]
    pub fn needs(&self) -> Epoch {
        let told = self.0.told.lock();
        // One that can't go on, or is to begin anew, takes what is there then.
        match told.committed {
            _ if told.state == SinkState::Lost => Epoch(u64::MAX),
            Some(committed) => committed.next(),
            None => Epoch::ZERO,
        }
    }

    /// Lets it rest, or go on.
    ///
    /// # Errors
    /// That can't be kept.
    pub fn pause(&self, is_paused: bool) -> Result<(), OrdersError> {
        self.order(|orders| orders.is_paused = is_paused)
    }

    /// Lets it begin again, with the oldest event that is kept.
    ///
    /// # Errors
    /// That can't be kept.
    pub fn reset(&self) -> Result<(), OrdersError> {
        self.order(|orders| orders.is_reset = true)
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) -> Result<(), OrdersError> {
        let mut told = self.0.told.lock();
        let mut orders = told.orders;
        change(&mut orders);
        orders.keep(&self.0.path)?;
        told.orders = orders;
        drop(told);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Tells events until `stop`. To be called on a thread of the runtime that may block.
    pub fn run(&self, mut feed: EventsFeed, mut log: Box<dyn EventLog>, stop: &CancellationToken) {
        let shared = &*self.0;
        let mut open = None;
        rounds(shared.reader.watch(), &shared.changed, stop, |wait| {
            let (orders, state) = {
                let told = shared.told.lock();
                (told.orders, told.state)
            };
            if orders.is_paused || state == SinkState::Lost && !orders.is_reset {
                open = None;
                return Round::Rests;
            }
            match shared.advance(&mut feed, &mut *log, &mut open, orders.is_reset) {
                Ok(pause) => Round::Done(pause),
                Err(trouble) => {
                    open = None;
                    shared.fail(&trouble, wait);
                    Round::Failed
                }
            }
        });
    }
}

impl Shared {
    /// Tells a page, commits if that is due, and lets the feed look after what it has. How long there may be nothing to
    /// do then.
    fn advance(
        &self,
        feed: &mut EventsFeed,
        log: &mut dyn EventLog,
        open: &mut Option<Open>,
        is_reset: bool,
    ) -> Result<Duration, Trouble> {
        let open = match open {
            Some(open) if !is_reset => open,
            _ => open.insert(self.begin(feed, log, is_reset)?),
        };
        let page = log.read()?;
        let (epoch, has_more) = (page.epoch, page.has_more);
        if !page.progress.is_empty() {
            let new = page.events.len() as u64;
            open.waits = Some(match open.waits {
                Some((since, told)) if told > 0 || new == 0 => (since, told + new),
                _ => (Instant::now(), new),
            });
            feed.send(page, &mut open.gone)?;
        }
        let due = open.waits.map(|(since, told)| feed.due(since.elapsed(), told == 0));
        if due == Some(Duration::ZERO) {
            feed.commit()?;
            let told = open.waits.take().map_or(0, |(_, told)| told);
            self.note(epoch, Some((epoch, told)), log.bytes());
            feed.tend()?;
            return Ok(Duration::ZERO);
        }
        if has_more {
            return Ok(Duration::ZERO);
        }
        if open.waits.is_none_or(|(_, told)| told == 0) {
            self.note(epoch, None, log.bytes());
        }
        let tended = feed.tend()?;
        Ok(due.map_or(tended, |due| due.min(tended)))
    }

    fn begin(&self, feed: &mut EventsFeed, log: &mut dyn EventLog, is_reset: bool) -> Result<Open, Trouble> {
        let begun = feed.begin(is_reset)?;
        log.begin(&begun.journal)?;
        let gone = Gone::load(&self.reader)?;
        if is_reset {
            // The empty dataset is committed: whoever goes on from here on need not be told again.
            feed.commit()?;
        }
        let mut told = self.told.lock();
        if is_reset {
            let orders = Orders { is_reset: false, ..told.orders };
            orders.keep(&self.path)?;
            told.orders = orders;
        }
        (told.at, told.committed) = (begun.epoch, Some(begun.epoch));
        (told.state, told.reason) = (SinkState::Filling, None);
        Ok(Open { gone, waits: None })
    }

    fn note(&self, at: Epoch, committed: Option<(Epoch, u64)>, bytes: u64) {
        let mut told = self.told.lock();
        let is_behind = told.state == SinkState::Filling && at < self.reader.applied();
        told.state = if is_behind { SinkState::Filling } else { SinkState::Following };
        (told.at, told.reason, told.bytes) = (told.at.max(at), None, bytes);
        if let Some((epoch, items)) = committed {
            told.committed = Some(epoch);
            told.commits += 1;
            told.items += items;
        }
    }

    fn fail(&self, trouble: &Trouble, wait: Duration) {
        let why = chain(trouble);
        let mut told = self.told.lock();
        told.state = match trouble {
            Trouble::Lost(_) => {
                tracing::error!(sink = %self.name, why, "a sink is lost");
                SinkState::Lost
            }
            _ => {
                tracing::warn!(sink = %self.name, error = %why, retry_secs = wait.as_secs_f64(), "sink failed");
                SinkState::Failing
            }
        };
        told.failures += 1;
        told.reason = Some(why);
    }
}
