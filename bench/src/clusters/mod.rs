//! The clusters view: how good, and how fast.
//!
//! ```text
//!  labelled texts ─► the operator ─► partition ─► ARI, NMI, pairwise F1, B-cubed     --quality
//!  bug reports with known duplicates ─► similarity ─► recall in the first ten
//!  10,000 and 100,000 texts ─► the operator, one by one ─► inserts, edits, deletes: rate, p50, p99, rows, bytes
//!  100,000 texts ─► the program, over HTTP ─► from the POST until the item is in its cluster     `latency`
//! ```
//!
//! `--model` compares by meaning: the vectors are made once and kept in a file (`meaning`).
//!
//! One configuration for all. The texts lie under `SPRINGLINE_TEST_DATA`.

mod data;
mod latency;
mod meaning;
mod quality;
mod scores;
mod speed;

pub(crate) use latency::{LatencyArgs, run as latency};

use anyhow::Context;
use clap::Args;
use meaning::Meanings;
use springline_operators::{ClustersConfig, Representation};
use std::path::PathBuf;

/// The most texts that are all alike: filling the space with them takes a time that is quadratic in their number.
const MOST_ALIKE: usize = 10_000;

/// Flags of `clusters`.
#[derive(Debug, Args)]
pub(crate) struct ClustersArgs {
    /// Measure the quality only
    #[arg(long)]
    quality: bool,
    /// A folder with a sentence model (`make model`): by meaning, instead of by words
    #[arg(long)]
    model: Option<PathBuf>,
    /// Where vectors are kept from one run to the next
    #[arg(long, default_value_os_t = std::env::temp_dir().join("springline-bench-vectors"))]
    vectors: PathBuf,
    /// How many items are there when inserts, edits and deletes are timed; may be given several times
    #[arg(long, default_values_t = [10_000, 100_000])]
    items: Vec<usize>,
    /// How many of each are timed
    #[arg(long, default_value_t = 1_000)]
    timed: usize,
    /// The folder with the recorded data
    #[arg(long, env = "SPRINGLINE_TEST_DATA")]
    data: Option<PathBuf>,
}

/// Measures.
pub(crate) fn run(args: &ClustersArgs) -> anyhow::Result<()> {
    let data = args.data.as_deref().context("the texts are under --data or SPRINGLINE_TEST_DATA")?;
    let feedback = data.join("feedback");
    let mut meanings = match &args.model {
        Some(dir) => Some(Meanings::open(dir, &args.vectors)?),
        None => None,
    };
    if args.quality {
        return quality::run(&feedback, meanings.as_mut());
    }
    let texts = data::titles(&feedback)?;
    println!(
        "{:>8} {:<8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "items", "what", "per s", "p50 us", "p99 us", "max us", "rows", "moved"
    );
    for items in &args.items {
        speed::run(&texts, *items, args.timed, meanings.as_mut())?;
        if meanings.is_none() {
            speed::alike((*items).min(MOST_ALIKE), args.timed.min(200));
        }
    }
    Ok(())
}

/// By meaning if there are vectors.
fn config(meanings: Option<&Meanings>) -> ClustersConfig {
    let representation = meanings.map_or(Representation::Lexical, |_| Representation::Semantic);
    ClustersConfig { representation, ..ClustersConfig::default() }
}
