//! Applies finished ticks to the store, one after the other, on a thread of its own.
//!
//! ```text
//!  workers ──Rows, Postings, Done──► committer ──Views::apply(epoch)──► store ──► applied tick ──► sealer (flow
//!  sealer  ──Commit(tick, epoch)───►     │                                                        control), ledger
//!  keeper  ──Job─────────────────────────┘ (snapshots: between two epochs)
//! ```
//!
//! Of several processes each writes a finished tick into its [`Redo`] first, and applies it when every one has:
//!
//! ```text
//!  workers ──Done──► redo, fsync ──► hub ═══ all have it ══► Durable ──► store
//! ```
//!
//! A view that loses more than half of its rows in an epoch is told, unless something was hidden on purpose in it: by
//! an operator, a host or a label.
//!
//! Ticks with no commit are hydration: the store has their rows already, so they are dropped; but for those of views
//! that are made anew, which are [`Gathered`], and written when they are all there.

use super::{
    cluster::{Hub, Redo, RedoError},
    collect::Report,
    recompute::{Gathered, RecomputeError},
};
use springline_model::{
    AccountStatus, EpochCommit, Row, View,
    rows::{AccountRow, LabelRow, RepoRow},
};
use springline_sinks::views::{Change, Changes, Views, ViewsError};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    sync::mpsc::Receiver,
    time::Instant,
};
use tokio::sync::watch;

/// A view with fewer rows may lose them without anybody being told: in a young store much is taken back.
const ALERT_ROWS: u64 = 1000;

/// Why nothing more is applied.
#[derive(Debug, thiserror::Error)]
pub enum CommitterError {
    /// The store has failed.
    #[error("the store can't be used")]
    Store(#[from] ViewsError),
    /// An epoch could not be kept for all to have it.
    #[error(transparent)]
    Redo(#[from] RedoError),
    /// Views could not be made anew.
    #[error("views could not be made anew")]
    Anew(#[from] RecomputeError),
    /// It panicked.
    #[error("the committer has failed")]
    Panicked,
}

/// What one of several processes does before it applies anything.
pub(super) struct Together {
    pub(super) redo: Redo,
    pub(super) hub: Hub,
}

impl Together {
    /// Has ticks on disk, and tells the others.
    fn keep(
        &self,
        ticks: Range<u64>,
        commits: &HashMap<u64, EpochCommit>,
        pending: &BTreeMap<u64, Changes>,
    ) -> Result<(), RedoError> {
        let started = Instant::now();
        let (before, nothing) = (ticks.end, Changes::default());
        for tick in ticks {
            if let Some(commit) = commits.get(&tick) {
                let bytes = self.redo.append(commit, pending.get(&tick).unwrap_or(&nothing))?;
                metrics::counter!("springline_redo_written_bytes_total").increment(bytes);
            }
        }
        metrics::histogram!("springline_redo_append_duration_seconds")
            .record(started.elapsed().as_secs_f64());
        self.hub.durable(before);
        Ok(())
    }
}

/// What is known of ticks that are not applied.
struct Ticks {
    /// The epochs that they are; none of those of hydration.
    commits: HashMap<u64, EpochCommit>,
    changes: BTreeMap<u64, Changes>,
    /// What hydration says of views that are made anew, until it is through.
    anew: Option<Gathered>,
}

impl Ticks {
    fn changes(&mut self, tick: u64) -> &mut Changes {
        self.changes.entry(tick).or_default()
    }

    fn apply(&mut self, views: &Views, applied: &watch::Sender<u64>, through: u64) -> Result<(), ViewsError> {
        let from = *applied.borrow();
        for tick in from..through {
            let changes = self.changes.remove(&tick).unwrap_or_default();
            match (self.commits.remove(&tick), &mut self.anew) {
                (Some(commit), _) => apply(views, &commit, changes)?,
                (None, Some(anew)) => anew.take(changes),
                (None, None) => {}
            }
            applied.send_replace(tick + 1);
        }
        Ok(())
    }

    /// When the dataflow has ended, the ticks that were fed and not yet applied are those with a commit.
    fn end(&self, applied: u64) -> u64 {
        self.commits.keys().max().map_or(applied, |last| last + 1)
    }
}

/// Runs until every sender of reports is gone. `applied` tells the first tick that is not applied yet; `anew` are the
/// views that are made anew in hydration.
///
/// # Errors
/// The store refused an epoch: nothing behind it is applied.
pub(super) fn run(
    views: &Views,
    reports: &Receiver<Report>,
    applied: &watch::Sender<u64>,
    together: Option<&Together>,
    anew: BTreeSet<View>,
) -> Result<(), CommitterError> {
    let (commits, changes, anew) = (HashMap::new(), BTreeMap::new(), Some(Gathered::of(anew)));
    let mut ticks = Ticks { commits, changes, anew };
    let mut kept = 0;
    while let Ok(report) = reports.recv() {
        match report {
            Report::Commit { tick, commit } => drop(ticks.commits.insert(tick, commit)),
            Report::Rows { tick, table, changes } => {
                ticks.changes(tick).tables.entry(table).or_default().extend(changes);
            }
            Report::Postings { tick, changes } => ticks.changes(tick).postings.extend(changes),
            Report::Visible { tick, changes } => ticks.changes(tick).visible.extend(changes),
            Report::Done { before } => match together {
                None => {
                    let through = if before == u64::MAX { ticks.end(*applied.borrow()) } else { before };
                    ticks.apply(views, applied, through)?;
                }
                // A dataflow of several processes does not end, it is cut: what is not done then is done again.
                Some(_) if before == u64::MAX => {}
                Some(together) => {
                    together.keep(kept..before, &ticks.commits, &ticks.changes)?;
                    kept = before;
                }
            },
            Report::Durable { before } => ticks.apply(views, applied, before.min(kept))?,
            Report::Hydrated(done) => {
                if let Some(anew) = ticks.anew.take() {
                    anew.write(views)?;
                }
                let _ = done.send(());
            }
            Report::Job(job) => job(views),
        }
    }
    Ok(())
}

fn apply(views: &Views, commit: &EpochCommit, changes: Changes) -> Result<(), ViewsError> {
    let rows: usize = changes.tables.values().map(Vec::len).sum();
    let started = Instant::now();
    // No view can lose half of so many rows in fewer changes.
    let may_collapse = (rows + changes.postings.len()) as u64 >= ALERT_ROWS / 2;
    let hides = may_collapse && hides(&changes);
    let counted = |view: &View| views.status(*view).fingerprint.rows;
    let before: Vec<u64> = View::ALL.iter().map(counted).collect();
    views.apply(commit, changes)?;
    for (view, before) in View::ALL.iter().zip(before) {
        let now = counted(view);
        if before >= ALERT_ROWS && now < before / 2 && !hides {
            metrics::counter!("springline_view_collapses_total", "view" => view.name()).increment(1);
            tracing::warn!(
                view = view.name(),
                before,
                now,
                epoch = commit.epoch.0,
                "a view has lost most of its rows"
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("springline_view_rows", "view" => view.name()).set(now as f64);
    }
    metrics::counter!("springline_rows_changed_total").increment(rows as u64);
    metrics::histogram!("springline_commit_duration_seconds").record(started.elapsed().as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("springline_applied_epoch").set(commit.epoch.0 as f64);
    tracing::trace!(epoch = commit.epoch.0, events = commit.events, rows, "epoch applied");
    Ok(())
}

/// Whether an operator, a host or a label takes something out of sight. A repository's row alone says nothing: every
/// commit changes it.
fn hides(changes: &Changes) -> bool {
    fn any<R: Row>(changes: &Changes, is: impl Fn(R) -> bool) -> bool {
        let comes = |change: &&Change| change.diff > 0;
        let table = changes.tables.get(&R::TABLE).into_iter().flatten();
        table.filter(comes).any(|change| R::decode(&change.key, &change.value).is_ok_and(&is))
    }
    any(changes, |account: AccountRow| account.status != AccountStatus::Active)
        || any(changes, |repo: RepoRow| !repo.is_visible())
        || any(changes, |LabelRow(label)| label.is_hiding())
}

#[cfg(test)]
mod tests {
    use super::*;
    use springline_model::{Hosting, Uri};

    fn changes<R: Row>(row: &R) -> Changes {
        let change = Change { key: row.key_bytes(), value: row.value_bytes(), diff: 1 };
        let mut changes = Changes::default();
        changes.tables.entry(R::TABLE).or_default().push(change);
        changes
    }

    #[test]
    fn only_what_goes_out_of_sight_excuses_a_collapse() {
        let repo = RepoRow::new(Uri::from("at://did:plc:ada/"));
        assert!(!hides(&changes(&repo)), "a commit like any other");
        assert!(hides(&changes(&RepoRow { hosting: Hosting::Deleted, ..repo.clone() })));
        assert!(hides(&changes(&RepoRow { hidden_by: 1, ..repo })));
    }
}
