//! What flows through Springline.
//!
//! ```text
//!  sources ── Event{Put|Delete|…} ──► journal ── Epoch ──► operators ── rows ──► sinks ──► queries
//!               │ Record, Link, Uri       EpochCommit          │ Row: (key, value) bytes of a Table
//! ```
//!
//! This crate holds the vocabulary that every other crate shares: identities ([`Uri`], [`NodeName`]),
//! the one generic shape of everything said ([`Record`]), what happens to it ([`Event`]), the only time the
//! dataflow knows ([`Epoch`]), the rows of every view ([`rows`]) with their key encodings ([`key`]), and the
//! definition of a search term ([`text`]), which the writer and the reader of the index must agree on.
//!
//! Invariants: nothing here does I/O, knows a dataflow or is async; everything is plain data with serde.

mod base64;
pub mod cluster;
pub mod epoch;
pub mod event;
pub mod feedback;
pub mod hand;
pub mod home;
pub mod hosting;
pub mod job;
mod kafka;
pub mod key;
pub mod label;
pub mod node;
pub mod record;
pub mod rows;
pub mod secret;
pub mod table;
pub mod text;
pub mod time;
pub mod uri;
pub mod vector;

pub use cluster::{ClusterId, Space, TextId};
pub use epoch::{Advance, Epoch, EpochCommit};
pub use event::{AccountStatus, Event, EventBody, Partition, Position, Quarantined, Rev, SourceId};
pub use feedback::{FeedbackSource, FeedbackStatus, ItemName, Project};
pub use hosting::{Gap, Hosting, Identity, RepoNews, TreeRoot};
pub use job::{Job, JobEvent, JobId, JobState};
pub use kafka::{KafkaClient, KafkaSecurity};
pub use label::Label;
pub use node::NodeName;
pub use record::{Context, Link, LinkPath, Record, Span};
pub use rows::Row;
pub use secret::Secret;
pub use table::{Table, View};
pub use time::Timestamp;
pub use uri::{Uri, UriId};
pub use vector::Vector;
