//! The figures side by side, as Markdown.

use super::{AtprotoArgs, Way, generate::Generated, run::Figures};
use crate::{EngineName, measure::Times};
use std::fmt::Write as _;

/// What was measured, of what.
pub(super) fn circumstances(args: &AtprotoArgs, generated: &Generated) -> String {
    let Generated { commits, frame_bytes, line_bytes, record_bytes, .. } = generated;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut text = format!(
        "{commits} commits of {} accounts (seed {}): {} bytes a frame, {} a line, {} a record; workers: {}, {cores} cores",
        args.accounts,
        args.seed,
        frame_bytes / commits.max(&1),
        line_bytes / commits.max(&1),
        record_bytes / commits.max(&1),
        args.workers,
    );
    if cfg!(debug_assertions) {
        text.push_str("\n\n**This is a debug build: its figures mean nothing. Use `cargo run --release`.**");
    }
    text
}

/// All runs.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) fn table(runs: &[(Way, EngineName, Figures)], generated: &Generated) -> String {
    let mut out = String::from(
        "| way | engine | events/s | CPU µs an event | RSS, peak | journal, store: bytes an event | of logical bytes | restart |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let commits = generated.commits.max(1) as f64;
    for (way, engine, figures) in runs {
        let logical = if way.is_lines() { generated.line_bytes } else { generated.frame_bytes };
        let (journal, store) = figures.disk;
        // Writing into a string can't fail.
        let _ = writeln!(
            out,
            "| {} | {} | {:.0} | {:.0} | {:.0}, {:.0} MB | {:.0}, {:.0} | {:.2} | {:.2} s |",
            way.title(),
            engine.name(),
            commits / figures.wall,
            figures.cpu * 1e6 / commits,
            figures.rss.0 as f64 / 1e6,
            figures.rss.1 as f64 / 1e6,
            journal as f64 / commits,
            store as f64 / commits,
            (journal + store) as f64 / logical.max(1) as f64,
            figures.restart,
        );
    }
    for (_, engine, figures) in runs {
        let times = |times: &Times| format!("{:.2} / {:.2} ms", times.p50, times.p99);
        if let Some([(counts, count), (lists, list)]) = &figures.http {
            let _ = writeln!(out, "\n{}, over HTTP with 4 connections (p50 / p99):", engine.name());
            let _ = writeln!(out, "- counts: {counts:.0} a second, {}", times(count));
            let _ = writeln!(out, "- lists of up to 100: {lists:.0} a second, {}", times(list));
        }
        if let Some(fresh) = &figures.fresh {
            let _ = writeln!(out, "- from the wire to every view, paced: {}", times(fresh));
        }
    }
    out
}
