//! Messages of a stream, as they come, into files that [`replay`](crate::atproto::replay) reads.
//!
//! A file is written under a name of its own and renamed when it is whole, so that one without `.part` always is.

use super::{
    SocketConfig,
    socket::{self, Ended, Target},
};
use crate::{
    SourceError,
    atproto::{
        frame::{Frame, MAX_FRAME},
        jetstream::MAX_LINE_BYTES,
    },
};
use springline_model::Timestamp;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// What to record.
#[derive(Clone, Debug)]
pub struct Recording {
    /// `wss://relay.example`.
    pub host: String,
    /// A Jetstream's lines, and not a relay's frames.
    pub lines: bool,
    /// Where to begin.
    pub from: Option<u64>,
    /// The folder for the files.
    pub out: PathBuf,
    /// After how many messages to stop.
    pub messages: Option<u64>,
    /// After how many bytes a new file begins.
    pub file_bytes: u64,
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files.
    pub files: u64,
}

/// Records until enough is, or told to stop. A connection that fails is made again, behind what was recorded.
///
/// # Errors
/// A file can't be written.
pub async fn record(recording: &Recording, stop: &CancellationToken) -> Result<Recorded, SourceError> {
    let io = |source| SourceError::Io { path: recording.out.clone(), source };
    fs::create_dir_all(&recording.out).map_err(io)?;
    let mut done = Recorded::default();
    let mut file: Option<Writing> = None;
    let mut cursor = recording.from;
    let mut wait = Duration::from_secs(1);
    while !stop.is_cancelled() && recording.messages.is_none_or(|most| done.messages < most) {
        let cut = stop.child_token();
        let (to, mut messages) = mpsc::channel(1024);
        let room = Arc::new(Semaphore::new(32 * 1024 * 1024));
        let (target, socket) = (target(recording, cursor), SocketConfig::default());
        let listening = socket::listen(&target, &socket, &to, &room, &cut, || {});
        tokio::pin!(listening);
        let ended = loop {
            tokio::select! {
                ended = &mut listening => break ended,
                Some(message) = messages.recv() => {
                    if recording.messages.is_some_and(|most| done.messages >= most) {
                        cut.cancel();
                        continue;
                    }
                    let writing = match &mut file {
                        Some(writing) if writing.bytes < recording.file_bytes => writing,
                        _ => {
                            if let Some(whole) = file.take() {
                                whole.finish().map_err(io)?;
                            }
                            done.files += 1;
                            file.insert(Writing::begin(&recording.out, recording.lines).map_err(io)?)
                        }
                    };
                    writing.write(&message.bytes, recording.lines).map_err(io)?;
                    done.messages += 1;
                    done.bytes += message.bytes.len() as u64;
                    cursor = number(&message.bytes, recording.lines).or(cursor);
                    wait = Duration::from_secs(1);
                }
            }
        };
        if let Ended::Failed { reason, retry_after } = ended {
            tracing::warn!(host = %recording.host, reason, "connection lost");
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(retry_after.unwrap_or(wait)) => {}
            }
            wait = (wait * 2).min(Duration::from_secs(60));
        }
    }
    if let Some(whole) = file {
        whole.finish().map_err(io)?;
    }
    Ok(done)
}

fn target(recording: &Recording, cursor: Option<u64>) -> Target {
    let host = recording.host.trim_end_matches('/');
    let route = if recording.lines { "subscribe" } else { "xrpc/com.atproto.sync.subscribeRepos" };
    let query = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
    let max_bytes = if recording.lines { MAX_LINE_BYTES } else { MAX_FRAME };
    Target { url: format!("{host}/{route}{query}"), max_bytes, protocol: None }
}

/// Where a message stands in its stream.
fn number(bytes: &[u8], lines: bool) -> Option<u64> {
    if lines {
        return crate::atproto::replay::micros_in(bytes);
    }
    let seq = match Frame::read(bytes).ok()? {
        Frame::Commit(commit) => commit.seq,
        Frame::Sync(sync) => sync.seq,
        Frame::Identity(identity) => identity.seq,
        Frame::Account(account) => account.seq,
        _ => return None,
    };
    u64::try_from(seq).ok()
}

/// A file being written.
struct Writing {
    path: PathBuf,
    packer: zstd::stream::write::Encoder<'static, File>,
    bytes: u64,
}

impl Writing {
    fn begin(folder: &Path, lines: bool) -> io::Result<Self> {
        let extension = if lines { "jsonl" } else { "frames" };
        let name = Timestamp::now().to_rfc3339().replace([':', '.'], "-");
        let path = folder.join(format!("{name}.{extension}.zst"));
        let packer = zstd::stream::write::Encoder::new(File::create(part(&path))?, 3)?;
        Ok(Self { path, packer, bytes: 0 })
    }

    fn write(&mut self, message: &[u8], lines: bool) -> io::Result<()> {
        if lines {
            self.packer.write_all(message)?;
            self.packer.write_all(b"\n")?;
        } else {
            let length = u32::try_from(message.len()).map_err(io::Error::other)?;
            self.packer.write_all(&length.to_le_bytes())?;
            self.packer.write_all(message)?;
        }
        self.bytes += message.len() as u64;
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        self.packer.finish()?.sync_all()?;
        fs::rename(part(&self.path), &self.path)
    }
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
