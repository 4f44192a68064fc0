//! What every handler has at hand.

use crate::{
    auth::{Gate, GateError},
    cluster::{Client, ClusterConfig, ClusterError, Serving},
    config::ServerConfig,
    control::Control,
    cors,
};
use springline_model::{Epoch, Timestamp};
use springline_sinks::Reader;
use std::{
    ops::Deref,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use tower_http::cors::CorsLayer;

/// Shared by all handlers; cloning is cheap.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// What [`AppState`] shares.
pub struct Shared {
    /// The configuration.
    pub config: ServerConfig,
    /// The views; those of all processes, if there are several.
    pub reader: Reader,
    /// The running process.
    pub control: Arc<dyn Control>,
    /// When this server was made; part of every ETag, so that none outlives the process (a view may be corrected
    /// at start without a new epoch).
    pub started: Timestamp,
    /// Who may do what.
    pub gate: Gate,
    /// The other processes, if there are several.
    pub(crate) cluster: Option<Membership>,
    /// Who else's web pages may read.
    pub(crate) cors: Option<CorsLayer>,
    /// A permit for each read that may run at one time.
    pub reads: Arc<Semaphore>,
    /// The highest version that was given to what is written here.
    pub(crate) last_rev: AtomicU64,
}

/// What being one of several processes needs.
pub(crate) struct Membership {
    pub(crate) client: Client,
    pub(crate) serving: Serving,
}

impl AppState {
    /// Over the views and the process.
    ///
    /// # Errors
    /// The configuration is not safe to serve with.
    pub fn new(config: ServerConfig, reader: Reader, control: Arc<dyn Control>) -> Result<Self, GateError> {
        let gate = Gate::new(&config)?;
        let cors = cors::layer(&config)?;
        let reads = Arc::new(Semaphore::new(config.reads()));
        let (started, last_rev) = (Timestamp::now(), AtomicU64::new(0));
        let cluster = None;
        let shared = Shared { config, reader, control, started, gate, cluster, cors, reads, last_rev };
        Ok(Self(Arc::new(shared)))
    }

    /// As one of several processes: what it reads is everybody's, and it answers what the others ask. On a runtime.
    ///
    /// # Errors
    /// The cluster's configuration makes no sense.
    pub fn in_cluster(&self, config: &ClusterConfig) -> Result<Self, ClusterError> {
        let client = Client::new(config)?;
        let serving = Serving::new(config, self.config.reads());
        Ok(Self(Arc::new(Shared {
            config: self.config.clone(),
            reader: self.reader.across(Arc::new(client.clone())),
            control: self.control.clone(),
            started: self.started,
            gate: self.gate.in_cluster(&config.secret),
            cluster: Some(Membership { client, serving }),
            cors: self.cors.clone(),
            reads: self.reads.clone(),
            last_rev: AtomicU64::new(0),
        })))
    }

    /// Waits until the views show an epoch, those of all processes, at most as long as said. Whether they do.
    pub async fn visible(&self, epoch: Epoch, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut applied = self.reader.watch();
        let reached = applied.wait_for(|applied| *applied >= epoch);
        let here = matches!(tokio::time::timeout(at_most, reached).await, Ok(Ok(_)));
        match &self.cluster {
            Some(cluster) if here => cluster.client.applied(epoch, until).await,
            _ => here,
        }
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
