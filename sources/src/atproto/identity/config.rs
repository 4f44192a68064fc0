//! The settings of identities, and of HTTP to strangers.

use crate::SourceError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};

/// A year: nothing is remembered for longer.
const MAX_SECS: u64 = 366 * 24 * 3600;

/// How accounts are looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The directory of `did:plc`, or a mirror of it. As it is yours to choose, it may be on a private network.
    pub plc_url: String,
    /// Ask nobody: identities are those that were put in, and handles aren't verified.
    pub offline: bool,
    /// How many identities are kept in memory, and as many handles.
    pub cache_entries: usize,
    /// For how long an identity is taken as it is.
    pub fresh_secs: u64,
    /// For how long it is still used after that while it is looked up again, or while that fails.
    pub stale_secs: u64,
    /// For how long it is remembered that there is no such account, or that its document makes no sense.
    pub negative_secs: u64,
    /// For how long a lookup that failed isn't tried again, unless the host says for how long.
    pub retry_secs: u64,
    /// An identity that was looked up within this time isn't looked up again, even if asked to: a stream of wrong
    /// signatures must not become a stream of requests.
    pub refresh_min_secs: u64,
    /// How the requests are made.
    pub http: HttpConfig,
}

/// HTTP to hosts that strangers chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Allow hosts on this machine and in private networks, `http://`, and handles under `.test`: for tests and
    /// closed networks.
    pub allow_private: bool,
    /// The name servers to ask; those of the system without.
    pub dns_servers: Vec<SocketAddr>,
    /// A connection that takes longer is given up.
    pub connect_timeout_secs: u64,
    /// A host that takes longer to start its answer, or that would have us wait longer, is given up.
    pub timeout_secs: u64,
    /// A body that stands still for longer is given up.
    pub idle_timeout_secs: u64,
    /// How many requests there are at a time.
    pub max_concurrency: usize,
    /// How many there are at a time to one host.
    pub per_host_concurrency: usize,
    /// How many are started in a second to one host. That many may start at once.
    pub per_host_per_sec: u32,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            plc_url: "https://plc.directory".into(),
            offline: false,
            cache_entries: 250_000,
            fresh_secs: 3600,
            stale_secs: 24 * 3600,
            negative_secs: 300,
            retry_secs: 10,
            refresh_min_secs: 5,
            http: HttpConfig::default(),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            allow_private: false,
            dns_servers: Vec::new(),
            connect_timeout_secs: 5,
            timeout_secs: 10,
            idle_timeout_secs: 30,
            max_concurrency: 64,
            per_host_concurrency: 16,
            per_host_per_sec: 50,
        }
    }
}

impl IdentityConfig {
    /// Says what makes no sense.
    ///
    /// # Errors
    /// [`SourceError::Config`], with the reason.
    pub fn check(&self) -> Result<(), SourceError> {
        let is_url = reqwest::Url::parse(&self.plc_url).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
        });
        if !is_url {
            return Err(SourceError::Config(format!(
                "`plc_url = \"{}\"` must be an address such as https://plc.directory",
                self.plc_url
            )));
        }
        if self.cache_entries == 0 {
            return Err(SourceError::Config("`cache_entries` must be at least 1".into()));
        }
        for (name, value) in [
            ("fresh_secs", self.fresh_secs),
            ("stale_secs", self.stale_secs),
            ("negative_secs", self.negative_secs),
            ("retry_secs", self.retry_secs),
            ("refresh_min_secs", self.refresh_min_secs),
        ] {
            if value > MAX_SECS {
                return Err(SourceError::Config(format!("`{name}` must be at most {MAX_SECS}")));
            }
        }
        self.http.check()
    }
}

impl HttpConfig {
    /// Says what makes no sense.
    ///
    /// # Errors
    /// [`SourceError::Config`], with the reason.
    pub fn check(&self) -> Result<(), SourceError> {
        for (name, value) in [
            ("connect_timeout_secs", self.connect_timeout_secs),
            ("timeout_secs", self.timeout_secs),
            ("idle_timeout_secs", self.idle_timeout_secs),
            ("max_concurrency", self.max_concurrency as u64),
            ("per_host_concurrency", self.per_host_concurrency as u64),
            ("per_host_per_sec", self.per_host_per_sec.into()),
        ] {
            if !(1..=100_000).contains(&value) {
                return Err(SourceError::Config(format!("`{name}` must be from 1 to 100000")));
            }
        }
        Ok(())
    }

    pub(super) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_secs)
    }
}
