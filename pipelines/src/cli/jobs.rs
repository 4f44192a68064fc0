//! `springline jobs`.

use super::{
    Global,
    client::{Client, block_on},
    follow,
};
use clap::Subcommand;
use serde_json::{Value, json};

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// List them, the newest first
    List {
        /// Only those about this cluster
        #[arg(long)]
        cluster: Option<String>,
        /// Only those that stand so: pending, running, success, failed, cancelled
        #[arg(long)]
        state: Option<String>,
        /// Only those of this agent
        #[arg(long)]
        agent: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one, with what it was given
    Show {
        /// Its name, as `list` shows it
        job: String,
    },
    /// Print what it has said
    Logs {
        /// Its name, as `list` shows it
        job: String,
        /// Go on while it says more, until it is over
        #[arg(long, short)]
        follow: bool,
    },
    /// Call it off
    Cancel {
        /// Its name, as `list` shows it
        job: String,
    },
}

/// Asks the server (all but `cancel` also the data folder, if no server runs).
pub(super) fn jobs(global: &Global, command: JobsCommand) -> anyhow::Result<()> {
    let config = global.load_quiet()?;
    block_on(async {
        match command {
            JobsCommand::List { cluster, state, agent, limit } => {
                let mut query = vec![("limit", limit.to_string())];
                for (key, value) in [("cluster", cluster), ("state", state), ("agent", agent)] {
                    query.extend(value.map(|value| (key, value)));
                }
                print(&Client::any(&config)?.get("/v1/jobs", &query).await?);
            }
            JobsCommand::Show { job } => {
                let job = Client::any(&config)?.get(&format!("/v1/jobs/{job}"), &[]).await?;
                println!("{}", serde_json::to_string_pretty(&job)?);
            }
            JobsCommand::Logs { job, follow } => match Client::any(&config)? {
                server @ Client::Server { .. } if follow => follow::follow(&server, &job).await?,
                // Where no server runs, nothing more is said.
                client => print!("{}", client.text(&format!("/v1/jobs/{job}/logs")).await?),
            },
            JobsCommand::Cancel { job } => {
                let path = format!("/v1/jobs/{job}/cancel");
                let answer = Client::server(&config)?.post(&path, &[], json!({})).await?;
                println!("{}", serde_json::to_string_pretty(&answer)?);
            }
        }
        Ok(())
    })
}

fn print(answer: &Value) {
    println!("{:<26} {:<9} {:<16} {:<24} {:<20}", "job", "state", "agent", "created", "cluster");
    for job in answer.get("items").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| job.get(key).and_then(Value::as_str).unwrap_or_default();
        println!(
            "{:<26} {:<9} {:<16} {:<24} {:<20}  {}",
            text("id"),
            text("state"),
            text("agent"),
            text("created"),
            text("cluster"),
            if text("pr_url").is_empty() { text("reason") } else { text("pr_url") },
        );
    }
}
