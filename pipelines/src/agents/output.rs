//! What a command says, as pieces of its job's log.
//!
//! ```text
//!  stdout ─┐  a pipe's worth   ┌─ pieces of at most 16 KiB, told together when ─► Log events
//!  stderr ─┴── (held back) ───►┘  64 KiB are there or 300 ms have passed            … thrown away beyond the bound
//! ```

use super::work::Work;
use springline_model::job::{Act, LogFrom, MAX_LOG_CHUNK_BYTES};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    sync::mpsc,
    time::Instant,
};

/// Pieces are told together after this time.
const EVERY: Duration = Duration::from_millis(300);
/// And when there is so much.
const ENOUGH: usize = 64 * 1024;
/// What is read at a time.
const READ_BYTES: usize = 8 * 1024;

/// Tells what comes by both pipes until both are closed.
pub(super) async fn follow(
    work: &Work,
    stdout: impl AsyncRead + Unpin + Send + 'static,
    stderr: impl AsyncRead + Unpin + Send + 'static,
) {
    let (said, mut heard) = mpsc::channel(4);
    // Dropped with this future: an aborted follower leaves no readers behind.
    let mut readers = tokio::task::JoinSet::new();
    readers.spawn(read(stdout, LogFrom::Stdout, said.clone()));
    readers.spawn(read(stderr, LogFrom::Stderr, said));
    let mut pieces = Pieces::new(work.job.max_log_bytes.saturating_sub(work.job.log_bytes));
    loop {
        let due = pieces.since.map(|since| since + EVERY);
        let wait = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let is_open = tokio::select! {
            said = heard.recv() => match said {
                Some((from, bytes)) => {
                    work.at_work.change(|instance| instance.said_bytes += bytes.len() as u64);
                    pieces.add(from, &bytes);
                    true
                }
                None => false,
            },
            () = wait => { pieces.since = None; true }
        };
        if !is_open {
            pieces.finish();
        }
        if !is_open || pieces.bytes >= ENOUGH || pieces.since.is_none() {
            let acts = pieces.take().into_iter().map(|(from, text)| Act::Log {
                attempt: Some(work.attempt),
                from,
                text,
            });
            work.tell(acts.collect()).await;
        }
        if !is_open {
            return;
        }
    }
}

async fn read(mut pipe: impl AsyncRead + Unpin, from: LogFrom, said: mpsc::Sender<(LogFrom, Vec<u8>)>) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        if said.send((from, buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

/// Pieces that wait to be told.
#[derive(Debug)]
struct Pieces {
    waiting: Vec<(LogFrom, String)>,
    bytes: usize,
    since: Option<Instant>,
    /// How much will still be told; one piece beyond shows the ledger that there was more.
    left: u64,
    is_cut: bool,
    /// The beginnings of characters at the ends of what came, of either pipe.
    broken: [Vec<u8>; 2],
}

impl Pieces {
    fn new(left: u64) -> Self {
        Self { waiting: Vec::new(), bytes: 0, since: None, left, is_cut: false, broken: [vec![], vec![]] }
    }

    fn add(&mut self, from: LogFrom, bytes: &[u8]) {
        if self.is_cut {
            return;
        }
        let broken = &mut self.broken[usize::from(from == LogFrom::Stderr)];
        let mut all = std::mem::take(broken);
        all.extend_from_slice(bytes);
        let whole = whole(&all);
        *broken = all.split_off(whole);
        self.say(from, &String::from_utf8_lossy(&all));
    }

    /// Nothing more comes: what is broken stays so.
    fn finish(&mut self) {
        for (index, from) in [LogFrom::Stdout, LogFrom::Stderr].into_iter().enumerate() {
            let rest = std::mem::take(&mut self.broken[index]);
            self.say(from, &String::from_utf8_lossy(&rest));
        }
    }

    fn say(&mut self, from: LogFrom, mut text: &str) {
        while !text.is_empty() && !self.is_cut {
            self.since.get_or_insert_with(Instant::now);
            let fits = match self.waiting.last_mut() {
                Some((last, piece)) if *last == from && piece.len() + 4 <= MAX_LOG_CHUNK_BYTES => piece,
                _ => {
                    self.waiting.push((from, String::new()));
                    continue;
                }
            };
            let (head, tail) = text.split_at(text.floor_char_boundary(MAX_LOG_CHUNK_BYTES - fits.len()));
            fits.push_str(head);
            self.bytes += head.len();
            self.is_cut = head.len() as u64 > self.left;
            self.left = self.left.saturating_sub(head.len() as u64);
            text = tail;
        }
    }

    fn take(&mut self) -> Vec<(LogFrom, String)> {
        (self.bytes, self.since) = (0, None);
        std::mem::take(&mut self.waiting)
    }
}

/// How many bytes do not end in the middle of a character that could still become one.
fn whole(bytes: &[u8]) -> usize {
    let mut from = 0;
    loop {
        match std::str::from_utf8(&bytes[from..]) {
            Ok(_) => return bytes.len(),
            Err(error) => match error.error_len() {
                Some(length) => from += error.valid_up_to() + length,
                None => return from + error.valid_up_to(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn pieces_add_up_however_they_come(text: String, cuts in vec(1..20_usize, 0..40), left in 0..200_u64) {
            let mut pieces = Pieces::new(left);
            let (mut bytes, mut cuts) = (text.as_bytes(), cuts.into_iter());
            let mut told = String::new();
            while !bytes.is_empty() {
                let (head, tail) = bytes.split_at(cuts.next().unwrap_or(7).min(bytes.len()));
                pieces.add(LogFrom::Stdout, head);
                bytes = tail;
                if told.len().is_multiple_of(2) {
                    told.extend(pieces.take().into_iter().map(|(_, text)| text));
                }
            }
            pieces.finish();
            told.extend(pieces.take().into_iter().map(|(_, text)| text));
            prop_assert!(text.starts_with(&told));
            prop_assert!(told == text || told.len() as u64 > left, "all, or enough to show that it is not");
        }

        #[test]
        fn no_piece_is_too_long(bytes in vec(any::<u8>(), 0..90_000)) {
            let mut pieces = Pieces::new(u64::MAX);
            pieces.add(LogFrom::Stdout, &bytes);
            pieces.finish();
            for (_, text) in pieces.take() {
                prop_assert!(!text.is_empty() && text.len() <= MAX_LOG_CHUNK_BYTES);
            }
        }
    }
}
