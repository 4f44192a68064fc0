//! A directory of accounts and the hosts of their repositories, in one HTTP server that answers as it is told.

use super::Account;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::Response,
};
use serde_json::{Value, json};
use springline_sources::atproto::identity::IdentityConfig;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    body: Bytes,
    after: Duration,
}

impl Reply {
    /// These bytes.
    #[must_use]
    pub fn bytes(body: impl Into<Bytes>) -> Self {
        Self { status: 200, body: body.into(), after: Duration::ZERO }
    }

    /// This JSON.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::bytes(body.to_string())
    }

    /// A status, and an error's name.
    #[must_use]
    pub fn error(status: u16, name: &str) -> Self {
        Self { status, ..Self::json(&json!({ "error": name, "message": "no" })) }
    }

    /// Later.
    #[must_use]
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

#[derive(Default)]
struct Inner {
    /// By path and query; 404 without.
    replies: Mutex<HashMap<String, Reply>>,
    hits: Mutex<HashMap<String, usize>>,
    /// Answers under way, and the most there were.
    busy: Mutex<(usize, usize)>,
}

/// The server; gone when dropped.
pub struct Directory {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl Directory {
    /// One that knows nobody.
    ///
    /// # Panics
    /// There is no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let inner = Arc::<Inner>::default();
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, inner, task }
    }

    /// `http://…`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Settings that look accounts up here, and wait for nothing.
    #[must_use]
    pub fn identities(&self) -> IdentityConfig {
        let mut config = IdentityConfig {
            plc_url: self.url(),
            refresh_min_secs: 0,
            retry_secs: 0,
            negative_secs: 0,
            ..IdentityConfig::default()
        };
        config.http.allow_private = true;
        config.http.timeout_secs = 5;
        config.http.idle_timeout_secs = 2;
        config.http.per_host_per_sec = 100_000;
        // Nobody answers there: handles are unknown, and nothing leaves the machine.
        config.http.dns_servers = vec![SocketAddr::from(([127, 0, 0, 1], 9))];
        config
    }

    /// Sets what is answered for a path and query.
    pub fn set(&self, target: &str, reply: Reply) {
        self.inner.replies.lock().expect("no panic").insert(target.to_owned(), reply);
    }

    /// Publishes a document as it is.
    pub fn document(&self, did: &str, document: &Value) {
        self.set(&format!("/{did}"), Reply::json(document));
    }

    /// Publishes an account's document, and its repository as it is now.
    pub fn publish(&self, account: &Account) {
        let (did, url) = (account.did(), self.url());
        self.document(did, &account.document(&url));
        self.repo(did, Reply::bytes(account.repo.car()));
        self.status(did, &json!({ "did": did, "active": true }));
    }

    /// Sets what `getRepo` answers.
    pub fn repo(&self, did: &str, reply: Reply) {
        self.set(&Self::get_repo(did), reply);
    }

    /// Sets what `getRepoStatus` answers.
    pub fn status(&self, did: &str, status: &Value) {
        self.set(&format!("/xrpc/com.atproto.sync.getRepoStatus?did={did}"), Reply::json(status));
    }

    /// Where a repository is asked for.
    #[must_use]
    pub fn get_repo(did: &str) -> String {
        format!("/xrpc/com.atproto.sync.getRepo?did={did}")
    }

    /// Sets the pages of `listRepos`.
    pub fn list(&self, pages: &[Vec<String>]) {
        for (number, dids) in pages.iter().enumerate() {
            let mut target = "/xrpc/com.atproto.sync.listRepos?limit=500".to_owned();
            if number > 0 {
                target += &format!("&cursor=page%2B{number}");
            }
            let repos: Vec<_> = dids.iter().map(|did| json!({ "did": did, "active": true })).collect();
            let mut page = json!({ "repos": repos });
            if number + 1 < pages.len() {
                page["cursor"] = format!("page+{}", number + 1).into();
            }
            self.set(&target, Reply::json(&page));
        }
    }

    /// How often a path and query was asked for.
    #[must_use]
    pub fn hits(&self, target: &str) -> usize {
        self.inner.hits.lock().expect("no panic").get(target).copied().unwrap_or(0)
    }

    /// How often anything was.
    #[must_use]
    pub fn all_hits(&self) -> usize {
        self.inner.hits.lock().expect("no panic").values().sum()
    }

    /// The most answers that were under way at a time.
    #[must_use]
    pub fn busiest(&self) -> usize {
        self.inner.busy.lock().expect("no panic").1
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response<Body> {
    let target = request.uri().to_string();
    *inner.hits.lock().expect("no panic").entry(target.clone()).or_default() += 1;
    let reply = inner.replies.lock().expect("no panic").get(&target).cloned();
    let reply = reply.unwrap_or_else(|| Reply::error(404, "NotFound"));
    {
        let mut busy = inner.busy.lock().expect("no panic");
        busy.0 += 1;
        busy.1 = busy.1.max(busy.0);
    }
    tokio::time::sleep(reply.after).await;
    inner.busy.lock().expect("no panic").0 -= 1;
    Response::builder().status(reply.status).body(reply.body.into()).expect("an answer")
}
