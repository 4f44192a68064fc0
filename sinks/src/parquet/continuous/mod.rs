//! A view as a dataset of Parquet files that follows it, each change exactly once. docs/exports.md is for its readers.
//!
//! ```text
//!  log ─► Runner ─► ParquetFeed: rows in memory ── full, or old enough ──► files ─► manifest N+1: now it counts
//!                                                                           ▲              │
//!                              upkeep: compaction, purge, retention ────────┴──────────────┘
//!
//!  TO/view=VIEW/_springline/manifest-00000000000000000042.json    made once, never changed: the newest one is the truth
//!  TO/view=VIEW/manifest.json                                     a copy of it, for readers
//!  TO/view=VIEW/table=TABLE/date=2026-11-22/0000000042-0001.parquet
//! ```
//!
//! A manifest lists the files that count and holds how far they reach ([`crate::follow::Progress`]). Making the next one
//! is the commit: it is made under a name that nobody may make twice, on disk (a temporary name, synced, linked) as in an
//! object store (a conditional put). What a crash leaves behind, files that no manifest names, is deleted at the next
//! start. A start makes a manifest too: whoever was at it before can't commit any longer, and no name is used twice.
//!
//! Two forms ([`Form`]): the *changelog* has a row for each change, the *snapshot* the rows of the view as of the
//! manifest's position. A changelog can also be of what came in, as the journal has it ([`EventsFeed`]).
//!
//! Invariants:
//! 1. The files of any manifest are whole, and stay as they are while it is the newest, and `grace_secs` longer.
//! 2. Changelog: each position once; the last row of each key, if it is no `d`, gives the view (unless retention has
//!    dropped files). Files of a table stand in the order of the changes, and those of one day beside each other.
//! 3. Snapshot: the files of a table hold each of its rows once, sorted by `_key`, in ranges that do not overlap.
//! 4. What was deleted is in no file `purge_secs` later, neither the row's earlier versions nor its `d`; in a snapshot
//!    `roll_secs` later. Replaced files go `grace_secs` after that.
//!
//! Limits: a manifest lists all files, so a dataset should have thousands of them, not millions. An open file is in
//! memory. A snapshot's commit rewrites each file in which a row changed: the wider the changes, the more; so it takes at
//! most about a fifth of the time. Upkeep takes turns with writing, a file at a time.

mod changelog;
mod config;
mod dataset;
mod events;
mod feed;
mod file;
mod http;
mod manifest;
mod merge;
mod open;
mod place;
mod purge;
#[cfg(test)]
mod tests;
mod upkeep;

pub use config::{Form, ParquetSinkConfig, S3Config, Subject};
pub use events::EventsFeed;
pub use feed::ParquetFeed;
pub use manifest::{DataFile, DatasetManifest, DatasetTable, JournalProgress, LogProgress};
