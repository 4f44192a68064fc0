//! Every row of every view, computed anew from the visible records: to check what is stored, and to correct it.
//!
//! The same dataflow as ever ([`crate::views`]), on threads of its own, fed with all records at once in chunks; the
//! rows are gathered in memory.

use super::{
    collect::Report,
    feed::WorkerGone,
    lookup,
    workers::{Workers, WorkersFailed},
};
use crate::views::{Definitions, Purpose};
use springline_model::{Table, View, rows::PostingsRow};
use springline_operators::{Committed, LookupError, Visible};
use springline_sinks::views::{Change, ReadError, Reader};
use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, mpsc},
};

/// Records fed at once.
pub const CHUNK: usize = 1024;

/// The rows of every derived view (all but the ledger), sorted by key.
#[derive(Default)]
pub struct Recomputed {
    /// By table.
    pub tables: BTreeMap<Table, Vec<(Vec<u8>, Vec<u8>)>>,
    /// The search index' documents.
    pub postings: Vec<PostingsRow>,
}

/// Why it could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum RecomputeError {
    /// The store does not decode.
    #[error("the records could not be read")]
    Read(#[from] ReadError),
    /// The dataflow failed.
    #[error(transparent)]
    Workers(#[from] WorkersFailed),
    /// The dataflow ended early.
    #[error(transparent)]
    Gone(#[from] WorkerGone),
    /// An operator gave a row more or less than once: a mistake of ours.
    #[error("a row of {table} came {times} times")]
    Multiplicity {
        /// Where.
        table: &'static str,
        /// How often.
        times: isize,
    },
}

impl Recomputed {
    /// The rows of a view's tables.
    pub fn of(&mut self, view: View) -> BTreeMap<Table, Vec<(Vec<u8>, Vec<u8>)>> {
        view.tables()
            .filter(|table| *table != Table::Search)
            .map(|table| (table, self.tables.remove(&table).unwrap_or_default()))
            .collect()
    }
}

/// No lookups: nothing is fed to the ledger here.
struct Nothing;

impl Committed for Nothing {
    fn tick(&self) -> Option<u64> {
        None
    }

    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Vec<u8>>, LookupError> {
        Ok(None)
    }

    fn scan(&self, _: Table, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LookupError> {
        Ok(())
    }
}

/// Computes every view from the visible records in the store, against the store's clock.
///
/// # Errors
/// The store does not decode or the dataflow fails.
pub fn recompute(
    reader: &Reader,
    workers: usize,
    definitions: Definitions,
) -> Result<Recomputed, RecomputeError> {
    let clock = reader.clock();
    let (reports, inbox) = mpsc::channel();
    let nothing = Arc::new(|| Rc::new(Nothing) as Rc<dyn Committed>);
    let mut workers = Workers::start(workers, Purpose::Recompute, definitions, nothing, reports)?;
    let gather = std::thread::spawn(move || gather(&inbox));
    let mut fed = Ok(0);
    lookup::visible(reader, CHUNK, &mut |rows| {
        if fed.is_ok() {
            let records = rows.into_iter().map(|row| Visible { source: row.source, record: row.record });
            fed = workers.feed(vec![], records.collect(), clock);
        }
    })?;
    let finished = workers.finish();
    fed?;
    finished?;
    gather.join().unwrap_or_else(|_| Err(WorkersFailed::Panicked("the gathering thread".into()).into()))
}

fn gather(inbox: &mpsc::Receiver<Report>) -> Result<Recomputed, RecomputeError> {
    let mut tables: BTreeMap<Table, Vec<Change>> = BTreeMap::new();
    let mut postings: Vec<(PostingsRow, isize)> = Vec::new();
    while let Ok(report) = inbox.recv() {
        match report {
            Report::Rows { table, changes, .. } => tables.entry(table).or_default().extend(changes),
            Report::Postings { changes, .. } => postings.extend(changes),
            Report::Commit { .. } | Report::Done { .. } | Report::Job(_) => {}
        }
    }
    let mut recomputed = Recomputed::default();
    for (table, changes) in tables {
        let rows = changes.into_iter().map(|change| ((change.key, change.value), change.diff)).collect();
        recomputed.tables.insert(table, once(table, rows)?);
    }
    recomputed.postings = once(Table::Search, postings)?;
    Ok(recomputed)
}

/// What is left when all differences are added up: each row once.
fn once<R: Ord>(table: Table, mut rows: Vec<(R, isize)>) -> Result<Vec<R>, RecomputeError> {
    differential_dataflow::consolidation::consolidate(&mut rows);
    match rows.iter().find(|(_, times)| *times != 1) {
        Some((_, times)) => Err(RecomputeError::Multiplicity { table: table.name(), times: *times }),
        None => Ok(rows.into_iter().map(|(row, _)| row).collect()),
    }
}
