//! The `[store]` section of the configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What keeps the materialised views. Everything in it can be rebuilt from the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// The storage engine. To change it, delete the folder of the old one: the views are rebuilt.
    pub engine: Engine,
    /// How much memory the engine may use for its cache of pages, in bytes. At least 1 MiB. What the system keeps
    /// of its files comes on top. Has no meaning for `memory`.
    #[schemars(range(min = 1_048_576))]
    pub cache_bytes: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { engine: Engine::default(), cache_bytes: 32 * 1024 * 1024 }
    }
}

impl StoreConfig {
    /// An engine with the default settings.
    #[must_use]
    pub fn of(engine: Engine) -> Self {
        Self { engine, ..Self::default() }
    }
}

/// A storage engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A tree on disk: the default.
    #[default]
    Sled,
    /// A log-structured merge tree on disk: for streams of thousands of events a second.
    Fjall,
    /// A map in memory, gone with the process: for tests and small demonstrations.
    Memory,
}

impl Engine {
    /// Every engine.
    pub const ALL: &'static [Self] = &[Self::Sled, Self::Fjall, Self::Memory];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Fjall => "fjall",
            Self::Memory => "memory",
        }
    }

    /// The folder that it keeps its files in, if it has files.
    pub(super) const fn folder(self) -> Option<&'static str> {
        match self {
            Self::Sled | Self::Fjall => Some(self.name()),
            Self::Memory => None,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
