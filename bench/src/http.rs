//! How long answers take over HTTP: one client, one connection that is kept, one request after the other.

use crate::{
    Job,
    measure::{Figures, Times},
    notes::{pick, queries},
};
use anyhow::Context as _;
use reqwest::{Client, Url};
use springline_model::{NodeName, Uri, rows::NodeRow};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Nodes asked for, half of them the most linked ones.
const NODES: usize = 200;
/// How often each query is asked.
const ROUNDS: usize = 5;
/// Requests of each kind before the clock runs.
const WARM_UP: usize = 20;
/// Words of a language that puts no spaces between them.
pub(crate) const CJK: &str = "中文";

/// Measures backlinks, searches and node pages.
///
/// # Errors
/// The server can't be reached.
pub(crate) async fn measure(
    job: &Job,
    address: SocketAddr,
    nodes: &[NodeRow],
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let client = Client::builder().timeout(Duration::from_secs(60)).build()?;
    let base = Url::parse(&format!("http://{address}/"))?;
    let linked: Vec<&NodeRow> = nodes.iter().filter(|node| node.links > 0).collect();
    let written: Vec<&NodeRow> =
        nodes.iter().filter(|node| node.subnodes > 0 && !node.node.as_str().contains('/')).collect();

    let backlinks = pick(&linked, NODES).into_iter().map(|row| backlinks(&base, &row.node)).collect();
    figures.backlinks = timed(&client, backlinks, &mut figures.refused).await?;

    let queries = queries(job.queries.as_deref())?;
    let asked = queries.len() * ROUNDS;
    let searches = queries.iter().cycle().take(asked).map(|query| search(&base, query)).collect();
    figures.search = timed(&client, searches, &mut figures.refused).await?;

    let pages =
        pick(&written, NODES).into_iter().map(|row| page(&base, &row.node)).collect::<Result<_, _>>()?;
    figures.node = Some(timed(&client, pages, &mut figures.refused).await?);

    let hits: serde_json::Value = client.get(search(&base, CJK)).send().await?.json().await?;
    figures.cjk = hits["total"].as_u64();
    Ok(())
}

/// The time of each request until the last byte of its answer.
async fn timed(client: &Client, urls: Vec<Url>, refused: &mut usize) -> anyhow::Result<Times> {
    for url in urls.iter().take(WARM_UP) {
        client.get(url.clone()).send().await?.bytes().await?;
    }
    let mut times = Vec::with_capacity(urls.len());
    for url in urls {
        let started = Instant::now();
        let answer = client.get(url.clone()).send().await?;
        let status = answer.status();
        answer.bytes().await?;
        times.push(started.elapsed());
        if !status.is_success() {
            *refused += 1;
            eprintln!("  {status}: {url}");
        }
    }
    Ok(Times::of(times))
}

fn backlinks(base: &Url, node: &NodeName) -> Url {
    asked(base, "v1/backlinks", "target", Uri::node(node).as_str())
}

fn search(base: &Url, query: &str) -> Url {
    asked(base, "v1/search", "q", query)
}

fn asked(base: &Url, path: &str, parameter: &str, value: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url.query_pairs_mut().append_pair(parameter, value);
    url
}

/// A node's web page. A name whose slug reads back as another stands in the address as it is.
fn page(base: &Url, node: &NodeName) -> anyhow::Result<Url> {
    let slug = node.slug();
    let name = if NodeName::canonical(&slug) == *node { slug.as_str() } else { node.as_str() };
    let mut url = base.clone();
    let segments = url.path_segments_mut();
    segments.ok().context("an http address has a path")?.clear().push("node").push(name);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_escaped() {
        let base = Url::parse("http://127.0.0.1:1/").unwrap();
        let node = NodeName::canonical("C++ & 100%");
        let asked = backlinks(&base, &node);
        let target = asked.query_pairs().map(|(_, value)| value.into_owned()).next();
        assert_eq!(target, Some(Uri::node(&node).as_str().to_owned()));
        assert_eq!(search(&base, "[[agora]]").path(), "/v1/search");
        assert!(
            page(&base, &NodeName::canonical("digital garden")).unwrap().path().starts_with("/node/digital")
        );
    }
}
