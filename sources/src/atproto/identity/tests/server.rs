//! An HTTP server that answers as it is told, and counts.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Response, header},
};
use parking_lot::Mutex;
use serde_json::Value;
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

/// What is answered.
#[derive(Clone, Default)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    after: Duration,
}

impl Reply {
    pub(super) fn text(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    pub(super) fn json(body: &Value) -> Self {
        Self::text(body.to_string())
    }

    pub(super) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(super) fn redirect(to: impl Into<String>) -> Self {
        Self::status(302).with("location", to)
    }

    pub(super) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    pub(super) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

#[derive(Default)]
struct Inner {
    /// By host and path; 404 without.
    replies: Mutex<HashMap<String, Reply>>,
    hits: Mutex<HashMap<String, usize>>,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::<Inner>::default();
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner, task }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sets what is answered for a host and path.
    pub(super) fn set(&self, place: &str, reply: Reply) {
        self.inner.replies.lock().insert(place.to_owned(), reply);
    }

    /// How often that was asked for.
    pub(super) fn hits(&self, place: &str) -> usize {
        self.inner.hits.lock().get(place).copied().unwrap_or(0)
    }

    pub(super) fn all_hits(&self) -> usize {
        self.inner.hits.lock().values().sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response<Body> {
    let host = request.headers()[header::HOST].to_str().unwrap();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let place = format!("{host}{}", request.uri());
    let reply = inner.replies.lock().get(&place).cloned().unwrap_or_else(|| Reply::status(404));
    *inner.hits.lock().entry(place).or_default() += 1;
    tokio::time::sleep(reply.after).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    response.body(reply.body.into()).unwrap()
}

/// A server that sends a start and then one thing again and again, or nothing more; where it is.
pub(super) async fn raw(start: &'static [u8], again: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                _ = stream.read(&mut request).await;
                _ = stream.write_all(start).await;
                while !again.is_empty() && stream.write_all(again).await.is_ok() {}
                _ = stream.read(&mut request).await;
            });
        }
    });
    format!("http://{address}/")
}
