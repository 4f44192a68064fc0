//! `springline run`.

use super::{Global, ServeFlags};
use crate::{
    config::{Config, JournalKind},
    runtime::{DataDir, Opened},
    telemetry,
};
use anyhow::{Context as _, bail};
use clap::Args;
use figment::value::{Dict, Value};
use springline_queries::Server;
use springline_sources::ProgressBars;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Flags of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    serve: ServeFlags,
    #[command(flatten)]
    sources: SourceFlags,
    #[command(flatten)]
    cluster: ClusterFlags,
    /// With a journal in Kafka: read the sources, too, in the place of `springline ingest`
    #[arg(long = "sources")]
    ingests: bool,
    /// Don't serve queries
    #[arg(long)]
    no_server: bool,
    /// Stop when every source has caught up and all is on disk
    #[arg(long)]
    once: bool,
}

/// Several processes as one.
#[derive(Clone, Debug, Default, Args)]
struct ClusterFlags {
    /// Keep the views together with others, with a journal in Kafka: how many processes there are [default: 1]
    #[arg(long, value_name = "N", requires = "hosts")]
    processes: Option<u64>,
    /// Which of them this is, from 0 on
    #[arg(long, value_name = "I", requires = "processes")]
    process: Option<u64>,
    /// A line for each process: where the others reach it, and where its queries are answered (10.0.0.1:2101
    /// http://10.0.0.1:8080)
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,
    /// A text by which the processes know each other, 16 characters at least; the same for all
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
}

impl ClusterFlags {
    fn settings(&self) -> impl Iterator<Item = (String, Value)> {
        let path = |path: &PathBuf| Value::from(path.to_string_lossy().into_owned());
        let flags = [
            ("processes", self.processes.map(Value::from)),
            ("process", self.process.map(Value::from)),
            ("hosts_file", self.hosts.as_ref().map(path)),
            ("secret_file", self.secret.as_ref().map(path)),
        ];
        flags.into_iter().filter_map(|(key, value)| Some((format!("cluster.{key}"), value?)))
    }
}

/// Sources that are named on the command line.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SourceFlags {
    /// Read this folder of notes too, as a garden of its own, and watch it
    #[arg(long, value_name = "DIR")]
    folder: Vec<PathBuf>,
    /// Read this Agora tree too (garden/…, stoa/…, stream/…), and watch it
    #[arg(long, value_name = "DIR")]
    agora: Vec<PathBuf>,
}

impl SourceFlags {
    pub(super) fn settings(&self) -> anyhow::Result<Vec<(String, Value)>> {
        let mut flags = Vec::new();
        for (index, dir) in self.folder.iter().enumerate() {
            let garden =
                dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()));
            let garden =
                garden.with_context(|| format!("--folder {}: there is no such folder", dir.display()))?;
            flags.push(source(&format!("folder-{}", index + 1), dir, &[("garden", Value::from(garden))]));
        }
        for (index, dir) in self.agora.iter().enumerate() {
            flags.push(source(&format!("agora-{}", index + 1), dir, &[("agora", Value::from(true))]));
        }
        Ok(flags)
    }
}

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Views, and all that goes with them.
    Views,
    /// Sources into the log, and nothing else.
    Ingest,
}

/// Runs until a signal, or until all is indexed.
pub(super) fn run(global: &Global, args: &RunArgs) -> anyhow::Result<()> {
    let mut flags = args.serve.settings();
    flags.extend(args.sources.settings()?);
    flags.extend(args.cluster.settings());
    if args.ingests {
        flags.push(("journal.kafka.sources".into(), Value::from(true)));
    }
    let config = global.load(flags)?;
    if config.cluster.processes > 1 {
        let why = "is not for one of several processes:";
        if args.once {
            bail!("--once {why} none can end before the others have read what is theirs");
        }
        if config.journal.kafka.sources {
            bail!("--sources (journal.kafka.sources) {why} `springline ingest` reads the sources for all");
        }
    }
    serve(config, !args.no_server, args.once, Role::Views)
}

/// A `files` source as flags set it.
pub(super) fn source(name: &str, dir: &std::path::Path, more: &[(&str, Value)]) -> (String, Value) {
    let mut settings = Dict::new();
    settings.insert("type".into(), Value::from("files"));
    settings.insert("path".into(), Value::from(dir.to_string_lossy().into_owned()));
    for (key, value) in more {
        settings.insert((*key).to_owned(), value.clone());
    }
    (format!("sources.{name}"), Value::from(settings))
}

/// Opens the data folder, serves and follows the sources until a signal (or, with `once`, until all is indexed).
pub(super) fn serve(mut config: Config, with_server: bool, once: bool, role: Role) -> anyhow::Result<()> {
    let bars = ProgressBars::new();
    telemetry::logs(&config.log, &bars)?;
    let metrics = telemetry::metrics();
    if config.journal.kind == JournalKind::Kafka && !config.journal.kafka.sources {
        let sources = std::mem::take(&mut config.sources);
        tracing::info!(
            sources = sources.len(),
            "the journal is in Kafka: `springline ingest` reads the sources, or `springline run --sources`"
        );
    } else if config.sources.is_empty() && config.history.is_none() {
        tracing::warn!(
            "no sources are configured: serving what is stored. Try --folder DIR, or [sources.…] in the configuration"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut signals = Signals::new()?;
        let data = DataDir::take(&config.data_dir)?;
        let server = config.server.clone();
        let public_url = config.server.public_url.clone();
        let mut opened = tokio::task::block_in_place(|| Opened::open(config, data, bars, metrics))?;
        if role == Role::Ingest {
            opened = opened.only_ingesting();
        }
        opened = opened.join().await?;
        let control = opened.control();
        let serving = if with_server {
            let mut server = Server::bind(server, opened.reader(), control.clone()).await?;
            if let Some(cluster) = opened.cluster() {
                server = server.in_cluster(&cluster.queries())?;
            }
            eprintln!("springline is at http://{}", server.address());
            control.serve_at(server.address(), public_url.as_deref());
            Some(tokio::spawn(server.run(stop.child_token())))
        } else {
            None
        };
        let mut running = tokio::spawn(opened.run(stop.child_token()));
        let live = async { if once { control.until_live().await } else { std::future::pending().await } };
        let mut failures = Vec::new();
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = live => {
                failures = control.failures();
                finish(&stop, running, &mut signals).await?
            }
            () = signals.next() => {
                tracing::info!("stopping: sealing and syncing what was read; once more to stop at once");
                finish(&stop, running, &mut signals).await?
            }
        };
        stop.cancel();
        if let Some(serving) = serving {
            let _ = serving.await;
        }
        ended.context("the process has failed")??;
        tracing::info!("stopped");
        // What could be read is in the views; that it is not all must not go unnoticed.
        if !failures.is_empty() {
            anyhow::bail!("not everything could be read: {}", failures.join("; "));
        }
        Ok(())
    })
}

type Running<T> = tokio::task::JoinHandle<T>;

/// Signals this close to the first are the same one: supervisors send it to the process and to its group.
const SAME_SIGNAL: Duration = Duration::from_millis(100);

/// Stops in order, unless a second signal comes.
async fn finish<T>(
    stop: &CancellationToken,
    mut running: Running<T>,
    signals: &mut Signals,
) -> anyhow::Result<Result<T, tokio::task::JoinError>> {
    stop.cancel();
    let first = Instant::now();
    loop {
        tokio::select! {
            ended = &mut running => return Ok(ended),
            () = signals.next() => if first.elapsed() > SAME_SIGNAL { abort() },
        }
    }
}

/// Ends the process where it stands: what was acknowledged is in the journal, the rest is rebuilt at the next start.
#[expect(
    clippy::disallowed_methods,
    reason = "the user asked twice; worker threads can't be stopped any other way"
)]
fn abort() -> ! {
    eprintln!("stopped at once");
    std::process::exit(130)
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
