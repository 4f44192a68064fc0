//! The journal in Kafka beside the embedded one: the program as people start it, over the same small events.
//!
//! ```text
//!  events.jsonl ─► replay, journal.kind = kafka, no views ─► topic      `into the log`
//!              └─► replay ─► data folder A
//!  topic       ─► replay --from kafka://… ─► data folder B              `from the log`
//!  A's journal ─► replay ─► data folder C                               `from a journal`
//!  A's journal ─► replay, with a change feed ─► data folder D, topic    `with a feed`
//!  topic       ─► run, by one process and by two ─► data folders each   `processes`, also with one core for each
//! ```
//!
//! Each is a process of its own over an empty folder, one after the other. What counts is its processor time from its
//! start to its end, with all in the views and on disk (with a feed: and told); the wall's is beside it. How fast the log is written is
//! told by the time that its transactions took.
//!
//! A broker is started for it (`--broker`, what `tests/broker.sh` places), or there is one (`--brokers`).

mod broker;
mod events;
mod processes;

use crate::{measure, process::Served};
use anyhow::{Context as _, ensure};
use broker::Broker;
use clap::Args;
use processes::{Cores, Shared};
use reqwest::Client;
use serde_json::Value;
use std::{
    env, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const TOKEN: &str = "of the benchmark";
const TOPIC: &str = "bench.events";
/// Between two looks: they cost processor time, too.
const LOOK: Duration = Duration::from_millis(200);
/// Nothing takes longer.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Flags of `kafka`.
#[derive(Debug, Args)]
pub(crate) struct KafkaArgs {
    /// How many events
    #[arg(long, default_value_t = 200_000)]
    events: u32,
    /// The broker's program [default: `../test-broker/noida-db`, as seen from this program]
    #[arg(long, value_name = "FILE")]
    broker: Option<PathBuf>,
    /// A broker that runs: its topics are made anew under `bench.`
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "broker")]
    brokers: Option<String>,
    /// The program [default: the `springline` beside this one]
    #[arg(long, value_name = "FILE")]
    springline: Option<PathBuf>,
}

/// What one process took.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    wall: f64,
    cpu: f64,
}

/// What all of them share.
struct Bench {
    springline: PathBuf,
    brokers: String,
    dir: PathBuf,
    client: Client,
}

/// Measures and prints.
///
/// # Errors
/// The program or the broker can't be started, or something is not there in time.
pub(crate) fn run(args: &KafkaArgs) -> anyhow::Result<()> {
    let beside = env::current_exe()?;
    let springline = args.springline.clone().unwrap_or_else(|| beside.with_file_name("springline"));
    ensure!(springline.is_file(), "{} is not there: build `springline-pipelines`, too", springline.display());
    let temp = tempfile::Builder::new().prefix("springline-bench-").tempdir()?;
    let program = args.broker.clone().unwrap_or_else(|| beside.with_file_name("../test-broker/noida-db"));
    let broker = match &args.brokers {
        Some(_) => None,
        None => Some(Broker::start(&program, &temp.path().join("broker"))?),
    };
    let brokers = args.brokers.clone().or_else(|| broker.as_ref().map(Broker::address)).unwrap_or_default();
    let dir = temp.path().to_path_buf();
    let bench = Bench { springline, brokers, dir, client: Client::builder().timeout(PATIENCE).build()? };
    let lines = temp.path().join("events.jsonl");
    let bytes = events::write(&lines, args.events)?;
    println!("{} events, {} bytes each as JSON\n", args.events, bytes / u64::from(args.events.max(1)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(bench.all(args.events, &lines))
}

impl Bench {
    async fn all(&self, events: u32, lines: &Path) -> anyhow::Result<()> {
        let lines = lines.to_string_lossy().into_owned();
        let log = format!("[journal]\nkind = \"kafka\"\n[journal.kafka]\ntopic = \"{TOPIC}\"\n");
        let others = "\"backlinks\", \"search\", \"rankings\", \"clusters\", \"notifications\", \"catalog\", \"feedback\"";
        let (_, said) =
            self.one("log", &format!("{log}[views]\noff = [{others}]\n"), &[&lines], false).await?;
        let metric = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.trim().parse::<f64>().ok())
                .with_context(|| format!("no metric {name}"))
        };
        let written = metric("springline_log_written_total")?;
        let within = metric("springline_log_transaction_duration_seconds_sum")?;
        println!(
            "into the log: {:.0} events/s, in {within:.2} s of transactions (aim: 50,000)\n",
            written / within
        );

        println!("| {:<28} | {:>7} | {:>7} | {:>9} |", "", "CPU s", "wall s", "events/s");
        println!("|---|---|---|---|");
        let show = |what: &str, taken: Taken| {
            println!(
                "| {what:<28} | {:>7.2} | {:>7.2} | {:>9.0} |",
                taken.cpu,
                taken.wall,
                f64::from(events) / taken.wall
            );
        };
        let (taken, _) = self.one("a", "", &[&lines], false).await?;
        show("from lines of JSON", taken);
        let url = format!("kafka://{}/{TOPIC}", self.brokers);
        let (from_log, _) = self.one("b", "", &["--from", &url], false).await?;
        show("from the log", from_log);
        let journal = self.dir.join("a/journal").to_string_lossy().into_owned();
        let (from_journal, _) = self.one("c", "", &[&journal], false).await?;
        show("from a journal", from_journal);
        let feed = "[sinks.feed]\nkind = \"kafka\"\nview = \"catalog\"\ntopic = \"bench.feed.{table}\"\n\
                    progress_topic = \"bench.feed.progress\"\n";
        let (with_feed, _) = self.one("d", feed, &[&journal], true).await?;
        show("from a journal, with a feed", with_feed);
        println!(
            "\nthe log beside a journal: {:.2}x by CPU, {:.2}x by wall (aim: 0.8); a feed adds {:.0} % CPU (aim: 15)",
            from_journal.cpu / from_log.cpu,
            from_journal.wall / from_log.wall,
            (with_feed.cpu / from_journal.cpu - 1.0) * 100.0
        );

        println!(
            "\n| {:<28} | {:>7} | {:>7} | {:>9} | {:>8} | {:>8} |",
            "", "CPU s", "wall s", "events/s", "RSS MB", "peak MB"
        );
        println!("|---|---|---|---|---|---|");
        let mut compared = Vec::new();
        for (each, on) in [(Cores::All, ""), (Cores::OneEach, ", on a core each")] {
            let mut all = Vec::new();
            for (processes, what) in [(1, "one process, one worker"), (2, "two processes, one each")] {
                let shared = self.shared(processes, each).await?;
                println!(
                    "| {what}{on} | {:>7.2} | {:>7.2} | {:>9.0} | {:>8} | {:>8} |",
                    shared.cpu,
                    shared.wall,
                    f64::from(events) / shared.wall,
                    shared.resident / 1_000_000,
                    shared.peak / 1_000_000,
                );
                all.push(shared);
            }
            #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
            let of = |bytes: fn(&Shared) -> u64| bytes(&all[1]) as f64 / bytes(&all[0]) as f64;
            compared.push(format!(
                "two processes{on}: {:.2}x the events a second (aim: 1.3), {:.2}x the memory each, {:.2}x at its peak (aim: \
                 0.6)",
                all[0].wall / all[1].wall,
                of(|shared| shared.resident),
                of(|shared| shared.peak)
            ));
        }
        println!("\n{}", compared.join("\n"));
        Ok(())
    }

    /// Writes a process' configuration, with a folder of its own.
    fn configure(&self, name: &str, more: &str) -> anyhow::Result<PathBuf> {
        let (data, file) = (self.dir.join(name), self.dir.join(format!("{name}.toml")));
        let brokers = &self.brokers;
        // This broker gives a reader all that there is at once.
        let config = format!(
            "data_dir = {data:?}\n[identity]\noffline = true\n[kafka]\nbrokers = [\"{brokers}\"]\n\
             [kafka.properties]\n\"receive.message.max.bytes\" = \"2000000000\"\n{more}"
        );
        fs::write(&file, config)?;
        Ok(file)
    }

    async fn get(&self, server: &Served, route: &str) -> anyhow::Result<reqwest::Response> {
        let url = format!("http://{}{route}", server.address);
        Ok(self.client.get(url).send().await?)
    }

    /// Replays into an empty folder until all is in the views, and told; what it took, and its metrics at the end.
    async fn one(
        &self,
        name: &str,
        more: &str,
        what: &[&str],
        is_followed: bool,
    ) -> anyhow::Result<(Taken, String)> {
        let file = self.configure(name, more)?;
        let (begun, before) = (Instant::now(), measure::cpu_of_children()?);
        let arguments = [&["replay", "--keep-serving", "--listen", "127.0.0.1:0"], what].concat();
        let server = Served::begin(&self.springline, &file, TOKEN, &arguments, None)?;
        loop {
            ensure!(begun.elapsed() < PATIENCE, "{name}: not there in time");
            tokio::time::sleep(LOOK).await;
            if !self.get(&server, "/readyz").await?.status().is_success() {
                continue;
            }
            if !is_followed {
                break;
            }
            let sinks: Value = serde_json::from_slice(&self.get(&server, "/v1/sinks").await?.bytes().await?)?;
            let sink = &sinks["sinks"][0];
            if sink["state"] == "following" && sink["lag_epochs"] == 0 {
                break;
            }
        }
        let metrics = self.get(&server, "/metrics").await?.text().await?;
        // It ends when all that it has taken is applied and on disk.
        server.stop()?;
        let cpu = measure::cpu_of_children()?.saturating_sub(before);
        let taken = Taken { wall: begun.elapsed().as_secs_f64(), cpu: cpu.as_secs_f64() };
        eprintln!(
            "  {name}: {:.1} s CPU, {:.1} s, {} MB",
            taken.cpu,
            taken.wall,
            measure::disk(&self.dir.join(name)) / 1_000_000
        );
        Ok((taken, metrics))
    }
}
