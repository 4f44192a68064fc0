//! The springline process: what joins sources, operators, sinks and queries into one program.
//!
//! ```text
//!  cli ─► config ─► runtime::Opened ─┬─► queries::Server (reads the store, asks ProcessControl)
//!                                    └─► run: boot, sealer, workers, committer, keeper, sources, agents
//! ```

pub mod agents;
pub mod cli;
pub mod config;
pub mod embedding;
pub mod replay;
pub mod runtime;
pub mod telemetry;
pub mod views;
