//! Change feeds: what changes in a view as messages of a Kafka topic, each exactly once.
//!
//! ```text
//!  one transaction:  topic (compacted)    key "feedback/…"  {"op":"u","before":…,"after":…,"epoch":57,"n":3,…}
//!                                         key "feedback/…"  null            behind a delete
//!                    progress (compacted) key "NAME"        {"log":"0f…","epoch":57,"n":3}
//! ```
//!
//! How far the feed has got is written in the transaction of what it is about, so both count or neither. On a start the
//! transactional id is claimed first, which ends whatever a predecessor had begun and keeps it out; then the progress is
//! read up to its topic's end; then the feed goes on strictly behind it. After any error all of that happens again.
//!
//! Invariants: readers of committed messages (`isolation.level = read_committed`) see each (epoch, n) once, in order
//! within a partition, never a part of an epoch of ours without the rest being committed with it.
//!
//! Limits: one transactional id, so one writer; a transaction that the broker gives up after
//! [`KafkaSinkConfig::transaction_timeout_secs`] is made again. A message is a row, twice: what is longer than the topic
//! takes stops the feed, with the broker's reason.

mod client;
mod config;
mod envelope;
mod feed;
mod progress;
mod topics;

pub use config::KafkaSinkConfig;
pub use feed::KafkaFeed;
