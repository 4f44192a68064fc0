//! A stream over WebSockets that behaves as told: a relay or a Jetstream, well or badly run.
//!
//! What is added is kept, and served to whoever connects from behind its `?cursor=` on (or from there on: a
//! Jetstream's is a time). How a connection goes is told for each in advance; without that it is served until the
//! client leaves.

use futures_util::{SinkExt, StreamExt};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        http,
    },
};

/// Something that the stream says.
#[derive(Clone, Debug)]
pub enum Said {
    /// A binary message.
    Frame(Vec<u8>),
    /// A text message.
    Text(String),
}

/// How a connection goes.
#[derive(Clone, Debug)]
pub enum Manner {
    /// All is said, and what is added later, until the client leaves.
    Serve,
    /// There is none: an HTTP status, and a `retry-after`.
    Refuse(u16, Option<String>),
    /// It is closed after so many messages.
    CloseAfter(usize),
    /// It breaks in the middle of the message behind so many.
    CutAfter(usize),
    /// Nothing is sent or read any more after so many messages.
    StallAfter(usize),
    /// Nothing is said after so many messages, but pings are answered.
    SilentAfter(usize),
    /// These are the last words, after so many messages.
    LastWords(usize, Vec<u8>),
    /// Everything is sent from the beginning, whatever the client asks for.
    FromStart,
}

struct Inner {
    said: Mutex<Vec<(Option<u64>, Said)>>,
    grown: watch::Sender<usize>,
    manners: Mutex<VecDeque<Manner>>,
    asked: Mutex<Vec<String>>,
    sent: AtomicUsize,
    /// Files beside the stream: what is answered for a path.
    files: Mutex<Vec<(String, Vec<u8>)>>,
    /// Whether a cursor is the number of the last message that the client has, and not a time to begin at.
    behind: bool,
}

/// A server of one stream; gone when dropped.
pub struct Stream {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Stream {
    /// One that numbers its messages, as relays do.
    ///
    /// # Panics
    /// There is no port.
    pub async fn relay() -> Self {
        Self::start(true).await
    }

    /// One whose cursors are times, as those of a Jetstream.
    ///
    /// # Panics
    /// There is no port.
    pub async fn jetstream() -> Self {
        Self::start(false).await
    }

    async fn start(behind: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let inner = Arc::new(Inner {
            said: Mutex::default(),
            grown: watch::Sender::new(0),
            manners: Mutex::default(),
            asked: Mutex::default(),
            sent: AtomicUsize::new(0),
            files: Mutex::default(),
            behind,
        });
        let serving = inner.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(serving.clone(), stream));
            }
        });
        Self { address, inner, task }
    }

    /// `ws://…`
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Adds a message; one without a number comes with the one behind it.
    pub fn say(&self, number: Option<u64>, said: Said) {
        let mut all = self.inner.said.lock().expect("no panic");
        all.push((number, said));
        self.inner.grown.send_replace(all.len());
    }

    /// Adds a frame.
    pub fn frame(&self, seq: impl Into<Option<u64>>, bytes: Vec<u8>) {
        self.say(seq.into(), Said::Frame(bytes));
    }

    /// Has a file, too.
    pub fn offer(&self, path: &str, bytes: Vec<u8>) {
        self.inner.files.lock().expect("no panic").push((path.to_owned(), bytes));
    }

    /// Tells how the next connection goes that nothing was told of yet.
    pub fn next(&self, manner: Manner) {
        self.inner.manners.lock().expect("no panic").push_back(manner);
    }

    /// The paths and queries that were asked for.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().expect("no panic").clone()
    }

    /// How many messages were given to sockets.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.inner.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inner {
    /// Where to begin for a cursor: none is the end.
    fn begin(&self, cursor: Option<u64>) -> usize {
        let said = self.said.lock().expect("no panic");
        let Some(cursor) = cursor else { return said.len() };
        let is_next = |number: u64| if self.behind { number > cursor } else { number >= cursor };
        let next = said.iter().position(|(number, _)| number.is_some_and(is_next));
        // What has no number comes with what is behind it.
        let last = |next: usize| said[..next].iter().rposition(|(number, _)| number.is_some());
        match next {
            Some(next) => last(next).map_or(0, |last| last + 1),
            None => said.iter().rposition(|(number, _)| number.is_some()).map_or(0, |last| last + 1),
        }
    }

    fn is_future(&self, cursor: Option<u64>) -> bool {
        let said = self.said.lock().expect("no panic");
        let last = said.iter().filter_map(|(number, _)| *number).max();
        self.behind && last.zip(cursor).is_some_and(|(last, cursor)| cursor > last)
    }
}

#[expect(clippy::result_large_err, reason = "the library's own type")]
async fn connection(inner: Arc<Inner>, mut stream: TcpStream) {
    let mut head = [0; 256];
    let read = stream.peek(&mut head).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let file = inner.files.lock().expect("no panic").iter().find(|(name, _)| name == path).cloned();
    if let Some((_, bytes)) = file {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
        let _ = stream.write_all(&[head.as_bytes(), &bytes].concat()).await;
        return;
    }
    let manner = inner.manners.lock().expect("no panic").pop_front().unwrap_or(Manner::Serve);
    let mut target = String::new();
    let accepted = accept_hdr_async(stream, |request: &Request, mut response: Response| {
        target = request.uri().to_string();
        if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
            response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
        }
        match &manner {
            Manner::Refuse(status, retry_after) => {
                let mut refusal = http::Response::new(Some("not now".to_owned()));
                *refusal.status_mut() = http::StatusCode::from_u16(*status).expect("a status");
                if let Some(value) = retry_after {
                    refusal.headers_mut().insert("retry-after", value.parse().expect("a value"));
                }
                Err(refusal)
            }
            _ => Ok(response),
        }
    });
    let accepted = accepted.await;
    inner.asked.lock().expect("no panic").push(target.clone());
    let Ok(socket) = accepted else { return };
    let cursor = target.split(['?', '&']).find_map(|part| part.strip_prefix("cursor=")?.parse().ok());
    // Whoever is gone is no fault of ours.
    let _ = serve(&inner, socket, &manner, cursor).await;
}

type Ended = Result<(), tokio_tungstenite::tungstenite::Error>;

async fn serve(
    inner: &Inner,
    mut socket: WebSocketStream<TcpStream>,
    manner: &Manner,
    cursor: Option<u64>,
) -> Ended {
    if inner.is_future(cursor) {
        // {op: -1}{error: "FutureCursor"}
        socket.send(Message::binary(b"\xa1bop \xa1eerrorlFutureCursor".to_vec())).await?;
        return socket.close(None).await;
    }
    let mut at = if matches!(manner, Manner::FromStart) { 0 } else { inner.begin(cursor) };
    let mut grown = inner.grown.subscribe();
    let mut count = 0;
    loop {
        let next = inner.said.lock().expect("no panic").get(at).cloned();
        match manner {
            Manner::CloseAfter(most) if count >= *most => {
                socket.close(None).await?;
                while let Some(Ok(_)) = socket.next().await {}
                return Ok(());
            }
            Manner::LastWords(most, words) if count >= *most => {
                socket.send(Message::binary(words.clone())).await?;
                return socket.close(None).await;
            }
            Manner::StallAfter(most) if count >= *most => return std::future::pending().await,
            Manner::SilentAfter(most) if count >= *most => {
                while let Some(Ok(_)) = socket.next().await {}
                return Ok(());
            }
            Manner::CutAfter(most) if count >= *most => {
                if let Some((_, Said::Frame(bytes))) = next {
                    let length = u16::try_from(bytes.len()).expect("a short frame to be cut");
                    let mut head = vec![0x82, 126];
                    head.extend(length.to_be_bytes());
                    let stream = socket.get_mut();
                    stream.write_all(&head).await?;
                    stream.write_all(&bytes[..bytes.len() / 2]).await?;
                    stream.flush().await?;
                }
                return Ok(());
            }
            _ => {}
        }
        match next {
            Some((_, said)) => {
                let message = match said {
                    Said::Frame(bytes) => Message::binary(bytes),
                    Said::Text(text) => Message::text(text),
                };
                socket.send(message).await?;
                inner.sent.fetch_add(1, Ordering::Relaxed);
                (at, count) = (at + 1, count + 1);
            }
            None => tokio::select! {
                changed = grown.changed() => if changed.is_err() { return Ok(()) },
                heard = socket.next() => match heard {
                    Some(Ok(_)) => {}
                    _ => return Ok(()),
                },
            },
        }
    }
}
