//! Asking the other processes.
//!
//! ```text
//!  ask ─► up ────────────────► POST, at most until the deadline ─► reply
//!     └─► down: an error now     └─ no answer ─► down ─► asked how it is every second ─► up
//! ```
//!
//! Who is down is asked by nobody but the one task that looks after him: so a process that is gone, or accepts and never
//! answers, costs the reads of one moment their deadline, and the others nothing.

use super::{
    ClusterConfig, ClusterError, PATH,
    wire::{self, Answer, MAX_ANSWER_BYTES, MEDIA, Question},
};
use axum::http::{HeaderValue, header};
use futures_util::future::join_all;
use parking_lot::Mutex;
use reqwest::Url;
use springline_model::Epoch;
use springline_sinks::views::peers::{Body, Layout, PeerError, Peers, Refusal, Reply, Request};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// How long a process that did not answer is left alone.
const REST: Duration = Duration::from_secs(1);
/// How long a connection that nobody uses is kept; the other side closes it after 30 s.
const IDLE: Duration = Duration::from_secs(20);
/// How often a process is asked how far it is by somebody who waits for an epoch.
const LOOK: Duration = Duration::from_millis(20);

/// The way to the other processes. Cloning is cheap.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    layout: Layout,
    deadline: Duration,
    http: reqwest::Client,
    bearer: HeaderValue,
    runtime: Handle,
    peers: Vec<Peer>,
}

struct Peer {
    url: Url,
    /// Why nobody asks it.
    down: Mutex<Option<String>>,
}

impl Client {
    /// To the processes of a cluster. On a runtime, whose threads do the asking.
    ///
    /// # Errors
    /// The configuration makes no sense.
    pub fn new(config: &ClusterConfig) -> Result<Self, ClusterError> {
        config.check()?;
        let runtime = Handle::try_current().map_err(|_| ClusterError::NoRuntime)?;
        let peer = |(process, url): (usize, &String)| {
            let wrong = || ClusterError::Url { url: url.clone(), process };
            let base = Url::parse(url).map_err(|_| wrong())?;
            let url = base
                .join(PATH)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https"))
                .ok_or_else(wrong)?;
            Ok(Peer { url, down: Mutex::default() })
        };
        let peers = config.urls.iter().enumerate().map(peer).collect::<Result<_, _>>()?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", config.secret.reveal()))
            .map_err(|_| ClusterError::ShortSecret)?;
        bearer.set_sensitive(true);
        let http = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(ClusterError::Http)?;
        let (layout, deadline) = (config.layout(), config.deadline);
        Ok(Self(Arc::new(Inner { layout, deadline, http, bearer, runtime, peers })))
    }

    /// Waits until every other process has applied an epoch, at most until a time. Whether they have.
    pub(crate) async fn applied(&self, epoch: Epoch, until: Instant) -> bool {
        let others = (0..self.0.layout.processes).filter(|process| *process != self.0.layout.process);
        let applied = |process| async move {
            loop {
                match self.0.ask(process, Request::Status, until).await {
                    Ok(Reply { epoch: theirs, .. }) if theirs >= epoch => return true,
                    _ if Instant::now() + LOOK >= until => return false,
                    _ => tokio::time::sleep(LOOK).await,
                }
            }
        };
        join_all(others.map(applied)).await.into_iter().all(|applied| applied)
    }
}

impl Peers for Client {
    fn layout(&self) -> Layout {
        self.0.layout
    }

    fn deadline(&self) -> Duration {
        self.0.deadline
    }

    fn ask(
        &self,
        asked: Vec<(usize, Request)>,
        until: Instant,
        meanwhile: &mut dyn FnMut(),
    ) -> Vec<Result<Reply, PeerError>> {
        let ask = |(process, request)| {
            let inner = self.0.clone();
            self.0.runtime.spawn(async move { inner.ask(process, request, until).await })
        };
        let asking: Vec<_> = asked.into_iter().map(ask).collect();
        meanwhile();
        let ended = |error: tokio::task::JoinError| Err(PeerError::Unreachable(error.to_string()));
        let replies = self.0.runtime.block_on(join_all(asking));
        replies.into_iter().map(|reply| reply.unwrap_or_else(ended)).collect()
    }
}

impl Inner {
    /// Asks a process, unless it is down.
    async fn ask(
        self: &Arc<Self>,
        process: usize,
        request: Request,
        until: Instant,
    ) -> Result<Reply, PeerError> {
        let nobody = || PeerError::Unreachable("there is no such process".to_owned());
        let peer = self.peers.get(process).ok_or_else(nobody)?;
        if let Some(reason) = &*peer.down.lock() {
            return Err(PeerError::Unreachable(reason.clone()));
        }
        let start = Instant::now();
        let answer = self.ask_now(peer, process, request, until).await;
        let outcome = match &answer {
            Ok(_) => "answered",
            Err(PeerError::Refused(_)) => "refused",
            Err(PeerError::Unreachable(reason)) => {
                self.rest(process, reason);
                "failed"
            }
        };
        let process = process.to_string();
        metrics::counter!("springline_peer_asks_total", "process" => process.clone(), "outcome" => outcome)
            .increment(1);
        metrics::histogram!("springline_peer_ask_duration_seconds", "process" => process)
            .record(start.elapsed().as_secs_f64());
        answer
    }

    async fn ask_now(
        &self,
        peer: &Peer,
        process: usize,
        request: Request,
        until: Instant,
    ) -> Result<Reply, PeerError> {
        let failed = |reason: String| PeerError::Unreachable(reason);
        let question = wire::encode(&Question { from: self.layout, to: process, request });
        let question = question.map_err(|error| failed(error.to_string()))?;
        let asked = Instant::now();
        let answered = tokio::time::timeout_at(until.into(), self.post(peer, question)).await;
        let late = |_| failed(format!("there was no answer within {} ms", asked.elapsed().as_millis()));
        let bytes = answered.map_err(late)?.map_err(failed)?;
        let answer: Answer = wire::decode(&bytes).map_err(|wrong| failed(format!("its answer: {wrong}")))?;
        Ok(answer?)
    }

    async fn post(&self, peer: &Peer, question: Vec<u8>) -> Result<Vec<u8>, String> {
        let request = self
            .http
            .post(peer.url.clone())
            .header(header::AUTHORIZATION, self.bearer.clone())
            .header(header::CONTENT_TYPE, MEDIA)
            .body(question);
        // Without the address: it stands in the log, and clients have no business with it.
        let cause = |error: reqwest::Error| match &error {
            error if error.is_connect() => "it can't be connected to".to_owned(),
            _ => format!("the connection failed: {}", error.without_url()),
        };
        let mut response = request.send().await.map_err(cause)?;
        if !response.status().is_success() {
            return Err(format!("it answers with status {}", response.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(cause)? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(format!("its answer is longer than {MAX_ANSWER_BYTES} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Lets a process rest, and looks after it until it answers again.
    fn rest(self: &Arc<Self>, process: usize, reason: &str) {
        let Some(peer) = self.peers.get(process) else { return };
        if peer.down.lock().replace(reason.to_owned()).is_some() {
            return;
        }
        tracing::warn!(process, url = %peer.url, reason, "another process does not answer");
        metrics::gauge!("springline_peer_up", "process" => process.to_string()).set(0.0);
        let inner = Arc::downgrade(self);
        self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(REST).await;
                let Some(inner) = inner.upgrade() else { return };
                let Some(peer) = inner.peers.get(process) else { return };
                let until = Instant::now() + inner.deadline;
                match inner.ask_now(peer, process, Request::Status, until).await {
                    Ok(Reply { body: Body::Status(_), .. }) => {
                        *peer.down.lock() = None;
                        tracing::info!(process, "another process answers again");
                        metrics::gauge!("springline_peer_up", "process" => process.to_string()).set(1.0);
                        return;
                    }
                    Ok(_) => {}
                    Err(PeerError::Unreachable(reason) | PeerError::Refused(Refusal::Failed(reason))) => {
                        *peer.down.lock() = Some(reason);
                    }
                    Err(PeerError::Refused(refusal)) => *peer.down.lock() = Some(refusal.to_string()),
                }
            }
        });
    }
}
