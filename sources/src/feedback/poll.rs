//! What the sources that look at an upstream share: rounds, requests that are tried again, and telling what is news.
//!
//! ```text
//!  every so often, or when told to ─► round ─► Api::send (patient) ─► pages ─► Desk::tell ─► outbox ─► … ─► shown
//!                                                                                │ what is here is asked first
//! ```
//!
//! Invariants: only news is sent, so that looking again and again costs the journal nothing; what was sent is waited for
//! until the ledger shows it, so that nothing is news twice; a position is sent behind all that it covers.

use super::{Here, Projects, Reading, Teller, Verdict, judge};
use crate::{
    BATCH_EVENTS, Batch, Command, Known, Outbox, PullReport, Pulled, SourceContext, SourceError, SourceState,
    SourceStatus,
    atproto::identity::{Ask, Caps, FetchError, GuardedClient, HttpConfig},
    delivery::{Revs, blocking},
    status::Sent,
};
use async_trait::async_trait;
use reqwest::header::HeaderMap;
use springline_model::{
    Epoch, Event, EventBody, ItemName, Partition, Position, Quarantined, SourceId, Timestamp, Uri,
    event::QUARANTINE_SAMPLE_BYTES,
};
use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

/// Further tries of a request that failed for a reason that may pass.
const RETRIES: u32 = 2;
/// The wait before the first of them; doubled for the next, and up to as much again by chance.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// Nobody is waited for longer than this at a time, whatever they ask for.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// How often it is looked whether the ledger shows what was sent.
const SHOWN_EVERY: Duration = Duration::from_millis(5);

/// A source that looks at its upstream every so often.
#[async_trait]
pub(crate) trait Poller: Send {
    /// How long after a round the next one begins.
    fn every(&self) -> Duration;

    /// Looks at the upstream once; at one partition only, if one is named. Trouble with the upstream is told in the
    /// status and in the report.
    async fn round(&mut self, desk: &Desk, only: Option<&str>) -> Result<PullReport, SourceError>;

    /// From now on as if nothing had been read.
    fn reset(&mut self);
}

/// Runs a poller until it is told to stop.
pub(crate) async fn run(
    mut poller: impl Poller,
    id: SourceId,
    context: SourceContext,
) -> Result<(), SourceError> {
    let mut commands = context.commands;
    let desk = Desk {
        id,
        out: context.out,
        known: context.known,
        projects: context.projects,
        status: context.status,
        stop: context.stop,
        revs: Revs::default(),
    };
    desk.status.set(SourceState::Indexing, None);
    let mut next = Instant::now();
    let mut paused = false;
    let ended = loop {
        tokio::select! {
            biased;
            () = desk.stop.cancelled() => break Ok(()),
            Some(command) = commands.recv() => match command {
                Command::Pull { partition, done } => match poller.round(&desk, partition.as_deref()).await {
                    // Who does not wait any more is not told.
                    Ok(report) => drop(done.send(Ok(report))),
                    Err(error) => break Err(error),
                },
                Command::Pause => {
                    paused = true;
                    desk.status.set(SourceState::Paused, Some("paused by the operator".into()));
                }
                Command::Resume => {
                    (paused, next) = (false, Instant::now());
                    desk.status.set(SourceState::Live, None);
                }
                Command::Reset => {
                    poller.reset();
                    next = Instant::now();
                }
                command => command.refuse("this source can't do that"),
            },
            () = tokio::time::sleep_until(next), if !paused => {
                if let Err(error) = poller.round(&desk, None).await {
                    break Err(error);
                }
                desk.status.set(SourceState::Live, None);
                next = Instant::now() + poller.every();
            }
        }
    };
    match ended {
        Err(SourceError::Closed) if desk.stop.is_cancelled() => Ok(()),
        ended => ended,
    }
}

/// What was heard of an item.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A reading.
    Said(Reading),
    /// Something that can't be read.
    Bad {
        /// What it would have been called.
        uri: Uri,
        /// Where it was.
        origin: String,
        /// Why it can't be read.
        reason: String,
        /// The beginning of it.
        sample: Vec<u8>,
    },
}

/// The way from what was heard to the outbox.
pub(crate) struct Desk {
    pub(crate) id: SourceId,
    pub(crate) known: Arc<dyn Known>,
    pub(crate) projects: Arc<Projects>,
    pub(crate) status: Arc<SourceStatus>,
    pub(crate) stop: CancellationToken,
    out: Outbox,
    revs: Revs,
}

impl Desk {
    /// How far a partition is.
    pub(crate) fn position(&self, partition: &str) -> Option<String> {
        let partition = Partition { source: self.id.clone(), name: partition.to_owned() };
        self.known.position(&partition).map(|position| position.0)
    }

    /// Sends what is news of what was heard, and waits until the ledger shows it. What it came to is added up.
    pub(crate) async fn tell(
        &self,
        partition: &str,
        heard: Vec<Heard>,
        pulled: &mut Pulled,
    ) -> Result<Option<Epoch>, SourceError> {
        let uris: Vec<Uri> = heard.iter().filter_map(uri).cloned().collect();
        let (known, asked) = (self.known.clone(), uris.clone());
        let items = blocking(move || known.items(&asked)).await??;
        let quarantined = self.quarantined(&heard).await?;
        let mut here = items.into_iter();
        let mut events = Vec::new();
        for heard in heard {
            let observed = Timestamp::now();
            let mut push = |body| events.push(Event { source: self.id.clone(), observed, body });
            let reading = match heard {
                Heard::Said(reading) => reading,
                Heard::Bad { uri, origin, reason, mut sample } => {
                    if !quarantined.contains(&uri) {
                        let bytes = sample.len() as u64;
                        sample.truncate(QUARANTINE_SAMPLE_BYTES);
                        let (source, at) = (self.id.clone(), observed);
                        let row = Quarantined { uri, source, origin, reason, at, bytes, sample };
                        push(EventBody::Quarantine(Box::new(row)));
                    }
                    continue;
                }
            };
            let Ok(uri) = reading.uri().cloned() else { continue };
            let Some(known) = here.next() else { continue };
            let rules = ItemName::parse(&uri).and_then(|name| self.projects.get(&name.project));
            let place = Here { record: known.record.as_deref(), was_deleted: known.was_deleted };
            self.revs.raise(known.rev);
            match judge(reading, place, rules, &Teller::Poller) {
                Verdict::Put(record) => {
                    push(EventBody::Put { rev: self.revs.next(observed), record: Arc::new(*record) });
                }
                Verdict::Delete => push(EventBody::Delete { rev: self.revs.next(observed), uri }),
                Verdict::Duplicate(_) | Verdict::Filtered(_) => {}
            }
        }
        let mut last = None;
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(BATCH_EVENTS));
            last = Some(self.send(partition, std::mem::replace(&mut events, rest), None, pulled).await?);
        }
        Ok(last)
    }

    /// Sends events that are news in any case, and how far the partition is now.
    pub(crate) async fn advance(
        &self,
        partition: &str,
        events: Vec<EventBody>,
        position: String,
    ) -> Result<(), SourceError> {
        let observed = Timestamp::now();
        let event = |body| Event { source: self.id.clone(), observed, body };
        let events = events.into_iter().map(event).collect();
        self.send(partition, events, Some(Position(position)), &mut Pulled::default()).await.map(drop)
    }

    /// Which of what can't be read is in quarantine already.
    async fn quarantined(&self, heard: &[Heard]) -> Result<Vec<Uri>, SourceError> {
        let bad = heard.iter().find_map(|heard| match heard {
            Heard::Bad { uri, .. } => Some(uri.authority().to_owned()),
            Heard::Said(_) => None,
        });
        let Some(authority) = bad else { return Ok(Vec::new()) };
        let known = self.known.clone();
        Ok(blocking(move || known.quarantined(&authority)).await??)
    }

    async fn send(
        &self,
        partition: &str,
        events: Vec<Event>,
        position: Option<Position>,
        pulled: &mut Pulled,
    ) -> Result<Epoch, SourceError> {
        let mut sent = Sent::default();
        events.iter().for_each(|event| sent.count(&event.body));
        let partition = Partition { source: self.id.clone(), name: partition.to_owned() };
        let (sealed, done) = oneshot::channel();
        let batch = Batch { partition, events, position, sealed: Some(sealed) };
        let stopped = || async {
            self.stop.cancelled().await;
            SourceError::Closed
        };
        tokio::select! {
            biased;
            sent = self.out.send(batch) => sent?,
            error = stopped() => return Err(error),
        }
        let epoch = tokio::select! {
            biased;
            epoch = done => epoch.map_err(|_| SourceError::Closed)?,
            error = stopped() => return Err(error),
        };
        self.status.sent(sent);
        pulled.puts += sent.puts;
        pulled.deletes += sent.deletes;
        pulled.quarantined += sent.quarantined;
        while !self.known.shows(epoch) {
            tokio::select! {
                () = tokio::time::sleep(SHOWN_EVERY) => {}
                error = stopped() => return Err(error),
            }
        }
        Ok(epoch)
    }
}

const fn uri(heard: &Heard) -> Option<&Uri> {
    match heard {
        Heard::Said(Reading::Item(item)) => Some(&item.record.uri),
        Heard::Said(Reading::Gone(uri)) => Some(uri),
        Heard::Said(Reading::Passed(_)) | Heard::Bad { .. } => None,
    }
}

/// Why an upstream gave nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// What is asked for is not there, or not for us; waiting a little does not help.
    Gone(String),
    /// Another time, perhaps.
    Later(String),
    /// The process stops.
    Stopped,
}

impl From<FetchError> for Trouble {
    fn from(error: FetchError) -> Self {
        Self::Later(error.to_string())
    }
}

/// Why a walk ended early.
pub(crate) enum Ended {
    Trouble(Trouble),
    Source(SourceError),
}

impl From<Trouble> for Ended {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<SourceError> for Ended {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A header, as a number that makes sense.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let number: f64 = self.header(name)?.trim().parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number)
    }
}

/// HTTP to an API that the operator chose.
pub(crate) struct Api {
    http: GuardedClient,
    caps: Caps,
    stop: CancellationToken,
}

impl Api {
    pub(crate) fn new(caps: Caps, stop: CancellationToken) -> Result<Self, SourceError> {
        Ok(Self { http: GuardedClient::new(&HttpConfig::default())?, caps, stop })
    }

    /// Asks, and again if it fails for a reason that may pass. An answer of any other status comes back.
    pub(crate) async fn send(&self, ask: &Ask) -> Result<Answer, Trouble> {
        let mut tries = 0;
        loop {
            let asked = tokio::select! {
                () = self.stop.cancelled() => return Err(Trouble::Stopped),
                asked = self.once(ask.clone()) => asked,
            };
            let (failed, wait) = match asked {
                Ok(answer) if !is_passing(answer.status) => return Ok(answer),
                Ok(answer) => {
                    let asked = crate::atproto::identity::retry_after(&answer.headers);
                    (Trouble::Later(format!("it answers with status {}", answer.status)), asked)
                }
                Err(error) if error.is_transient() => {
                    let wait = error.retry_after();
                    (error.into(), wait)
                }
                Err(error) => return Err(error.into()),
            };
            if tries == RETRIES {
                return Err(failed);
            }
            let usual = RETRY_WAIT * 2_u32.pow(tries);
            self.pause(wait.unwrap_or(usual + chance(usual))).await?;
            tries += 1;
        }
    }

    async fn once(&self, ask: Ask) -> Result<Answer, FetchError> {
        let response = self.http.ask(ask, self.caps).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await? })
    }

    /// Waits, unless the process stops.
    pub(crate) async fn pause(&self, wait: Duration) -> Result<(), Trouble> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Trouble::Stopped),
            () = tokio::time::sleep(wait.min(LONGEST_WAIT)) => Ok(()),
        }
    }
}

/// Whether a status tells of trouble that passes by itself.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 500 | 502 | 503 | 504 | 520 | 522)
}

/// Up to so long, by chance: so that those who were refused together do not come again together.
fn chance(most: Duration) -> Duration {
    let part = RandomState::new().hash_one(Instant::now()) % 1000;
    most * u32::try_from(part).unwrap_or(0) / 1000
}
