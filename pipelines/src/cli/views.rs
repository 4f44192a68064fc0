//! `springline views`.

use super::Global;
use crate::{
    config::Config,
    runtime::{
        DataDir, Opened, cluster,
        recompute::{Recomputed, recompute},
    },
};
use anyhow::bail;
use clap::Subcommand;
use springline_model::View;
use springline_sinks::views::{Fingerprint, Views};
use springline_sources::ProgressBars;
use std::{collections::BTreeSet, process::ExitCode};

/// What to do with the stored views.
#[derive(Debug, Subcommand)]
pub(super) enum ViewsCommand {
    /// List the views: rows, fingerprint, version and epoch
    List,
    /// Recompute every view from the records, and compare: ends with 1 if any differs
    Verify,
    /// Recompute views from the records, and write what differs
    Rebuild {
        /// Which [default: all]
        #[arg(value_parser = parse_view)]
        view: Vec<View>,
    },
}

fn parse_view(name: &str) -> Result<View, String> {
    let derived = View::ALL.iter().filter(|view| **view != View::Ledger);
    let known: Vec<_> = derived.map(|view| view.name()).collect();
    View::from_name(name)
        .filter(|view| *view != View::Ledger)
        .ok_or_else(|| format!("known are: {}", known.join(", ")))
}

/// Does it, on the data folder itself.
pub(super) fn views(global: &Global, command: &ViewsCommand) -> anyhow::Result<ExitCode> {
    let config = global.load_quiet()?.at_rest();
    let data = DataDir::take_existing(&config.data_dir)?;
    let opened = Opened::open(config.clone(), data, ProgressBars::hidden(), None)?;
    let views = opened.views();
    match command {
        ViewsCommand::List => list(views),
        ViewsCommand::Verify => return verify(views, &config),
        ViewsCommand::Rebuild { view } => rebuild(views, &config, view)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(views: &Views) {
    println!("{:<14} {:>10}  {:<32} {:>7} {:>9}", "view", "rows", "fingerprint", "version", "epoch");
    for view in View::ALL {
        let status = views.status(*view);
        let Fingerprint { rows, sum } = status.fingerprint;
        let version = status.version.map_or_else(|| "-".to_owned(), |version| version.to_string());
        println!("{:<14} {rows:>10}  {sum:032x} {version:>7} {:>9}", view.name(), status.applied);
        for table in view.tables() {
            println!("  {}", table.name());
        }
    }
}

/// Of the views that are kept.
fn recomputed(
    views: &Views,
    config: &Config,
    chosen: &[View],
) -> anyhow::Result<(BTreeSet<View>, Recomputed)> {
    let is_wanted = |view: &View| {
        let is_chosen = chosen.is_empty() || chosen.contains(view);
        *view != View::Ledger && is_chosen && !config.views.off.contains(view)
    };
    let wanted = View::ALL.iter().copied().filter(is_wanted).collect();
    let computed = recompute(&views.reader(), config.runtime.workers, config.definitions(), &wanted)?;
    Ok((wanted, computed))
}

fn verify(views: &Views, config: &Config) -> anyhow::Result<ExitCode> {
    let shard = cluster::of_store(views)?;
    if let Some(shard) = &shard {
        println!("this is {shard}: its rows are compared with what was written, not with the records");
    }
    let mut computed =
        if shard.is_some() { Recomputed::default() } else { recomputed(views, config, &[])?.1 };
    let mut wrong = 0;
    for view in View::ALL {
        let said = views.status(*view).fingerprint;
        let stored = views.verify(*view)?;
        let expected = match view {
            View::Ledger => said,
            _ if shard.is_some() => said,
            View::Search => Views::fingerprint_of_documents(&computed.postings),
            _ => Views::fingerprint_of(&computed.of(*view)),
        };
        let verdict = match (stored == said, stored == expected) {
            (true, true) => "right",
            (false, _) => "its rows are not what was written",
            (true, false) => "its rows are not what the records give",
        };
        wrong += usize::from(verdict != "right");
        println!("{:<14} {:>10} rows  {:032x}  {verdict}", view.name(), stored.rows, stored.sum);
    }
    if wrong > 0 {
        println!("run `springline views rebuild` to correct them");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn rebuild(views: &Views, config: &Config, chosen: &[View]) -> anyhow::Result<()> {
    if let Some(shard) = cluster::of_store(views)? {
        bail!(
            "this is {shard}: views are made by all processes together. Empty their data folders to read the log again"
        );
    }
    let (wanted, mut computed) = recomputed(views, config, chosen)?;
    for view in wanted {
        let done = computed.write(view, views)?;
        println!(
            "{:<14} {} added, {} removed, {} changed",
            view.name(),
            done.added,
            done.removed,
            done.changed
        );
    }
    views.sync()?;
    Ok(())
}
