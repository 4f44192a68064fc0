//! Runs a sink until it is told to stop.

use super::{
    Feed, FeedError, Progress, SinkState, SinkStatus,
    rounds::{Round, rounds},
    step::{Plan, StepError},
};
use crate::views::{At, Follower, LogError, Reader, Views, ViewsError, followed_tables};
use parking_lot::Mutex;
use springline_model::{Table, View};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Items from which a commit follows, at the next end of an epoch. A commit waits for the disk and for whoever is fed, some
/// tenths of a second: who is behind has to bring many.
const COMMIT_ITEMS: usize = 20_000;

/// A sink that follows a view.
#[derive(Clone)]
pub struct Runner(Arc<Shared>);

struct Shared {
    name: String,
    kind: &'static str,
    views: Views,
    reader: Reader,
    plan: Plan,
    /// The store's last change when the process began: a sink can't rightly have had more than was on disk.
    opened: At,
    told: Mutex<Told>,
    changed: Notify,
}

#[derive(Default)]
struct Told {
    state: SinkState,
    reason: Option<String>,
    at: Option<At>,
    commits: u64,
    items: u64,
    failures: u64,
}

/// What is known of a feed that has begun.
struct Open {
    /// What it has committed.
    progress: Progress,
    /// What it was sent beyond that.
    sent: Option<Sent>,
    /// To be sent before anything else.
    first: Vec<super::Item>,
    /// It has begun anew because it was told to.
    is_reset: bool,
}

/// What waits for its commit.
struct Sent {
    progress: Progress,
    items: u64,
    since: Instant,
}

#[derive(Debug, Error)]
enum Trouble {
    /// It can't go on from there.
    #[error("{0}")]
    Lost(String),
    #[error(transparent)]
    Feed(FeedError),
    #[error("the store")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StepError> for Trouble {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Log(
                error @ (LogError::Gone { .. } | LogError::Ahead { .. } | LogError::Damaged(_)),
            ) => Self::Lost(error.to_string()),
            error => Self::Store(error.into()),
        }
    }
}

impl From<ViewsError> for Trouble {
    fn from(error: ViewsError) -> Self {
        Self::Store(error.into())
    }
}

impl Runner {
    /// Of a follower that [`Views::follow`] was told of; to be made before any view is corrected.
    #[must_use]
    pub fn new(views: &Views, name: &str, kind: &'static str, view: View, tables: Vec<Table>) -> Self {
        let tables = if tables.is_empty() { followed_tables(view).collect() } else { tables };
        let opened = views.log(view).map_or(At::default(), |head| head.newest);
        Self(Arc::new(Shared {
            name: name.to_owned(),
            kind,
            views: views.clone(),
            reader: views.reader(),
            plan: Plan { view, tables },
            opened,
            told: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> SinkStatus {
        let Shared { name, kind, views, plan, told, .. } = &*self.0;
        let (follower, head) = (views.followers().remove(name), views.log(plan.view));
        let told = told.lock();
        let (state, reason) = match &follower {
            Some(Follower { lost: Some(why), .. }) => (SinkState::Lost, Some(why.clone())),
            Some(Follower { is_paused: true, .. }) => (SinkState::Paused, None),
            _ => (told.state, told.reason.clone()),
        };
        let at = told.at.or(follower.map(|follower| follower.at)).unwrap_or_default();
        let newest = head.map_or(at, |head| head.newest);
        SinkStatus {
            name: name.clone(),
            kind,
            view: plan.view.name(),
            state,
            reason,
            at: at.to_string(),
            lag_epochs: newest.epoch.0.saturating_sub(at.epoch.0),
            log_bytes: head.map_or(0, |head| head.bytes),
            commits: told.commits,
            items: told.items,
            failures: told.failures,
        }
    }

    /// Lets it rest, or go on.
    ///
    /// # Errors
    /// The store fails.
    pub fn pause(&self, is_paused: bool) -> Result<(), ViewsError> {
        self.0.views.pause(&self.0.name, is_paused)?;
        self.0.changed.notify_one();
        Ok(())
    }

    /// Lets it begin again, with the rows as they are.
    ///
    /// # Errors
    /// The store fails.
    pub fn reset(&self) -> Result<(), ViewsError> {
        self.0.views.reset(&self.0.name)?;
        self.0.changed.notify_one();
        Ok(())
    }

    /// Feeds until `stop`. To be called on a thread of the runtime that may block.
    pub fn run(&self, mut feed: impl Feed, stop: &CancellationToken) {
        let shared = &*self.0;
        let (mut open, mut bound) = (None, shared.opened);
        rounds(shared.reader.watch(), &shared.changed, stop, |wait| {
            let Some(follower) = shared.views.followers().remove(&shared.name) else { return Round::Over };
            if follower.is_paused || follower.lost.is_some() {
                open = None;
                return Round::Rests;
            }
            match shared.advance(&mut feed, &mut open, &mut bound, &follower) {
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
    /// Sends what there is, commits if that is due, and lets the feed look after what it has. How long there may be
    /// nothing to do then.
    fn advance(
        &self,
        feed: &mut impl Feed,
        open: &mut Option<Open>,
        bound: &mut At,
        follower: &Follower,
    ) -> Result<Duration, Trouble> {
        let open = match open {
            Some(open) if open.is_reset || !follower.is_reset => open,
            _ => open.insert(self.begin(feed, follower, *bound)?),
        };
        let has_more = self.send(feed, open)?;
        let tended = feed.tend().map_err(Trouble::Feed)?;
        let Some(sent) = &open.sent else {
            if follower.at != open.progress.at || follower.log != open.progress.log {
                // A commit whose answer was lost: what it had need not be kept.
                self.views.advance(&self.name, open.progress.log, open.progress.at, open.is_reset)?;
            }
            self.note(&open.progress, None);
            return Ok(tended);
        };
        let due = feed.due(sent.since.elapsed());
        if !due.is_zero() {
            self.note(&open.progress, None);
            return Ok(if has_more { Duration::ZERO } else { due.min(tended) });
        }
        let Sent { progress, items, .. } = sent;
        // Nobody may know what a power cut could take from here.
        self.views.sync()?;
        *bound = progress.at.max(*bound);
        feed.commit(progress).map_err(Trouble::Feed)?;
        self.views.advance(&self.name, progress.log, progress.at, open.is_reset)?;
        self.note(progress, Some(*items));
        open.is_reset = false;
        open.progress = progress.clone();
        open.sent = None;
        Ok(Duration::ZERO)
    }

    /// Sends what there is, up to the end of an epoch; whether there is more.
    fn send(&self, feed: &mut impl Feed, open: &mut Open) -> Result<bool, Trouble> {
        let mut at = open.sent.as_ref().map_or(&open.progress, |sent| &sent.progress).clone();
        let begun = at.clone();
        let (mut sent, mut items) = (0, std::mem::take(&mut open.first));
        let has_more = loop {
            let step = self.reader.read(|snapshot| self.plan.step(snapshot, &at))?;
            at = step.progress;
            items.extend(step.items);
            sent += items.len();
            if !items.is_empty() {
                feed.send(std::mem::take(&mut items)).map_err(Trouble::Feed)?;
            }
            if step.is_whole && (sent >= COMMIT_ITEMS || !step.has_more) {
                break step.has_more;
            }
        };
        if at != begun || sent > 0 {
            let waiting = open.sent.take();
            let (before, since) = waiting.map_or((0, Instant::now()), |sent| (sent.items, sent.since));
            open.sent = Some(Sent { progress: at, items: before + sent as u64, since });
        }
        Ok(has_more)
    }

    /// Learns how far the feed has got, or lets it begin with the rows.
    fn begin(&self, feed: &mut impl Feed, follower: &Follower, bound: At) -> Result<Open, Trouble> {
        let known = feed.begin().map_err(Trouble::Feed)?;
        let is_reset = follower.is_reset;
        if let Some(progress) = known.filter(|_| !is_reset) {
            if progress.at > bound {
                return Err(Trouble::Lost(format!(
                    "it has had changes up to {}, but the store knew of none behind {bound}",
                    progress.at
                )));
            }
            if progress.horizon.as_ref().is_some_and(|horizon| !self.plan.tables.contains(&horizon.table)) {
                return Err(Trouble::Lost("it was given the rows of other tables".into()));
            }
            return Ok(Open { progress, sent: None, first: Vec::new(), is_reset });
        }
        let (first, progress) = self.reader.read(|snapshot| self.plan.beginning(snapshot))?;
        Ok(Open { progress, sent: None, first, is_reset })
    }

    fn note(&self, progress: &Progress, committed: Option<u64>) {
        let mut told = self.told.lock();
        let filling = progress.horizon.is_some();
        told.state = if filling { SinkState::Filling } else { SinkState::Following };
        told.reason = None;
        told.at = Some(progress.at);
        told.commits += u64::from(committed.is_some());
        told.items += committed.unwrap_or(0);
    }

    fn fail(&self, trouble: &Trouble, wait: Duration) {
        if let Trouble::Lost(why) = trouble {
            if let Err(error) = self.views.lose(&self.name, why) {
                tracing::error!(sink = %self.name, %error, "a lost sink can't be marked");
            }
            return;
        }
        let why = chain(trouble);
        tracing::warn!(sink = %self.name, error = %why, retry_secs = wait.as_secs_f64(), "sink failed");
        let mut told = self.told.lock();
        (told.state, told.reason) = (SinkState::Failing, Some(why));
        told.failures += 1;
    }
}

/// An error with what has led to it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        why = format!("{why}: {error}");
        cause = error.source();
    }
    why
}
