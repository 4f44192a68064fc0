//! What is like a text: compared with every text of a space, so the answer is exact.
//!
//! Limits: of a space with more than [`MAX_COMPARED`] texts the first by their ids are compared, and the answer says
//! that it is not complete. A text costs about half a microsecond; no epoch is committed meanwhile.

use super::{Cluster, Standing, items::rows_of_text, row};
use crate::{
    answer,
    page::Limit,
    params::Nothing,
    problem::Problem,
    state::AppState,
    v1::{list, shape::Time},
};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::{
    Row, Space, Uri,
    rows::{ClusterLevel, ClusterTextRow},
    text::{Lexical, Sparse, sparse::SCALE},
};
use springline_sinks::{Scan, Snapshot};
use std::{cmp::Reverse, collections::BinaryHeap};

/// The most texts that one is compared with.
const MAX_COMPARED: usize = 200_000;

/// Texts read at once.
const PAGE: usize = 4_096;

/// Below this (of 1) texts have next to nothing in common.
const LEAST: f64 = 0.05;

/// What to compare.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SimilarBody {
    /// Where: a feedback project, or a space of the configuration.
    #[serde(alias = "project")]
    space: String,
    /// A title, whose words weigh more.
    #[serde(default)]
    title: String,
    /// The text. Its first 2,000 words count.
    text: String,
    /// The most items, and the most clusters.
    #[serde(default = "usual")]
    limit: Limit<100>,
}

const fn usual() -> Limit<100> {
    Limit::of(10)
}

/// What is like a text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Similar {
    /// The epoch that the answer is complete as of.
    pub epoch: u64,
    /// How many texts were compared.
    pub compared: usize,
    /// Whether these were all.
    pub complete: bool,
    /// Items, the most similar first; of items with the same words the oldest.
    pub items: Vec<SimilarItem>,
    /// Their clusters, by the most similar item.
    pub clusters: Vec<SimilarCluster>,
}

/// An item that is like a text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SimilarItem {
    /// The cosine, from 0 to 1.
    pub similarity: f64,
    /// Whether it says the same in nearly the same words.
    pub duplicate: bool,
    /// Its record.
    #[schemars(with = "String")]
    pub uri: Uri,
    /// Its title, at most 80 bytes.
    pub title: String,
    /// Which source told it.
    pub source: String,
    /// When it was said.
    pub at: Time,
    /// Its cluster.
    pub cluster: String,
}

/// A cluster that is like a text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SimilarCluster {
    /// That of its most similar item.
    pub similarity: f64,
    /// The cluster.
    #[serde(flatten)]
    pub cluster: Cluster,
}

pub(super) async fn similar(
    state: AppState,
    _: Nothing,
    body: SimilarBody,
) -> Result<(StatusCode, Similar), Problem> {
    let similar = answer::on_snapshot(&state, move |snapshot| {
        let vector = Lexical::new().vector(&body.title, &body.text);
        nearest(snapshot, &Space::new(body.space), &vector, body.limit.get())
    });
    Ok((StatusCode::OK, similar.await?))
}

fn nearest(
    snapshot: &Snapshot<'_>,
    space: &Space,
    vector: &Sparse,
    limit: usize,
) -> Result<Similar, Problem> {
    let standing = Standing::read(snapshot)?;
    let length = f64::from(vector.square()).sqrt();
    let cosine = |dot: u32, other: &Sparse| {
        let both = length * f64::from(other.square()).sqrt();
        if both > 0.0 { (f64::from(dot) / both * 1_000.0).round() / 1_000.0 } else { 0.0 }
    };
    let least = (LEAST * f64::from(SCALE * SCALE)) as u32;
    // The least of the best on top.
    let mut best: BinaryHeap<Reverse<(u32, Reverse<ClusterTextRow>)>> = BinaryHeap::new();
    let mut compared = 0;
    let mut scan = Scan { prefix: list::key(&[space.as_str()]), limit: PAGE, ..Scan::default() };
    let complete = loop {
        if compared >= MAX_COMPARED {
            scan.limit = 1;
            break snapshot.scan::<ClusterTextRow>(&scan)?.is_empty();
        }
        let rows: Vec<ClusterTextRow> = snapshot.scan(&scan)?;
        let Some(last) = rows.last() else { break true };
        scan.after = Some(last.key_bytes());
        compared += rows.len();
        for row in rows {
            let dot = vector.dot(&row.vector);
            if dot >= least && (best.len() < limit || best.peek().is_some_and(|worst| dot >= worst.0.0)) {
                best.push(Reverse((dot, Reverse(row))));
                if best.len() > limit {
                    best.pop();
                }
            }
        }
    };
    let best: Vec<(u32, ClusterTextRow)> =
        best.into_sorted_vec().into_iter().map(|Reverse((dot, Reverse(row)))| (dot, row)).collect();
    let mut similar =
        Similar { epoch: snapshot.epoch().0, compared, complete, items: Vec::new(), clusters: Vec::new() };
    for (dot, text) in best {
        let similarity = cosine(dot, &text.vector);
        let cluster =
            row(snapshot, space, ClusterLevel::Cluster, text.cluster)?.map(|row| Cluster::of(row, &standing));
        let id = cluster.as_ref().map_or_else(String::new, |cluster| cluster.id.clone());
        similar.clusters.extend(
            cluster
                .filter(|_| !similar.clusters.iter().any(|known| known.cluster.id == id))
                .map(|cluster| SimilarCluster { similarity, cluster }),
        );
        let room = limit - similar.items.len();
        for item in rows_of_text(snapshot, space, text.text, None, room.min(1))? {
            similar.items.push(SimilarItem {
                similarity,
                duplicate: vector.is_near_duplicate(&text.vector),
                uri: item.uri,
                title: item.title,
                source: item.source,
                at: Time(item.at),
                cluster: id.clone(),
            });
        }
    }
    Ok(similar)
}
