//! The settings of a `files` source.

use crate::SourceError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A folder of notes, indexed and watched: one garden (`garden = "me"`) or a whole Agora tree (`agora = true`).
///
/// Hidden files and folders are left out, and what a `.springlineignore` names. Symbolic links are followed
/// inside a garden and refused when they leave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// The folder.
    pub path: PathBuf,
    /// The folder is one garden, and this is its user.
    #[serde(default)]
    pub garden: Option<String>,
    /// The folder is an Agora: `garden/<user>/…`, `stoa/<name>/…`, `stream/<user>/…` and files of its own.
    #[serde(default)]
    pub agora: bool,
    /// Leave out what the folder's `.gitignore` files name.
    #[serde(default = "defaults::gitignore")]
    pub gitignore: bool,
    /// Follow changes as they happen. Without it only the rescans find them.
    #[serde(default = "defaults::watch")]
    pub watch: bool,
    /// How long a change waits for the next one before both are read.
    #[serde(default = "defaults::debounce_ms")]
    pub debounce_ms: u64,
    /// How often the whole folder is compared, in case a change was missed. 0 is never.
    #[serde(default = "defaults::rescan_secs")]
    pub rescan_secs: u64,
    /// Larger files are quarantined.
    #[serde(default = "defaults::max_file_bytes")]
    pub max_file_bytes: u64,
}

pub(crate) mod defaults {
    pub(crate) const fn gitignore() -> bool {
        true
    }
    pub(crate) const fn watch() -> bool {
        true
    }
    pub(crate) const fn debounce_ms() -> u64 {
        10
    }
    pub(crate) const fn rescan_secs() -> u64 {
        300
    }
    pub(crate) const fn max_file_bytes() -> u64 {
        64 * 1024 * 1024
    }
}

impl FilesConfig {
    /// A folder that is one garden, with the default settings.
    #[must_use]
    pub fn garden(path: impl Into<PathBuf>, user: impl Into<String>) -> Self {
        Self { garden: Some(user.into()), agora: false, ..Self::agora(path) }
    }

    /// An Agora tree, with the default settings.
    #[must_use]
    pub fn agora(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            garden: None,
            agora: true,
            gitignore: defaults::gitignore(),
            watch: defaults::watch(),
            debounce_ms: defaults::debounce_ms(),
            rescan_secs: defaults::rescan_secs(),
            max_file_bytes: defaults::max_file_bytes(),
        }
    }

    /// Says what makes no sense.
    pub(crate) fn check(&self) -> Result<(), SourceError> {
        let wrong = |message: &str| Err(SourceError::Config(message.to_owned()));
        match (&self.garden, self.agora) {
            (None, false) => wrong("one of `garden = \"<user>\"` and `agora = true` must be set"),
            (Some(_), true) => wrong("`garden` and `agora` exclude each other"),
            (Some(user), false) if !crate::place::is_name(user) => wrong(
                "`garden` must be a plain name: not empty, no `/`, no control characters, no leading `.`",
            ),
            _ if self.debounce_ms > 10_000 => wrong("`debounce_ms` must be at most 10000"),
            _ => Ok(()),
        }
    }
}
