//! How the other commands reach the views: over HTTP if a server has the data folder, else by the same routes over
//! the folder itself.

use crate::{
    config::Config,
    runtime::{DataDir, DataDirError, Opened},
};
use anyhow::{Context as _, bail};
use serde_json::Value;
use springline_queries::{AppState, app};
use springline_sources::ProgressBars;
use std::{net::SocketAddr, time::Duration};
use tower::ServiceExt as _;

/// How long a stream may take to begin.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a stream may show no sign of life; a server gives one every 15 seconds.
const SILENCE: Duration = Duration::from_secs(60);

/// Something that answers the API's routes.
pub(super) enum Client {
    /// A running server.
    Server {
        /// Its address.
        base: String,
        /// Its token.
        token: Option<String>,
        /// The connection pool.
        http: reqwest::Client,
    },
    /// The data folder, which nobody else has.
    Folder {
        /// The routes over it.
        app: Box<axum::Router>,
        /// Kept for its lock.
        _opened: Box<Opened>,
    },
}

impl Client {
    /// The running server if there is one, else the data folder.
    pub(super) fn any(config: &Config) -> anyhow::Result<Self> {
        match DataDir::take_existing(&config.data_dir) {
            Ok(data) => Self::folder(config.clone(), data),
            Err(DataDirError::InUse { .. }) => Self::server(config),
            Err(error) => Err(error.into()),
        }
    }

    fn folder(config: Config, data: DataDir) -> anyhow::Result<Self> {
        let mut config = config.at_rest();
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = config.server.clone();
        let opened = Opened::open(config, data, ProgressBars::hidden(), None)?;
        let state = AppState::new(server, opened.reader(), opened.control())?;
        Ok(Self::Folder { app: Box::new(app(state)), _opened: Box::new(opened) })
    }

    /// The running server, as the configuration says.
    pub(super) fn server(config: &Config) -> anyhow::Result<Self> {
        let mut address = config.server.listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::IpAddr::from([127, 0, 0, 1]));
        }
        let token = match (&config.server.token, &config.server.token_file) {
            (Some(token), _) => Some(token.reveal().to_owned()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file);
                let text = text.with_context(|| format!("server.token_file {}", file.display()))?;
                text.lines().next().map(|line| line.trim().to_owned())
            }
            (None, None) => None,
        };
        let http = reqwest::Client::builder().timeout(Duration::from_secs(180)).build()?;
        Ok(Self::Server { base: format!("http://{address}"), token, http })
    }

    /// Asks a route.
    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        self.send(reqwest::Method::GET, path, query, None).await
    }

    /// Tells a route.
    pub(super) async fn post(
        &self,
        path: &str,
        query: &[(&str, String)],
        body: Value,
    ) -> anyhow::Result<Value> {
        self.send(reqwest::Method::POST, path, query, Some(body)).await
    }

    /// Asks a running server for a stream of events, behind one of them. It may take as long as it likes between two as
    /// long as it shows signs of life. The inner error is one of the connection.
    pub(super) async fn events(
        &self,
        path: &str,
        behind: Option<&str>,
    ) -> anyhow::Result<reqwest::Result<reqwest::Response>> {
        let Self::Server { base, token, .. } = self else { bail!("no server runs: nothing more is said") };
        let http = reqwest::Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE).build()?;
        let mut url = reqwest::Url::parse(base)?;
        url.set_path(path);
        let mut request = http.get(url).header("accept", "text/event-stream");
        if let Some(behind) = behind {
            request = request.header("last-event-id", behind);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Ok(request.send().await)
    }

    /// Asks a route that answers with text.
    pub(super) async fn text(&self, path: &str) -> anyhow::Result<String> {
        let (status, bytes) = self.answer(reqwest::Method::GET, path, &[], None).await?;
        if status >= 400 {
            return read(status, &bytes).map(|_| String::new());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let (status, bytes) = self.answer(method, path, query, body).await?;
        read(status, &bytes)
    }

    async fn answer(
        &self,
        method: reqwest::Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        let mut url = reqwest::Url::parse("http://localhost")?;
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let target = url.as_str().trim_start_matches("http://localhost").to_owned();
        Ok(match self {
            Self::Server { base, token, http } => {
                let mut request = http.request(method, format!("{base}{target}"));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                if let Some(body) = &body {
                    request = request.json(body);
                }
                let answer = request.send().await.with_context(|| format!("no server answers at {base}"))?;
                (answer.status().as_u16(), answer.bytes().await?.to_vec())
            }
            Self::Folder { app, .. } => {
                let request = axum::http::Request::builder()
                    .method(method.as_str())
                    .uri(target)
                    .header("host", "localhost")
                    .header("accept", "application/json")
                    .body(axum::body::Body::empty())?;
                let answer = app.clone().oneshot(request).await?;
                let status = answer.status().as_u16();
                (status, axum::body::to_bytes(answer.into_body(), usize::MAX).await?.to_vec())
            }
        })
    }
}

/// An answer's JSON, or what went wrong.
pub(super) fn read(status: u16, bytes: &[u8]) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_slice(bytes).with_context(|| {
        format!(
            "the answer ({status}) is not JSON: {}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
        )
    })?;
    if status >= 400 {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        bail!("{} ({status}): {}", text("title"), text("detail"));
    }
    Ok(value)
}

/// Runs a command's requests.
pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(work)
}
