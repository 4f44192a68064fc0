//! Against real servers on this machine: HTTP, and DNS.

mod client;
mod dns;
mod documents;
mod handles;
mod lookups;
mod resolver;
mod server;

use super::{config::IdentityConfig, fetch::Web, *};
use dns::Names;
use serde_json::{Value, json};
use server::{Reply, Server};

const DID: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
const OTHER: &str = "did:plc:44ybard66vv44zksje25o7dz";
const KEY: &str = "zQ3shXjHeiBuRCKmM36cuYnm7YEMzhGnCmCyW92sRJ9pribSF";
const NEW_KEY: &str = "zQ3shrc8v5X6ZiANcZxA6JerfT2T4SskeCGxpmtDfMuHF9KRj";

/// A directory, the web servers of handles, and name servers, all of them here.
struct World {
    server: Server,
    names: Names,
    config: IdentityConfig,
}

impl World {
    /// In which private addresses are allowed, and nothing is waited for.
    async fn new() -> Self {
        let (server, names) = (Server::start().await, Names::start().await);
        let mut config = IdentityConfig {
            plc_url: server.url(""),
            refresh_min_secs: 0,
            retry_secs: 0,
            ..IdentityConfig::default()
        };
        config.http.allow_private = true;
        config.http.timeout_secs = 1;
        config.http.idle_timeout_secs = 1;
        config.http.dns_servers = vec![names.address];
        Self { server, names, config }
    }

    fn resolver(&self) -> Resolver {
        Resolver::with_web(&self.config, Web { test_port: Some(self.server.address.port()) }).unwrap()
    }

    /// Puts a document into the directory.
    fn publish(&self, document: &Value) {
        let did = document["id"].as_str().unwrap();
        self.server.set(&format!("127.0.0.1/{did}"), Reply::json(document));
    }
}

fn document(did: &str, handle: &str, key: &str) -> Value {
    json!({
        "id": did,
        "alsoKnownAs": [format!("at://{handle}")],
        "verificationMethod": [
            {"id": format!("{did}#atproto"), "type": "Multikey", "controller": did, "publicKeyMultibase": key},
        ],
        "service": [
            {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.example.com"},
        ],
    })
}
