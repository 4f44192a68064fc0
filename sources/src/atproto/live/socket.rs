//! One WebSocket connection, from the handshake to its end.
//!
//! Messages go into a channel whose bytes are bounded: while it is full the socket is not read, which holds the host
//! back (and has it close the connection if it wants no slow readers: then it is resumed).
//!
//! A message may be somewhat longer than the protocol lets it be, so that it can be refused by itself: one that the
//! socket refuses ends the connection ([`Ended::TooLong`]), and would each time that it came: see `skip`.

use super::SocketConfig;
use crate::atproto::identity::retry_after;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, MissedTickBehavior, sleep_until, timeout},
};
use tokio_tungstenite::{
    connect_async_with_config,
    tungstenite::{
        self, Message as Wire, client::IntoClientRequest, error::CapacityError, http::HeaderValue,
        protocol::WebSocketConfig,
    },
};
use tokio_util::sync::CancellationToken;

/// What was said.
#[derive(Clone, Debug)]
pub(in crate::atproto) struct Message {
    pub(in crate::atproto) bytes: Bytes,
    /// Whether it came as binary.
    pub(in crate::atproto) binary: bool,
}

/// A message, and its share of what may wait.
#[derive(Debug)]
pub(in crate::atproto) struct Heard {
    pub(in crate::atproto) message: Message,
    pub(in crate::atproto) held: Held,
}

/// A share of what may wait, given back when dropped.
#[derive(Debug)]
pub(in crate::atproto) struct Held {
    _bytes: OwnedSemaphorePermit,
    _waits: Waits,
}

/// A message that was heard and is not yet sent on.
#[derive(Debug)]
struct Waits(Arc<AtomicU64>);

impl Waits {
    fn on(waiting: &Arc<AtomicU64>) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting.clone())
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The bytes that may wait to be sent on. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::atproto) struct Room {
    bytes: Arc<Semaphore>,
    most: u32,
    waiting: Arc<AtomicU64>,
}

impl Room {
    pub(in crate::atproto) fn of(bytes: usize) -> Self {
        let most = u32::try_from(bytes).unwrap_or(u32::MAX);
        Self { bytes: Arc::new(Semaphore::new(most as usize)), most, waiting: Arc::default() }
    }

    /// How many messages were heard and are not yet sent on.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits until there is room for a message; one that is longer than all of it takes all of it.
    pub(in crate::atproto) async fn hold(&self, message: Message) -> Heard {
        let weight = u32::try_from(message.bytes.len()).unwrap_or(u32::MAX).clamp(1, self.most);
        let waits = Waits::on(&self.waiting);
        loop {
            // It is never closed.
            if let Ok(bytes) = self.bytes.clone().acquire_many_owned(weight).await {
                return Heard { message, held: Held { _bytes: bytes, _waits: waits } };
            }
        }
    }
}

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was told to.
    Stopped,
    /// The host took no connection, or closed it; waiting is in order.
    Failed { reason: String, retry_after: Option<Duration> },
    /// A message is longer than any may be: this long, at least.
    TooLong { bytes: usize },
}

impl Ended {
    /// The length of a message that was too long to be read.
    pub(super) const fn too_long(&self) -> Option<usize> {
        match self {
            Self::TooLong { bytes } => Some(*bytes),
            _ => None,
        }
    }

    /// What went wrong, for a person to read, and how long the host asks to be left alone; nothing if it was told to.
    pub(super) fn fault(self) -> Option<(String, Option<Duration>)> {
        match self {
            Self::Stopped => None,
            Self::Failed { reason, retry_after } => Some((reason, retry_after)),
            Self::TooLong { bytes } => Some((
                format!("a message of {bytes} bytes is more than any may have: it is passed over"),
                None,
            )),
        }
    }

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
    room: &Room,
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
        Ok(Err(error)) => return refused(&error),
        Ok(Ok((socket, _))) => socket,
    };
    connected();
    let (ping, pong) = (Duration::from_secs(config.ping_secs), Duration::from_secs(config.pong_secs));
    let stall = Duration::from_secs(config.stall_secs);
    let mut pinging = tokio::time::interval_at(Instant::now() + ping, ping);
    pinging.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut heard_at, mut pong_due) = (Instant::now(), None::<Instant>);
    loop {
        let stalled_at = heard_at + stall;
        let message = tokio::select! {
            biased;
            () = stop.cancelled() => {
                let _ = timeout(Duration::from_secs(1), socket.close(None)).await;
                return Ended::Stopped;
            }
            // First what has come, however late: the wait may have been ours.
            message = socket.next() => message,
            () = sleep_until(pong_due.unwrap_or(stalled_at)), if pong_due.is_some() => {
                return Ended::failed("the host does not answer pings");
            }
            () = sleep_until(stalled_at) => {
                return Ended::failed("the host has sent nothing for too long");
            }
            _ = pinging.tick() => {
                if timeout(pong, socket.send(Wire::Ping(Bytes::new()))).await.is_err() {
                    return Ended::failed("the host takes no pings");
                }
                pong_due.get_or_insert(Instant::now() + pong);
                continue;
            }
        };
        pong_due = None; // whoever speaks is there
        let message = match message {
            None => return Ended::failed("the host has closed the connection"),
            Some(Err(tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, .. }))) => {
                return Ended::TooLong { bytes: size };
            }
            Some(Err(error)) => return Ended::failed(error.to_string()),
            Some(Ok(Wire::Binary(bytes))) => Message { bytes, binary: true },
            Some(Ok(Wire::Text(text))) => Message { bytes: Bytes::from(text), binary: false },
            Some(Ok(Wire::Close(frame))) => {
                let why = frame.map(|frame| format!(": {} {}", frame.code, frame.reason)).unwrap_or_default();
                return Ended::failed(format!("the host has closed the connection{why}"));
            }
            Some(Ok(_)) => continue,
        };
        let passed_on = async {
            let heard = room.hold(message).await;
            to.send(heard).await
        };
        tokio::select! {
            biased;
            result = passed_on => if result.is_err() { return Ended::Stopped },
            () = stop.cancelled() => return Ended::Stopped,
        }
        // While it waited nothing was read: that is no silence of the host's.
        heard_at = Instant::now();
    }
}

fn request(target: &Target) -> Result<tungstenite::handshake::client::Request, tungstenite::Error> {
    let mut request = target.url.as_str().into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("user-agent", HeaderValue::from_static(crate::atproto::USER_AGENT));
    if let Some(protocol) = target.protocol {
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    }
    Ok(request)
}

fn refused(error: &tungstenite::Error) -> Ended {
    let tungstenite::Error::Http(response) = error else { return Ended::failed(error.to_string()) };
    let body = response.body().as_deref().unwrap_or_default();
    let said: String =
        String::from_utf8_lossy(&body[..body.len().min(200)]).chars().filter(|c| !c.is_control()).collect();
    Ended::Failed {
        reason: format!("the host refuses: {} {said}", response.status()),
        retry_after: retry_after(response.headers()),
    }
}
