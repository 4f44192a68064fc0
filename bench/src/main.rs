//! Springline's figures, beside an index that one would write by hand.
//!
//! ```text
//!  gardens ─► bundles ─► trees ─┬─ a process: Springline (index, edits, HTTP)  ─┐
//!                               └─ a process: SQLite FTS5 (index, edits, reads) ─┴─► one table a scale
//! ```
//!
//! Each side of each scale has a process and a copy of the gardens of its own, so that neither memory nor edits of
//! one are seen by another. What is measured and how is said in `docs/figures.md`.

mod atproto;
mod clusters;
mod edits;
mod export;
mod gardens;
mod http;
mod kafka;
mod measure;
mod notes;
mod process;
mod springline;
mod sqlite;
mod table;

use clap::{Args, Parser, Subcommand, ValueEnum};
use springline_sinks::Engine;
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures Springline
#[derive(Debug, Parser)]
#[command(name = "springline-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Index, edits, queries and memory over real gardens, beside a SQLite FTS5 index written by hand
    Gardens(gardens::GardensArgs),
    /// Commits of the AT Protocol through the whole process, over HTTP, and at a pace
    Atproto(atproto::AtprotoArgs),
    /// The clusters view: how good it is on labelled texts (`--quality`), how fast at 10,000 and 100,000 items
    Clusters(clusters::ClustersArgs),
    /// Feedback into the program over HTTP: how long until an item is in its cluster, at 100,000 items
    Latency(clusters::LatencyArgs),
    /// The journal in Kafka beside the embedded one, and what a change feed costs
    Kafka(kafka::KafkaArgs),
    /// Rows into Parquet: an export, a changelog, a snapshot, the events
    Export(export::ExportArgs),
    /// One run of `atproto` (what that starts)
    #[command(hide = true)]
    MeasureAtproto(atproto::AtprotoJob),
    /// One side of one scale (what `gardens` starts)
    #[command(hide = true)]
    Measure(Job),
}

/// What one process measures.
#[derive(Clone, Debug, Args)]
struct Job {
    /// Which side.
    #[arg(long, value_enum)]
    side: Side,
    /// The gardens, as an Agora tree; they are edited.
    #[arg(long)]
    tree: PathBuf,
    /// Where the side keeps its files.
    #[arg(long)]
    work: PathBuf,
    /// A JSON list of queries, in place of the built-in one.
    #[arg(long)]
    queries: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// What both `gardens` and its processes take.
#[derive(Clone, Debug, Args)]
struct Options {
    /// What Springline keeps its views in
    #[arg(long, value_enum, default_value = "sled")]
    engine: EngineName,
    /// Worker threads of Springline's dataflow
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// How many edits are timed, one after the other
    #[arg(long, default_value_t = 200)]
    edits: usize,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    /// Springline.
    Springline,
    /// The index by hand.
    Sqlite,
}

impl Side {
    /// Its name as a flag's value.
    const fn name(self) -> &'static str {
        match self {
            Self::Springline => "springline",
            Self::Sqlite => "sqlite",
        }
    }
}

/// The engines that keep files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    /// The default one.
    Sled,
    /// The log-structured one.
    Fjall,
}

impl EngineName {
    /// Its name as a flag's value.
    const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Fjall => "fjall",
        }
    }
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Self {
        match name {
            EngineName::Sled => Self::Sled,
            EngineName::Fjall => Self::Fjall,
        }
    }
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Gardens(args) => gardens::run(&args),
        Command::Atproto(args) => atproto::run(&args),
        Command::Clusters(args) => clusters::run(&args),
        Command::Latency(args) => clusters::latency(&args),
        Command::Kafka(args) => kafka::run(&args),
        Command::Export(args) => export::run(&args),
        Command::MeasureAtproto(job) => atproto::measure(&job),
        Command::Measure(job) => {
            let figures = match job.side {
                Side::Springline => springline::measure(&job)?,
                Side::Sqlite => sqlite::measure(&job)?,
            };
            println!("{}", serde_json::to_string(&figures)?);
            Ok(())
        }
    }
}
