//! The registry: which sources there are, by the `type` of their configuration.

use crate::{Source, SourceError, atproto, files, git, github, kafka, reddit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::SourceId;

/// `[sources.<name>]`: an upstream to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SourceConfig {
    /// A folder of notes, or a whole Agora tree, indexed and watched.
    Files(files::FilesConfig),
    /// Gardens in git repositories, cloned and polled.
    Git(git::GitConfig),
    /// A relay of the AT Protocol: signed commits of everybody's records.
    Relay(atproto::live::RelayConfig),
    /// A Jetstream: the same records as JSON, checked by who runs it.
    Jetstream(atproto::live::JetstreamConfig),
    /// A labeler of the AT Protocol: what it says of accounts and records.
    Labels(atproto::live::LabelsConfig),
    /// Whole repositories of the AT Protocol: what was missed, and what is asked for.
    Backfill(atproto::repos::BackfillConfig),
    /// Issues of repositories on GitHub.
    Github(github::GithubConfig),
    /// Submissions and comments of subreddits.
    Reddit(reddit::RedditConfig),
    /// Topics of JSON messages in Kafka.
    Kafka(Box<kafka::KafkaConfig>),
    /// Recorded frames, lines and repositories.
    Replay(atproto::replay::ReplayConfig),
}

impl SourceConfig {
    /// The name of its type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Files(_) => "files",
            Self::Git(_) => "git",
            Self::Relay(_) => "relay",
            Self::Jetstream(_) => "jetstream",
            Self::Labels(_) => "labels",
            Self::Backfill(_) => "backfill",
            Self::Github(_) => "github",
            Self::Reddit(_) => "reddit",
            Self::Kafka(_) => "kafka",
            Self::Replay(_) => "replay",
        }
    }
}

/// Makes the source that a configuration describes.
///
/// # Errors
/// [`SourceError::Config`]: a setting makes no sense.
pub fn build(id: SourceId, config: &SourceConfig) -> Result<Box<dyn Source>, SourceError> {
    Ok(match config {
        SourceConfig::Files(config) => Box::new(files::Files::new(id, config.clone())?),
        SourceConfig::Git(config) => Box::new(git::Git::new(id, config.clone())?),
        SourceConfig::Relay(config) => Box::new(atproto::live::Relay::new(id, config.clone())?),
        SourceConfig::Jetstream(config) => Box::new(atproto::live::Jetstream::new(id, config.clone())?),
        SourceConfig::Labels(config) => Box::new(atproto::live::Labels::new(id, config.clone())?),
        SourceConfig::Backfill(config) => Box::new(atproto::repos::Backfill::new(id, config.clone())?),
        SourceConfig::Github(config) => Box::new(github::Github::new(id, config.clone())?),
        SourceConfig::Reddit(config) => Box::new(reddit::Reddit::new(id, config.clone())?),
        SourceConfig::Kafka(config) => Box::new(kafka::Kafka::new(id, (**config).clone())?),
        SourceConfig::Replay(config) => Box::new(atproto::replay::Replay::new(id, config.clone())?),
    })
}
