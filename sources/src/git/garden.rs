//! The life of one garden.
//!
//! ```text
//!   wait: poll, orders ──► ask the upstream ──► fetch if it moved ──► send what is new of the clone ⟲
//!                              └ trouble: keep what there is, say so, ask again later ┘
//! ```

use super::{
    mirror::Answer,
    reader::Farewell,
    work::{Plot, Trouble},
};
use crate::{
    ProgressBars, Pulled, SourceError, SourceState,
    delivery::{Delivered, Desk, blocking},
    place,
};
use indicatif::ProgressBar;
use springline_model::{Epoch, Position, Timestamp, Uri};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

/// The position of a garden that left the list: all of it was deleted.
pub(crate) const REMOVED: &str = "removed";

/// An upstream that keeps failing is asked at least this often.
const MAX_POLL: Duration = Duration::from_secs(3600);

/// A request to a garden.
pub(crate) enum Order {
    /// Look at the upstream now.
    Pull(oneshot::Sender<Outcome>),
    /// Read one file again.
    Retry(Uri, oneshot::Sender<Result<(), String>>),
    /// Forget everything and start over.
    Reset,
    /// Stop polling.
    Pause,
    /// Poll again, at once.
    Resume,
}

/// What a pull came to, once it is durable.
pub(crate) type Outcome = (Pulled, Option<Epoch>);

/// One garden while its source runs.
pub(crate) struct Garden {
    pub(crate) plot: Plot,
    pub(crate) desk: Arc<Desk>,
    pub(crate) progress: ProgressBars,
    /// Who may talk to upstreams.
    pub(crate) fetches: Arc<Semaphore>,
    /// Zero is never.
    pub(crate) poll: Duration,
    pub(crate) paused: bool,
    /// What has been sent.
    pub(crate) position: Option<Position>,
    /// It was this process that sent it: the ledger is, or will be, at exactly that.
    pub(crate) exact: bool,
    /// Pulls that failed in a row.
    pub(crate) failures: u32,
}

impl Garden {
    pub(crate) fn partition(&self) -> String {
        place::partition(&self.plot.place)
    }

    /// Follows the upstream until told to leave.
    pub(crate) async fn tend(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        ready: mpsc::UnboundedSender<()>,
        leave: CancellationToken,
    ) -> Result<Self, SourceError> {
        self.show(None);
        let mut due = Some(Instant::now());
        let mut ready = Some(ready);
        loop {
            tokio::select! {
                biased;
                () = leave.cancelled() => return Ok(self),
                Some(order) = orders.recv() => match order {
                    Order::Pull(done) => {
                        let (pulled, delivered) = self.pull().await?;
                        due = self.next_poll();
                        let news = delivered.sealed.is_some();
                        self.answer(pulled, delivered, done);
                        self.tidy(news).await;
                    }
                    Order::Retry(uri, done) => drop(done.send(self.retry(uri).await?)),
                    Order::Reset => {
                        self.reset().await?;
                        due = Some(Instant::now());
                    }
                    Order::Pause => self.paused = true,
                    Order::Resume => (self.paused, due) = (false, Some(Instant::now())),
                },
                () = until(due), if !self.paused => {
                    let (_, delivered) = self.pull().await?;
                    due = self.next_poll();
                    self.tidy(delivered.sealed.is_some()).await;
                }
            }
            self.show(None);
            if let Some(ready) = ready.take() {
                // Nobody to tell is nothing to worry about.
                let _ = ready.send(());
            }
        }
    }

    /// Looks at the upstream and sends what is new.
    async fn pull(&mut self) -> Result<(Pulled, Delivered), SourceError> {
        let looked = self.look().await;
        // What was fetched before is sent even if the upstream is away.
        let sent = self.send().await?;
        let (delivered, error) = match (looked, sent) {
            (Ok(()), Ok(delivered)) => (delivered, None),
            (Err(reason), Ok(delivered)) => (delivered, Some(reason)),
            (_, Err(reason)) => (Delivered::default(), Some(reason)),
        };
        self.failures = if error.is_some() { self.failures.saturating_add(1) } else { 0 };
        self.show(Some(error.clone()));
        Ok((Pulled { error, ..Pulled::default() }, delivered))
    }

    /// Brings the clone up to date.
    async fn look(&self) -> Result<(), String> {
        let permit = tokio::select! {
            permit = self.fetches.acquire() => permit,
            () = self.desk.stop.cancelled() => return Err("stopped".into()),
        };
        let _permit = permit.map_err(|error| error.to_string())?;
        let mirror = &self.plot.mirror;
        match mirror.ask().await.map_err(|error| error.to_string())? {
            Answer::NoSuchBranch => return Err("the branch is not there".into()),
            Answer::Empty => return Err("the repository is empty".into()),
            Answer::At(id) => {
                // A clone that can't be read is found out, and thrown away, when it is to be sent.
                if mirror.tip().is_ok_and(|tip| tip == Some(id)) {
                    return Ok(());
                }
            }
        }
        let bar = match self.position {
            None => self.progress.spinner(self.partition(), "cloning"),
            Some(_) => ProgressBar::hidden(),
        };
        let fetched = mirror.fetch().await;
        bar.finish_and_clear();
        fetched.map_err(|error| error.to_string())
    }

    /// Sends what is new of the clone; the inner error is trouble with the clone.
    async fn send(&mut self) -> Result<Result<Delivered, String>, SourceError> {
        let (plot, position, desk, exact) =
            (self.plot.clone(), self.position.clone(), Arc::clone(&self.desk), self.exact);
        let core = self.desk.core().await?;
        let work = blocking(move || plot.work(position.as_ref(), exact, &desk.revs)).await?;
        drop(core);
        let work = match work {
            Ok(Some(work)) => work,
            Ok(None) => return Ok(Ok(Delivered::default())),
            Err(Trouble::Known(error)) => return Err(error.into()),
            Err(trouble) => return Ok(Err(self.shake_off(trouble).await?)),
        };
        let bar = match self.position {
            None => self.progress.files(self.partition(), work.jobs.len() as u64),
            Some(_) => ProgressBar::hidden(),
        };
        let partition = self.partition();
        let (reader, position) = (Arc::new(work.reader), work.position);
        let delivered = self.desk.deliver(&partition, reader, work.jobs, Some(position.clone()), &bar).await;
        bar.finish_and_clear();
        let delivered = delivered?;
        (self.position, self.exact) = (Some(position), true);
        self.desk.status.partition(&partition, |status| status.files = work.files);
        Ok(Ok(delivered))
    }

    /// A damaged clone is made anew at the next pull.
    async fn shake_off(&self, trouble: Trouble) -> Result<String, SourceError> {
        let mut reason = trouble.to_string();
        if trouble.is_damage() {
            let mirror = self.plot.mirror.clone();
            if let Err(error) = blocking(move || mirror.remove()).await? {
                reason = format!("{reason}; and it can't be removed: {error}");
            }
        }
        Ok(reason)
    }

    async fn tidy(&self, news: bool) {
        if news && let Err(error) = self.plot.mirror.tidy().await {
            tracing::debug!(partition = %self.partition(), %error, "the clone can't be tidied");
        }
    }

    async fn retry(&self, uri: Uri) -> Result<Result<(), String>, SourceError> {
        let plot = self.plot.clone();
        let (reader, job) = match blocking(move || plot.again(&uri)).await? {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Err("the garden has no file of this name".into())),
            Err(Trouble::Known(error)) => return Err(error.into()),
            Err(trouble) => return Ok(Err(trouble.to_string())),
        };
        let (partition, bar) = (self.partition(), ProgressBar::hidden());
        let delivered = self.desk.deliver(&partition, Arc::new(reader), vec![job], None, &bar).await?;
        Ok(delivered.refusal.map_or(Ok(()), Err))
    }

    async fn reset(&mut self) -> Result<(), SourceError> {
        let mirror = self.plot.mirror.clone();
        if let Err(error) = blocking(move || mirror.remove()).await? {
            self.desk.status.error(format!("{}: the clone can't be removed: {error}", self.partition()));
        }
        (self.position, self.exact) = (None, false);
        Ok(())
    }

    /// Sends that all of it is gone, and throws the clone away.
    pub(crate) async fn retire(mut self) -> Result<Position, SourceError> {
        let (plot, partition) = (self.plot.clone(), self.partition());
        let all = blocking(move || plot.all()).await??;
        let removed = Position(REMOVED.to_owned());
        let (farewell, bar) = (Arc::new(Farewell), ProgressBar::hidden());
        self.desk.deliver(&partition, farewell, all, Some(removed.clone()), &bar).await?;
        self.reset().await?;
        self.desk.status.forget(&partition);
        Ok(removed)
    }

    fn answer(&self, pulled: Pulled, delivered: Delivered, done: oneshot::Sender<Outcome>) {
        let partition = self.partition();
        tokio::spawn(async move {
            let (counted, epoch, _) = delivered.settle(partition).await;
            drop(done.send((Pulled { error: pulled.error, ..counted }, epoch)));
        });
    }

    /// Tells the status; with what a pull came to, if there was one.
    fn show(&self, pulled: Option<Option<String>>) {
        let mut news = None;
        self.desk.status.partition(&self.partition(), |status| {
            status.position.clone_from(&self.position);
            if let Some(error) = pulled {
                match &error {
                    None => status.current_at = Some(Timestamp::now()),
                    // What goes on being wrong is said once.
                    Some(_) if status.error == error => {}
                    Some(error) => news = Some(format!("{}: {error}", self.partition())),
                }
                status.error = error;
            }
            status.state = match (&status.error, &status.current_at) {
                _ if self.paused => SourceState::Paused,
                (Some(_), _) => SourceState::Paused,
                (None, None) => SourceState::Indexing,
                (None, Some(_)) => SourceState::Live,
            };
        });
        if let Some(news) = news {
            self.desk.status.error(news);
        }
    }

    /// When to look again, if ever: later after each failure, and never all gardens at once.
    fn next_poll(&self) -> Option<Instant> {
        if self.poll.is_zero() {
            return None;
        }
        let slowed = self.poll.saturating_mul(1 << self.failures.min(6));
        let period = slowed.min(MAX_POLL.max(self.poll));
        let chance = RandomState::new().build_hasher().finish() % 1000;
        Some(Instant::now() + period.mul_f64(0.9 + chance as f64 / 5000.0))
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
