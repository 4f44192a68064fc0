//! One run: the whole process in this one, as `springline replay --keep-serving` would have it.

use super::{AtprotoJob, Way, http, network::Relay};
use crate::{
    measure::{Times, cpu, disk, memory},
    process::{Inside, running},
};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use springline_model::{Partition, SourceId, View};
use springline_pipelines::config::Config;
use springline_queries::control::Control as _;
use springline_sinks::StoreConfig;
use springline_sources::{
    SourceConfig,
    atproto::{
        frame::Frame,
        live::{RelayConfig, SocketConfig, Verification},
        replay::ReplayConfig,
    },
};
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

/// What a run came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Figures {
    /// Seconds until all was in the views.
    pub(super) wall: f64,
    /// Processor seconds, user and system.
    pub(super) cpu: f64,
    /// Resident bytes then, and the most up to then.
    pub(super) rss: (u64, u64),
    /// Bytes of the journal and of the store.
    pub(super) disk: (u64, u64),
    /// Counts and lists: answers a second, and how long each took.
    pub(super) http: Option<[(f64, Times); 2]>,
    /// From a message on the wire until every view shows it.
    pub(super) fresh: Option<Times>,
    /// Seconds until a restarted process was up to date.
    pub(super) restart: f64,
}

/// Measures everything.
pub(super) fn measure(job: &AtprotoJob) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut figures = first(job).await?;
        figures.restart = restarted(job).await?;
        Ok(figures)
    })
}

fn config(job: &AtprotoJob) -> Config {
    let mut config = Config { data_dir: job.work.join("data"), ..Config::default() };
    let verification = if job.way == Way::Full { Verification::Full } else { Verification::Hash };
    config.sources.insert(
        "recorded".into(),
        SourceConfig::Replay(ReplayConfig {
            paths: vec![job.recording.clone()],
            form: None,
            range: springline_sources::Range::default(),
            speed_percent: 0,
            verification,
            legacy: false,
            records: springline_sources::atproto::reader::RecordsConfig::default(),
        }),
    );
    config.identity.plc_url.clone_from(&job.plc);
    config.identity.http.allow_private = true;
    config.identity.http.per_host_per_sec = 100_000;
    config.identity.http.per_host_concurrency = 16;
    config.store = StoreConfig::of(job.engine.into());
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.runtime.workers = job.workers.into();
    if job.way == Way::Links {
        let off = |view: &View| !matches!(view, View::Ledger | View::Backlinks);
        config.views.off = View::ALL.iter().copied().filter(off).collect();
    }
    config
}

async fn first(job: &AtprotoJob) -> anyhow::Result<Figures> {
    let config = config(job);
    let (at, cpu_before) = (Instant::now(), cpu());
    let mut figures = Figures::default();
    running(config, async |inside| {
        let done = inside.indexed().await;
        figures.cpu = (cpu() - cpu_before).as_secs_f64();
        figures.wall = done.duration_since(at).as_secs_f64();
        figures.rss = memory()?;
        let data = job.work.join("data");
        figures.disk = (disk(&data.join("journal")), disk(&data.join("store")));
        if job.paced.is_some() {
            let targets = fs::read_to_string(&job.targets)?;
            let targets: Vec<String> = targets.lines().map(str::to_owned).collect();
            figures.http = Some(http::measure(inside.address, &targets).await?);
        }
        anyhow::Ok(())
    })
    .await?;
    if let Some(frames) = &job.paced {
        figures.fresh = Some(paced(job, frames).await?);
    }
    Ok(figures)
}

/// Follows a relay that keeps a pace; from when a message is due until the views show it.
async fn paced(job: &AtprotoJob, recording: &Path) -> anyhow::Result<Times> {
    let frames = frames(recording)?;
    let numbers = numbers(&frames)?;
    let relay = Relay::start(frames, job.pace).await?;
    let mut config = config(job);
    config.sources.clear();
    config.sources.insert(
        "live".into(),
        SourceConfig::Relay(RelayConfig {
            hosts: vec![relay.url.clone()],
            verification: Verification::Hash,
            legacy: false,
            from: Some(0),
            records: springline_sources::atproto::reader::RecordsConfig::default(),
            socket: SocketConfig::default(),
        }),
    );
    let mut seen = Vec::with_capacity(numbers.len());
    let partition = Partition { source: SourceId::new("live"), name: relay.url.clone() };
    running(config, async |Inside { reader, views, .. }| {
        let mut epoch = reader.applied();
        let started = Instant::now();
        while seen.len() < numbers.len() && started.elapsed() < Duration::from_secs(120) {
            tokio::time::sleep(Duration::from_micros(500)).await;
            if reader.applied() == epoch {
                continue;
            }
            epoch = reader.applied();
            let at = views.positions().get(&partition).and_then(|at| at.0.parse::<u64>().ok()).unwrap_or(0);
            let now = Instant::now();
            while numbers.get(seen.len()).is_some_and(|number| *number <= at) {
                seen.push(now);
            }
        }
        Ok(())
    })
    .await?;
    anyhow::ensure!(seen.len() == numbers.len(), "{} of {} were seen", seen.len(), numbers.len());
    let took =
        |(seen, number): (&Instant, u64)| relay.due(number).map(|due| seen.saturating_duration_since(due));
    Ok(Times::of(seen.iter().zip(0..).filter_map(took).collect()))
}

/// The frames of a file.
fn frames(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let bytes = fs::read(path)?;
    let mut rest = bytes.as_slice();
    let mut frames = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let (frame, after) = after.split_at_checked(length).context("a frame is cut off")?;
        frames.push(frame.to_vec());
        rest = after;
    }
    Ok(frames)
}

/// Their numbers.
fn numbers(frames: &[Vec<u8>]) -> anyhow::Result<Vec<u64>> {
    let number = |frame: &Vec<u8>| {
        let seq = Frame::read(frame).ok().and_then(|frame| frame.seq()).context("a frame with a number")?;
        Ok(u64::try_from(seq)?)
    };
    frames.iter().map(number).collect()
}

/// Seconds until a process that is started again is up to date.
async fn restarted(job: &AtprotoJob) -> anyhow::Result<f64> {
    let at = Instant::now();
    let mut took = 0.0;
    running(config(job), async |inside| {
        while !inside.control.ready() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        took = at.elapsed().as_secs_f64();
        Ok(())
    })
    .await?;
    Ok(took)
}
