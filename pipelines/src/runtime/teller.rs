//! How the process tells its own dataflow what it has done: as events in the journal, like any source.

use springline_model::{Epoch, Event, EventBody, Partition, SourceId, Timestamp};
use springline_sinks::views::Reader;
use springline_sources::{Batch, Outbox};
use tokio_util::sync::CancellationToken;

/// Tells.
#[derive(Clone)]
pub(crate) struct Teller {
    /// As whom.
    source: SourceId,
    out: Outbox,
    reader: Reader,
    stop: CancellationToken,
}

impl Teller {
    /// In somebody's name, until `stop`.
    pub(crate) fn new(source: &str, out: Outbox, reader: Reader, stop: CancellationToken) -> Self {
        Self { source: SourceId::new(source), out, reader, stop }
    }

    /// Tells; the epoch, once that is durable. `None` when nobody takes events any more.
    pub(crate) async fn tell(&self, name: &str, bodies: Vec<EventBody>) -> Option<Epoch> {
        let observed = Timestamp::now();
        let event = |body| Event { source: self.source.clone(), observed, body };
        let events = bodies.into_iter().map(event).collect();
        let partition = Partition { source: self.source.clone(), name: name.to_owned() };
        let (sealed, done) = tokio::sync::oneshot::channel();
        let batch = Batch { partition, events, position: None, sealed: Some(sealed) };
        let sent = tokio::select! {
            () = self.stop.cancelled() => return None,
            sent = self.out.send(batch) => sent,
        };
        sent.ok()?;
        done.await.ok()
    }

    /// Tells, and waits until the views show it: whoever reads from them what there is to tell must not tell it twice.
    /// False when nobody takes events any more.
    pub(crate) async fn apply(&self, name: &str, bodies: Vec<EventBody>) -> bool {
        if bodies.is_empty() {
            return true;
        }
        let Some(epoch) = self.tell(name, bodies).await else { return false };
        let mut applied = self.reader.watch();
        tokio::select! {
            () = self.stop.cancelled() => false,
            reached = applied.wait_for(|applied| *applied >= epoch) => reached.is_ok(),
        }
    }
}
