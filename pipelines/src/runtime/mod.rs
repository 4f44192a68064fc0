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
//!  steward: labels that expire, records too old to be kept ─► outbox
//! ```
//!
//! Threads: tokio for sources, sealer and server; one a dataflow worker; one for the committer. Each hand-over is
//! bounded, so a slow disk is felt by the upstream, not by the memory.

pub mod acquaint;
mod boot;
pub mod collect;
pub mod committer;
pub mod control;
mod datadir;
pub mod feed;
pub mod host;
mod intake;
pub mod journal;
mod keeper;
pub mod labeler;
pub mod lookup;
pub mod recompute;
pub mod recovery;
pub mod sealer;
mod start;
mod steward;
pub(crate) mod teller;
pub mod workers;

pub use control::ProcessControl;
pub use datadir::{DataDir, DataDirError};
pub use start::{Opened, RuntimeError};
