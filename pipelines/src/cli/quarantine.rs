//! `springline quarantine`.

use super::{
    Global,
    client::{Client, block_on},
};
use clap::Subcommand;
use serde_json::{Value, json};

/// What to do with what could not be read.
#[derive(Debug, Subcommand)]
pub(super) enum QuarantineCommand {
    /// List it: what, where, why
    List {
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Read it again, now
    Retry {
        /// Its URI, as `list` shows it
        uri: String,
    },
    /// Give it up
    Discard {
        /// Its URI, as `list` shows it
        uri: String,
    },
}

/// Asks the server (the list also the data folder, if no server runs).
pub(super) fn quarantine(global: &Global, command: QuarantineCommand) -> anyhow::Result<()> {
    let config = global.load_quiet()?;
    block_on(async {
        match command {
            QuarantineCommand::List { limit } => {
                let answer =
                    Client::any(&config)?.get("/v1/quarantine", &[("limit", limit.to_string())]).await?;
                for row in answer.get("items").and_then(Value::as_array).into_iter().flatten() {
                    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
                    println!("{}\n    {} ({}, {})", text("uri"), text("reason"), text("source"), text("at"));
                }
            }
            QuarantineCommand::Retry { uri } => act(&config, "retry", &uri).await?,
            QuarantineCommand::Discard { uri } => act(&config, "discard", &uri).await?,
        }
        Ok(())
    })
}

async fn act(config: &crate::config::Config, action: &str, uri: &str) -> anyhow::Result<()> {
    let answer =
        Client::server(config)?.post(&format!("/v1/quarantine/{action}"), &[], json!({ "uri": uri })).await?;
    println!("{}", serde_json::to_string_pretty(&answer)?);
    Ok(())
}
