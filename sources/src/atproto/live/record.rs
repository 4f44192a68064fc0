//! Messages of a stream, as they come, into files that [`replay`](crate::atproto::replay) reads.
//!
//! A file is written under a name of its own and renamed when it is whole, so that one without `.part` always is.

use super::{
    SocketConfig,
    skip::{MILLISECOND, Skip},
    socket::{self, Room, Target},
};
use crate::{
    SourceError,
    atproto::frame::{Frame, MAX_MESSAGE},
};
use springline_model::Timestamp;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::mpsc;
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
    let mut files = Files { recording, done: Recorded::default(), file: None };
    let mut cursor = recording.from;
    let mut skip: Option<Skip> = None;
    let mut wait = Duration::from_secs(1);
    while !stop.is_cancelled() && !files.is_enough() {
        let cut = stop.child_token();
        let (to, mut messages) = mpsc::channel(1024);
        let (target, socket) =
            (target(recording, skip.map(|skip| skip.place()).or(cursor)), SocketConfig::default());
        let room = Room::of(socket.queued_bytes);
        let before = files.done.messages;
        let listening = async {
            let to = to; // gone when it has ended, so that the others do
            socket::listen(&target, &socket, &to, &room, &cut, || {}).await
        };
        let writing = async {
            while let Some(heard) = messages.recv().await {
                if files.is_enough() {
                    break;
                }
                files.write(&heard.message.bytes)?;
                cursor = number(&heard.message.bytes, recording.lines).or(cursor);
                if files.is_enough() {
                    cut.cancel();
                }
            }
            Ok(())
        };
        let (ended, written) = tokio::join!(listening, async {
            let written = writing.await;
            cut.cancel();
            written
        });
        written.map_err(io)?;
        if files.done.messages > before {
            wait = Duration::from_secs(1);
        }
        let moved = files.done.messages > before;
        skip =
            Skip::after(skip, moved, ended.too_long(), cursor, if recording.lines { MILLISECOND } else { 1 });
        if let Some((reason, retry_after)) = ended.fault() {
            if files.is_enough() {
                break;
            }
            tracing::warn!(host = %recording.host, reason, "connection lost");
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(retry_after.unwrap_or(wait)) => {}
            }
            wait = (wait * 2).min(Duration::from_secs(60));
        }
    }
    files.finish().map_err(io)
}

fn target(recording: &Recording, cursor: Option<u64>) -> Target {
    let host = recording.host.trim_end_matches('/');
    let route = if recording.lines { "subscribe" } else { "xrpc/com.atproto.sync.subscribeRepos" };
    let query = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
    Target { url: format!("{host}/{route}{query}"), max_bytes: MAX_MESSAGE, protocol: None }
}

/// Where a message stands in its stream.
fn number(bytes: &[u8], lines: bool) -> Option<u64> {
    if lines {
        return crate::atproto::replay::micros_in(bytes);
    }
    u64::try_from(Frame::read(bytes).ok()?.seq()?).ok()
}

/// The files, one after the other.
struct Files<'r> {
    recording: &'r Recording,
    done: Recorded,
    file: Option<Writing>,
}

impl Files<'_> {
    fn is_enough(&self) -> bool {
        self.recording.messages.is_some_and(|most| self.done.messages >= most)
    }

    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        let Recording { out, lines, file_bytes, .. } = self.recording;
        if self.file.as_ref().is_some_and(|writing| writing.bytes >= *file_bytes)
            && let Some(whole) = self.file.take()
        {
            whole.finish()?;
        }
        let writing = match &mut self.file {
            Some(writing) => writing,
            none => {
                self.done.files += 1;
                none.insert(Writing::begin(out, *lines, self.done.files)?)
            }
        };
        writing.write(message, *lines)?;
        self.done.messages += 1;
        self.done.bytes += message.len() as u64;
        Ok(())
    }

    fn finish(self) -> io::Result<Recorded> {
        if let Some(whole) = self.file {
            whole.finish()?;
        }
        Ok(self.done)
    }
}

/// A file being written.
struct Writing {
    path: PathBuf,
    packer: zstd::stream::write::Encoder<'static, File>,
    bytes: u64,
}

impl Writing {
    fn begin(folder: &Path, lines: bool, number: u64) -> io::Result<Self> {
        let extension = if lines { "jsonl" } else { "frames" };
        // The number tells files apart that begin together.
        let name = Timestamp::now().to_rfc3339().replace([':', '.'], "-");
        let path = folder.join(format!("{name}-{number:06}.{extension}.zst"));
        let packer = zstd::stream::write::Encoder::new(File::create_new(part(&path))?, 3)?;
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
