//! The HTTP server over the materialised views.
//!
//! ```text
//!  GET /v1/backlinks?target=node:foo
//!    └► layers (server) ─► params ─► answer::read ─► v1::backlinks(&Reading, params) ─► JSON
//!       auth, gzip, …      typed     one snapshot,      a plain function of one epoch     + epoch, ETag
//!                                    blocking thread
//!  POST /v1/…  ─► v1 command ─► Control (pipelines) ─► journal ─► … ─► the views ─► 200 when visible
//! ```
//!
//! - [`routes`]: the table of routes; a route is a function and two types, and documents itself.
//! - `v1`: the views over HTTP, a file a view. [`openapi`] describes them, [`problem`] is every error.
//! - `web`: the pages for people. `agora`: the Agora's own endpoints. `compat`: those of soulcaster's dashboard. `xrpc`: methods that the AT Protocol's clients
//!   speak already.
//! - [`cluster`]: several processes that answer as one. [`page`]: cursors. [`auth`]: who may do what. [`control`]: the seam to the running process.
//!
//! Invariants: reads only what the sinks expose, of one epoch an answer; knows no dataflow, source or journal;
//! every input is bounded and no input gives a 5xx; nothing is loaded from other hosts by any page.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a view is a plain function that owns its parameters, whether or not it uses them up"
)]

mod agora;
pub mod answer;
pub mod auth;
pub mod cluster;
mod compat;
pub mod config;
pub mod control;
pub mod cors;
mod health;
mod labels;
mod observe;
pub mod openapi;
pub mod page;
pub mod params;
pub mod problem;
pub mod routes;
mod server;
pub mod state;
pub mod v1;
mod web;
pub mod xrpc;

pub use cluster::{ClusterConfig, ClusterError};
pub use config::ServerConfig;
pub use control::{Control, ControlError, Phase, Progress, RuntimeStatus, SourceCommand, SourceStatus};
pub use observe::describe_metrics;
pub use problem::Problem;
pub use server::{ServeError, Server, app, routes as all_routes, serve};
pub use state::AppState;
