//! `springline replay`.

use super::{Global, ServeFlags, run};
use crate::{
    config::{Config, JournalKind},
    replay::{Counts, History, Input, LinesWriter, drain},
    runtime::host,
    telemetry,
};
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use springline_sources::{
    Batch, Bound, ProgressBars, Range, SourceConfig, SourceError,
    atproto::{
        live::Verification,
        reader::RecordsConfig,
        replay::{Form, ReplayConfig},
    },
};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Flags of `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    serve: ServeFlags,
    /// What was kept: recordings of the network (`.frames`, `.jsonl`, `.car`, each also as `.gz` or `.zst`, or folders
    /// of them), the journal of another data folder (that folder, or its `journal`), the records of an export
    /// (`export --view records`), or events as lines of JSON (`--to-jsonl`)
    #[arg(required_unless_present = "from", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// A journal in Kafka: kafka://BROKER:PORT[,…]/TOPIC[?partitions=0,2]. What else is to be known of the cluster stands
    /// in `[kafka]`, also its brokers if none are named (kafka:///TOPIC)
    #[arg(long, value_name = "URL")]
    from: Vec<String>,
    /// What recordings are, if their names and beginnings don't tell
    #[arg(long, value_enum)]
    form: Option<FormArg>,
    /// Read from here on: a time (2026-08-19, 2026-08-19T07:46:26Z) or a number: of an epoch of a journal, of a frame
    /// or line of a recording, of a row of an export, the offset in each partition of a topic
    #[arg(long, value_name = "TIME|N")]
    since: Option<Bound>,
    /// Read up to, and without, this one
    #[arg(long, value_name = "TIME|N")]
    until: Option<Bound>,
    /// Only count what would be read
    #[arg(long)]
    dry_run: bool,
    /// Write it to this file, a line an event as docs/log.md has them (packed, if it ends in .zst), and not to the views
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "keep_serving"])]
    to_jsonl: Option<PathBuf>,
    /// At this part of the speed recordings were made at: 100 is the same, 0 as fast as it goes
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    speed: u32,
    /// How much of commits is verified: `full` looks up the accounts' keys
    #[arg(long, value_enum, default_value_t = VerifyArg::Hash)]
    verification: VerifyArg,
    /// Take commits that don't say what they follow, as hosts of before Sync 1.1 made them
    #[arg(long)]
    legacy: bool,
    /// Serve queries meanwhile, and go on serving when all is read
    #[arg(long)]
    keep_serving: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormArg {
    Frames,
    Lines,
    Car,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum VerifyArg {
    Full,
    Hash,
    None,
}

impl From<VerifyArg> for Verification {
    fn from(arg: VerifyArg) -> Self {
        match arg {
            VerifyArg::Full => Self::Full,
            VerifyArg::Hash => Self::Hash,
            VerifyArg::None => Self::None,
        }
    }
}

/// Reads what was kept into the views.
pub(super) fn replay(global: &Global, args: &ReplayArgs) -> anyhow::Result<()> {
    let form = args.form.map(|form| match form {
        FormArg::Frames => Form::Frames,
        FormArg::Lines => Form::Lines,
        FormArg::Car => Form::Car,
    });
    let range = Range { since: args.since, until: args.until };
    let (mut recordings, mut inputs) = (Vec::new(), Vec::new());
    let log = &global.load(vec![])?.journal.kafka;
    for path in &args.paths {
        let found = Input::under(path, log.max_message_bytes);
        match found.with_context(|| format!("cannot read {}", path.display()))? {
            Some(mut found) => inputs.append(&mut found),
            None => recordings.push(path.clone()),
        }
    }
    let recordings = (!recordings.is_empty()).then(|| ReplayConfig {
        paths: recordings,
        form,
        range,
        speed_percent: args.speed,
        verification: args.verification.into(),
        legacy: args.legacy,
        records: RecordsConfig::default(),
    });
    let mut config = only(global, &args.serve, recordings)?;
    for url in &args.from {
        if config.journal.kind == JournalKind::Kafka && args.to_jsonl.is_none() && !args.dry_run {
            bail!(
                "--from is for a store with a journal of its own: with journal.kind = \"kafka\" `springline run` reads it"
            );
        }
        inputs.append(&mut Input::topic(url, &config, range).with_context(|| format!("cannot read {url}"))?);
    }
    config.history = (!inputs.is_empty()).then_some(History { inputs, range });
    if args.dry_run {
        let mut counts = Counts::default();
        aside(&config, |batch| {
            batch.events.iter().for_each(|event| counts.add(event));
            Ok(())
        })?;
        return print(&counts, "nothing was written");
    }
    if let Some(path) = &args.to_jsonl {
        let failed = |source| SourceError::Io { path: path.clone(), source };
        let mut lines = LinesWriter::new(path).map_err(failed)?;
        aside(&config, |batch| batch.events.iter().try_for_each(|event| lines.write(event)).map_err(failed))?;
        return print(&lines.finish().map_err(failed)?, &format!("written to {}", path.display()));
    }
    run::serve(config, args.keep_serving, !args.keep_serving, run::Role::Views)
}

/// Runs with nothing but these recordings as a source.
pub(super) fn read(
    global: &Global,
    serve: &ServeFlags,
    replay: ReplayConfig,
    keep_serving: bool,
) -> anyhow::Result<()> {
    run::serve(only(global, serve, Some(replay))?, keep_serving, !keep_serving, run::Role::Views)
}

/// The configuration, with nothing but these recordings as a source.
fn only(global: &Global, serve: &ServeFlags, replay: Option<ReplayConfig>) -> anyhow::Result<Config> {
    let mut config = global.load(serve.settings())?;
    // As the configured sources of the network read their records, so does this.
    let records = config.sources.values().find_map(|source| match source {
        SourceConfig::Relay(relay) => Some(&relay.records),
        SourceConfig::Jetstream(jetstream) => Some(&jetstream.records),
        _ => None,
    });
    let records = records.cloned().unwrap_or_default();
    let replay = replay.map(|replay| SourceConfig::Replay(ReplayConfig { records, ..replay }));
    config.journal.kafka.sources = true;
    config.sources = replay.map(|replay| ("replay".to_owned(), replay)).into_iter().collect();
    Ok(config)
}

/// Reads what is configured, and leaves the views alone.
fn aside(config: &Config, take: impl FnMut(Batch) -> Result<(), SourceError>) -> anyhow::Result<()> {
    let bars = ProgressBars::new();
    telemetry::logs(&config.log, &bars)?;
    let scratch = tempfile::tempdir().context("no folder for temporary files")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (stop, interrupted) = (CancellationToken::new(), CancellationToken::new());
        let (stopping, told) = (stop.clone(), interrupted.clone());
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                told.cancel();
                stopping.cancel();
            }
        });
        let sources = host::prepare(config)?;
        drain(sources, bars, scratch.path(), stop, take).await?;
        if interrupted.is_cancelled() {
            bail!("interrupted");
        }
        Ok(())
    })
}

fn print(counts: &Counts, what: &str) -> anyhow::Result<()> {
    if counts.total() == 0 {
        bail!("there is nothing to read in that range");
    }
    for ((name, kind), events) in &counts.events {
        println!("{name:<10} {kind:<32} {events:>12}");
    }
    println!("{} events; {what}", counts.total());
    Ok(())
}
