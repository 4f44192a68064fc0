//! Streams that are followed: a relay, a Jetstream, a labeler.
//!
//! ```text
//!  host ══ WebSocket ══► socket ──messages──► intake: chunks, decoded side by side, sent in order ──► Outbox
//!   ▲  ping, stall          │ bounded bytes       │ identities, keys            the position of the last message
//!   └── backoff, fail-over ─┴── follow ◄──────────┘ gaps, faults
//! ```
//!
//! | module | what |
//! |---|---|
//! | `socket` | one connection: messages in, pings out, why it ended |
//! | `intake` | from messages to batches, in order |
//! | `follow` | the life of a source: hosts in turn, resuming, commands |
//! | `skip` | past a message that can't be read |
//! | `relay`, `frames` | a relay, and its frames as events |
//! | `jetstream` | a Jetstream |
//! | `labels` | a labeler |
//! | `record` | their messages, into files |
//!
//! A host is a partition; its position is the number (or time) of the last message of which everything was sent: the
//! contiguous watermark, committed with the data. Positions of one host mean nothing to another.

mod config;
mod follow;
pub(super) mod frames;
pub(super) mod intake;
pub(super) mod jetstream;
mod labels;
mod record;
mod relay;
mod skip;
pub(super) mod socket;

pub use config::{Compression, JetstreamConfig, LabelsConfig, RelayConfig, SocketConfig, Verification};
pub use jetstream::Jetstream;
pub use labels::Labels;
pub use record::{Recorded, Recording, record};
pub use relay::Relay;
