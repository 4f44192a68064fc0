//! `springline sinks`.

use super::{
    Global,
    client::{Client, block_on},
};
use clap::Subcommand;
use serde_json::Value;

/// What to do with the sinks that follow views.
#[derive(Debug, Subcommand)]
pub(super) enum SinksCommand {
    /// List them: state, how far they are, and how far behind
    List,
    /// Let one rest; what changes meanwhile is kept for it
    Pause {
        /// Its name in the configuration
        name: String,
    },
    /// Let it go on
    Resume {
        /// Its name in the configuration
        name: String,
    },
    /// Let it begin again, with all rows as they are: the way on for one that is lost
    Reset {
        /// Its name in the configuration
        name: String,
    },
}

/// Asks the server.
pub(super) fn sinks(global: &Global, command: SinksCommand) -> anyhow::Result<()> {
    let config = global.load_quiet()?;
    block_on(async {
        let (name, action) = match command {
            SinksCommand::List => {
                let answer = Client::any(&config)?.get("/v1/sinks", &[]).await?;
                line("sink", "kind", "view", "state", "at", "lag");
                answer.get("sinks").and_then(Value::as_array).into_iter().flatten().for_each(print);
                return Ok(());
            }
            SinksCommand::Pause { name } => (name, "pause"),
            SinksCommand::Resume { name } => (name, "resume"),
            SinksCommand::Reset { name } => (name, "reset"),
        };
        let path = format!("/v1/sinks/{name}/{action}");
        print(&Client::server(&config)?.post(&path, &[], serde_json::json!({})).await?);
        Ok(())
    })
}

fn print(sink: &Value) {
    let text = |key: &str| sink.get(key).and_then(Value::as_str).unwrap_or_default();
    let lag = sink.get("lag_epochs").and_then(Value::as_u64).unwrap_or_default().to_string();
    line(text("name"), text("kind"), text("view"), text("state"), text("at"), &lag);
    if !text("reason").is_empty() {
        println!("  {}", text("reason"));
    }
}

fn line(name: &str, kind: &str, view: &str, state: &str, at: &str, lag: &str) {
    println!("{name:<20} {kind:<8} {view:<14} {state:<10} {at:>14} {lag:>8}");
}
