//! Every row of some views, computed anew from the visible records: to check what is stored, and to correct it.
//!
//! ```text
//!  at rest:   records ──► dataflow of its own, of these views alone ──► Gathered ──► compared, or written
//!  at start:  records ──► the live dataflow, as it is hydrated ───────► Gathered ──► written, then live
//! ```
//!
//! A start has to read all records anyway, for the operators that keep state; views that another version of the
//! program, or other settings, define, cost it no more than gathering and writing their rows. Until these are all
//! there, queries are answered with the rows of before.
//!
//! Limits: the rows of these views lie in memory once.

use super::{
    collect::Report,
    feed::WorkerGone,
    lookup,
    workers::{Workers, WorkersFailed},
};
use crate::views::Definitions;
use differential_dataflow::consolidation::consolidate;
use springline_model::{Table, View, rows::PostingsRow};
use springline_operators::{Committed, LookupError, Visible};
use springline_sinks::views::{Changes, Corrections, ReadError, Reader, Views, ViewsError};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::{Arc, mpsc},
    time::Instant,
};

/// Records fed at once.
pub const CHUNK: usize = 1024;

/// A row's key and value.
type Pair = (Vec<u8>, Vec<u8>);

/// The rows of views, sorted by key.
#[derive(Default)]
pub struct Recomputed {
    /// By table.
    pub tables: BTreeMap<Table, Vec<Pair>>,
    /// The search index' documents.
    pub postings: Vec<PostingsRow>,
}

/// Why it could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum RecomputeError {
    /// The store does not decode.
    #[error("the records could not be read")]
    Read(#[from] ReadError),
    /// They could not be written.
    #[error("the rows could not be written")]
    Write(#[from] ViewsError),
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
    pub fn of(&mut self, view: View) -> BTreeMap<Table, Vec<Pair>> {
        view.tables()
            .filter(|table| *table != Table::Search)
            .map(|table| (table, self.tables.remove(&table).unwrap_or_default()))
            .collect()
    }

    /// Makes a stored view what was computed.
    ///
    /// # Errors
    /// The store fails.
    pub fn write(&mut self, view: View, views: &Views) -> Result<Corrections, ViewsError> {
        let postings = if view == View::Search { std::mem::take(&mut self.postings) } else { vec![] };
        views.reconcile(view, self.of(view), postings)
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

/// Computes views from the visible records in the store, against the store's clock.
///
/// # Errors
/// The store does not decode or the dataflow fails.
pub fn recompute(
    reader: &Reader,
    workers: usize,
    mut definitions: Definitions,
    views: &BTreeSet<View>,
) -> Result<Recomputed, RecomputeError> {
    let clock = reader.clock();
    definitions.off.extend(View::ALL.iter().filter(|view| !views.contains(view)));
    definitions.anew.clone_from(views);
    let wanted = views.clone();
    let (reports, inbox) = mpsc::channel();
    let nothing = Arc::new(|| Rc::new(Nothing) as Rc<dyn Committed>);
    let mut workers = Workers::start(workers, definitions, nothing, reports, None)?;
    let gather = std::thread::spawn(move || gather(&inbox, wanted));
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

fn gather(inbox: &mpsc::Receiver<Report>, views: BTreeSet<View>) -> Result<Recomputed, RecomputeError> {
    let mut gathered = Gathered::of(views);
    while let Ok(report) = inbox.recv() {
        let mut changes = Changes::default();
        match report {
            Report::Rows { table, changes: rows, .. } => drop(changes.tables.insert(table, rows)),
            Report::Postings { changes: documents, .. } => changes.postings = documents,
            _ => {}
        }
        gathered.take(changes);
    }
    gathered.finish()
}

/// From so many on, differences are added up when they are twice as many as were left the last time.
const LEAST_GATHERED: usize = 1 << 16;

/// What the dataflow says of some views, until every record was fed.
#[derive(Default)]
pub(super) struct Gathered {
    views: BTreeSet<View>,
    tables: BTreeMap<Table, Pile<Pair>>,
    postings: Pile<PostingsRow>,
}

impl Gathered {
    /// Of these views; what is said of others is dropped.
    pub(super) fn of(views: BTreeSet<View>) -> Self {
        Self { views, ..Self::default() }
    }

    /// Takes what a tick changes.
    pub(super) fn take(&mut self, changes: Changes) {
        for (table, changes) in changes.tables {
            if self.views.contains(&table.view()) {
                let pile = self.tables.entry(table).or_default();
                pile.put(changes.into_iter().map(|change| ((change.key, change.value), change.diff)));
            }
        }
        if self.views.contains(&View::Search) {
            self.postings.put(changes.postings.into_iter());
        }
    }

    /// Puts the rows that are left in the place of those of before.
    pub(super) fn write(self, views: &Views) -> Result<(), RecomputeError> {
        let (started, anew) = (Instant::now(), self.views.clone());
        let mut computed = self.finish()?;
        for view in anew {
            let corrections = computed.write(view, views)?;
            tracing::info!(view = view.name(), ?corrections, elapsed = ?started.elapsed(), "view made anew");
        }
        Ok(())
    }

    /// The rows that are left.
    fn finish(self) -> Result<Recomputed, RecomputeError> {
        let once = |(table, pile): (Table, Pile<Pair>)| Ok((table, pile.once(table)?));
        let tables: Result<_, RecomputeError> = self.tables.into_iter().map(once).collect();
        Ok(Recomputed { tables: tables?, postings: self.postings.once(Table::Search)? })
    }
}

/// Differences, added up now and then: rows that come and go while records are fed must not pile up.
struct Pile<R> {
    rows: Vec<(R, isize)>,
    settled: usize,
}

impl<R> Default for Pile<R> {
    fn default() -> Self {
        Self { rows: Vec::new(), settled: 0 }
    }
}

impl<R: Ord> Pile<R> {
    fn put(&mut self, rows: impl Iterator<Item = (R, isize)>) {
        self.rows.extend(rows);
        if self.rows.len() > LEAST_GATHERED.max(2 * self.settled) {
            consolidate(&mut self.rows);
            self.settled = self.rows.len();
        }
    }

    /// What is left when all differences are added up: each row once.
    fn once(mut self, table: Table) -> Result<Vec<R>, RecomputeError> {
        consolidate(&mut self.rows);
        match self.rows.iter().find(|(_, times)| *times != 1) {
            Some((_, times)) => Err(RecomputeError::Multiplicity { table: table.name(), times: *times }),
            None => Ok(self.rows.into_iter().map(|(row, _)| row).collect()),
        }
    }
}

#[cfg(test)]
mod tests;
