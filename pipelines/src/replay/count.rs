//! Reading what was kept without the views: counted and let go (a dry run), or written elsewhere.

use crate::runtime::host::{self, Prepared, Shared};
use springline_model::{Epoch, Event, EventBody};
use springline_sources::{
    Batch, Known, NothingKnown, Outbox, ProgressBars, SourceError, atproto::who::Identities,
    feedback::Projects,
};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Batches that may wait to be counted.
const QUEUED: usize = 16;
/// How often it looks whether all is read.
const LOOKS: Duration = Duration::from_millis(20);

/// How many events there are, by what happens and to what kind of record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By (what happens, kind of record or nothing).
    pub events: BTreeMap<(&'static str, String), u64>,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.events.values().sum()
    }

    /// Counts one more.
    pub fn add(&mut self, event: &Event) {
        let kind = match &event.body {
            EventBody::Put { record, .. } | EventBody::Fetched { record, .. } => record.kind.clone(),
            _ => String::new(),
        };
        *self.events.entry((event.body.name(), kind)).or_default() += 1;
    }
}

/// Runs sources as if nothing were known, until each has caught up or `stop`; what they send is given to `take`.
///
/// # Errors
/// A source fails, or `take`.
pub async fn drain(
    (handles, prepared): (host::Handles, Vec<Prepared>),
    progress: ProgressBars,
    data_dir: &Path,
    stop: CancellationToken,
    mut take: impl FnMut(Batch) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let (out, mut batches) = Outbox::channel(QUEUED);
    let shared = Shared {
        out,
        identities: Identities::offline(),
        projects: Arc::new(Projects::default()),
        stop: stop.clone(),
        progress,
        data_dir: data_dir.to_path_buf(),
    };
    let mut sources = host::start(prepared, &shared, &(Arc::new(NothingKnown) as Arc<dyn Known>));
    drop(shared);
    let over = stop.clone();
    let watching = tokio::spawn(async move {
        let (failed, all_read) = loop {
            let (failed, all_read) = (host::failures(&handles), host::caught_up(&handles));
            if !failed.is_empty() || all_read || stop.is_cancelled() {
                break (failed, all_read);
            }
            tokio::time::sleep(LOOKS).await;
        };
        stop.cancel();
        (failed, all_read)
    });
    while let Some(mut batch) = batches.recv().await {
        let sealed = batch.sealed.take();
        take(batch)?;
        // Some wait until what they have sent is kept: it was taken, and here that is all.
        if let Some(sealed) = sealed {
            let _ = sealed.send(Epoch::ZERO);
        }
    }
    while sources.join_next().await.is_some() {}
    let was_stopped = over.is_cancelled();
    over.cancel();
    let (failed, all_read) = watching.await.map_err(|error| SourceError::Task(error.to_string()))?;
    if !failed.is_empty() {
        return Err(SourceError::Config(failed.join("; ")));
    }
    if !all_read && !was_stopped {
        return Err(SourceError::Config("a source has ended before all of it was read".into()));
    }
    Ok(())
}
