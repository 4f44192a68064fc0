//! The accounts' directory, and a relay that keeps a pace: in the process that measures others.

use super::generate::{did, document};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

/// A directory of the accounts; where it is.
pub(super) async fn directory(seed: u64, accounts: u64) -> anyhow::Result<String> {
    let mut documents = HashMap::new();
    for number in 0..accounts {
        documents.insert(format!("/{}", did(seed, number)), document(seed, number)?.to_string());
    }
    let (documents, listener) = (Arc::new(documents), TcpListener::bind("127.0.0.1:0").await?);
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let documents = documents.clone();
            tokio::spawn(async move { answer(stream, &documents).await });
        }
    });
    Ok(format!("http://{address}"))
}

/// As much of HTTP as one client needs.
async fn answer(stream: TcpStream, documents: &HashMap<String, String>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut first, mut line) = (String::new(), String::new());
        if stream.read_line(&mut first).await? == 0 {
            return Ok(());
        }
        while stream.read_line(&mut line).await? > 2 {
            line.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or_default();
        let answer = match documents.get(path) {
            Some(body) => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
            None => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// A relay that says frames, so many a second, to the first that asks.
pub(super) struct Relay {
    /// Where it is.
    pub(super) url: String,
    pace: u64,
    started: Arc<OnceLock<Instant>>,
}

impl Relay {
    pub(super) async fn start(frames: Vec<Vec<u8>>, pace: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("ws://{}", listener.local_addr()?);
        let started = Arc::new(OnceLock::new());
        let relay = Self { url, pace, started: started.clone() };
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await?;
            let mut socket = accept_async(stream).await?;
            let started = *started.get_or_init(|| Instant::now() + Duration::from_millis(200));
            for (frame, number) in frames.into_iter().zip(0..) {
                sleep_until(due(started, number, pace)).await;
                socket.send(Message::binary(frame)).await?;
            }
            while let Some(Ok(_)) = socket.next().await {}
            anyhow::Ok(())
        });
        Ok(relay)
    }

    /// When a frame was due to be said: a relay that is held back does not excuse who holds it back.
    pub(super) fn due(&self, number: u64) -> Option<std::time::Instant> {
        self.started.get().map(|started| due(*started, number, self.pace).into_std())
    }
}

fn due(started: Instant, number: u64, pace: u64) -> Instant {
    started + Duration::from_micros(number * 1_000_000 / pace)
}
