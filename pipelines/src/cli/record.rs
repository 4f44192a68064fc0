//! `springline record`.

use super::Global;
use anyhow::{Context as _, bail};
use clap::Args;
use springline_sources::atproto::live::{Recording, record};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Flags of `record`.
#[derive(Debug, Args)]
pub(super) struct RecordArgs {
    /// A relay: wss://relay.example
    #[arg(long, value_name = "URL", conflicts_with = "jetstream")]
    relay: Option<String>,
    /// A Jetstream of version 1: wss://jetstream.example
    #[arg(long, value_name = "URL")]
    jetstream: Option<String>,
    /// Begin here: a relay's number, or a Jetstream's microseconds [default: now]
    #[arg(long, value_name = "CURSOR")]
    from: Option<u64>,
    /// Where to put the files, named by the time they begin; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "recorded")]
    out: PathBuf,
    /// Stop after so many messages
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Begin a new file after so many bytes, before they are packed
    #[arg(long, value_name = "BYTES", default_value_t = 256 * 1024 * 1024)]
    file_bytes: u64,
}

/// Records until told to stop.
pub(super) fn record_command(global: &Global, args: &RecordArgs) -> anyhow::Result<()> {
    let config = global.load(vec![])?;
    crate::telemetry::logs(&config.log, &springline_sources::ProgressBars::hidden())?;
    let (host, lines) = match (&args.relay, &args.jetstream) {
        (Some(host), None) => (host, false),
        (None, Some(host)) => (host, true),
        _ => bail!("name one: --relay URL or --jetstream URL"),
    };
    let recording = Recording {
        host: host.clone(),
        lines,
        from: args.from,
        out: args.out.clone(),
        messages: args.messages,
        file_bytes: args.file_bytes.max(1),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let recorded = runtime.block_on(async {
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stopping.cancel();
            }
        });
        record(&recording, &stop).await
    });
    let recorded = recorded.with_context(|| format!("recording {host}"))?;
    println!("{} messages, {} bytes, in {} files", recorded.messages, recorded.bytes, recorded.files);
    Ok(())
}
