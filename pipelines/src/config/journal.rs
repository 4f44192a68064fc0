//! Where what comes in is kept for good: in the data folder, or in a topic of Kafka.

use crate::runtime::journal::JournalOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The journal and its snapshots.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// `embedded`: in the data folder. `kafka`: in the topic of `[journal.kafka]`, which `springline ingest` writes and
    /// any number of `springline run` read.
    pub kind: JournalKind,
    /// The topic, if that is what the journal is.
    pub kafka: KafkaLogConfig,
    /// A segment file that has grown beyond this is followed by a new one.
    pub segment_bytes: u64,
    /// Sync each epoch to disk before it counts. Without it a power cut can lose the last epochs; a crash can't.
    pub sync: bool,
    /// Take a snapshot, and trim the journal behind it, when the journal has grown by this much since the last.
    pub snapshot_after_bytes: u64,
    /// Take one at the latest after this time if anything has changed, so that what people deleted leaves the disk.
    pub snapshot_after_hours: u32,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            kind: JournalKind::Embedded,
            kafka: KafkaLogConfig::default(),
            segment_bytes: 64 * 1024 * 1024,
            sync: true,
            snapshot_after_bytes: 512 * 1024 * 1024,
            snapshot_after_hours: 24,
        }
    }
}

impl JournalConfig {
    /// What the embedded journal itself needs to know.
    #[must_use]
    pub const fn options(&self) -> JournalOptions {
        JournalOptions { segment_bytes: self.segment_bytes, sync: self.sync }
    }
}

/// What the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JournalKind {
    /// Files in the data folder.
    #[default]
    Embedded,
    /// A topic of the cluster of `[kafka]`.
    Kafka,
}

/// The journal as a topic of Kafka: docs/log.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaLogConfig {
    /// The topic with the events. How far the sources have got stands in a second one, of this name and `.positions`.
    pub topic: String,
    /// The consumer group that offsets are committed to, for tools that show lag. Nothing depends on it.
    pub group: String,
    /// What the transactional ids begin with: `.ingest` and `.run` are added. Of two processes with the same one, the
    /// one that started first is ended: give each `run` of several its own.
    pub transactional_id: String,
    /// Partitions of the topic if it has to be made. Not to be changed later: keys would move.
    #[schemars(range(min = 1, max = 1000))]
    pub partitions: u16,
    /// Replicas of the topics if they have to be made; 0 is what the brokers have as their default.
    pub replication: u16,
    /// A larger message is neither written nor taken: it is quarantined.
    #[schemars(range(min = 1024, max = 500_000_000))]
    pub max_message_bytes: usize,
    /// How long events are gathered for a transaction.
    pub linger_ms: u64,
    /// A transaction has about this many events at most.
    #[schemars(range(min = 1))]
    pub transaction_events: usize,
    /// A transaction has about this many bytes at most.
    #[schemars(range(min = 1))]
    pub transaction_bytes: usize,
    /// The brokers end a transaction of a writer that was lost after this time; until then nobody reads beyond it.
    #[schemars(range(min = 2, max = 900))]
    pub transaction_timeout_secs: u32,
    /// `springline run` reads the sources, too, as the one process that writes: for a start without `springline ingest`.
    pub sources: bool,
}

impl Default for KafkaLogConfig {
    fn default() -> Self {
        Self {
            topic: "springline.events".into(),
            group: "springline".into(),
            transactional_id: "springline".into(),
            partitions: 6,
            replication: 0,
            max_message_bytes: 8 * 1024 * 1024,
            linger_ms: 50,
            transaction_events: 10_000,
            transaction_bytes: 16 * 1024 * 1024,
            transaction_timeout_secs: 60,
            sources: false,
        }
    }
}

impl KafkaLogConfig {
    /// The topic that says how far the sources have got.
    #[must_use]
    pub fn positions_topic(&self) -> String {
        format!("{}.positions", self.topic)
    }

    /// How long a transaction may be open.
    #[must_use]
    pub const fn transaction_timeout(&self) -> Duration {
        Duration::from_secs(self.transaction_timeout_secs as u64)
    }
}
