//! The command line: a file a command.

mod agents;
mod backfill;
mod client;
mod config;
mod demo;
mod export;
mod follow;
mod ingest;
mod inspect;
mod jobs;
mod quarantine;
mod query;
mod record;
mod replay;
mod run;
mod sinks;
mod sources;
mod views;

use crate::config::{Config, Origin, load};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use figment::value::Value;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

/// Live indexes over what communities say: backlinks, search, rankings, notifications.
///
/// Springline reads gardens, feeds and feedback, and keeps every view of them exactly up to date: an edit shows
/// everywhere within the second, with no reindex. Start with `springline demo`, or point it at a folder of notes:
///
///   springline run --folder ~/notes
///
/// and open http://127.0.0.1:8080.
#[derive(Debug, Parser)]
#[command(name = "springline", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
struct Global {
    /// The configuration file [default: springline.toml, if it is there]
    #[arg(long, short = 'c', global = true, value_name = "FILE", env = "SPRINGLINE_CONFIG")]
    config: Option<PathBuf>,
    /// Where journal, snapshots and store are kept [default: springline-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Ask nobody on the network who accounts are, and fetch no repositories
    #[arg(long, global = true)]
    offline: bool,
    /// What to log: error, warn, info, debug, trace, or a filter [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the sources, keep the views, answer queries: until it is told to stop
    ///
    /// Ctrl-C or SIGTERM stops it in order: what was read is kept. A second one stops it at once; that is safe too,
    /// the next start takes longer.
    Run(run::RunArgs),
    /// Read the sources into a journal in Kafka, for any number of `springline run` to follow
    Ingest(ingest::IngestArgs),
    /// Show a small real garden at http://127.0.0.1:8080, from a copy that you can edit
    Demo(demo::DemoArgs),
    /// Read recordings (frames, Jetstream lines, repositories) into the views, and stop
    Replay(replay::ReplayArgs),
    /// Record what a relay or a Jetstream sends, for `replay`
    Record(record::RecordArgs),
    /// Fetch whole repositories: of accounts, of all of a host, or from a file
    Backfill(backfill::BackfillArgs),
    /// Ask the views from the terminal: a running server, or the data folder if none runs
    #[command(subcommand)]
    Query(query::QueryCommand),
    /// Write views as Parquet tables, all as of one epoch
    Export(export::ExportArgs),
    /// List the sources of the running server, or tell them what to do
    #[command(subcommand)]
    Sources(sources::SourcesCommand),
    /// List the sinks that are told what changes in the views, or tell them what to do
    #[command(subcommand)]
    Sinks(sinks::SinksCommand),
    /// See what agents were set to work on, follow what they say, or call it off
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// List the agents of the running server, and what they are at
    Agents,
    /// List, check or recompute the stored views
    #[command(subcommand)]
    Views(views::ViewsCommand),
    /// See, retry or give up what could not be read
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Look into the files on disk
    #[command(subcommand)]
    Inspect(inspect::InspectCommand),
    /// Show, check or explain the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print a completion script: springline completions bash > /etc/bash_completion.d/springline
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print the version, and what it writes to disk
    Version,
}

/// Runs the program: reads the arguments, does it, and says what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        Command::Run(args) => run::run(&global, &args)?,
        Command::Ingest(args) => ingest::ingest(&global, &args)?,
        Command::Demo(args) => demo::demo(&global, &args)?,
        Command::Replay(args) => replay::replay(&global, &args)?,
        Command::Record(args) => record::record_command(&global, &args)?,
        Command::Backfill(args) => backfill::backfill(&global, args)?,
        Command::Query(command) => query::query(&global, command)?,
        Command::Export(args) => export::export(&global, &args)?,
        Command::Sources(command) => sources::sources(&global, command)?,
        Command::Sinks(command) => sinks::sinks(&global, command)?,
        Command::Jobs(command) => jobs::jobs(&global, command)?,
        Command::Agents => agents::agents(&global)?,
        Command::Views(command) => return views::views(&global, &command),
        Command::Quarantine(command) => quarantine::quarantine(&global, command)?,
        Command::Inspect(command) => inspect::inspect(&global, &command)?,
        Command::Config(command) => config::config(&global, &command)?,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "springline", &mut std::io::stdout());
        }
        Command::Version => version(),
    }
    Ok(ExitCode::SUCCESS)
}

fn version() {
    println!("springline {}", env!("CARGO_PKG_VERSION"));
    println!("journal format {}", crate::runtime::journal::VERSION);
    for view in springline_model::View::ALL {
        println!("view {} {}", view.name(), view.version());
    }
}

impl Global {
    /// The configuration with this command's flags on top.
    fn load(&self, mut flags: Vec<(String, Value)>) -> anyhow::Result<Config> {
        if let Some(dir) = &self.data_dir {
            flags.push(("data_dir".into(), Value::from(dir.to_string_lossy().into_owned())));
        }
        if self.offline {
            flags.push(("identity.offline".into(), Value::from(true)));
        }
        if let Some(level) = &self.log_level {
            flags.push(("log.level".into(), Value::from(level.clone())));
        }
        Ok(load(&Origin { file: self.config.clone(), flags })?)
    }

    /// For commands that print something and end: quiet unless asked.
    fn load_quiet(&self) -> anyhow::Result<Config> {
        let mut config = self.load(vec![])?;
        if self.log_level.is_none() {
            config.log.level = "warn".into();
        }
        crate::telemetry::logs(&config.log, &springline_sources::ProgressBars::hidden())?;
        Ok(config)
    }
}

/// Flags of the commands that serve.
#[derive(Clone, Debug, Default, Args)]
struct ServeFlags {
    /// Address and port to serve on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Worker threads of the dataflow; the views are the same for any number [default: 1]
    #[arg(long, value_name = "N")]
    workers: Option<i64>,
}

impl ServeFlags {
    fn settings(&self) -> Vec<(String, Value)> {
        let listen = self.listen.map(|listen| ("server.listen".to_owned(), Value::from(listen.to_string())));
        let workers = self.workers.map(|workers| ("runtime.workers".to_owned(), Value::from(workers)));
        listen.into_iter().chain(workers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_fits_together() {
        Cli::command().debug_assert();
    }
}
