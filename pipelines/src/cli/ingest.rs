//! `springline ingest`.

use super::{
    Global,
    run::{self, Role, SourceFlags},
};
use crate::config::{ChangesConfig, ClusterConfig, JournalKind};
use anyhow::bail;
use clap::Args;
use figment::value::Value;
use springline_model::View;
use std::net::SocketAddr;

/// Flags of `ingest`.
#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    #[command(flatten)]
    sources: SourceFlags,
    /// Serve health, metrics and the state of the sources here [default: not at all]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Stop when every source has caught up and all is in the log
    #[arg(long)]
    once: bool,
}

/// Reads the sources into the log until a signal.
pub(super) fn ingest(global: &Global, args: &IngestArgs) -> anyhow::Result<()> {
    let mut flags = args.sources.settings()?;
    flags.extend(args.listen.map(|listen| ("server.listen".to_owned(), Value::from(listen.to_string()))));
    let mut config = global.load(flags)?;
    if config.journal.kind != JournalKind::Kafka {
        bail!(
            "`springline ingest` writes to a journal in Kafka: set journal.kind = \"kafka\". With the embedded one \
             `springline run` reads the sources itself"
        );
    }
    config.journal.kafka.sources = true;
    // It reads for all who follow the log, however many they are.
    config.cluster = ClusterConfig::default();
    // Who follows views does so where they are.
    config.sinks.clear();
    config.changes = ChangesConfig::default();
    // Of the views only what the sources ask for; in a folder of its own, so that both fit one configuration.
    config.data_dir = config.data_dir.join("ingest");
    config.views.off = View::ALL.iter().copied().filter(|view| *view != View::Ledger).collect();
    run::serve(config, args.listen.is_some(), args.once, Role::Ingest)
}
