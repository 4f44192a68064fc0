//! Writers and readers of materialised views.
//!
//! ```text
//!   Changes of one epoch ──► views::Views ──one atomic batch──► store::Store (sled | fjall | memory)
//!                             │ epoch gate                         ▲
//!                             └──────── views::Reader ─────────────┘ ◄── queries
//! ```
//!
//! [`store`] keeps sorted bytes under keys, atomically, in one of three engines. [`views`] lays the rows of every
//! view into it, together with the epoch, the clock, the sources' positions and a fingerprint a table, so that
//! what is stored is always exactly one whole epoch; and reads them back. [`follow`] tells sinks elsewhere what changes
//! in a view, each change once; [`kafka`] is one. [`events`] tells what came in.
//!
//! Invariants: nothing here knows a dataflow; everything here can be deleted and rebuilt from the journal.

pub mod events;
pub mod follow;
pub mod kafka;
pub mod parquet;
pub mod search;
pub mod store;
pub mod views;

pub use store::{Engine, StoreConfig};
pub use views::{ReadError, Reader, Scan, Snapshot, Views};
