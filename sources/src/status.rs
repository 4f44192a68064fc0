//! What a source tells of itself: shared, cheap to update, read by the status page.

use parking_lot::Mutex;
use serde::Serialize;
use springline_model::{EventBody, Position, SourceId, Timestamp};
use std::collections::BTreeMap;

/// Where a source stands.
///
/// ```text
/// starting ──► indexing ──► live ⇄ paused
///     └───────────┴──────────┴──────┴────► failed
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Not looked at its upstream yet.
    #[default]
    Starting,
    /// Reading what it missed.
    Indexing,
    /// Following its upstream.
    Live,
    /// Not looking: the operator said so, or the upstream is away. It keeps what it has.
    Paused,
    /// Ended by an error.
    Failed,
}

/// The status of one source. All methods are cheap and safe to call from any thread.
#[derive(Debug)]
pub struct SourceStatus(Mutex<StatusSnapshot>);

/// A source at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusSnapshot {
    /// Its name.
    pub id: SourceId,
    /// Its type: `files`, `git`.
    pub kind: &'static str,
    /// Where it stands.
    pub state: SourceState,
    /// Why it is paused or failed.
    pub reason: Option<String>,
    /// The last thing that went wrong, and when; kept after it went right again.
    pub last_error: Option<(Timestamp, String)>,
    /// Events sent since the process started.
    pub events: u64,
    /// Bytes of text read since the process started.
    pub bytes: u64,
    /// Records put.
    pub puts: u64,
    /// Records deleted.
    pub deletes: u64,
    /// Pieces quarantined.
    pub quarantined: u64,
    /// Its partitions, by name.
    pub partitions: BTreeMap<String, PartitionStatus>,
}

/// One partition at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// Where it stands.
    pub state: SourceState,
    /// How far it has been sent.
    pub position: Option<Position>,
    /// Files that it holds, as far as the source counted them.
    pub files: u64,
    /// When it was last found to be, or made, equal to its upstream: now less this is the lag.
    pub current_at: Option<Timestamp>,
    /// For a stream: when what was taken last happened; now less this is how far it is behind.
    pub event_at: Option<Timestamp>,
    /// For a stream: messages that were received and are not yet sent on. (No host tells how many more it has: how far
    /// one is behind it only the time of the last event shows.)
    pub waiting: u64,
    /// What keeps it from following its upstream.
    pub error: Option<String>,
}

impl SourceStatus {
    /// Of a source that has not started.
    #[must_use]
    pub fn new(id: SourceId, kind: &'static str) -> Self {
        Self(Mutex::new(StatusSnapshot {
            id,
            kind,
            state: SourceState::Starting,
            reason: None,
            last_error: None,
            events: 0,
            bytes: 0,
            puts: 0,
            deletes: 0,
            quarantined: 0,
            partitions: BTreeMap::new(),
        }))
    }

    /// As it is now.
    #[must_use]
    pub fn snapshot(&self) -> StatusSnapshot {
        self.0.lock().clone()
    }

    /// Where it stands now.
    #[must_use]
    pub fn state(&self) -> SourceState {
        self.0.lock().state
    }

    /// Where the source stands now, and why if that needs a reason.
    pub fn set(&self, state: SourceState, reason: Option<String>) {
        let mut status = self.0.lock();
        if status.state != state || status.reason != reason {
            tracing::info!(source = %status.id, ?state, reason = reason.as_deref(), "source state");
        }
        if status.state != state {
            let is_up = !matches!(state, SourceState::Paused | SourceState::Failed);
            metrics::gauge!("springline_source_up", "source" => status.id.to_string())
                .set(f64::from(u8::from(is_up)));
        }
        status.state = state;
        if let Some(reason) = &reason {
            status.last_error = Some((Timestamp::now(), reason.clone()));
        }
        status.reason = reason;
    }

    /// Something went wrong that does not change where the source stands.
    pub fn error(&self, message: impl Into<String>) {
        let message = message.into();
        let mut status = self.0.lock();
        tracing::warn!(source = %status.id, error = %message, "source trouble");
        status.last_error = Some((Timestamp::now(), message));
    }

    /// Counts what a batch holds.
    pub(crate) fn sent(&self, sent: Sent) {
        let mut status = self.0.lock();
        status.events += sent.events;
        status.bytes += sent.bytes;
        status.puts += sent.puts;
        status.deletes += sent.deletes;
        status.quarantined += sent.quarantined;
        let labels = [("source", status.id.to_string())];
        metrics::counter!("springline_source_events_total", &labels).increment(sent.events);
        metrics::counter!("springline_source_read_bytes_total", &labels).increment(sent.bytes);
        metrics::counter!("springline_source_quarantined_total", &labels).increment(sent.quarantined);
    }

    /// Changes what is said of a partition.
    pub fn partition(&self, name: &str, change: impl FnOnce(&mut PartitionStatus)) {
        let mut status = self.0.lock();
        if !status.partitions.contains_key(name) {
            status.partitions.insert(name.to_owned(), PartitionStatus::default());
        }
        if let Some(partition) = status.partitions.get_mut(name) {
            change(partition);
        }
    }

    /// Forgets a partition.
    pub(crate) fn forget(&self, name: &str) {
        self.0.lock().partitions.remove(name);
    }
}

/// What a batch held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) puts: u64,
    pub(crate) deletes: u64,
    pub(crate) quarantined: u64,
}

impl Sent {
    /// Counts an event.
    pub(crate) const fn count(&mut self, body: &EventBody) {
        self.events += 1;
        match body {
            EventBody::Put { .. } | EventBody::Fetched { .. } => self.puts += 1,
            EventBody::Delete { .. } | EventBody::Missing { .. } => self.deletes += 1,
            EventBody::Quarantine(_) => self.quarantined += 1,
            _ => {}
        }
    }
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, more: Self) {
        self.events += more.events;
        self.bytes += more.bytes;
        self.puts += more.puts;
        self.deletes += more.deletes;
        self.quarantined += more.quarantined;
    }
}
