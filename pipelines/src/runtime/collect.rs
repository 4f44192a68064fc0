//! How rows leave the workers: encoded, by tick and table, on one channel to the committer.
//!
//! Invariant: what a tick changes is sent before the dataflow's frontier passes the tick (the operator here holds
//! its capability until it has sent). So when the probe behind it passes, the committer has everything.

use springline_model::{EpochCommit, Row, Table, rows::PostingsRow};
use springline_operators::{LedgerRow, Rows};
use springline_sinks::views::{Change, Views};
use std::{collections::BTreeMap, sync::mpsc::Sender};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Stream,
        channels::pact::Pipeline,
        operators::{Capability, generic::Operator},
    },
};

/// What the committer is told.
pub enum Report {
    /// An epoch will be fed under a tick. Sent before the tick is fed.
    Commit {
        /// The dataflow's time for it.
        tick: u64,
        /// What closed it in the journal.
        commit: EpochCommit,
    },
    /// What a worker's share of a tick changes in a table.
    Rows {
        /// When.
        tick: u64,
        /// Where.
        table: Table,
        /// What.
        changes: Vec<Change>,
    },
    /// What it changes in the search index.
    Postings {
        /// When.
        tick: u64,
        /// Documents that come and go.
        changes: Vec<(PostingsRow, isize)>,
    },
    /// Every worker is through with all ticks before this one.
    Done {
        /// The first tick that is not done.
        before: u64,
    },
    /// Something to do between two epochs, when nothing is being written.
    Job(Box<dyn FnOnce(&Views) + Send>),
}

/// Sends a table's row changes to the committer, tick by tick. Probe the stream that comes back.
pub fn rows<'s, R: Row>(rows: Rows<'s, R>, reports: Sender<Report>) -> Stream<'s, u64, Vec<()>> {
    each_tick(R::TABLE.name(), rows, move |tick, rows| {
        let changes = rows
            .into_iter()
            .map(|(row, diff)| Change { key: row.key_bytes(), value: row.value_bytes(), diff })
            .collect();
        // A committer that is gone has said why, and the process is on its way down.
        let _ = reports.send(Report::Rows { tick, table: R::TABLE, changes });
    })
}

/// Sends the changes of the ledger's tables to the committer, tick by tick. Probe the stream that comes back.
pub fn ledger(rows: Rows<'_, LedgerRow>, reports: Sender<Report>) -> Stream<'_, u64, Vec<()>> {
    each_tick("ledger", rows, move |tick, rows| {
        let mut tables: BTreeMap<Table, Vec<Change>> = BTreeMap::new();
        for (row, diff) in rows {
            let (key, value) = row.pair();
            tables.entry(row.table()).or_default().push(Change { key, value, diff });
        }
        for (table, changes) in tables {
            let _ = reports.send(Report::Rows { tick, table, changes });
        }
    })
}

/// Sends document changes to the committer, tick by tick. Probe the stream that comes back.
pub fn postings(rows: Rows<'_, PostingsRow>, reports: Sender<Report>) -> Stream<'_, u64, Vec<()>> {
    each_tick(Table::Search.name(), rows, move |tick, changes| {
        let _ = reports.send(Report::Postings { tick, changes });
    })
}

fn each_tick<'s, R: Ord + Clone + 'static>(
    table: &str,
    rows: Rows<'s, R>,
    mut send: impl FnMut(u64, Vec<(R, isize)>) + 'static,
) -> Stream<'s, u64, Vec<()>> {
    let name = format!("Collect({table})");
    rows.inner.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, &name, move |_, _| {
        let mut waiting: BTreeMap<u64, (Capability<u64>, Vec<(R, isize)>)> = BTreeMap::new();
        move |(input, frontier), _output| {
            input.for_each(|capability, changes| {
                for (row, tick, diff) in changes.drain(..) {
                    // A row's own time can lie behind the time of the message that brings it.
                    let entry = waiting.entry(tick);
                    let (_, rows) = entry.or_insert_with(|| (capability.delayed(&tick, 0), Vec::new()));
                    rows.push((row, diff));
                }
            });
            while let Some(first) = waiting.first_entry() {
                if frontier.less_equal(first.key()) {
                    break;
                }
                let (tick, (_capability, mut rows)) = first.remove_entry();
                differential_dataflow::consolidation::consolidate(&mut rows);
                if !rows.is_empty() {
                    send(tick, rows);
                }
            }
        }
    })
}
