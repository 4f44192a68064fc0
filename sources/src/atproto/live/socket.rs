//! One WebSocket connection, from the handshake to its end.
//!
//! Messages go into a channel whose bytes are bounded: while it is full the socket is not read, which holds the host
//! back (and has it close the connection if it wants no slow readers: then it is resumed).

use super::SocketConfig;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    connect_async_with_config,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

/// A message, and its share of the bytes that may wait.
#[derive(Debug)]
pub(in crate::atproto) struct Heard {
    pub(in crate::atproto) bytes: Bytes,
    /// Whether it came as binary.
    pub(in crate::atproto) binary: bool,
    pub(in crate::atproto) _held: OwnedSemaphorePermit,
}

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was told to.
    Stopped,
    /// The host took no connection, or closed it; waiting is in order.
    Failed { reason: String, retry_after: Option<Duration> },
}

impl Ended {
    fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), retry_after: None }
    }
}

/// What to connect to.
pub(super) struct Target {
    pub(super) url: String,
    /// The longest message.
    pub(super) max_bytes: usize,
    /// A WebSocket subprotocol, if the host speaks one.
    pub(super) protocol: Option<&'static str>,
}

/// Connects and passes on every message until the connection ends. `connected` is called once it stands.
pub(super) async fn listen(
    target: &Target,
    config: &SocketConfig,
    to: &mpsc::Sender<Heard>,
    room: &Arc<Semaphore>,
    stop: &CancellationToken,
    connected: impl FnOnce(),
) -> Ended {
    let request = match request(target) {
        Ok(request) => request,
        Err(error) => return Ended::failed(error.to_string()),
    };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(target.max_bytes))
        .max_frame_size(Some(target.max_bytes));
    let connecting = connect_async_with_config(request, Some(limits), true);
    let connected_to = tokio::select! {
        () = stop.cancelled() => return Ended::Stopped,
        result = timeout(Duration::from_secs(config.connect_secs), connecting) => result,
    };
    let mut socket = match connected_to {
        Err(_) => return Ended::failed("the host did not answer in time"),
        Ok(Err(error)) => return refused(error),
        Ok(Ok((socket, _))) => socket,
    };
    connected();
    let (ping, pong) = (Duration::from_secs(config.ping_secs), Duration::from_secs(config.pong_secs));
    let stall = Duration::from_secs(config.stall_secs);
    let mut pinging = tokio::time::interval_at(Instant::now() + ping, ping);
    let (mut heard_at, mut pong_due) = (Instant::now(), None::<Instant>);
    loop {
        let message = tokio::select! {
            biased;
            () = stop.cancelled() => {
                let _ = timeout(Duration::from_secs(1), socket.close(None)).await;
                return Ended::Stopped;
            }
            _ = pinging.tick() => {
                if pong_due.is_some_and(|due| due < Instant::now()) {
                    return Ended::failed("the host does not answer pings");
                }
                if heard_at.elapsed() > stall {
                    return Ended::failed("the host has sent nothing for too long");
                }
                if timeout(pong, socket.send(Message::Ping(Bytes::new()))).await.is_err() {
                    return Ended::failed("the host takes no pings");
                }
                pong_due.get_or_insert(Instant::now() + pong);
                continue;
            }
            message = socket.next() => message,
        };
        let (bytes, binary) = match message {
            None => return Ended::failed("the host has closed the connection"),
            Some(Err(error)) => return Ended::failed(error.to_string()),
            Some(Ok(Message::Binary(bytes))) => (bytes, true),
            Some(Ok(Message::Text(text))) => (Bytes::from(text), false),
            Some(Ok(Message::Close(frame))) => {
                let why = frame.map(|frame| format!(": {} {}", frame.code, frame.reason)).unwrap_or_default();
                return Ended::failed(format!("the host has closed the connection{why}"));
            }
            Some(Ok(Message::Pong(_))) => {
                pong_due = None;
                continue;
            }
            Some(Ok(_)) => continue,
        };
        heard_at = Instant::now();
        pong_due = None; // whoever speaks is there
        let weight = u32::try_from(bytes.len()).unwrap_or(u32::MAX).max(1);
        let held = tokio::select! {
            () = stop.cancelled() => return Ended::Stopped,
            held = room.clone().acquire_many_owned(weight.min(MOST)) => held,
        };
        let Ok(held) = held else { return Ended::Stopped };
        if to.send(Heard { bytes, binary, _held: held }).await.is_err() {
            return Ended::Stopped;
        }
        heard_at = heard_at.max(Instant::now() - stall / 2); // the wait was ours
    }
}

/// The most that one message takes of the room: less than there is, so that one always fits.
const MOST: u32 = 1024 * 1024;

fn request(target: &Target) -> Result<tungstenite::handshake::client::Request, tungstenite::Error> {
    let mut request = target.url.as_str().into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("user-agent", HeaderValue::from_static(crate::atproto::USER_AGENT));
    if let Some(protocol) = target.protocol {
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    }
    Ok(request)
}

fn refused(error: tungstenite::Error) -> Ended {
    let tungstenite::Error::Http(response) = &error else { return Ended::failed(error.to_string()) };
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|secs| secs.trim().parse().ok()).map(Duration::from_secs);
    let body = response.body().as_deref().unwrap_or_default();
    let said: String =
        String::from_utf8_lossy(&body[..body.len().min(200)]).chars().filter(|c| !c.is_control()).collect();
    Ended::Failed { reason: format!("the host refuses: {} {said}", response.status()), retry_after }
}
