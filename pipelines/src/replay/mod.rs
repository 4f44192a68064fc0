//! What was kept, read again as a source: epochs of another journal, a log in Kafka, exported records, lines of events.
//!
//! ```text
//!  PATH…, URL ─► inputs ─► [range] ─► pieces (offset, time, events) ─► Outbox ─► sealer
//!                journal: an epoch is a piece     log: some messages           (or `count`: a dry run,
//!                records: a row                   lines: a line                 or LinesWriter: into a file)
//! ```
//!
//! An input is a partition; its position is the offset of the last piece that was sent, so that a replay that was
//! broken off goes on where it was. Events keep the source that told them. A journal or a log that is read from its
//! beginning also hands on how far its sources were, so that they go on there; a range of it does not.
//!
//! What was recorded of the network is read by the source `replay` of `springline-sources`.

mod count;
mod input;
mod lines;
mod topic;

pub use count::{Counts, drain};
pub use input::{Input, Piece};
pub use lines::{Lines, LinesWriter};
pub use topic::LogPositions;

use async_trait::async_trait;
use springline_model::{Advance, Event, EventBody, Partition, Position, SourceId};
use springline_sources::{
    BATCH_BYTES, BATCH_EVENTS, Batch, Range, Source, SourceContext, SourceError, SourceState,
};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The name that it goes by.
pub const SOURCE: &str = "history";

/// How often a long replay says where it is.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What to read, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Read one after the other.
    pub inputs: Vec<Input>,
    /// Of each.
    pub range: Range,
}

/// Reads it.
#[derive(Debug)]
pub struct HistorySource {
    id: SourceId,
    history: History,
}

impl HistorySource {
    /// Of what to read.
    #[must_use]
    pub fn new(history: History) -> Self {
        Self { id: SourceId::new(SOURCE), history }
    }
}

#[async_trait]
impl Source for HistorySource {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, mut context: SourceContext) -> Result<(), SourceError> {
        context.status.set(SourceState::Indexing, None);
        for input in &self.history.inputs {
            match self.input(input, &context).await {
                Err(SourceError::Closed) if context.stop.is_cancelled() => return Ok(()),
                done => done?,
            }
        }
        if context.stop.is_cancelled() {
            return Ok(());
        }
        context.status.set(SourceState::Live, None);
        loop {
            tokio::select! {
                () = context.stop.cancelled() => return Ok(()),
                Some(command) = context.commands.recv() => command.read_once(),
            }
        }
    }
}

impl HistorySource {
    async fn input(&self, input: &Input, context: &SourceContext) -> Result<(), SourceError> {
        let name = input.name();
        let partition = Partition { source: self.id.clone(), name: name.clone() };
        let done = context.known.position(&partition).and_then(|position| position.0.parse::<u64>().ok());
        context.status.partition(&name, |partition| partition.state = SourceState::Indexing);
        let (to, mut pieces) = tokio::sync::mpsc::channel::<Piece>(64);
        let (input, range, stop) = (input.clone(), self.history.range, context.stop.clone());
        let (counted, total) = oneshot::channel();
        let reading = tokio::task::spawn_blocking(move || {
            let opened = input.open(range, done)?;
            let _ = counted.send(opened.total);
            for piece in opened.pieces {
                let piece = piece?;
                if done.is_some_and(|done| piece.offset <= done) {
                    continue;
                }
                if stop.is_cancelled() || to.blocking_send(piece).is_err() {
                    break;
                }
            }
            Ok::<_, SourceError>(())
        });
        let mut sender = Sender {
            partition,
            context,
            // Positions of the sources are true only of a history without a hole before them.
            carries: range.is_from_the_beginning(),
            events: Vec::new(),
            bytes: 0,
            at: done.unwrap_or(0),
            progress: Progress::new(&name, total.await.ok().flatten(), context),
        };
        while let Some(piece) = pieces.recv().await {
            sender.take(piece).await?;
        }
        reading.await.map_err(|error| SourceError::Task(error.to_string()))??;
        sender.flush().await?;
        context.status.partition(&name, |partition| partition.state = SourceState::Live);
        Ok(())
    }
}

/// Joins pieces to batches.
struct Sender<'a> {
    partition: Partition,
    context: &'a SourceContext,
    carries: bool,
    events: Vec<Event>,
    bytes: usize,
    /// The offset of the last piece that was taken whole.
    at: u64,
    progress: Progress,
}

impl Sender<'_> {
    async fn take(&mut self, piece: Piece) -> Result<(), SourceError> {
        self.progress.add(piece.offset, piece.events.len() as u64);
        for event in piece.events {
            // Before the next one: a piece that is whole counts in the batch that has the last of it.
            if self.events.len() >= BATCH_EVENTS || self.bytes >= BATCH_BYTES {
                self.flush().await?;
            }
            self.bytes += size(&event);
            self.events.push(event);
        }
        self.at = piece.offset;
        if self.carries && !piece.advances.is_empty() {
            // Only behind what they cover.
            self.flush().await?;
            for Advance { partition, to, .. } in piece.advances {
                self.send(partition, Vec::new(), Some(to)).await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SourceError> {
        self.bytes = 0;
        let events = std::mem::take(&mut self.events);
        let position = Position(self.at.to_string());
        self.send(self.partition.clone(), events, Some(position)).await
    }

    async fn send(
        &self,
        partition: Partition,
        events: Vec<Event>,
        position: Option<Position>,
    ) -> Result<(), SourceError> {
        self.context.out.send(Batch { partition, events, position, sealed: None }).await
    }
}

/// About what an event takes.
fn size(event: &Event) -> usize {
    match &event.body {
        EventBody::Put { record, .. } => record.text.len() + record.links.len() * 64 + 256,
        _ => 256,
    }
}

/// How far it is: a bar where somebody looks, a line in the log now and then where not.
struct Progress {
    name: String,
    bar: indicatif::ProgressBar,
    begun: Instant,
    told: Instant,
    total: Option<u64>,
    first: Option<u64>,
    events: u64,
}

impl Progress {
    fn new(name: &str, total: Option<u64>, context: &SourceContext) -> Self {
        let bar = context.progress.rated(name.to_owned(), total);
        let now = Instant::now();
        Self { name: name.to_owned(), bar, begun: now, told: now, total, first: None, events: 0 }
    }

    fn add(&mut self, offset: u64, events: u64) {
        self.events += events;
        let first = *self.first.get_or_insert(offset);
        self.bar.set_position(offset);
        if self.told.elapsed() < TOLD_EVERY {
            return;
        }
        self.told = Instant::now();
        let elapsed = self.begun.elapsed();
        let done = offset.saturating_sub(first).max(1);
        let left = self.total.map(|total| {
            let left = u32::try_from(total.saturating_sub(offset)).unwrap_or(u32::MAX);
            elapsed / u32::try_from(done).unwrap_or(u32::MAX) * left
        });
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = (self.events as f64 / elapsed.as_secs_f64()).round();
        tracing::info!(
            input = self.name,
            offset,
            total = self.total,
            events = self.events,
            events_per_second = rate,
            left_seconds = left.map(|left| left.as_secs()),
            "replaying"
        );
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
