//! Springline's side: the whole process in this one, as `springline run --agora` would have it.

use crate::{
    Job, edits, http,
    measure::{Figures, cpu, disk, memory},
};
use anyhow::{Context as _, bail};
use springline_model::rows::NodeRow;
use springline_pipelines::{
    config::Config,
    runtime::{DataDir, Opened, ProcessControl},
};
use springline_queries::{Server, control::Control as _};
use springline_sinks::{Reader, Scan, StoreConfig};
use springline_sources::{ProgressBars, SourceConfig, files::FilesConfig};
use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

/// All is indexed when nothing more was applied for so long.
const QUIET: Duration = Duration::from_millis(300);

/// When and with how much the process began.
struct Start {
    at: Instant,
    cpu: Duration,
}

/// Measures everything.
///
/// # Errors
/// Springline does not start or has failed; the disk says no.
pub(crate) fn measure(job: &Job) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(job))
}

async fn run(job: &Job) -> anyhow::Result<Figures> {
    let mut config = Config { data_dir: job.work.join("data"), ..Config::default() };
    config.sources.insert("gardens".into(), SourceConfig::Files(FilesConfig::agora(&job.tree)));
    config.store = StoreConfig::of(job.options.engine.into());
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.runtime.workers = job.options.workers.into();

    let start = Start { at: Instant::now(), cpu: cpu() };
    let stop = CancellationToken::new();
    let (data, server) = (DataDir::take(&config.data_dir)?, config.server.clone());
    let data_dir = config.data_dir.clone();
    let opened = block_in_place(|| Opened::open(config, data, ProgressBars::hidden(), None))?;
    let (reader, control) = (opened.reader(), opened.control());
    let server = Server::bind(server, reader.clone(), control.clone()).await?;
    let address = server.address();
    let serving = tokio::spawn(server.run(stop.child_token()));
    let mut running = tokio::spawn(opened.run(stop.child_token()));
    let figures = tokio::select! {
        ended = &mut running => {
            ended??;
            bail!("springline has stopped by itself");
        }
        figures = figures(job, &start, &data_dir, &reader, &control, address) => figures,
    };
    stop.cancel();
    running.await?.context("springline did not stop in order")?;
    serving.await?;
    figures
}

async fn figures(
    job: &Job,
    start: &Start,
    data_dir: &Path,
    reader: &Reader,
    control: &Arc<ProcessControl>,
    address: SocketAddr,
) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    let indexed = indexed(reader, control).await;
    figures.cpu = cpu().saturating_sub(start.cpu).as_secs_f64();
    figures.wall = indexed.duration_since(start.at).as_secs_f64();
    (figures.rss, figures.rss_peak) = memory()?;
    for part in ["journal", "store"] {
        figures.disk.push((part.into(), disk(&data_dir.join(part))));
    }
    let nodes = block_in_place(|| nodes(reader))?;
    figures.subnodes = nodes.iter().map(|node| node.subnodes).sum();
    eprintln!("  indexed {} subnodes in {:.1} s ({:.1} s CPU)", figures.subnodes, figures.wall, figures.cpu);

    let (tree, count, edited) = (job.tree.clone(), job.options.edits, reader.clone());
    let edited = tokio::task::spawn_blocking(move || edits::measure(&tree, count, &edited)).await??;
    (figures.edits, figures.missed) = (edited.times, edited.missed);
    http::measure(job, address, &nodes, &mut figures).await?;
    (figures.rss_end, _) = memory()?;
    Ok(figures)
}

/// Waits until every source has caught up and what they sent is in the views; when the last of it came there.
async fn indexed(reader: &Reader, control: &ProcessControl) -> Instant {
    let (mut epoch, mut since) = (reader.applied(), Instant::now());
    loop {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let applied = reader.applied();
        if applied != epoch {
            (epoch, since) = (applied, Instant::now());
        } else if since.elapsed() >= QUIET && control.ready() {
            // The source may still have been at it, or the sealer: then the next epoch is on its way.
            if control.status().sealed == applied {
                return since;
            }
        }
    }
}

/// Every node, the most linked first.
fn nodes(reader: &Reader) -> anyhow::Result<Vec<NodeRow>> {
    let all = Scan { limit: usize::MAX, ..Scan::default() };
    let mut nodes: Vec<NodeRow> = reader.read(|snapshot| snapshot.scan(&all))?;
    nodes.sort_by(|a, b| b.links.cmp(&a.links).then_with(|| a.node.cmp(&b.node)));
    Ok(nodes)
}
