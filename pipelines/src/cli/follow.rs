//! `springline jobs logs --follow`: prints what a job says while it says it, until it is over.
//!
//! ```text
//!  connect (Last-Event-ID) ─► log, log, … ─► end                       done
//!     ▲                          └─► the connection breaks ─┐
//!     └───────────── a pause, longer each time ◄────────────┘          each piece is printed once
//! ```
//!
//! Limits: an event has at most [`MAX_EVENT_BYTES`]; a server that is gone is looked for during [`PATIENCE`].

use super::client::{Client, read};
use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use serde_json::Value;
use std::{
    io::{ErrorKind, Write, stdout},
    time::{Duration, Instant},
};

/// More than a piece of a log has, however it is escaped.
const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// How long a server may be gone.
const PATIENCE: Duration = Duration::from_secs(300);
/// The first pause before it is looked for, and the longest; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Prints the log of a job of the running server until the job is over, or somebody has seen enough.
///
/// # Errors
/// There is no such job, or the server is gone for good.
pub(super) async fn follow(client: &Client, job: &str) -> anyhow::Result<()> {
    let path = format!("/v1/jobs/{job}/logs");
    tokio::select! {
        done = followed(client, &path) => done,
        // As with `tail -f`: that is how to leave, not an error.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// How an attempt to follow came to its end.
enum Left {
    /// The job is over, and stands so.
    Over(String),
    /// Nobody reads any more what is printed.
    Unread,
    /// The connection broke.
    Broken,
    /// There was none, for this reason.
    Unreached(String),
}

async fn followed(client: &Client, path: &str) -> anyhow::Result<()> {
    let (mut last, mut pause, mut lost) = (None, FIRST_PAUSE, None::<Instant>);
    loop {
        match connected(client, path, &mut last).await? {
            Left::Over(state) => {
                eprintln!("the job is over: {state}");
                return Ok(());
            }
            Left::Unread => return Ok(()),
            Left::Broken => (pause, lost) = (FIRST_PAUSE, Some(Instant::now())),
            // One that never answered is not waited for.
            Left::Unreached(_) if lost.is_some_and(|lost| lost.elapsed() < PATIENCE) => {}
            Left::Unreached(why) => bail!("no server answers: {why}"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection: prints what comes, and remembers the last of it.
async fn connected(client: &Client, path: &str, last: &mut Option<String>) -> anyhow::Result<Left> {
    let mut answer = match client.events(path, last.as_deref()).await? {
        Ok(answer) => answer,
        Err(error) => return Ok(Left::Unreached(error.to_string())),
    };
    let status = answer.status();
    if status.is_server_error() {
        return Ok(Left::Unreached(status.to_string()));
    }
    if status != StatusCode::OK {
        read(status.as_u16(), &answer.bytes().await?)?;
        bail!("the server does not follow logs ({status})");
    }
    let mut events = Events::default();
    while let Ok(Some(bytes)) = answer.chunk().await {
        for event in events.push(&bytes)? {
            let data: Value = serde_json::from_str(&event.data).context("an event that is not JSON")?;
            let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
            match event.name.as_str() {
                "log" => {
                    let mut out = stdout().lock();
                    match out.write_all(text("text").as_bytes()).and_then(|()| out.flush()) {
                        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Left::Unread),
                        done => done?,
                    }
                    *last = Some(event.id);
                }
                "end" => return Ok(Left::Over(text("state").to_owned())),
                _ => {}
            }
        }
    }
    Ok(Left::Broken)
}

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Event {
    id: String,
    name: String,
    data: String,
}

/// Bytes to events, as the HTML standard's event streams have them: as much of it as our servers use.
#[derive(Default)]
struct Events {
    line: Vec<u8>,
    event: Event,
}

impl Events {
    /// The events that are whole with these bytes.
    fn push(&mut self, bytes: &[u8]) -> anyhow::Result<Vec<Event>> {
        let mut whole = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.event.data.len() + piece.len() > MAX_EVENT_BYTES {
                bail!("an event with more than {MAX_EVENT_BYTES} bytes");
            }
            self.line.extend_from_slice(piece);
            if self.line.pop_if(|byte| *byte == b'\n').is_some() {
                let line = std::mem::take(&mut self.line);
                whole.extend(self.line(String::from_utf8_lossy(&line).trim_end_matches('\r')));
            }
        }
        Ok(whole)
    }

    /// Takes a line; an empty one ends an event. Without data there is none: so are the signs of life.
    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            return Some(std::mem::take(&mut self.event)).filter(|event| !event.data.is_empty());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.event.id),
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(id: &str, name: &str, data: &str) -> Event {
        Event { id: id.into(), name: name.into(), data: data.into() }
    }

    const STREAM: &str =
        ":\n\nid: 1\nevent: log\ndata: {\"text\":\"ä\"}\n\n:\n\nevent:end\r\ndata: a\r\ndata:b\r\n\r\n";

    proptest! {
        #[test]
        fn events_come_whole_however_the_bytes_come(cuts in prop::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let (mut events, mut from, mut found) = (Events::default(), 0, Vec::new());
            for to in cuts.into_iter().chain([STREAM.len()]) {
                found.extend(events.push(&STREAM.as_bytes()[from..to]).unwrap());
                from = to;
            }
            prop_assert_eq!(found, [event("1", "log", "{\"text\":\"ä\"}"), event("", "end", "a\nb")]);
        }

        #[test]
        fn whatever_comes_is_bounded(pieces in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut events = Events::default();
            pieces.iter().for_each(|piece| drop(events.push(piece)));
            prop_assert!(events.push(&vec![b'x'; MAX_EVENT_BYTES + 1]).is_err());
        }
    }
}
