//! The server: routes, the layers around them, and the loop that accepts connections.
//!
//! ```text
//!  TcpListener ─► a permit a connection ─► hyper (HTTP/1.1, timed heads) ─► layers ─► routes
//!  layers, from the outside: observe │ cors │ gzip │ finish problems │ catch panics │ time out │ authorize │ body limit
//! ```
//!
//! Invariants: bounded in connections, head size and time, body size, request time, reads at one time. A stop
//! takes no new connections, lets open requests end within `shutdown_timeout_secs`, then drops them.

use crate::{
    agora,
    answer::EPOCH,
    auth::GateError,
    cluster::{self, ClusterConfig, ClusterError},
    compat,
    config::ServerConfig,
    control::Control,
    health, labels, observe,
    openapi::{self, Spec},
    problem::{self, Asked, ErrorPage, Kind, Problem},
    routes::Routes,
    state::AppState,
    v1, web, xrpc,
};
use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use springline_sinks::Reader;
use std::{any::Any, io, net::SocketAddr, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::util::option_layer;
use tower_http::{CompressionLevel, catch_panic::CatchPanicLayer, compression::CompressionLayer};

/// A client that has not sent a request's head by then is cut off; also how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest request head: a cursor over two of the longest URIs fits.
const MAX_HEAD_BYTES: usize = 128 * 1024;

/// The server can't be opened, or its socket failed.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The configuration is not safe to serve with.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The address can't be listened on.
    #[error("can't listen on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A server that has its socket and is not yet answering.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: AppState,
}

impl Server {
    /// Opens the socket.
    ///
    /// # Errors
    /// The configuration is not safe, or the address is taken.
    pub async fn bind(
        config: ServerConfig,
        reader: Reader,
        control: Arc<dyn Control>,
    ) -> Result<Self, ServeError> {
        let address = config.listen;
        let state = AppState::new(config, reader, control)?;
        let failed = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, state })
    }

    /// Answers as one of several processes.
    ///
    /// # Errors
    /// The cluster's configuration makes no sense.
    pub fn in_cluster(self, config: &ClusterConfig) -> Result<Self, ClusterError> {
        Ok(Self { state: self.state.in_cluster(config)?, ..self })
    }

    /// Where it listens: the port that the system chose, if port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, then lets open requests end.
    pub async fn run(self, stop: CancellationToken) {
        let config = &self.state.config;
        let connections = Arc::new(Semaphore::new(config.max_connections.max(1)));
        let patience = Duration::from_secs(config.shutdown_timeout_secs);
        let service = TowerToHyperService::new(app(self.state.clone()));
        let open = TaskTracker::new();
        tracing::info!(address = %self.address, "serving");
        loop {
            let accepted = async {
                // Closed never, so this fails never.
                let permit = connections.clone().acquire_owned().await.ok();
                (accept(&self.listener).await, permit)
            };
            let (stream, permit) = tokio::select! {
                accepted = accepted => accepted,
                () = stop.cancelled() => break,
            };
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(MAX_HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), service.clone())
                .with_upgrades();
            let stopping = stop.clone();
            open.spawn(async move {
                let _permit = permit;
                tokio::pin!(connection);
                let ended = tokio::select! {
                    ended = &mut connection => ended,
                    () = stopping.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                };
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended early");
                }
            });
        }
        drop(self.listener);
        open.close();
        if tokio::time::timeout(patience, open.wait()).await.is_err() {
            tracing::warn!("requests were still open when the server stopped");
        }
    }
}

/// The next connection. A failure to accept (out of file descriptors, a client already gone) is waited out: it
/// must not end the server.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection without TCP_NODELAY");
                }
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Opens the socket and answers until `stop`.
///
/// # Errors
/// The configuration is not safe, or the address is taken.
pub async fn serve(
    config: ServerConfig,
    reader: Reader,
    control: Arc<dyn Control>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    Server::bind(config, reader, control).await?.run(stop).await;
    Ok(())
}

/// Every route that there is with a configuration.
#[must_use]
pub fn routes(config: &ServerConfig) -> Routes {
    let mut routes = Routes::new();
    v1::routes(&mut routes);
    labels::routes(&mut routes);
    xrpc::routes(&mut routes);
    health::routes(&mut routes);
    openapi::routes(&mut routes);
    agora::routes(&mut routes);
    if config.compat {
        compat::routes(&mut routes);
    }
    web::routes(&mut routes);
    routes
}

/// The whole service over a state, for a server or for a test without a socket.
pub fn app(state: AppState) -> Router {
    let mut routes = routes(&state.config);
    let spec = Arc::new(Spec::of(&mut routes));
    let error_page = routes.error_page;
    let max_body = state.config.max_body_bytes;
    let layers = tower::ServiceBuilder::new()
        .layer(from_fn(observe::observe))
        .layer(option_layer(state.cors.clone()))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(from_fn_with_state((state.clone(), error_page), finish))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), time_out))
        .layer(from_fn_with_state(state.clone(), authorize))
        .layer(DefaultBodyLimit::max(max_body));
    let mut router = routes.into_router();
    if state.cluster.is_some() {
        router = router.route(cluster::PATH, cluster::ask());
    }
    router.layer(Extension(spec)).layer(layers).with_state(state)
}

async fn finish(
    State((state, page)): State<(AppState, Option<ErrorPage>)>,
    request: Request,
    next: Next,
) -> Response {
    let asked = Asked::of(&request);
    let mut response = problem::finish(&asked, next.run(request).await, page);
    let headers = response.headers_mut();
    if !headers.contains_key(EPOCH) {
        headers.insert(EPOCH, HeaderValue::from(state.reader.applied().0));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    // The panic's own message is in the log already, with its place: the panic hook wrote it.
    Problem::internal("answering the request", &"a handler panicked").into_response()
}

async fn time_out(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let limit = state.config.request_timeout();
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        Problem::new(Kind::Timeout, format!("there was no answer within {} s", limit.as_secs()))
            .into_response()
    })
}

async fn authorize(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match state.gate.authorize(&parts) {
        Ok(principal) => {
            parts.extensions.insert(principal);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}
