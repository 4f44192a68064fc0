//! The registry: which sources there are, by the `type` of their configuration.

use crate::{Source, SourceError, files, git};
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
}

impl SourceConfig {
    /// The name of its type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Files(_) => "files",
            Self::Git(_) => "git",
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
    })
}
