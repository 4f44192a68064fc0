//! The settings of sources that follow a stream.

use crate::{
    SourceError,
    atproto::{reader::RecordsConfig, verify::Mode},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a connection is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SocketConfig {
    /// How often the host is pinged.
    pub ping_secs: u64,
    /// How long a host may leave a ping unanswered.
    pub pong_secs: u64,
    /// How long a host may send nothing at all before another is tried.
    pub stall_secs: u64,
    /// How long connecting may take.
    pub connect_secs: u64,
    /// The first and the longest wait before a host is tried again.
    pub backoff_secs: (u64, u64),
    /// How many bytes of messages may wait to be read; then the host waits.
    pub queued_bytes: usize,
}

impl Default for SocketConfig {
    fn default() -> Self {
        Self {
            ping_secs: 30,
            pong_secs: 45,
            stall_secs: 120,
            connect_secs: 15,
            backoff_secs: (1, 60),
            queued_bytes: 32 * 1024 * 1024,
        }
    }
}

/// No time is longer: a day.
const MAX_SECS: u64 = 24 * 3600;

impl SocketConfig {
    pub(super) fn check(&self) -> Result<(), SourceError> {
        let wrong = |message: &str| Err(SourceError::Config(message.to_owned()));
        if self.ping_secs == 0 || self.pong_secs == 0 || self.stall_secs == 0 || self.connect_secs == 0 {
            return wrong("the times of `socket` must be at least 1 second");
        }
        let times = [self.ping_secs, self.pong_secs, self.stall_secs, self.connect_secs, self.backoff_secs.1];
        if times.iter().any(|secs| *secs > MAX_SECS) {
            return wrong("the times of `socket` must be at most a day");
        }
        if self.backoff_secs.0 == 0 || self.backoff_secs.0 > self.backoff_secs.1 {
            return wrong("`socket.backoff_secs` are the first and the longest wait, both at least 1");
        }
        if self.queued_bytes < 1024 * 1024 {
            return wrong("`socket.queued_bytes` must be at least a mebibyte");
        }
        Ok(())
    }
}

/// The hosts of a stream: one is followed, the next one is for when it fails.
pub(super) fn check_hosts(hosts: &[String]) -> Result<(), SourceError> {
    if hosts.is_empty() {
        return Err(SourceError::Config("`hosts` must name at least one, e.g. `wss://relay.example`".into()));
    }
    for host in hosts {
        let rest = host.strip_prefix("wss://").or_else(|| host.strip_prefix("ws://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['?', '#', ' '])) {
            return Err(SourceError::Config(format!(
                "`{host}` is no host of a stream: write `wss://its.name`"
            )));
        }
    }
    Ok(())
}

/// How much of a commit is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verification {
    /// Hashes, the signature by the account's key, and that the changes told are all there are.
    #[default]
    Full,
    /// Hashes. The relay is trusted with the rest.
    Hash,
    /// Nothing: the relay is trusted.
    None,
}

impl Verification {
    pub(super) const fn mode(self) -> Mode {
        match self {
            Self::Full => Mode::Full,
            Self::Hash => Mode::Hash,
            Self::None => Mode::None,
        }
    }
}

/// A relay, or a single host of repositories: signed commits of everybody's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// `wss://relay.example`, tried in this order. Where one was left means nothing to the next.
    pub hosts: Vec<String>,
    /// How much of a commit is verified.
    #[serde(default)]
    pub verification: Verification,
    /// Take commits that don't say what they follow (`prevData`), as hosts of before Sync 1.1 send them.
    #[serde(default)]
    pub legacy: bool,
    /// Where to begin when nothing was read yet: none is now, 0 the oldest that the host has.
    #[serde(default)]
    pub from: Option<u64>,
    /// How records are read, and which.
    #[serde(default)]
    pub records: RecordsConfig,
    /// How the connection is kept.
    #[serde(default)]
    pub socket: SocketConfig,
}

impl RelayConfig {
    pub(super) fn check(&self) -> Result<(), SourceError> {
        check_hosts(&self.hosts)?;
        self.socket.check()
    }
}

/// A labeler: what it says of accounts and records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelsConfig {
    /// Whose labels.
    pub did: String,
    /// `wss://labeler.example`, tried in this order. Without any, the one that its DID document names.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Labels of these values hide their subject from every view. Others are shown as labels.
    #[serde(default = "takedown")]
    pub hides: Vec<String>,
    /// Take only labels that are signed by its key.
    #[serde(default = "yes")]
    pub verify: bool,
    /// How the connection is kept.
    #[serde(default)]
    pub socket: SocketConfig,
}

fn takedown() -> Vec<String> {
    vec!["!takedown".into()]
}

const fn yes() -> bool {
    true
}

impl LabelsConfig {
    pub(super) fn check(&self) -> Result<(), SourceError> {
        if crate::atproto::syntax::Did::check(&self.did).is_err() {
            return Err(SourceError::Config(format!("`did`: `{}` is no DID", self.did)));
        }
        if !self.hosts.is_empty() {
            check_hosts(&self.hosts)?;
        }
        self.socket.check()
    }
}

/// A Jetstream: records as JSON, already checked by who runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JetstreamConfig {
    /// `wss://jetstream.example`, tried in this order.
    pub hosts: Vec<String>,
    /// Which protocol they speak: 1 (`/subscribe`) or 2 (`network.bsky.jetstream.subscribeEvents`).
    #[serde(default = "first")]
    #[schemars(range(min = 1, max = 2))]
    pub version: u8,
    /// Have messages compressed: `true` fetches the dictionary from the host (version 2), a path reads it (version 1).
    #[serde(default)]
    pub compress: Compression,
    /// Where to begin when nothing was read yet: none is now, otherwise microseconds since 1970.
    #[serde(default)]
    pub from: Option<u64>,
    /// How records are read, and which.
    #[serde(default)]
    pub records: RecordsConfig,
    /// How the connection is kept.
    #[serde(default)]
    pub socket: SocketConfig,
}

const fn first() -> u8 {
    1
}

/// Whether messages come compressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Compression {
    /// Not, or with the dictionary that the host gives.
    Offered(bool),
    /// With the dictionary in this file.
    Dictionary(std::path::PathBuf),
}

impl Default for Compression {
    fn default() -> Self {
        Self::Offered(false)
    }
}

impl JetstreamConfig {
    pub(super) fn check(&self) -> Result<(), SourceError> {
        check_hosts(&self.hosts)?;
        self.socket.check()?;
        let wrong = |message: &str| Err(SourceError::Config(message.to_owned()));
        match (self.version, &self.compress) {
            (1, Compression::Offered(true)) => {
                wrong("version 1 hosts have no route for their dictionary: `compress` needs its path")
            }
            (1 | 2, _) => Ok(()),
            _ => wrong("`version` must be 1 or 2"),
        }?;
        if self.records.collections.len() > 100 || self.records.dids.len() > 10_000 {
            return wrong("a Jetstream takes at most 100 `collections` and 10,000 `dids`");
        }
        Ok(())
    }
}
