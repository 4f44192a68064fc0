//! Upstreams turned into events with resumable positions.
//!
//! ```text
//!   a folder, a git repository, …                         the host (pipelines)
//!        │  watch, poll                                    ▲            │
//!        ▼                                                 │            ▼
//!   ┌─ Source::run ─────────────────────────┐   Batch   ┌──┴────┐   Known (what the ledger has)
//!   │ what changed ─► formats::read ─► Event ├─────────► │ Outbox│   Command (pull, pause, reset, …)
//!   └───────────────────────────────────────┘  bounded  └───────┘   SourceStatus, ProgressBars
//! ```
//!
//! A source knows its upstream and nothing of epochs, stores or views: it sends [`Batch`]es of events into a
//! bounded [`Outbox`] (a full outbox holds the source back, down to its upstream) and says with each batch how
//! far the partition has got. After a restart it asks [`Known`] what the ledger has, and sends the difference.
//!
//! Invariants:
//! 1. At least once: a position is sent with the last event that it covers, never before. What was sent behind
//!    the last durable position is sent again; the ledger drops what it has.
//! 2. The events of one record are sent in order, with rising [`springline_model::Rev`]s, also across restarts.
//! 3. When a source is idle, what it has sent is exactly what a fresh index of its upstream would send: records
//!    are a function of the upstream's current state, never of the way there.
//! 4. Nothing that an upstream contains stops a source: what can't be taken is quarantined with the reason.
//!
//! A new source is a folder with a `Source`, a configuration struct, and one line each in [`SourceConfig`] and
//! [`build`].

pub mod atproto;
mod config;
mod delivery;
mod error;
pub mod feedback;
pub mod files;
pub mod formats;
pub mod git;
pub mod github;
pub mod kafka;
mod known;
mod outbox;
mod place;
mod progress;
mod range;
pub mod reddit;
mod secret;
mod source;
mod status;

pub use config::{SourceConfig, build};
pub use error::{SourceError, chain};
pub use known::{Known, KnownError, KnownItem, KnownRecord, NothingKnown};
pub use outbox::{BATCH_BYTES, BATCH_EVENTS, Batch, Outbox};
pub use progress::ProgressBars;
pub use range::{Bound, BoundError, Range};
pub use secret::SecretFrom;
pub use source::{Command, PullReport, Pulled, Source, SourceContext};
pub use status::{PartitionStatus, SourceState, SourceStatus, StatusSnapshot};

/// Rises when [`formats::read`] gives another record for the same file: gardens are then read again.
pub(crate) const READER_VERSION: u32 = 2;
