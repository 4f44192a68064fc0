//! What a change feed can be told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{Table, View};

/// A change feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaSinkConfig {
    /// The view whose changes are told: `feedback`.
    #[schemars(with = "String")]
    pub view: View,
    /// Only these of its tables.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The topic. `{table}` stands for the table's name, for a topic each.
    pub topic: String,
    /// Where the feed keeps how far it has got: a topic of its own, which feeds may share.
    #[serde(default = "KafkaSinkConfig::progress")]
    pub progress_topic: String,
    /// What the broker knows the feed by. Two servers must not share one. `springline-` and the sink's name, if it is
    /// not set.
    #[serde(default)]
    pub transactional_id: Option<String>,
    /// Whether a delete is followed by a message without a value, so that a compacted topic forgets the row.
    #[serde(default = "yes")]
    pub tombstones: bool,
    /// Whether topics that are not there are made, compacted.
    #[serde(default = "yes")]
    pub create_topics: bool,
    /// Partitions of a topic that is made.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub partitions: i32,
    /// On how many brokers a topic that is made is kept; the cluster's default, if it is not set.
    #[serde(default)]
    pub replication: Option<i32>,
    /// The broker gives up a transaction that takes longer.
    #[serde(default = "KafkaSinkConfig::timeout")]
    #[schemars(range(min = 10))]
    pub transaction_timeout_secs: u32,
}

const fn yes() -> bool {
    true
}

const fn one() -> i32 {
    1
}

impl KafkaSinkConfig {
    fn progress() -> String {
        "springline.progress".to_owned()
    }

    const fn timeout() -> u32 {
        300
    }

    /// What the broker knows a feed by, unless it is told otherwise.
    #[must_use]
    pub fn usual_id(name: &str) -> String {
        format!("springline-{name}")
    }

    /// A table's topic.
    #[must_use]
    pub fn topic_of(&self, table: Table) -> String {
        self.topic.replace("{table}", table.name())
    }
}
