//! The life of a source that follows a stream.
//!
//! One host is followed until it fails; then the next one is tried, each from its own position. A host that failed is
//! left alone for a while that doubles, or for as long as it asks. One that sends what is too long to be read is asked
//! for what is behind that (see `skip`).

use super::{
    SocketConfig,
    intake::{Decoding, Intake},
    skip::Skip,
    socket::{self, Ended, Heard, Message, Room, Target},
};
use crate::{Command, PullReport, SourceContext, SourceError, SourceState};
use springline_model::{Partition, SourceId};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// Messages that may wait to be decoded.
const QUEUED: usize = 4096;
/// How often it is told how many wait.
const LOOK: Duration = Duration::from_secs(1);

/// What a stream's source knows of its upstream.
pub(super) trait Upstream: Send + Sync + 'static {
    /// What a host is asked for, from behind a position on.
    fn target(&self, host: &str, cursor: Option<u64>) -> Target;

    /// Makes ready to read what a host sends.
    ///
    /// # Errors
    /// The host does not give what is needed.
    fn prepare(&self, _host: &str) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }

    /// Reads messages.
    fn decode(self: &Arc<Self>, host: &str, messages: Vec<Message>) -> Decoding;

    /// Whether numbers must rise from message to message.
    fn is_strict(&self) -> bool {
        true
    }

    /// How far numbers lie apart, at least: by how much one goes on to pass over a message.
    fn stride(&self) -> u64 {
        1
    }
}

/// What a source is made of.
pub(super) struct Follow<U> {
    pub(super) id: SourceId,
    pub(super) hosts: Vec<String>,
    pub(super) socket: SocketConfig,
    pub(super) upstream: Arc<U>,
}

/// What an operator wants.
enum Wish {
    Pause,
    Resume,
    Reset,
}

impl<U: Upstream> Follow<U> {
    /// Follows until told to stop.
    pub(super) async fn run(self, context: SourceContext) -> Result<(), SourceError> {
        let SourceContext { out, known, mut commands, stop, status, .. } = context;
        let mut cursors: BTreeMap<String, u64> = BTreeMap::new();
        for host in &self.hosts {
            let partition = Partition { source: self.id.clone(), name: host.clone() };
            let position = known.position(&partition);
            let cursor = position.as_ref().and_then(|position| position.0.parse().ok());
            cursors.extend(cursor.map(|cursor| (host.clone(), cursor)));
            status.partition(host, |partition| {
                partition.state = SourceState::Paused;
                partition.position = position;
            });
        }
        let mut rested: BTreeMap<String, (Instant, Duration)> = BTreeMap::new();
        let mut skips: BTreeMap<String, Skip> = BTreeMap::new();
        let mut paused = false;
        loop {
            if stop.is_cancelled() {
                return Ok(());
            }
            let host = if paused { None } else { self.next_host(&rested) };
            let Some(host) = host else {
                // Nobody to follow, for now or until told so.
                let wake = rested.values().map(|(until, _)| *until).min().filter(|_| !paused);
                let wake = wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep_until(wake) => {}
                    Some(command) = commands.recv() => match answer(command) {
                        Some(Wish::Pause) => paused = true,
                        Some(Wish::Resume) => { paused = false; rested.clear(); }
                        Some(Wish::Reset) => { self.reset(&mut cursors); rested.clear(); skips.clear(); }
                        None => {}
                    },
                }
                if paused {
                    status.set(SourceState::Paused, Some("paused by the operator".into()));
                }
                continue;
            };

            let cut = stop.child_token();
            let (to, messages) = mpsc::channel(QUEUED);
            let room = Room::of(self.socket.queued_bytes);
            let left_at = cursors.get(&host).copied();
            let mut cursor = left_at;
            let skip = skips.remove(&host);
            let intake = Intake {
                source: &self.id,
                host: &host,
                out: &out,
                status: &status,
                stop: &stop,
                strict: self.upstream.is_strict(),
                passed: skip.map(|skip| skip.bytes),
            };
            let started = Instant::now();
            let (mut ended, mut taken, mut reset) = (None, None, false);
            {
                let place = skip.map(|skip| skip.place()).or(cursor);
                let connection = self.connect(&host, place, to, &room, &cut, &status);
                let upstream = &self.upstream;
                let reading = intake.run(messages, |heard| upstream.decode(&host, heard), &mut cursor);
                tokio::pin!(connection, reading);
                let mut look = tokio::time::interval(LOOK);
                look.set_missed_tick_behavior(MissedTickBehavior::Delay);
                // Both end: what was heard before the connection ended is still read.
                while ended.is_none() || taken.is_none() {
                    tokio::select! {
                        reason = &mut connection, if ended.is_none() => ended = Some(reason),
                        result = &mut reading, if taken.is_none() => {
                            cut.cancel();
                            taken = Some(result);
                        }
                        _ = look.tick() => self.tell_waiting(&host, room.waiting(), &status),
                        Some(command) = commands.recv() => {
                            match answer(command) {
                                Some(Wish::Pause) => paused = true,
                                Some(Wish::Resume) => paused = false,
                                Some(Wish::Reset) => reset = true,
                                None => {}
                            }
                            if paused || reset {
                                cut.cancel();
                            }
                        }
                    }
                }
            }
            self.tell_waiting(&host, 0, &status);
            cursors.extend(cursor.map(|cursor| (host.clone(), cursor)));
            if stop.is_cancelled() {
                return Ok(());
            }
            let fault = taken.transpose()?.flatten();
            // Not if something before it ended the connection: then it may not be the next.
            let too_long = ended.as_ref().filter(|_| fault.is_none()).and_then(Ended::too_long);
            let moved = cursor != left_at;
            let skip = match ended {
                Some(Ended::Stopped) => skip.filter(|_| !moved),
                _ => Skip::after(skip, moved, too_long, cursor, self.upstream.stride()),
            };
            skips.extend(skip.map(|skip| (host.clone(), skip)));
            if too_long.is_some() {
                metrics::counter!("springline_source_faults_total", "source" => self.id.to_string(), "fault" => "message_too_long")
                    .increment(1);
            }
            status.partition(&host, |partition| partition.state = SourceState::Paused);
            if reset {
                self.reset(&mut cursors);
                skips.clear();
            }
            if paused {
                status.set(SourceState::Paused, Some("paused by the operator".into()));
            }
            if paused || reset {
                continue;
            }
            let fault = fault.map(|fault| (fault, None)).or_else(|| ended.and_then(Ended::fault));
            let Some((reason, retry_after)) = fault else { continue };
            metrics::counter!("springline_source_disconnects_total", "source" => self.id.to_string())
                .increment(1);
            status.partition(&host, |partition| partition.error = Some(reason.clone()));
            status.set(SourceState::Paused, Some(format!("{host}: {reason}")));
            // One that stood for a while starts with a short wait again.
            let (shortest, longest) = (
                Duration::from_secs(self.socket.backoff_secs.0),
                Duration::from_secs(self.socket.backoff_secs.1),
            );
            let last = rested.get(&host).map(|(_, wait)| *wait).filter(|_| started.elapsed() < longest);
            let wait = last.map_or(shortest, |last| (last * 2).min(longest));
            let until = Instant::now() + retry_after.unwrap_or(jittered(wait)).min(Duration::from_secs(3600));
            rested.insert(host, (until, wait));
        }
    }

    /// Tells how many messages were heard and are not yet sent on.
    fn tell_waiting(&self, host: &str, waiting: u64, status: &crate::SourceStatus) {
        status.partition(host, |partition| partition.waiting = waiting);
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("springline_source_lag_events", "source" => self.id.to_string(), "partition" => host.to_owned())
            .set(waiting as f64);
    }

    /// Every host is asked for the oldest that it has.
    fn reset(&self, cursors: &mut BTreeMap<String, u64>) {
        *cursors = self.hosts.iter().map(|host| (host.clone(), 0)).collect();
    }

    /// The first host that is not to be left alone.
    fn next_host(&self, rested: &BTreeMap<String, (Instant, Duration)>) -> Option<String> {
        let now = Instant::now();
        self.hosts.iter().find(|host| rested.get(*host).is_none_or(|(until, _)| *until <= now)).cloned()
    }

    async fn connect(
        &self,
        host: &str,
        cursor: Option<u64>,
        to: mpsc::Sender<Heard>,
        room: &Room,
        stop: &CancellationToken,
        status: &crate::SourceStatus,
    ) -> Ended {
        let prepared = tokio::select! {
            () = stop.cancelled() => return Ended::Stopped,
            prepared = self.upstream.prepare(host) => prepared,
        };
        if let Err(reason) = prepared {
            return Ended::Failed { reason, retry_after: None };
        }
        let target = self.upstream.target(host, cursor);
        socket::listen(&target, &self.socket, &to, room, stop, || {
            status.partition(host, |partition| {
                partition.state = SourceState::Live;
                partition.error = None;
            });
            status.set(SourceState::Live, None);
        })
        .await
    }
}

/// Not all at once, when many were cut off together.
fn jittered(wait: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let part = RandomState::new().hash_one(Instant::now()) % 256;
    wait / 2 + wait * u32::try_from(part).unwrap_or(128) / 512
}

fn answer(command: Command) -> Option<Wish> {
    match command {
        Command::Pull { done, .. } => {
            let _ = done.send(Ok(PullReport::default())); // it is always being read
            None
        }
        command @ (Command::Retry { .. } | Command::Fetch { .. }) => {
            command.refuse(
                "a stream can't be read again piece by piece: have a `backfill` source fetch the repository",
            );
            None
        }
        Command::Pause => Some(Wish::Pause),
        Command::Resume => Some(Wish::Resume),
        Command::Reset => Some(Wish::Reset),
    }
}
