//! Springline's side: the whole process in this one, as `springline run --agora` would have it.

use crate::{
    Job, edits, http,
    measure::{Figures, cpu, disk, memory},
    process::{Inside, running},
};
use springline_model::rows::NodeRow;
use springline_pipelines::config::Config;
use springline_sinks::{Reader, Scan, StoreConfig};
use springline_sources::{SourceConfig, files::FilesConfig};
use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};
use tokio::task::block_in_place;

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
    let data_dir = config.data_dir.clone();
    running(config, async |inside| figures(job, &start, &data_dir, inside).await).await
}

async fn figures(job: &Job, start: &Start, data_dir: &Path, inside: &Inside) -> anyhow::Result<Figures> {
    let (mut figures, reader) = (Figures::default(), &inside.reader);
    let indexed = inside.indexed().await;
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
    http::measure(job, inside.address, &nodes, &mut figures).await?;
    (figures.rss_end, _) = memory()?;
    Ok(figures)
}

/// Every node, the most linked first.
fn nodes(reader: &Reader) -> anyhow::Result<Vec<NodeRow>> {
    let all = Scan { limit: usize::MAX, ..Scan::default() };
    let mut nodes: Vec<NodeRow> = reader.read(|snapshot| snapshot.scan(&all))?;
    nodes.sort_by(|a, b| b.links.cmp(&a.links).then_with(|| a.node.cmp(&b.node)));
    Ok(nodes)
}
