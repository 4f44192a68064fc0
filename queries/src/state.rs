//! What every handler has at hand.

use crate::{
    auth::{Gate, GateError},
    config::ServerConfig,
    control::Control,
    cors,
};
use springline_model::{Epoch, Timestamp};
use springline_sinks::Reader;
use std::{ops::Deref, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tower_http::cors::CorsLayer;

/// Shared by all handlers; cloning is cheap.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// What [`AppState`] shares.
pub struct Shared {
    /// The configuration.
    pub config: ServerConfig,
    /// The views.
    pub reader: Reader,
    /// The running process.
    pub control: Arc<dyn Control>,
    /// When this server was made; part of every ETag, so that none outlives the process (a view may be corrected
    /// at start without a new epoch).
    pub started: Timestamp,
    /// Who may do what.
    pub gate: Gate,
    /// Who else's web pages may read.
    pub(crate) cors: Option<CorsLayer>,
    /// A permit for each read that may run at one time.
    pub reads: Arc<Semaphore>,
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
        Ok(Self(Arc::new(Shared { config, reader, control, started: Timestamp::now(), gate, cors, reads })))
    }

    /// Waits until the views show an epoch, at most as long as said. Whether they do.
    pub async fn visible(&self, epoch: Epoch, at_most: Duration) -> bool {
        let mut applied = self.reader.watch();
        let reached = applied.wait_for(|applied| *applied >= epoch);
        matches!(tokio::time::timeout(at_most, reached).await, Ok(Ok(_)))
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
