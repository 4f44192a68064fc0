//! Against what people said belongs together.

use super::{
    config,
    data::{self, Labelled},
    meaning::Meanings,
    scores::Scores,
};
use springline_model::{
    Vector,
    text::{Lexical, Sparse},
};
use springline_operators::Direct;
use std::{cmp::Reverse, collections::HashMap, path::Path, time::Instant};

/// Measures and prints.
pub(super) fn run(dir: &Path, mut meanings: Option<&mut Meanings>) -> anyhow::Result<()> {
    println!(
        "{:<14} {:<8} {:>7} {:>6} {:>6} {:>6} {:>6} {:>8} {:>6}",
        "", "", "texts", "ARI", "NMI", "pairs", "B3", "found", "s"
    );
    for Labelled { name, texts, labels } in data::labelled(dir)? {
        let mut records: Vec<_> =
            texts.iter().enumerate().map(|(number, text)| data::item(number, text)).collect();
        if let Some(meanings) = &mut meanings {
            meanings.give(&mut records)?;
        }
        let started = Instant::now();
        let places = Direct::partition(config(meanings.as_deref()), &records);
        let elapsed = started.elapsed().as_secs_f64();
        for (level, what) in ["clusters", "themes"].into_iter().enumerate() {
            let mut numbers = HashMap::new();
            // One without a cluster is one of its own.
            let number = |(at, place): (usize, &Option<[_; 2]>)| {
                let next = numbers.len();
                *numbers.entry(place.map(|place| place[level]).ok_or(at)).or_insert(next)
            };
            let found: Vec<usize> = places.iter().enumerate().map(number).collect();
            let Scores { ari, nmi, pairs, b_cubed, found } = Scores::of(&found, &labels);
            println!(
                "{name:<14} {what:<8} {:>7} {ari:>6.3} {nmi:>6.3} {pairs:>6.3} {b_cubed:>6.3} {found:>8} {elapsed:>6.1}",
                texts.len()
            );
        }
    }
    let (reports, pairs) = data::reports(dir)?;
    let mut lexical = Lexical::new();
    let words: Vec<Sparse> =
        reports.iter().map(|report| lexical.vector(&report.title, &report.text)).collect();
    let said = |report: &data::Report| format!("{}\n{}", report.title, report.text);
    let vectors: Option<Vec<Option<Vector>>> = match meanings {
        Some(meanings) => Some(meanings.of(&reports.iter().map(said).collect::<Vec<_>>())?),
        None => None,
    };
    let similarity = |a: usize, b: usize| match &vectors {
        Some(vectors) => {
            vectors[a].as_ref().zip(vectors[b].as_ref()).and_then(|(a, b)| a.product(b)).unwrap_or(0)
        }
        None => words[a].dot(&words[b]).cast_signed(),
    };
    let place = |&(report, duplicate): &(usize, usize)| {
        let others = (0..reports.len()).filter(|other| *other != report);
        let mut others: Vec<_> = others.map(|other| (Reverse(similarity(report, other)), other)).collect();
        others.sort_unstable();
        others.iter().position(|(_, other)| *other == duplicate)
    };
    let places: Vec<usize> = pairs.iter().filter_map(place).collect();
    let recall = |first: usize| {
        places.iter().filter(|place| **place < first).count() as f64 / places.len().max(1) as f64
    };
    println!(
        "duplicates among {} bug reports ({} directions): recall@1 {:.3}, @5 {:.3}, @10 {:.3}",
        reports.len(),
        pairs.len(),
        recall(1),
        recall(5),
        recall(10)
    );
    Ok(())
}
