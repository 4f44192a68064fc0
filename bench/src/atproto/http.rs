//! Counts and lists of what links to a record, over HTTP: a few connections that are kept, each with one request after
//! the other.

use crate::measure::Times;
use reqwest::{Client, Url};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

const CONNECTIONS: usize = 4;
/// How long each kind is asked for, and before that without the clock.
const TIME: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_millis(500);

/// Answers a second and how long each took, for counts and for lists of up to a hundred.
pub(super) async fn measure(address: SocketAddr, targets: &[String]) -> anyhow::Result<[(f64, Times); 2]> {
    let urls = |path: &str, more: &[(&str, &str)]| {
        let one = |target: &String| {
            let query = [("target", target.as_str())].into_iter().chain(more.iter().copied());
            Url::parse_with_params(&format!("http://{address}{path}"), query)
        };
        targets.iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    let counts = timed(Arc::new(urls("/v1/backlinks/count", &[])?)).await?;
    let lists = timed(Arc::new(urls("/v1/backlinks", &[("limit", "100")])?)).await?;
    Ok([counts, lists])
}

async fn timed(urls: Arc<Vec<Url>>) -> anyhow::Result<(f64, Times)> {
    asked(&urls, WARM_UP).await?;
    let started = Instant::now();
    let times = asked(&urls, TIME).await?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    Ok((rate, Times::of(times)))
}

async fn asked(urls: &Arc<Vec<Url>>, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let mut tasks = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let urls = urls.clone();
        tasks.spawn(async move {
            let client = Client::builder().timeout(Duration::from_secs(60)).build()?;
            let (started, mut times) = (Instant::now(), Vec::new());
            for url in urls.iter().cycle().skip(connection * urls.len() / CONNECTIONS) {
                let asked = Instant::now();
                if asked.duration_since(started) >= time {
                    break;
                }
                client.get(url.clone()).send().await?.error_for_status()?.bytes().await?;
                times.push(asked.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut all = Vec::new();
    while let Some(times) = tasks.join_next().await {
        all.extend(times??);
    }
    Ok(all)
}
