//! The settings of fetching whole repositories.

use crate::{
    SourceError,
    atproto::{live::Verification, reader::RecordsConfig},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fetches whole repositories: those of which something was missed, and those that are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackfillConfig {
    /// Accounts whose repositories are fetched once.
    pub dids: Vec<String>,
    /// Hosts all of whose repositories are fetched once: `https://pds.example`.
    pub hosts: Vec<String>,
    /// Leave out records that are older, by their own time. 0 takes all.
    pub days: u32,
    /// How many are fetched at a time.
    pub concurrency: usize,
    /// The largest repository, in bytes.
    pub max_bytes: u64,
    /// How much is verified: the blocks' hashes always, the signature with `full`.
    pub verification: Verification,
    /// Ask for what has changed since the last version that is here, where the rest is here too. Without it, all of a
    /// repository is read anew each time: after `records` were changed, that makes old records as new ones.
    pub diffs: bool,
    /// How often the ledger is asked for what has to be fetched.
    pub poll_millis: u64,
    /// The first and the longest wait before a repository is tried again.
    pub backoff_secs: (u64, u64),
    /// How records are read, and which.
    pub records: RecordsConfig,
}

impl Default for BackfillConfig {
    fn default() -> Self {
        Self {
            dids: Vec::new(),
            hosts: Vec::new(),
            days: 0,
            concurrency: 4,
            max_bytes: 2 * 1024 * 1024 * 1024,
            verification: Verification::Full,
            diffs: true,
            poll_millis: 1000,
            backoff_secs: (10, 3600),
            records: RecordsConfig::default(),
        }
    }
}

impl BackfillConfig {
    pub(super) fn check(&self) -> Result<(), SourceError> {
        let wrong = |message: String| Err(SourceError::Config(message));
        if let Some(host) =
            self.hosts.iter().find(|host| !host.starts_with("https://") && !host.starts_with("http://"))
        {
            return wrong(format!("`{host}` is no host of repositories: write `https://its.name`"));
        }
        if let Some(did) = self.dids.iter().find(|did| crate::atproto::syntax::Did::check(did).is_err()) {
            return wrong(format!("`{did}` is no DID"));
        }
        if self.concurrency == 0 || self.poll_millis == 0 || self.backoff_secs.0 == 0 {
            return wrong("`concurrency`, `poll_millis` and `backoff_secs` must be at least 1".into());
        }
        Ok(())
    }
}
