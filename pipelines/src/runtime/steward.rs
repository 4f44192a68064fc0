//! What time does by itself: labels expire, leases of jobs run out, records grow too old to be kept.
//!
//! ```text
//!  expiries (the soonest first) ─ due? ─► Label { expired }  ─┐
//!  job_queue (the soonest first) ─ due? ─► Job { Lapse }     ─┤
//!  records (page by page, slowly) ─ older than kept? ─► Delete ┴─► sealer ─► journal, like all that happens
//! ```
//!
//! Time is data: that it has passed is an event in the journal, so a replay gives the same views whenever it runs.
//! Retention looks at records by the times they have themselves, and leaves gardens alone: those are their owners'.

use super::teller::Teller;
use crate::config::RetentionConfig;
use springline_model::{
    EventBody, JobEvent, Label, Rev, Row, Timestamp,
    job::{Act, JobDeed},
    record::is_kind,
    rows::{ExpiryRow, JobQueueRow, RecordRow},
};
use springline_sinks::{
    Scan,
    views::{ReadError, Reader},
};
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
    /// Tells what happens.
    pub(super) teller: Teller,
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
                _ = clock.tick() => if !(self.expire().await && self.lapse().await) { return },
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
        self.teller.apply("expiry", events.collect()).await
    }

    /// Tells that runners have not been heard of for the time that they had a job for.
    async fn lapse(&self) -> bool {
        let reader = self.reader.clone();
        let scan = Scan { prefix: JobQueueRow::prefix(true), limit: PAGE, ..Scan::default() };
        let due = read(move || reader.read(|snapshot| snapshot.scan::<JobQueueRow>(&scan))).await;
        let now = Timestamp::now();
        let due = due.into_iter().take_while(|row| row.at <= now);
        let events = due.map(|row| {
            let deed = JobDeed::Job(row.job, Act::Lapse { attempt: row.attempt, until: row.at });
            EventBody::Job(Box::new(JobEvent { cluster: row.cluster, at: now, deed }))
        });
        self.teller.apply("leases", events.collect()).await
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
            if !self.teller.apply("retention", events).await {
                return;
            }
            tokio::time::sleep(if after.is_some() { PACE.0 } else { PACE.1 }).await;
        }
    }

    fn is_kept(&self, kind: &str) -> bool {
        self.retention.keep.iter().any(|kept| is_kind(kept, kind))
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
