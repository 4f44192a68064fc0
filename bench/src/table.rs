//! The figures side by side, as Markdown.

use crate::{
    EngineName, Options,
    measure::{Figures, Times},
};
use std::{fmt::Write as _, fs};

/// What has to be reached; nothing where nothing was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bars {
    /// Processor seconds of the full index.
    cpu: Option<f64>,
    /// Seconds of the full index.
    wall: Option<f64>,
    /// Megabytes.
    memory: Option<f64>,
    /// Whether the bars of edits and queries hold.
    answers: bool,
}

impl Bars {
    /// For the ten gardens so many times over.
    pub(crate) fn of(copies: u16) -> Self {
        match copies {
            1 => Self { cpu: Some(3.8), memory: Some(300.0), answers: true, ..Self::default() },
            8 => Self { wall: Some(40.0), memory: Some(1000.0), ..Self::default() },
            _ => Self::default(),
        }
    }
}

/// A bar as it is shown, and whether it is reached.
type Bar = Option<(String, bool)>;

fn at_most(value: f64, bar: Option<f64>, unit: &str) -> Bar {
    bar.map(|bar| (format!("≤ {bar} {unit}"), value <= bar))
}

/// On what machine, with what settings.
pub(crate) fn circumstances(options: &Options) -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let engine = match options.engine {
        EngineName::Sled => "sled",
        EngineName::Fjall => "fjall",
    };
    let mut text = format!(
        "Springline {} with {engine}, workers: {}, edits: {}; {cores} cores, {}",
        env!("CARGO_PKG_VERSION"),
        options.workers,
        options.edits,
        model.trim_start_matches([' ', '\t', ':'])
    );
    if cfg!(debug_assertions) {
        text.push_str("\n\n**This is a debug build: its figures mean nothing. Use `cargo run --release`.**");
    }
    text
}

/// One scale.
pub(crate) fn table(copies: u16, ours: &Figures, hand: &Figures, bars: &Bars) -> String {
    let mut out = format!("## The gardens {copies} × ({} subnodes)\n\n", thousands(ours.subnodes));
    out.push_str("| metric | Springline | SQLite FTS5 by hand | bar | met? |\n|---|---|---|---|---|\n");
    let mut row = |metric: &str, ours: String, hand: String, bar: Bar| {
        let (bar, met) =
            bar.map_or(("–".to_owned(), "–"), |(bar, met)| (bar, if met { "yes" } else { "**no**" }));
        // Writing into a string can't fail.
        let _ = writeln!(out, "| {metric} | {ours} | {hand} | {bar} | {met} |");
    };
    let count = |figures: &Figures| thousands(figures.subnodes);
    let seconds = |seconds: f64| format!("{seconds:.2} s");
    let memory = |bytes: u64| at_most(mega(bytes), bars.memory, "MB");
    row("subnodes", count(ours), count(hand), None);
    row("full index, CPU", seconds(ours.cpu), seconds(hand.cpu), at_most(ours.cpu, bars.cpu, "s"));
    row("full index, wall", seconds(ours.wall), seconds(hand.wall), at_most(ours.wall, bars.wall, "s"));
    row("RSS after the index", megabytes(ours.rss), megabytes(hand.rss), memory(ours.rss));
    row("RSS, peak of the index", megabytes(ours.rss_peak), megabytes(hand.rss_peak), memory(ours.rss_peak));
    row("RSS after all of this", megabytes(ours.rss_end), megabytes(hand.rss_end), memory(ours.rss_end));
    row("on disk", parts(&ours.disk), parts(&hand.disk), None);
    let answers = |text: &str, met: bool| bars.answers.then(|| (text.to_owned(), met));
    let edits = &ours.edits;
    let met = ours.missed == 0 && edits.p50 <= 50.0 && edits.p99 <= 250.0;
    let bar = answers("≤ 50 ms p50, 250 ms p99", met);
    row("one edit visible (Springline: in every view)", times(edits), times(&hand.edits), bar);
    let bar = answers("≤ 1 ms p99", ours.backlinks.p99 <= 1.0);
    row("backlinks (Springline: over HTTP)", times(&ours.backlinks), times(&hand.backlinks), bar);
    let bar = answers("≤ 3 ms p50, 20 ms p95", ours.search.p50 <= 3.0 && ours.search.p95 <= 20.0);
    row("search (Springline: over HTTP)", times(&ours.search), times(&hand.search), bar);
    let [node, by_hand] = [&ours.node, &hand.node].map(|node| node.as_ref().map_or("–".into(), times));
    let bar = answers("≤ 10 ms", ours.node.is_some_and(|node| node.p99 <= 10.0));
    row("node page over HTTP", node, by_hand, bar);
    let hits = |hits: Option<u64>| hits.map_or("–".into(), |hits| format!("{hits} hits"));
    row("search for `中文`", hits(ours.cjk), hits(hand.cjk), answers("found", ours.cjk > Some(0)));
    out.push_str("\nTimes are p50 / p95 / p99 in milliseconds.");
    if ours.missed > 0 {
        let _ = write!(out, " **{} of {} edits were not seen within 10 s.**", ours.missed, edits.count);
    }
    if ours.refused > 0 {
        let _ = write!(out, " **{} requests were not answered with success.**", ours.refused);
    }
    out.push('\n');
    out
}

fn times(times: &Times) -> String {
    let Times { count, p50, p95, p99 } = times;
    format!("{p50:.3} / {p95:.3} / {p99:.3} (n = {count})")
}

#[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes of memory")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", mega(bytes))
}

fn parts(parts: &[(String, u64)]) -> String {
    let parts: Vec<String> =
        parts.iter().map(|(name, bytes)| format!("{name} {}", megabytes(*bytes))).collect();
    parts.join(", ")
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_met() {
        let ours = Figures { subnodes: 12_745, cpu: 3.9, rss: 299_000_000, missed: 1, ..Figures::default() };
        let text = table(1, &ours, &Figures::default(), &Bars::of(1));
        assert!(text.contains("1 × (12,745 subnodes)"));
        assert!(text.contains("| full index, CPU | 3.90 s | 0.00 s | ≤ 3.8 s | **no** |"));
        assert!(text.contains("| RSS after the index | 299.0 MB | 0.0 MB | ≤ 300 MB | yes |"));
        assert!(text.contains("1 of 0 edits were not seen"));
        let none = table(3, &ours, &Figures::default(), &Bars::of(3));
        assert!(!none.contains('≤') && !none.contains("**no**"));
    }

    #[test]
    fn numbers_have_commas() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
