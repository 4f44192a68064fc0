//! The sources of the AT Protocol against relays, Jetstreams, directories and hosts on this machine.

mod accounts;
mod backfill;
mod faults;
mod hostile;
mod jetstream;
mod labels;
mod recordings;
mod relay;

use crate::{
    network::{Directory, Stream},
    support::{Host, HostOptions, Ledger, wait_for},
};
use springline_model::{Record, Rev};
use springline_sources::{
    SourceConfig,
    atproto::{
        identity::Resolver,
        live::{RelayConfig, SocketConfig, Verification},
        who::Identities,
    },
};
use std::{collections::BTreeMap, time::Duration};
use tempfile::TempDir;

/// Records with their versions, by name.
type Versions = BTreeMap<String, (Rev, Record)>;

/// A directory, and what a source has sent into a ledger.
struct World {
    directory: Directory,
    ledger: Ledger,
    data: TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = Directory::start().await;
        Self { directory, ledger: Ledger::default(), data: tempfile::tempdir().unwrap() }
    }

    fn identities(&self) -> Identities {
        Identities::by(Resolver::new(&self.directory.identities()).unwrap())
    }

    fn start(&self, config: &SourceConfig) -> Host {
        self.start_with(config, HostOptions::default())
    }

    fn start_with(&self, config: &SourceConfig, options: HostOptions) -> Host {
        Host::start_on(self.identities(), config, &self.ledger, self.data.path(), options)
    }

    fn start_offline(&self, config: &SourceConfig) -> Host {
        Host::start(config, &self.ledger, self.data.path())
    }

    /// Waits until a stream was read up to a position.
    async fn at(&self, partition: &str, position: u64) {
        let position = position.to_string();
        wait_for("the position", || match self.ledger.position(partition) {
            Some(found) if found == position => Ok(()),
            found => Err(found),
        })
        .await;
    }

    fn versions(&self) -> Versions {
        versions(&self.ledger)
    }

    /// The ends of the names of all records.
    fn paths(&self) -> Vec<String> {
        let short = |uri: String| uri.rsplit_once('/').map(|(_, rkey)| rkey.to_owned()).unwrap();
        self.versions().into_keys().map(short).collect()
    }
}

fn versions(ledger: &Ledger) -> Versions {
    ledger.with(|inner| {
        let records = inner.records.iter();
        records.map(|(uri, (rev, record))| (uri.to_string(), (*rev, (**record).clone()))).collect()
    })
}

/// A relay's source that begins at the oldest and waits for little.
fn relay(streams: &[&Stream], verification: Verification) -> RelayConfig {
    RelayConfig {
        hosts: streams.iter().map(|stream| stream.url()).collect(),
        verification,
        legacy: false,
        from: Some(0),
        records: springline_sources::atproto::reader::RecordsConfig::default(),
        socket: SocketConfig { backoff_secs: (1, 1), ..SocketConfig::default() },
    }
}

/// Waits for something that is said of a source.
async fn told(host: &Host, text: &str) {
    wait_for(text, || {
        let status = host.status();
        let said = status.last_error.as_ref().is_some_and(|(_, said)| said.contains(text));
        if said { Ok(()) } else { Err(Box::new(status)) }
    })
    .await;
}

/// A little while, in which nothing should happen.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
