//! Writing a file: on a thread of its own, while whoever writes it makes the next rows.

use super::{ParquetError, io, library, table::GROUP_ROWS};
use ::parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use std::{
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

/// Batches that may wait for the thread.
const WAITING: usize = 2;
/// Columns in which a value hardly ever comes twice in a row group: looking for it costs more than it saves.
const UNIQUE: [&str; 7] = ["_key", "uri", "title", "text", "snippet", "record", "detail"];

/// A file that is being written.
pub(super) struct Encoder<W> {
    batches: SyncSender<RecordBatch>,
    thread: JoinHandle<Result<W, ParquetError>>,
    size: Arc<AtomicU64>,
}

impl<W: Write + Send + 'static> Encoder<W> {
    /// Into something that goes by a path, compressed so hard.
    pub(super) fn into(sink: W, path: &Path, schema: SchemaRef, level: i32) -> Result<Self, ParquetError> {
        let level = ZstdLevel::try_new(level).unwrap_or_default();
        let mut properties = WriterProperties::builder().set_compression(Compression::ZSTD(level));
        for name in UNIQUE.into_iter().filter(|name| schema.column_with_name(name).is_some()) {
            properties = properties.set_column_dictionary_enabled(name.into(), false);
        }
        let writer = ArrowWriter::try_new(sink, schema, Some(properties.build())).map_err(library(path))?;
        let (batches, inbox) = sync_channel(WAITING);
        let size = Arc::new(AtomicU64::new(0));
        let (grows, of) = (size.clone(), path.to_path_buf());
        let encode = move || encode(writer, &of, &inbox, &grows);
        let thread = thread::Builder::new().name("parquet".into()).spawn(encode);
        Ok(Self { batches, thread: thread.map_err(io("cannot start a thread for", path))?, size })
    }

    /// Adds rows. What goes wrong with them is told in the end.
    pub(super) fn write(&mut self, batch: RecordBatch) {
        let _ = self.batches.send(batch);
    }

    /// Bytes so far, about.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Closes the file.
    pub(super) fn finish(self) -> Result<W, ParquetError> {
        drop(self.batches);
        let died = |_| ParquetError::Dataset("the thread that wrote a file has panicked".into());
        self.thread.join().map_err(died)?
    }
}

fn encode<W: Write + Send>(
    mut writer: ArrowWriter<W>,
    path: &Path,
    inbox: &Receiver<RecordBatch>,
    size: &AtomicU64,
) -> Result<W, ParquetError> {
    for batch in inbox {
        writer.write(&batch).map_err(library(path))?;
        // Without it a row group keeps growing in memory until the library's own bound.
        if writer.in_progress_rows() >= GROUP_ROWS {
            writer.flush().map_err(library(path))?;
        }
        size.store((writer.bytes_written() + writer.in_progress_size()) as u64, Ordering::Relaxed);
    }
    writer.into_inner().map_err(library(path))
}
