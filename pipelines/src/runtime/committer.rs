//! Applies finished ticks to the store, one after the other, on a thread of its own.
//!
//! ```text
//!  workers ──Rows, Postings, Done──► committer ──Views::apply(epoch)──► store ──► applied tick ──► sealer (flow
//!  sealer  ──Commit(tick, epoch)───►     │                                                        control), ledger
//!  keeper  ──Job─────────────────────────┘ (snapshots: between two epochs)
//! ```
//!
//! A view that loses more than half of its rows in an epoch is told, unless something was hidden on purpose in it: by
//! an operator, a host or a label.
//!
//! Ticks with no commit are hydration: the store has their rows already, so they are dropped.

use super::collect::Report;
use springline_model::{
    AccountStatus, EpochCommit, Row, View,
    rows::{AccountRow, LabelRow, RepoRow},
};
use springline_sinks::views::{Change, Changes, Views, ViewsError};
use std::{
    collections::{BTreeMap, HashMap},
    sync::mpsc::Receiver,
    time::Instant,
};
use tokio::sync::watch;

/// A view with fewer rows may lose them without anybody being told: in a young store much is taken back.
const ALERT_ROWS: u64 = 1000;

/// Runs until every sender of reports is gone. `applied` tells the first tick that is not applied yet.
///
/// # Errors
/// The store refused an epoch: nothing behind it is applied.
pub fn run(
    views: &Views,
    reports: &Receiver<Report>,
    applied: &watch::Sender<u64>,
) -> Result<(), ViewsError> {
    let mut commits: HashMap<u64, EpochCommit> = HashMap::new();
    let mut pending: BTreeMap<u64, Changes> = BTreeMap::new();
    while let Ok(report) = reports.recv() {
        match report {
            Report::Commit { tick, commit } => {
                commits.insert(tick, commit);
            }
            Report::Rows { tick, table, changes } => {
                pending.entry(tick).or_default().tables.entry(table).or_default().extend(changes);
            }
            Report::Postings { tick, changes } => {
                pending.entry(tick).or_default().postings.extend(changes);
            }
            Report::Done { before } => {
                let from = *applied.borrow();
                let through = if before == u64::MAX { last_known(from, &commits) } else { before };
                for tick in from..through {
                    let changes = pending.remove(&tick).unwrap_or_default();
                    if let Some(commit) = commits.remove(&tick) {
                        apply(views, &commit, changes)?;
                    }
                    applied.send_replace(tick + 1);
                }
            }
            Report::Job(job) => job(views),
        }
    }
    Ok(())
}

/// When the dataflow has ended, the ticks that were fed and not yet applied are those with a commit.
fn last_known(from: u64, commits: &HashMap<u64, EpochCommit>) -> u64 {
    commits.keys().max().map_or(from, |last| last + 1)
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
