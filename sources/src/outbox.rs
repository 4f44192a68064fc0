//! The way out of a source: a bounded channel of batches.

use crate::SourceError;
use springline_model::{Epoch, Event, Partition, Position};
use tokio::sync::{mpsc, oneshot};

/// The most events that a source puts into one batch.
pub const BATCH_EVENTS: usize = 256;

/// About the most text that a source puts into one batch, in bytes; one larger record makes a batch of its own.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// Events of one partition, in order. The journal seals a batch as a whole.
#[derive(Debug)]
pub struct Batch {
    /// Which sequence of the source.
    pub partition: Partition,
    /// What happened; may be empty when only the position moves.
    pub events: Vec<Event>,
    /// How far the partition has got once these events are in; committed together with them.
    pub position: Option<Position>,
    /// Answered with the epoch once the batch is durable in the journal.
    pub sealed: Option<oneshot::Sender<Epoch>>,
}

/// Where a source sends its batches. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox(mpsc::Sender<Batch>);

impl Outbox {
    /// An outbox that holds up to `capacity` batches, and its other end.
    #[must_use]
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Batch>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(sender), receiver)
    }

    /// Sends a batch; waits while the outbox is full.
    ///
    /// # Errors
    /// [`SourceError::Closed`]: nobody takes batches any more.
    pub async fn send(&self, batch: Batch) -> Result<(), SourceError> {
        self.0.send(batch).await.map_err(|_| SourceError::Closed)
    }
}
