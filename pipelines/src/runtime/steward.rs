//! What time does by itself: labels expire, records grow too old to be kept.
//!
//! ```text
//!  expiries (the soonest first) ─ due? ─► Label { expired }  ─┐
//!  records (page by page, slowly) ─ older than kept? ─► Delete ┴─► sealer ─► journal, like all that happens
//! ```
//!
//! Time is data: that it has passed is an event in the journal, so a replay gives the same views whenever it runs.
//! Retention looks at records by the times they have themselves, and leaves gardens alone: those are their owners'.

use crate::config::RetentionConfig;
use springline_model::{
    Event, EventBody, Label, Partition, Rev, Row, SourceId, Timestamp,
    record::is_kind,
    rows::{ExpiryRow, RecordRow},
};
use springline_sinks::{
    Scan,
    views::{ReadError, Reader},
};
use springline_sources::{Batch, Outbox};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often expiries are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Expiries, and records, that are looked at at a time.
const PAGE: usize = 256;
/// How long after a page of records the next one is looked at, and after all of them the first.
const PACE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(600));

/// Keeps time.
pub(super) struct Steward {
    /// Where events go.
    pub(super) out: Outbox,
    /// What there is.
    pub(super) reader: Reader,
    /// How long records are kept.
    pub(super) retention: RetentionConfig,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

impl Steward {
    /// Runs until stopped.
    pub(super) async fn run(self) {
        let retention = self.retention();
        tokio::pin!(retention);
        let mut clock = tokio::time::interval(EVERY);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = &mut retention => return,
                _ = clock.tick() => if !self.expire().await { return },
            }
        }
    }

    /// Tells that labels' times are up. False when nobody takes events any more.
    async fn expire(&self) -> bool {
        let reader = self.reader.clone();
        let scan = Scan { limit: PAGE, ..Scan::default() };
        let due = read(move || reader.read(|snapshot| snapshot.scan::<ExpiryRow>(&scan))).await;
        let now = Timestamp::now();
        let due = due.into_iter().take_while(|row| row.at <= now);
        let events = due.map(|row| {
            let label = Label { expired: true, ..row.label };
            EventBody::Label { authority: label.authority(), label: Box::new(label), issued: None }
        });
        self.send("expiry", events.collect()).await
    }

    /// Removes what is too old, for ever. Never ends while anything is to be kept for a time only.
    async fn retention(&self) {
        if self.retention.days == 0 {
            return std::future::pending().await;
        }
        let age = i64::from(self.retention.days) * 86_400_000;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let reader = self.reader.clone();
            // All records of repositories lie behind this.
            let scan = Scan { prefix: b"at://".to_vec(), after: after.clone(), reverse: false, limit: PAGE };
            let rows = read(move || reader.read(|snapshot| snapshot.scan::<RecordRow>(&scan))).await;
            after = (rows.len() == PAGE).then(|| rows.last().map(Row::key_bytes)).flatten();
            let oldest = Timestamp::now().0.saturating_sub(age);
            let old = rows.iter().filter(|row| row.record.at.0 < oldest && !self.is_kept(&row.record.kind));
            let events: Vec<EventBody> = old
                .map(|row| EventBody::Forget { rev: Rev(row.rev.0), uri: row.record.uri.clone() })
                .collect();
            metrics::counter!("springline_retention_removed_total").increment(events.len() as u64);
            if !self.send("retention", events).await {
                return;
            }
            tokio::time::sleep(if after.is_some() { PACE.0 } else { PACE.1 }).await;
        }
    }

    fn is_kept(&self, kind: &str) -> bool {
        self.retention.keep.iter().any(|kept| is_kind(kept, kind))
    }

    async fn send(&self, name: &str, bodies: Vec<EventBody>) -> bool {
        if bodies.is_empty() {
            return true;
        }
        let (source, observed) = (SourceId::new("steward"), Timestamp::now());
        let event = |body| Event { source: source.clone(), observed, body };
        let events = bodies.into_iter().map(event).collect();
        let partition = Partition { source: source.clone(), name: name.to_owned() };
        let (sealed, done) = tokio::sync::oneshot::channel();
        let batch = Batch { partition, events, position: None, sealed: Some(sealed) };
        let sent = tokio::select! {
            () = self.stop.cancelled() => return false,
            sent = self.out.send(batch) => sent,
        };
        // What is due is read from the store again: it must not be told twice before the store has it.
        if sent.is_err() {
            return false;
        }
        let Ok(epoch) = done.await else { return false };
        let mut applied = self.reader.watch();
        tokio::select! {
            () = self.stop.cancelled() => false,
            reached = applied.wait_for(|applied| *applied >= epoch) => reached.is_ok(),
        }
    }
}

/// Reads off the async threads; a store that can't be read is everybody's trouble, and told elsewhere.
async fn read<R: Send + 'static>(
    work: impl FnOnce() -> Result<Vec<R>, ReadError> + Send + 'static,
) -> Vec<R> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(rows)) => rows,
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the store can't be read");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}
