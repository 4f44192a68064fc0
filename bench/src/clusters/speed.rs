//! One by one into a space that is full already.

use super::{config, data, meaning::Meanings};
use crate::measure;
use springline_operators::{ClustersConfig, Direct, Moved, Visible};
use std::time::{Duration, Instant};

/// Items a tick while the space is filled.
const BATCH: usize = 256;

/// Measures and prints.
pub(super) fn run(
    texts: &[String],
    items: usize,
    timed: usize,
    mut meanings: Option<&mut Meanings>,
) -> anyhow::Result<()> {
    let mut direct = Direct::new(config(meanings.as_deref()));
    let mut all: Vec<Visible> =
        (0..items + timed).map(|number| data::item(number, &data::text(texts, number))).collect();
    // Spread over the whole, the same in every run.
    let chosen = |number: usize| number * 7_919 % items;
    let edited = |number: usize| data::item(chosen(number), &data::text(texts, items + timed + number));
    let mut edits: Vec<Visible> = (0..timed).map(edited).collect();
    if let Some(meanings) = &mut meanings {
        meanings.give(&mut all)?;
        meanings.give(&mut edits)?;
    }
    let (held, _) = measure::memory()?;
    let started = Instant::now();
    for batch in all[..items].chunks(BATCH) {
        let batch: Vec<_> = batch.iter().map(|record| (record.clone(), 1)).collect();
        direct.apply(&batch);
    }
    let elapsed = started.elapsed();
    let bytes = measure::memory()?.0.saturating_sub(held) / items as u64;
    let rate = items as f64 / elapsed.as_secs_f64();
    println!("{items:>8} filled   {rate:>9.0}   in batches of {BATCH}; {bytes} bytes an item in memory");

    let one = |direct: &mut Direct, changes: &[(Visible, isize)]| {
        let started = Instant::now();
        let moved = direct.apply(changes);
        (started.elapsed(), moved)
    };
    let inserts = all[items..].iter().map(|record| one(&mut direct, &[(record.clone(), 1)]));
    report(items, "insert", inserts);
    let edits = edits
        .into_iter()
        .enumerate()
        .map(|(number, edited)| one(&mut direct, &[(all[chosen(number)].clone(), -1), (edited, 1)]));
    report(items, "edit", edits);
    let deletes = (0..timed).map(|number| one(&mut direct, &[(all[chosen(timed + number)].clone(), -1)]));
    report(items, "delete", deletes);

    let copy = |number: usize| data::item(10 * (items + timed) + number, &data::text(texts, 0));
    let mut copies: Vec<Visible> = (0..timed).map(copy).collect();
    if let Some(meanings) = meanings {
        meanings.give(&mut copies)?;
    }
    let copies = copies.into_iter().map(|copy| one(&mut direct, &[(copy, 1)]));
    report(items, "copy", copies);
    Ok(())
}

/// The worst: distinct texts that are all similar to each other.
pub(super) fn alike(items: usize, timed: usize) {
    let mut direct = Direct::new(ClustersConfig::default());
    let text = |number: usize| format!("the payment for order {number} has failed again");
    let all: Vec<(Visible, isize)> =
        (0..items + timed).map(|number| (data::item(number, &text(number)), 1)).collect();
    for batch in all[..items].chunks(BATCH) {
        direct.apply(batch);
    }
    let mut one = |change: (Visible, isize)| {
        let started = Instant::now();
        let moved = direct.apply(&[change]);
        (started.elapsed(), moved)
    };
    report(items, "alike", all[items..].iter().cloned().map(&mut one));
    let gone = (0..timed).map(|number| (all[number * 7_919 % items].0.clone(), -1));
    report(items, "unlike", gone.map(one));
}

fn report(items: usize, what: &str, measured: impl Iterator<Item = (Duration, Moved)>) {
    let measured: Vec<_> = measured.collect();
    let count = measured.len().max(1);
    let mut times: Vec<Duration> = measured.iter().map(|(time, _)| *time).collect();
    times.sort_unstable();
    let total: Duration = times.iter().sum();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
    let micros = |time: Option<&Duration>| time.map_or(0, Duration::as_micros);
    let rows = measured.iter().map(|(_, moved)| moved.rows).sum::<usize>() as f64 / count as f64;
    let texts = measured.iter().map(|(_, moved)| moved.texts).sum::<usize>() as f64 / count as f64;
    println!(
        "{items:>8} {what:<8} {:>9.0} {:>9} {:>9} {:>9} {rows:>9.1} {texts:>8.1}",
        count as f64 / total.as_secs_f64(),
        micros(at(50)),
        micros(at(99)),
        micros(times.last()),
    );
}
