//! `springline replay`.

use super::{Global, ServeFlags, run};
use clap::{Args, ValueEnum};
use springline_sources::{
    SourceConfig,
    atproto::{
        live::Verification,
        reader::RecordsConfig,
        replay::{Form, ReplayConfig},
    },
};
use std::path::PathBuf;

/// Flags of `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    serve: ServeFlags,
    /// Files, or folders of them: `.frames`, `.jsonl`, `.car`, each also as `.gz` or `.zst`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What they are, if their names and beginnings don't tell
    #[arg(long, value_enum)]
    form: Option<FormArg>,
    /// At this part of the speed they were recorded at: 100 is the same, 0 as fast as it goes
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

/// Reads the recordings into the views.
pub(super) fn replay(global: &Global, args: &ReplayArgs) -> anyhow::Result<()> {
    let form = args.form.map(|form| match form {
        FormArg::Frames => Form::Frames,
        FormArg::Lines => Form::Lines,
        FormArg::Car => Form::Car,
    });
    let replay = ReplayConfig {
        paths: args.paths.clone(),
        form,
        speed_percent: args.speed,
        verification: args.verification.into(),
        legacy: args.legacy,
        records: RecordsConfig::default(),
    };
    read(global, &args.serve, replay, args.keep_serving)
}

/// Runs with nothing but these recordings as a source.
pub(super) fn read(
    global: &Global,
    serve: &ServeFlags,
    mut replay: ReplayConfig,
    keep_serving: bool,
) -> anyhow::Result<()> {
    let mut config = global.load(serve.settings())?;
    // As the configured sources of the network read their records, so does this.
    let records = config.sources.values().find_map(|source| match source {
        SourceConfig::Relay(relay) => Some(&relay.records),
        SourceConfig::Jetstream(jetstream) => Some(&jetstream.records),
        _ => None,
    });
    replay.records = records.cloned().unwrap_or_default();
    config.sources = [("replay".to_owned(), SourceConfig::Replay(replay))].into();
    run::serve(config, keep_serving, !keep_serving)
}
