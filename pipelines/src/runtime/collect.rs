//! How rows leave the workers: encoded, by tick and table, on one channel to the committer.
//!
//! Invariant: what a tick changes is sent before the dataflow's frontier passes the tick (the operator here holds
//! its capability until it has sent). So when the probe behind it passes, the committer has everything.

use differential_dataflow::AsCollection as _;
use springline_model::{EpochCommit, Row, Table, home, key::text_key, rows::PostingsRow};
use springline_operators::{LedgerRow, Records, Rows, Visible};
use springline_sinks::views::{Change, Views};
use std::{
    collections::BTreeMap,
    sync::mpsc::{Sender, SyncSender},
};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        Scope, Stream,
        channels::pact::{Exchange, ParallelizationContract, Pipeline},
        operators::{Capability, Concatenate as _, generic::Operator, vec::Map as _},
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
    /// Which records it shows and hides.
    Visible {
        /// When.
        tick: u64,
        /// Keys of records that come into sight and go out of it.
        changes: Vec<(Vec<u8>, isize)>,
    },
    /// Every worker is through with all ticks before this one.
    Done {
        /// The first tick that is not done.
        before: u64,
    },
    /// Of several processes every one has all ticks before this one on disk.
    Durable {
        /// The first tick that one has not.
        before: u64,
    },
    /// All that was hydrated is through: views that are made anew have all their rows. Told when they are written.
    Hydrated(SyncSender<()>),
    /// Something to do between two epochs, when nothing is being written.
    Job(Box<dyn FnOnce(&Views) + Send>),
}

/// Sends a table's row changes to the committer, tick by tick. Probe the stream that comes back.
pub fn rows<'s, R: Row>(rows: Rows<'s, R>, reports: Sender<Report>) -> Stream<'s, u64, Vec<()>> {
    each_tick(Pipeline, R::TABLE.name(), rows, move |tick, rows| {
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
    each_tick(Pipeline, "ledger", rows, move |tick, rows| {
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
    each_tick(Pipeline, Table::Search.name(), rows, move |tick, changes| {
        let _ = reports.send(Report::Postings { tick, changes });
    })
}

/// A row on its way to the process that keeps it: table, key, value.
pub type Encoded = (Table, Vec<u8>, Vec<u8>);

/// A table's rows, ready for [`homeward`].
pub fn encoded<R: Row>(rows: Rows<'_, R>) -> Rows<'_, Encoded> {
    let encode =
        |(row, tick, diff): (R, u64, isize)| ((R::TABLE, row.key_bytes(), row.value_bytes()), tick, diff);
    rows.inner.map(encode).as_collection()
}

/// As [`rows`], for all tables at once and several processes: each row to its [`home`], or to stay where it was made.
pub fn homeward<'s>(
    tables: Vec<Rows<'s, Encoded>>,
    scope: Scope<'s, u64>,
    reports: Sender<Report>,
) -> Stream<'s, u64, Vec<()>> {
    let here = scope.worker().index() as u64;
    let rows = scope.concatenate(tables.into_iter().map(|rows| rows.inner)).as_collection();
    let to_home = Exchange::new(move |((table, key, _), _, _): &(Encoded, u64, isize)| {
        home::of_key(*table, key).unwrap_or(here)
    });
    each_tick(to_home, "home", rows, move |tick, rows| {
        let mut tables: BTreeMap<Table, Vec<Change>> = BTreeMap::new();
        for ((table, key, value), diff) in rows {
            tables.entry(table).or_default().push(Change { key, value, diff });
        }
        for (table, changes) in tables {
            let _ = reports.send(Report::Rows { tick, table, changes });
        }
    })
}

/// Sends the keys of records that come into sight or go out of it to the committer, tick by tick. Probe the stream that
/// comes back.
pub fn visible(records: Records<'_>, reports: Sender<Report>) -> Stream<'_, u64, Vec<()>> {
    each_tick(Pipeline, "visible", records, move |tick, records| {
        let key = |(visible, diff): (Visible, isize)| (text_key(visible.record.uri.as_str()), diff);
        let _ = reports.send(Report::Visible { tick, changes: records.into_iter().map(key).collect() });
    })
}

fn each_tick<'s, R: Ord + Clone + 'static>(
    pact: impl ParallelizationContract<u64, Vec<(R, u64, isize)>>,
    table: &str,
    rows: Rows<'s, R>,
    mut send: impl FnMut(u64, Vec<(R, isize)>) + 'static,
) -> Stream<'s, u64, Vec<()>> {
    let name = format!("Collect({table})");
    rows.inner.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(pact, &name, move |_, _| {
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
