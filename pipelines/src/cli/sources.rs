//! `springline sources`.

use super::{
    Global,
    client::{Client, block_on},
};
use clap::Subcommand;
use serde_json::Value;

/// What to do with the running server's sources.
#[derive(Debug, Subcommand)]
pub(super) enum SourcesCommand {
    /// List them: state, records that are there, puts and deletes since the start, what went wrong. If no server
    /// runs, those that have records are `gone`: nobody reads them
    List,
    /// Look upstream now, and wait for what is found
    Pull {
        /// Its name in the configuration
        name: String,
        /// Only this garden of it
        #[arg(long)]
        partition: Option<String>,
    },
    /// Stop reading; what is there stays
    Pause {
        /// Its name in the configuration
        name: String,
    },
    /// Go on reading
    Resume {
        /// Its name in the configuration
        name: String,
    },
    /// Read everything again
    Reset {
        /// Its name in the configuration
        name: String,
    },
}

/// Asks the server.
pub(super) fn sources(global: &Global, command: SourcesCommand) -> anyhow::Result<()> {
    let config = global.load_quiet()?;
    block_on(async {
        let mut query = Vec::new();
        let (name, action) = match command {
            SourcesCommand::List => {
                let sources = Client::any(&config)?.get("/v1/sources", &[]).await?;
                print(&sources);
                return Ok(());
            }
            SourcesCommand::Pull { name, partition } => {
                query.extend(partition.map(|partition| ("partition", partition)));
                (name, "pull")
            }
            SourcesCommand::Pause { name } => (name, "pause"),
            SourcesCommand::Resume { name } => (name, "resume"),
            SourcesCommand::Reset { name } => (name, "reset"),
        };
        let path = format!("/v1/sources/{name}/{action}");
        let answer = Client::server(&config)?.post(&path, &query, serde_json::json!({})).await?;
        println!("{}", serde_json::to_string_pretty(&answer)?);
        Ok(())
    })
}

fn print(answer: &Value) {
    let text = |source: &Value, key: &str| match source.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    println!(
        "{:<20} {:<8} {:<10} {:>10} {:>10} {:>10} {:>12}",
        "source", "type", "state", "records", "puts", "deletes", "quarantined"
    );
    for source in answer.get("sources").and_then(Value::as_array).into_iter().flatten() {
        let brought = source.get("brought").and_then(Value::as_array).into_iter().flatten();
        let records: u64 = brought.filter_map(|kind| kind.get("records")?.as_u64()).sum();
        println!(
            "{:<20} {:<8} {:<10} {records:>10} {:>10} {:>10} {:>12}  {}",
            text(source, "name"),
            text(source, "kind"),
            text(source, "state"),
            text(source, "puts"),
            text(source, "deletes"),
            text(source, "quarantined"),
            text(source, "reason"),
        );
        for (partition, status) in source.get("partitions").and_then(Value::as_object).into_iter().flatten() {
            let waiting = status.get("waiting").and_then(Value::as_u64).filter(|waiting| *waiting > 0);
            let lag = waiting.map(|waiting| format!("{waiting} waiting"));
            let error = status.get("error").and_then(Value::as_str).map(str::to_owned);
            for what in error.into_iter().chain(lag) {
                println!("  {partition}: {what}");
            }
        }
    }
}
