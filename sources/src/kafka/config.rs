//! The settings of a Kafka source.

use crate::SourceError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{KafkaClient, Timestamp};
use std::collections::BTreeMap;

/// Topics of JSON messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// How the cluster is reached.
    #[serde(default)]
    pub client: KafkaClient,
    /// The topics.
    pub topics: Vec<String>,
    /// A consumer group whose members share the partitions; without, this process reads all of them.
    #[serde(default)]
    pub group: Option<String>,
    /// Where a partition begins that was never read: `"earliest"`, `"latest"`, `{ timestamp = "2026-01-01" }` or
    /// `{ offsets = { "topic/0" = 42 } }` (those that are not named: at the earliest).
    #[serde(default)]
    pub from: From,
    /// How a message becomes a record.
    pub mapping: Mapping,
    /// A larger message is quarantined.
    #[serde(default = "max_message_bytes")]
    #[schemars(range(min = 1))]
    pub max_message_bytes: usize,
}

const fn max_message_bytes() -> usize {
    4 * 1024 * 1024
}

/// Where a partition begins that was never read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// With the oldest message.
    #[default]
    Earliest,
    /// With the next one that comes.
    Latest,
    /// With the first one of this time or later, RFC 3339 or a date.
    Timestamp(String),
    /// By `topic/partition`.
    Offsets(BTreeMap<String, i64>),
}

/// How a message becomes a record. Each field says where its text is: a JSON pointer into the value (`/user/name`), `key`
/// for the message's key, or `=` and the text itself (`=note`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The record's identity. With `key`, a message without a value deletes the record.
    pub uri: String,
    /// Comes before `uri`, if that is no URI by itself: `https://shop.example/items/`.
    #[serde(default)]
    pub uri_prefix: String,
    /// What kind of record it is.
    #[serde(default = "kind")]
    pub kind: String,
    /// Who said it: a URI; a plain name becomes `user:name`.
    #[serde(default)]
    pub author: Option<String>,
    /// A title.
    #[serde(default)]
    pub title: Option<String>,
    /// The text. `[[wikilinks]]` and addresses in it are not looked for: name what holds links.
    #[serde(default)]
    pub text: Option<String>,
    /// What it links to: each a text, or a list of texts. What is no URI is the name of a node.
    #[serde(default)]
    pub links: Vec<String>,
    /// Tags: each a text, or a list of texts.
    #[serde(default)]
    pub tags: Vec<String>,
    /// When: RFC 3339, a date, or a number of milliseconds since 1970. Without, when the message was written.
    #[serde(default)]
    pub time: Option<String>,
}

fn kind() -> String {
    "=note".into()
}

impl KafkaConfig {
    /// What the types can't say.
    pub(super) fn check(&self) -> Result<(), SourceError> {
        let wrong = |why: String| Err(SourceError::Config(why));
        if self.topics.is_empty() || self.topics.iter().any(|topic| topic.trim().is_empty()) {
            return wrong("`topics` must name at least one topic, and none of them empty".into());
        }
        if self.client.brokers.is_empty() {
            return wrong("`client.brokers` must name at least one broker".into());
        }
        if self.group.as_ref().is_some_and(|group| group.trim().is_empty()) {
            return wrong("`group` is empty: leave it out to read all partitions".into());
        }
        match &self.from {
            From::Timestamp(text) => {
                Timestamp::parse(text)
                    .map_err(|error| SourceError::Config(format!("`from.timestamp`: {error}")))?;
            }
            From::Offsets(offsets) => {
                let is_place = |name: &str| {
                    name.rsplit_once('/').is_some_and(|(topic, number)| {
                        self.topics.iter().any(|known| known == topic) && number.parse::<u16>().is_ok()
                    })
                };
                if let Some((name, _)) = offsets.iter().find(|(name, offset)| !is_place(name) || **offset < 0)
                {
                    return wrong(format!("`from.offsets`: `{name}` is no `topic/partition` with an offset"));
                }
            }
            From::Earliest | From::Latest => {}
        }
        Ok(())
    }
}
