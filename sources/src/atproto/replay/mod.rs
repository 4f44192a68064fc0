//! What was recorded, read again: frames of a relay, lines of a Jetstream, whole repositories.
//!
//! ```text
//!  paths ─► files ─► gz, zst ─► pieces (frames, lines) ─► the same readers as live ─► Outbox
//!                         └───► CAR ─► a whole repository (see `repos`)
//! ```
//!
//! A file is a partition; its position is the number of pieces of it that were sent, so that a replay that was broken
//! off goes on where it was. What is read is the same as it would have been live: the versions in it decide what counts.

mod pieces;

use super::{
    live::{
        Verification,
        frames::Frames,
        intake::{Intake, Item},
        jetstream::Lines,
        socket::{Message, Room},
    },
    reader::{Reader, RecordsConfig},
    repos::Fetcher,
};
use crate::{Range, Source, SourceContext, SourceError, SourceState};
use async_trait::async_trait;
use indicatif::ProgressBar;
pub(in crate::atproto) use pieces::micros_in;
pub use pieces::{Form, open};
use pieces::{Piece, Pieces};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{Partition, SourceId, Timestamp};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Files that were recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayConfig {
    /// Files, or folders of them, read in the order of their names: frames (`.frames`), lines (`.jsonl`), repositories
    /// (`.car`), each also as `.gz` or `.zst`.
    pub paths: Vec<PathBuf>,
    /// What they are, if their names and beginnings don't tell.
    #[serde(default)]
    pub form: Option<Form>,
    /// How fast: as percent of the speed that it was recorded at. 0 is as fast as it goes.
    #[serde(default)]
    pub speed_percent: u32,
    /// Which part of each file: by the number of a piece, or by its time. Repositories are read whole.
    #[serde(default)]
    pub range: Range,
    /// How much of a commit is verified.
    #[serde(default)]
    pub verification: Verification,
    /// Take commits that don't say what they follow (`prevData`).
    #[serde(default)]
    pub legacy: bool,
    /// How records are read, and which.
    #[serde(default)]
    pub records: RecordsConfig,
}

/// Bytes of pieces that may wait.
const QUEUED_BYTES: usize = 32 * 1024 * 1024;
const QUEUED: usize = 4096;

/// Reads recorded files.
#[derive(Debug)]
pub struct Replay {
    id: SourceId,
    config: ReplayConfig,
}

impl Replay {
    /// Of a configuration.
    ///
    /// # Errors
    /// There is nothing to read.
    pub fn new(id: SourceId, config: ReplayConfig) -> Result<Self, SourceError> {
        if config.paths.is_empty() {
            return Err(SourceError::Config("`paths` must name at least one file or folder".into()));
        }
        Ok(Self { id, config })
    }
}

#[async_trait]
impl Source for Replay {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        let Self { id, config } = *self;
        context.status.set(SourceState::Indexing, None);
        let paths = config.paths.clone();
        let files = tokio::task::spawn_blocking(move || pieces::files(&paths));
        let files = files.await.map_err(|error| SourceError::Task(error.to_string()))??;
        let mut context = context;
        let reader = Reader::new(id.clone(), config.records.clone());
        let run = Run {
            frames: Frames::new(
                reader.clone(),
                context.identities.clone(),
                config.verification,
                config.legacy,
            ),
            lines: Lines { reader: reader.clone(), identities: context.identities.clone() },
            reader,
            id,
            config,
        };
        let sizes = files.iter().filter_map(|file| Some(file.metadata().ok()?.len()));
        let bar = context.progress.bytes("replay", sizes.sum());
        for file in files {
            if context.stop.is_cancelled() {
                return Ok(());
            }
            match run.file(&file, &bar, &context).await {
                Err(SourceError::Closed) if context.stop.is_cancelled() => return Ok(()),
                done => done?,
            }
        }
        bar.finish_and_clear();
        context.status.set(SourceState::Live, None);
        loop {
            tokio::select! {
                () = context.stop.cancelled() => return Ok(()),
                Some(command) = context.commands.recv() => command.read_once(),
            }
        }
    }
}

struct Run {
    id: SourceId,
    config: ReplayConfig,
    reader: Reader,
    frames: Frames,
    lines: Lines,
}

impl Run {
    async fn file(&self, path: &Path, bar: &ProgressBar, context: &SourceContext) -> Result<(), SourceError> {
        let name = path.display().to_string();
        let partition = Partition { source: self.id.clone(), name: name.clone() };
        let done = context.known.position(&partition).and_then(|position| position.0.parse::<u64>().ok());
        let form = match self.config.form {
            Some(form) => form,
            None => {
                let path = path.to_path_buf();
                let told = tokio::task::spawn_blocking(move || pieces::form(&path)).await;
                told.map_err(|error| SourceError::Task(error.to_string()))??
            }
        };
        context.status.partition(&name, |partition| partition.state = SourceState::Indexing);
        if form == Form::Car {
            if done.is_none() {
                let fetcher = Fetcher::of(&self.reader, self.config.verification, context);
                fetcher.file(path, &partition).await?;
            }
            bar.inc(path.metadata().map_or(0, |file| file.len()));
        } else {
            self.pieces(path, &name, form, done, bar, context).await?;
        }
        context.status.partition(&name, |partition| partition.state = SourceState::Live);
        Ok(())
    }

    async fn pieces(
        &self,
        path: &Path,
        name: &str,
        form: Form,
        done: Option<u64>,
        bar: &ProgressBar,
        context: &SourceContext,
    ) -> Result<(), SourceError> {
        let (to, messages) = mpsc::channel(QUEUED);
        let room = Room::of(QUEUED_BYTES);
        let speed = self.config.speed_percent;
        let range = self.config.range;
        let (reading_path, stop, bar) = (path.to_path_buf(), context.stop.clone(), bar.clone());
        let runtime = tokio::runtime::Handle::current();
        let number = Arc::new(AtomicU64::new(done.unwrap_or(0)));
        let sent_until = number.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut pace = Pace::at(speed);
            let pieces = Pieces::open(&reading_path, form, speed > 0 || range.is_by_time(), &bar)?;
            let sent_before = usize::try_from(done.unwrap_or(0)).unwrap_or(usize::MAX);
            let mut begun = false;
            for (number, piece) in (1u64..).zip(pieces).skip(sent_before) {
                let Piece { bytes, micros } = piece?;
                let at = micros.and_then(|micros| i64::try_from(micros / 1000).ok()).map(Timestamp);
                if !begun {
                    if !range.begins(number, at) {
                        continue;
                    }
                    begun = true;
                    sent_until.store(number - 1, Ordering::Relaxed);
                }
                if range.ends(number, at) {
                    break;
                }
                let sent = runtime.block_on(async {
                    let passed_on = async {
                        pace.wait(micros).await;
                        let heard = room.hold(Message { bytes: bytes.into(), binary: false }).await;
                        to.send(heard).await.is_ok()
                    };
                    tokio::select! {
                        biased;
                        sent = passed_on => sent,
                        () = stop.cancelled() => false,
                    }
                });
                if !sent {
                    break;
                }
            }
            Ok::<_, SourceError>(())
        });
        let intake = Intake {
            source: &self.id,
            host: name,
            out: &context.out,
            status: &context.status,
            stop: &context.stop,
            strict: false,
            passed: None,
        };
        let mut cursor = done;
        let decode = |pieces: Vec<Message>| {
            let count = pieces.len() as u64;
            let first = number.fetch_add(count, Ordering::Relaxed);
            let (frames, lines, name) = (self.frames.clone(), self.lines.clone(), name.to_owned());
            Box::pin(async move {
                let mut items: Vec<Item> = match form {
                    Form::Frames => {
                        frames.read(&name, pieces.into_iter().map(|piece| piece.bytes).collect()).await
                    }
                    _ => lines.read(&name, pieces, None).await,
                };
                // A file is followed by the count of its pieces, and nothing in it ends it.
                for (number, item) in (first + 1..).zip(&mut items) {
                    item.cursor = Some(number);
                    item.fault = None;
                }
                items
            }) as super::live::intake::Decoding
        };
        intake.run(messages, decode, &mut cursor).await?;
        reading.await.map_err(|error| SourceError::Task(error.to_string()))?
    }
}

/// Keeps the distances in time that pieces were recorded with.
struct Pace {
    percent: u32,
    first: Option<(u64, Instant)>,
}

impl Pace {
    const fn at(percent: u32) -> Self {
        Self { percent, first: None }
    }

    async fn wait(&mut self, micros: Option<u64>) {
        let Some(micros) = micros.filter(|_| self.percent > 0) else { return };
        let (first, started) = *self.first.get_or_insert_with(|| (micros, Instant::now()));
        let later = u128::from(micros.saturating_sub(first)) * 100 / u128::from(self.percent);
        let later =
            Duration::from_micros(u64::try_from(later).unwrap_or(u64::MAX)).min(Duration::from_secs(86_400));
        tokio::time::sleep_until(started + later).await;
    }
}
