//! What the server can be told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::Secret;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// The query server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port. Anything but a loopback address needs a token.
    pub listen: SocketAddr,
    /// The bearer token: needed by every route that writes and, when the address is not a loopback one, by every
    /// route but health. At least 16 characters. Better kept in `token_file`.
    #[schemars(with = "Option<String>")]
    pub token: Option<Secret>,
    /// A file whose first line is the token.
    pub token_file: Option<PathBuf>,
    /// Further names that browsers may ask for (the `Host` header) while the address is a loopback one, e.g. the
    /// public name when a reverse proxy stands in front. `localhost` and loopback addresses are always known.
    pub hosts: Vec<String>,
    /// Web pages of other origins that browsers let read the answers: `["https://client.example"]`, or `["*"]` for all.
    /// Reads only, and never with credentials: a route that needs the token stays closed to them.
    pub cors_origins: Vec<String>,
    /// The address that links in feeds begin with, e.g. `https://garden.example.org`. Without it they begin with
    /// the name that the client asked for.
    pub public_url: Option<String>,
    /// Whether the paths of soulcaster's dashboard (`/feedback`, `/clusters`, `/jobs`, `/ingest/…`, `/stats`, …) answer,
    /// too. They hide the short addresses of nodes of these names: `/node/stats` still shows the node.
    pub compat: bool,
    /// A request that is not answered in this time is given up with a 503.
    pub request_timeout_secs: u64,
    /// Longest request body.
    pub max_body_bytes: usize,
    /// Connections open at one time; further ones wait to be accepted.
    pub max_connections: usize,
    /// Reads of the store that run at one time; further ones wait. 0: four for each core.
    pub max_reads: usize,
    /// How long open requests may take to end when the server stops.
    pub shutdown_timeout_secs: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token: None,
            token_file: None,
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            public_url: None,
            compat: false,
            request_timeout_secs: 15,
            max_body_bytes: 1024 * 1024,
            max_connections: 1024,
            max_reads: 0,
            shutdown_timeout_secs: 10,
        }
    }
}

impl ServerConfig {
    /// [`Self::request_timeout_secs`], at least a second.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_secs.max(1))
    }

    /// [`Self::max_reads`] with its default filled in.
    #[must_use]
    pub fn reads(&self) -> usize {
        match self.max_reads {
            0 => 4 * std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            reads => reads,
        }
    }
}
