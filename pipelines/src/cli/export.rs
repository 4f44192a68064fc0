//! `springline export`.

use super::Global;
use crate::runtime::{DataDir, Opened};
use anyhow::bail;
use clap::Args;
use indicatif::HumanBytes;
use springline_model::{Table, View};
use springline_sources::ProgressBars;
use std::{collections::BTreeSet, path::PathBuf, time::Instant};

/// Flags of `export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Which view or table; may be given several times [default: all]. Views: ledger, backlinks, rankings, catalog,
    /// notifications, search; tables: `springline views list` names them
    #[arg(long, value_name = "VIEW")]
    view: Vec<String>,
    /// Where to: a new or empty folder, or that of an earlier export, which is replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes the tables of the stored views, as of the epoch that the store has.
pub(super) fn export(global: &Global, args: &ExportArgs) -> anyhow::Result<()> {
    let config = global.load_quiet()?.at_rest();
    let tables = chosen(&args.view, &config.views.off)?;
    let data = DataDir::take_existing(&config.data_dir)?;
    let opened = Opened::open(config, data, ProgressBars::hidden(), None)?;
    let started = Instant::now();
    let bars = ProgressBars::new();
    let bar = bars.spinner("export", "");
    let manifest = opened.reader().read(|snapshot| {
        springline_sinks::parquet::export(snapshot, &tables, &args.out, &mut |table| {
            bar.set_message(table.to_owned());
        })
    })?;
    bar.finish_and_clear();
    for (table, written) in &manifest.tables {
        println!("{table:<16} {:>10} rows {:>12}", written.rows, HumanBytes(written.bytes).to_string());
    }
    println!("epoch {} ({}) in {:.1?}", manifest.epoch, manifest.at_rfc3339, started.elapsed());
    Ok(())
}

/// The tables that the names stand for.
fn chosen(names: &[String], off: &BTreeSet<View>) -> anyhow::Result<Vec<Table>> {
    if names.is_empty() {
        return Ok(Table::ALL.iter().copied().filter(|table| !off.contains(&table.view())).collect());
    }
    let mut tables = Vec::new();
    for name in names {
        if let Some(view) = View::from_name(name) {
            tables.extend(view.tables());
        } else if let Some(table) = Table::ALL.iter().find(|table| table.name() == name) {
            tables.push(*table);
        } else {
            let views = View::ALL.iter().map(|view| view.name());
            let mut known: Vec<_> = views.chain(Table::ALL.iter().map(|table| table.name())).collect();
            known.sort_unstable();
            known.dedup();
            let near = crate::config::nearest(name, &known).map(|near| format!(" Did you mean `{near}`?"));
            bail!("there is no view `{name}`.{} Known are: {}", near.unwrap_or_default(), known.join(", "));
        }
    }
    tables.sort();
    tables.dedup();
    Ok(tables)
}
