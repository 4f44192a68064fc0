//! `springline backfill`.

use super::{
    Global, ServeFlags,
    client::{Client, block_on},
    replay::{self, VerifyArg},
};
use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use springline_sources::atproto::replay::{Form, ReplayConfig};
use std::{path::PathBuf, time::Duration};

/// Flags of `backfill`.
#[derive(Debug, Args)]
pub(super) struct BackfillArgs {
    /// Accounts: their DIDs
    #[arg(value_name = "DID")]
    dids: Vec<String>,
    /// All accounts of this host: https://pds.example
    #[arg(long, value_name = "URL")]
    pds: Option<String>,
    /// A repository in a file (`.car`, also `.gz` or `.zst`): read by this process, so no server may run
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// How much of a file is verified: `full` looks up the account's key
    #[arg(long, value_enum, default_value_t = VerifyArg::Hash)]
    verification: VerifyArg,
    /// Don't wait until they are fetched
    #[arg(long)]
    no_wait: bool,
}

/// Asks the running server to fetch repositories, or reads files.
pub(super) fn backfill(global: &Global, args: BackfillArgs) -> anyhow::Result<()> {
    if !args.file.is_empty() {
        if args.pds.is_some() || !args.dids.is_empty() {
            bail!(
                "--file reads files here; DIDs and --pds are fetched by a running server: one or the other"
            );
        }
        let config = ReplayConfig {
            paths: args.file,
            form: Some(Form::Car),
            range: springline_sources::Range::default(),
            speed_percent: 0,
            verification: args.verification.into(),
            legacy: false,
            records: Default::default(),
        };
        return replay::read(global, &ServeFlags::default(), config, false);
    }
    if args.pds.is_none() && args.dids.is_empty() {
        bail!("name at least one DID, or --pds URL, or --file FILE");
    }
    let config = global.load_quiet()?;
    block_on(async {
        let client = Client::server(&config)?;
        let body = json!({ "dids": args.dids, "pds": args.pds });
        let asked = client.post("/v1/backfill", &[("wait", "visible".into())], body).await?;
        println!("asked for {} repositories", asked["asked"]);
        if args.no_wait {
            return Ok(());
        }
        loop {
            let waiting = client.get("/v1/backfill", &[]).await?;
            let left = waiting["waiting"].as_u64().unwrap_or(0);
            let more = if waiting["more"] == Value::Bool(true) { " or more" } else { "" };
            eprint!("\r{left}{more} repositories to fetch    ");
            if left == 0 {
                eprintln!();
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
}
