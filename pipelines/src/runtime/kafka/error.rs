//! Why the log can't be used.

use rdkafka::error::KafkaError;
use springline_sources::kafka::client;

/// Why the log can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The client library or the brokers say no.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A topic can't be made.
    #[error("the topic {topic} can't be made: {reason}")]
    Topic {
        /// Which.
        topic: String,
        /// In the brokers' words.
        reason: String,
    },
    /// It is gone, or not there yet.
    #[error("there is no topic {0}: bring it back, or start over with an empty data folder")]
    NoTopic(String),
    /// It forgets.
    #[error(
        "the topic {0} is compacted: that keeps only the last event of each authority. Set its cleanup.policy to delete"
    )]
    Compacted(String),
    /// It ends before what was read of it.
    #[error(
        "the topic's partition {partition} ends at offset {high}, and {next} is the next to be read: the topic was made \
         anew, or has lost its end. Bring it back, or start over with an empty data folder"
    )]
    Beyond {
        /// `topic/number`.
        partition: String,
        /// What would be read next.
        next: i64,
        /// Where it ends.
        high: i64,
    },
    /// Another message is where one was read.
    #[error(
        "the topic's partition {partition} has another message at offset {offset} than when it was read: the topic was \
         made anew. Bring the old one back, or start over with an empty data folder"
    )]
    Replaced {
        /// `topic/number`.
        partition: String,
        /// Where.
        offset: i64,
    },
    /// It has fewer partitions than before.
    #[error(
        "the topic {topic} has {has} partitions, it had {had}: it was made anew. Bring the old one back, or start over \
         with an empty data folder"
    )]
    Narrowed {
        /// Which.
        topic: String,
        /// How many were read.
        had: i32,
        /// How many there are.
        has: i32,
    },
    /// Another process writes under the same name.
    #[error(
        "another process writes to the log as `{id}` ({reason}): this one ends. Give each its own \
         journal.kafka.transactional_id"
    )]
    Fenced {
        /// The transactional id.
        id: String,
        /// In the brokers' words.
        reason: String,
    },
    /// Nothing came where something must be.
    #[error("the topic {0} has messages that no broker sends")]
    Silent(String),
    /// Somebody's transaction is open.
    #[error(
        "a transaction of another writer is open in the topic {0}: what lies behind it can't be read until that writer \
         goes on, or the brokers end it (journal.kafka.transaction_timeout_secs)"
    )]
    Held(String),
    /// What is to be written does not encode.
    #[error("an event does not encode")]
    Encode(#[from] serde_json::Error),
    /// The data folder belongs to another journal.
    #[error(
        "the data folder was written from {found}, and journal.kafka.topic is {topic}: go back to that, or start with \
         another data folder"
    )]
    OtherJournal {
        /// Which one.
        found: String,
        /// The topic that is configured.
        topic: String,
    },
    /// The process had to end before all was in the log, and seen to be.
    #[error(
        "it ended before all that was read was in the log and applied ({0}); the next start goes on from there"
    )]
    Unfinished(String),
    /// A thread is gone.
    #[error("{0} has failed")]
    Panicked(&'static str),
}

impl LogError {
    /// Whether it may be right later by itself.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Kafka(error) => client::passes(error),
            // Topics of a cluster that was just started come one by one.
            Self::Topic { .. } | Self::NoTopic(_) | Self::Silent(_) | Self::Held(_) => true,
            _ => false,
        }
    }
}
