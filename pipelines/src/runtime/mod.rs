//! The running process: from what is on disk to live views, and back to disk.
//!
//! ```text
//!  open: lock ─► store, journal, snapshot ─► decide (recovery)         queries are served from here on
//!  run:  correct views of another version ─► hydrate ─► replay ─► sealer + sources ─► … ─► drain ─► sync
//!
//!  sources ─► outbox ─► sealer ─► journal ─► workers ─► committer ─► store
//!                                   ▲                        │
//!                                   └── keeper: sync, snapshot, trim
//!  intake: feedback that is told to us, each item once ─► outbox
//!  feeds: sinks that follow views, a thread each, from the log that the store keeps
//!  with a journal in Kafka: sources ─► outbox ─► log ─► sealer ─► workers ─► … (see [`kafka`])
//!  with several processes: one dataflow over all of them (see [`cluster`])
//!  steward: labels that expire, records too old to be kept ─► outbox
//! ```
//!
//! Threads: tokio for sources, sealer and server; one a dataflow worker; one for the committer. Each hand-over is
//! bounded, so a slow disk is felt by the upstream, not by the memory.

pub mod acquaint;
mod boot;
pub mod cluster;
pub mod collect;
pub mod committer;
pub mod control;
mod datadir;
mod error;
pub mod feed;
mod feeds;
pub mod host;
mod intake;
pub mod journal;
pub mod kafka;
mod keeper;
pub mod labeler;
pub mod lookup;
mod open;
pub mod recompute;
pub mod recovery;
pub mod sealer;
mod start;
mod steward;
pub(crate) mod teller;
pub mod workers;

pub use control::ProcessControl;
pub use datadir::{DataDir, DataDirError};
pub use error::RuntimeError;
pub use open::Opened;
