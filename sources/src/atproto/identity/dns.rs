//! Names: the addresses of hosts, and the texts of handles.
//!
//! Asked by this process, not by the system's library, so that texts can be read and what was answered is what is
//! checked and used. The system's settings and its file of hosts are followed, unless name servers are configured.

use super::{config::HttpConfig, error::FetchError};
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::sync::Semaphore;

/// How many addresses of a host, or texts of a name, are looked at.
const MAX_ANSWERS: usize = 32;
/// A name server that takes longer is asked again, or another one.
const TIMEOUT: Duration = Duration::from_secs(3);
/// An answer is asked for again after this, even if it says it lasts longer: handles move.
const MAX_TTL: Duration = Duration::from_secs(300);
const CACHED: u64 = 4096;

pub(super) struct Dns {
    resolver: TokioResolver,
    places: Semaphore,
}

impl Dns {
    pub(super) fn new(config: &HttpConfig) -> Result<Self, NetError> {
        let mut builder = if config.dns_servers.is_empty() {
            Resolver::builder_tokio().unwrap_or_else(|error| {
                tracing::warn!(%error, "the system names no name servers that can be asked");
                let nobody = ResolverConfig::from_name_servers(Vec::new());
                Resolver::builder_with_config(nobody, TokioRuntimeProvider::default())
            })
        } else {
            let servers = config.dns_servers.iter().map(name_server).collect();
            let servers = ResolverConfig::from_name_servers(servers);
            Resolver::builder_with_config(servers, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.positive_max_ttl = Some(MAX_TTL);
        options.negative_max_ttl = Some(MAX_TTL);
        options.cache_size = CACHED;
        Ok(Self { resolver: builder.build()?, places: Semaphore::new(config.max_concurrency) })
    }

    /// The addresses of a host; at least one.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, FetchError> {
        let _place = self.places.acquire().await;
        match self.resolver.lookup_ip(absolute(host)).await {
            Ok(found) => Ok(found.iter().take(MAX_ANSWERS).collect()),
            Err(error) if error.is_no_records_found() => Err(FetchError::NoAddress(host.to_owned())),
            Err(error) => Err(failure(host, &error)),
        }
    }

    /// The texts of a name; those that aren't UTF-8 are left out.
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<String>, FetchError> {
        let _place = self.places.acquire().await;
        match self.resolver.txt_lookup(absolute(name)).await {
            Ok(found) => {
                let text = |data: &RData| match data {
                    // A text of more than 255 bytes is written in pieces.
                    RData::TXT(text) => String::from_utf8(text.txt_data.concat()).ok(),
                    _ => None,
                };
                let records = found.answers().iter().take(MAX_ANSWERS);
                Ok(records.filter_map(|record| text(&record.data)).collect())
            }
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(failure(name, &error)),
        }
    }

    /// Drops the texts of a name that are still remembered.
    pub(super) fn forget_texts(&self, name: &str) {
        self.resolver.clear_lookup_cache(absolute(name), RecordType::TXT);
    }
}

/// A name with dots in it is a whole name: the system's search domains aren't for it.
fn absolute(name: &str) -> String {
    if name.contains('.') && !name.ends_with('.') { format!("{name}.") } else { name.to_owned() }
}

fn failure(host: &str, error: &NetError) -> FetchError {
    FetchError::Dns { host: host.to_owned(), reason: error.to_string() }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_port).to_vec();
    NameServerConfig::new(address.ip(), true, connections)
}
