//! What is like a text: compared with every text of a space, so the answer is exact.
//!
//! By meaning where the process has a model and texts have vectors of that model, by words elsewhere: texts without a
//! vector are not passed over. Both are cosines, and each item says which.
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
    Row, Space, Uri, Vector,
    rows::{ClusterLevel, ClusterTextRow},
    text::{Lexical, Sparse, sparse::SCALE},
    vector::dot,
};
use springline_sinks::{Scan, Snapshot};
use std::{cmp::Reverse, collections::BinaryHeap};

/// The most texts that one is compared with.
const MAX_COMPARED: usize = 200_000;

/// Texts read at once.
const PAGE: usize = 4_096;

/// Below this (of 1) the words of texts have next to nothing in common.
const LEAST_WORDS: f64 = 0.05;

/// Below this (of 1) texts mean next to nothing in common: any two sentences of a language are somewhat alike.
const LEAST_MEANING: f64 = 0.25;

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
    /// Whether any text could be compared by its meaning.
    pub by: By,
    /// Items, the most similar first; of items with the same words the oldest.
    pub items: Vec<SimilarItem>,
    /// Their clusters, by the most similar item.
    pub clusters: Vec<SimilarCluster>,
}

/// By what texts were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// By their words.
    Words,
    /// By what they mean.
    Meaning,
}

/// An item that is like a text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SimilarItem {
    /// The cosine, from 0 to 1.
    pub similarity: f64,
    /// Of what.
    pub by: By,
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

/// What is asked about.
struct Asked {
    words: Sparse,
    meaning: Option<Vector>,
}

impl Asked {
    /// How like a text is, 127² times the cosine, about; by its meaning if both have a vector of one model.
    fn similarity(&self, text: &ClusterTextRow) -> (u32, By) {
        let product = self.meaning.as_ref().zip(text.meaning.as_ref()).and_then(|(a, b)| a.product(b));
        match product {
            Some(product) => (u32::try_from(product).unwrap_or(0), By::Meaning),
            None => (self.words.dot(&text.words), By::Words),
        }
    }

    /// The cosine, from what [`Self::similarity`] says.
    fn cosine(&self, similarity: u32, by: By, text: &ClusterTextRow) -> f64 {
        let square = |vector: &Option<Vector>| {
            vector.as_ref().map_or(0.0, |vector| f64::from(dot(&vector.values, &vector.values)))
        };
        let squares = match by {
            By::Words => f64::from(self.words.square()) * f64::from(text.words.square()),
            By::Meaning => square(&self.meaning) * square(&text.meaning),
        };
        if squares > 0.0 { (f64::from(similarity) / squares.sqrt() * 1_000.0).round() / 1_000.0 } else { 0.0 }
    }
}

/// The least similarity that is worth telling.
fn least(by: By) -> u32 {
    let cosine = match by {
        By::Words => LEAST_WORDS,
        By::Meaning => LEAST_MEANING,
    };
    (cosine * f64::from(SCALE * SCALE)) as u32
}

pub(super) async fn similar(
    state: AppState,
    _: Nothing,
    body: SimilarBody,
) -> Result<(StatusCode, Similar), Problem> {
    let meaning = state.control.embed(&body.title, &body.text).await;
    let similar = answer::on_snapshot(&state, move |snapshot| {
        let asked = Asked { words: Lexical::new().vector(&body.title, &body.text), meaning };
        nearest(snapshot, &Space::new(body.space), &asked, body.limit.get())
    });
    Ok((StatusCode::OK, similar.await?))
}

fn nearest(snapshot: &Snapshot<'_>, space: &Space, asked: &Asked, limit: usize) -> Result<Similar, Problem> {
    let standing = Standing::read(snapshot)?;
    // The least of the best on top.
    let mut best: BinaryHeap<Reverse<(u32, Reverse<(ClusterTextRow, By)>)>> = BinaryHeap::new();
    let (mut compared, mut means) = (0, By::Words);
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
            let (similarity, by) = asked.similarity(&row);
            means = means.max(by);
            let has_room = best.len() < limit || best.peek().is_some_and(|worst| similarity >= worst.0.0);
            if similarity >= least(by) && has_room {
                best.push(Reverse((similarity, Reverse((row, by)))));
                if best.len() > limit {
                    best.pop();
                }
            }
        }
    };
    let mut similar = Similar {
        epoch: snapshot.epoch().0,
        compared,
        complete,
        by: means,
        items: Vec::new(),
        clusters: Vec::new(),
    };
    for Reverse((similarity, Reverse((text, by)))) in best.into_sorted_vec() {
        let similarity = asked.cosine(similarity, by, &text);
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
                by,
                duplicate: asked.words.is_near_duplicate(&text.words),
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
