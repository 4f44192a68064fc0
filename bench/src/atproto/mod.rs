//! `springline-bench atproto`: signed commits at the network's mix, through the whole process.
//!
//! ```text
//!  generate ─► frames, lines (kept by seed and size)
//!                 │
//!                 ├─ a process a run: replay ─► views      frames with hashes, with signatures, lines; each engine
//!                 └─ and in the first of each engine:      HTTP, a paced stream, a restart
//! ```
//!
//! | module | what |
//! |---|---|
//! | `generate` | accounts, their commits, and who likes what |
//! | `network` | a directory of the accounts, and a relay that keeps a pace |
//! | `run` | one run, in a process of its own |
//! | `http` | counts and lists over HTTP |
//! | `table` | the figures |
//!
//! An event is one change of one record: each commit has one. Bytes that are logical are those of the recording.

mod generate;
mod http;
mod network;
mod run;
mod table;

use crate::{EngineName, process::again};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::{env, path::PathBuf};

/// Flags of `atproto`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AtprotoArgs {
    /// How many commits are replayed
    #[arg(long, default_value_t = 30_000)]
    commits: u64,
    /// Of how many accounts
    #[arg(long, default_value_t = 2_000)]
    accounts: u64,
    /// What the numbers by chance begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events a second of the paced stream
    #[arg(long, default_value_t = 2_000)]
    pace: u64,
    /// How many seconds it lasts; 0 leaves it out
    #[arg(long, default_value_t = 5)]
    pace_secs: u64,
    /// What the views are kept in; may be given several times [default: both]
    #[arg(long, value_enum)]
    engine: Vec<EngineName>,
    /// What is read; may be given several times [default: all]
    #[arg(long, value_enum)]
    way: Vec<Way>,
    /// Worker threads of the dataflow
    #[arg(long, default_value_t = 1)]
    workers: u16,
    /// Where what was generated is kept [default: the system's folder for what is temporary]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// What a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
enum Way {
    /// Frames, of which hashes are verified.
    Hash,
    /// Frames, of which signatures and trees are verified as well.
    Full,
    /// Lines of a Jetstream.
    Lines,
    /// The same, with no view but backlinks and their counts.
    Links,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Full => "full",
            Self::Lines => "lines",
            Self::Links => "links",
        }
    }

    const fn is_lines(self) -> bool {
        matches!(self, Self::Lines | Self::Links)
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Hash => "frames, hashes",
            Self::Full => "frames, full",
            Self::Lines => "Jetstream lines",
            Self::Links => "lines, backlinks alone",
        }
    }
}

/// One run.
#[derive(Clone, Debug, Args)]
pub(crate) struct AtprotoJob {
    #[arg(long, value_enum)]
    way: Way,
    #[arg(long, value_enum)]
    engine: EngineName,
    #[arg(long)]
    workers: u16,
    /// The recording.
    #[arg(long)]
    recording: PathBuf,
    /// The directory of accounts.
    #[arg(long)]
    plc: String,
    /// Frames that come at a pace, if that is to be measured, and HTTP and a restart with it.
    #[arg(long)]
    paced: Option<PathBuf>,
    /// How many a second.
    #[arg(long, default_value_t = 2_000)]
    pace: u64,
    /// Where the process keeps its files.
    #[arg(long)]
    work: PathBuf,
    /// What is asked for over HTTP: targets of links, one a line.
    #[arg(long)]
    targets: PathBuf,
}

/// Measures and prints.
pub(crate) fn run(args: &AtprotoArgs) -> anyhow::Result<()> {
    let cache = args.cache.clone().unwrap_or_else(|| env::temp_dir().join("springline-bench-atproto"));
    let paced = args.pace * args.pace_secs;
    let generated = generate::generated(&cache, args.seed, args.accounts, args.commits, paced)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let engines: &[EngineName] =
        if args.engine.is_empty() { &[EngineName::Fjall, EngineName::Sled] } else { &args.engine };
    let ways = if args.way.is_empty() { Way::value_variants() } else { &args.way };
    println!("{}\n", table::circumstances(args, &generated));
    let mut columns = Vec::new();
    for &engine in engines {
        for &way in ways {
            let temp = tempfile::Builder::new().prefix("springline-bench-").tempdir()?;
            let plc = runtime.block_on(network::directory(args.seed, args.accounts))?;
            let recording = if way.is_lines() { &generated.lines } else { &generated.frames };
            eprintln!("{} with {}", way.title(), engine.name());
            let figures = again(|command| {
                command.args(["measure-atproto", "--way", way.name(), "--engine", engine.name()]);
                command.args(["--workers", &args.workers.to_string(), "--plc", &plc]);
                command.arg("--recording").arg(recording).arg("--work").arg(temp.path());
                command.arg("--targets").arg(&generated.targets);
                if way == Way::Hash && paced > 0 {
                    command.arg("--paced").arg(&generated.paced).args(["--pace", &args.pace.to_string()]);
                }
            })?;
            columns.push((way, engine, figures));
        }
    }
    println!("{}", table::table(&columns, &generated));
    Ok(())
}

/// Measures one run and prints its figures.
pub(crate) fn measure(job: &AtprotoJob) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&run::measure(job)?)?);
    Ok(())
}
