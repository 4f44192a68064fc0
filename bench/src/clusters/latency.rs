//! From a client's POST until its item is in a cluster: the program as people start it, over HTTP, at a steady rate.
//!
//! ```text
//!  springline run (a process of its own) ◄─ POST /v1/ingest/manual, lists of 256 ─ until all are visible
//!                                        ◄─ POST one item ?wait=visible, GET its cluster      `waited`
//!                                        ◄─ POST one item, GET its cluster until it is there  `asked`
//! ```
//!
//! An item is due at its own time, whatever became of those before; its clock runs from then. So a server that is held up
//! is not excused for what should have been sent meanwhile. An item counts when `GET /v1/clusters/{its name}` answers:
//! until it is in a cluster, its name is not known.

use super::data;
use crate::{EngineName, measure::Times, process::Served};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};
use springline_model::{ClusterId, FeedbackSource, ItemName, Project};
use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::sleep};

const TOKEN: &str = "of the benchmark";
const PROJECT: &str = "bench";
/// Items of one request while the project is filled: as many as one may hold.
const BATCH: usize = 256;
/// Between two questions whether an item is there.
const LOOK: Duration = Duration::from_millis(5);
/// An item that is not there by then is missed.
const PATIENCE: Duration = Duration::from_secs(10);
/// What p99 may be.
const BAR: Duration = Duration::from_secs(1);

/// Flags of `latency`.
#[derive(Debug, Args)]
pub(crate) struct LatencyArgs {
    /// How many items the project has when the clock starts
    #[arg(long, default_value_t = 100_000)]
    items: usize,
    /// How many come a second, then; may be given several times
    #[arg(long, default_values_t = [20, 100], value_parser = clap::value_parser!(u32).range(1..))]
    rate: Vec<u32>,
    /// For how many seconds each rate is kept, each way
    #[arg(long, default_value_t = 30)]
    secs: u32,
    /// What the views are kept in
    #[arg(long, value_enum, default_value = "sled")]
    engine: EngineName,
    /// The program [default: the `springline` beside this one]
    #[arg(long, value_name = "FILE")]
    springline: Option<PathBuf>,
    /// The folder with the recorded data, whose titles are taken
    #[arg(long, env = "SPRINGLINE_TEST_DATA")]
    data: Option<PathBuf>,
}

/// How it is found out that an item is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The POST answers when every view shows it.
    Waited,
    /// The POST answers when it is durable; then its cluster is asked for until it is there.
    Asked,
}

/// Measures and prints.
///
/// # Errors
/// The program can't be started, or does not answer.
pub(crate) fn run(args: &LatencyArgs) -> anyhow::Result<()> {
    let data = args.data.as_deref().context("the titles are under --data or SPRINGLINE_TEST_DATA")?;
    let texts = data::titles(&data.join("feedback"))?;
    let beside = || anyhow::Ok(env::current_exe()?.with_file_name("springline"));
    let program = args.springline.clone().map_or_else(beside, Ok)?;
    ensure!(program.is_file(), "{} is not there: build `springline-pipelines`, too", program.display());
    let temp = tempfile::Builder::new().prefix("springline-bench-").tempdir()?;
    let config = config(temp.path(), args.engine)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Served::start(&program, &config, TOKEN)?;
        let site = Arc::new(Site {
            client: Client::builder().timeout(Duration::from_secs(70)).build()?,
            base: Url::parse(&format!("http://{}/", server.address))?,
        });
        let mut next = fill(&site, &texts, args.items).await?;
        memory("filled", &server)?;
        println!(
            "{:>6} {:<8} {:>6} {:>9} {:>9} {:>9}",
            "rate/s", "way", "items", "p50 ms", "p95 ms", "p99 ms"
        );
        for &rate in &args.rate {
            for way in [Way::Waited, Way::Asked] {
                let titles: Vec<String> =
                    (0..rate * args.secs).map(|at| data::text(&texts, next + at as usize)).collect();
                let (times, missed) = paced(&site, next, titles, rate, way).await?;
                next += (rate * args.secs) as usize;
                report(rate, way, &times, missed);
            }
        }
        memory("at the end", &server)
    })
}

/// The configuration of a program that takes feedback of one project.
fn config(dir: &Path, engine: EngineName) -> anyhow::Result<PathBuf> {
    let (file, data) = (dir.join("springline.toml"), dir.join("data"));
    let text = format!(
        "data_dir = {data:?}\n[identity]\noffline = true\n[store]\nengine = \"{}\"\n[feedback.projects.{PROJECT}]\n",
        engine.name()
    );
    fs::write(&file, text)?;
    Ok(file)
}

fn memory(when: &str, server: &Served) -> anyhow::Result<()> {
    let (now, peak) = server.memory()?;
    let mb = |bytes: u64| bytes / 1_000_000;
    println!("memory, {when}: {} MB resident, {} MB at the most", mb(now), mb(peak));
    Ok(())
}

fn report(rate: u32, way: Way, times: &Times, missed: usize) {
    let Times { count, p50, p95, p99 } = times;
    let way = match way {
        Way::Waited => "waited",
        Way::Asked => "asked",
    };
    let bar = if *p99 < BAR.as_secs_f64() * 1e3 { "" } else { "  above the bar" };
    println!("{rate:>6} {way:<8} {count:>6} {p50:>9.1} {p95:>9.1} {p99:>9.1}{bar}");
    if missed > 0 {
        println!("       {missed} of them were not there after {PATIENCE:?}");
    }
}

/// The program, as its clients see it.
struct Site {
    client: Client,
    base: Url,
}

impl Site {
    /// Tells of items; what is answered, if that is a success.
    async fn tell(&self, items: &Value, wait: bool) -> anyhow::Result<Value> {
        let mut url = self.base.join("v1/ingest/manual")?;
        url.query_pairs_mut().append_pair("project", PROJECT);
        if wait {
            url.query_pairs_mut().append_pair("wait", "visible");
        }
        let answer = self.client.post(url).bearer_auth(TOKEN).json(items).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "telling of items: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Whether an item is in a cluster.
    async fn is_there(&self, item: usize) -> anyhow::Result<bool> {
        let name = ItemName {
            project: Project::new(PROJECT)?,
            source: FeedbackSource::Manual,
            external: item.to_string(),
        };
        let url = self.base.join(&format!("v1/clusters/{}", ClusterId::of(&name.uri()).as_str()))?;
        let answer = self.client.get(url).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        match status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            status => bail!("asking for a cluster: {status}: {text}"),
        }
    }
}

fn item(number: usize, title: &str) -> Value {
    json!({ "external_id": number.to_string(), "title": title })
}

/// Fills the project, and waits until all of it is visible; the number of the next item.
async fn fill(site: &Site, texts: &[String], items: usize) -> anyhow::Result<usize> {
    let started = Instant::now();
    let mut last = None;
    for first in (0..items).step_by(BATCH) {
        let numbers = first..items.min(first + BATCH);
        let batch: Vec<Value> = numbers.map(|number| item(number, &data::text(texts, number))).collect();
        last = site.tell(&json!(batch), false).await?["epoch"].as_u64();
    }
    let told = started.elapsed();
    let visible = async {
        let Some(epoch) = last else { return anyhow::Ok(()) };
        let url = site.base.join(&format!("v1/epochs/{epoch}?wait=visible"))?;
        while site.client.get(url.clone()).send().await?.status() != StatusCode::OK {}
        Ok(())
    };
    visible.await?;
    let all = started.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = items as f64 / all.as_secs_f64();
    println!("{items} items told in {told:.1?}, all visible after {all:.1?}: {rate:.0} a second");
    Ok(items)
}

/// Tells of items at a steady rate; how long each took to be in its cluster, and how many were not seen there.
async fn paced(
    site: &Arc<Site>,
    first: usize,
    titles: Vec<String>,
    rate: u32,
    way: Way,
) -> anyhow::Result<(Times, usize)> {
    let started = Instant::now() + Duration::from_millis(200);
    let mut tasks = JoinSet::new();
    for (at, title) in (0u32..).zip(titles) {
        let due = started + Duration::from_secs(1) * at / rate;
        sleep(due.saturating_duration_since(Instant::now())).await;
        let (site, number) = (site.clone(), first + at as usize);
        tasks.spawn(async move {
            site.tell(&item(number, &title), way == Way::Waited).await?;
            while !site.is_there(number).await? {
                if due.elapsed() > PATIENCE {
                    return Ok((PATIENCE, true));
                }
                sleep(LOOK).await;
            }
            anyhow::Ok((due.elapsed(), false))
        });
    }
    let (mut times, mut missed) = (Vec::new(), 0);
    while let Some(took) = tasks.join_next().await {
        let (took, is_missed) = took??;
        times.push(took);
        missed += usize::from(is_missed);
    }
    Ok((Times::of(times), missed))
}
