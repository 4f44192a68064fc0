//! How clusters stand: what their jobs, and the operator's word, make of those that are there now.
//!
//! ```text
//!  cluster_states: name ─► Fixing ─┐
//!                  name ─► Fixing ─┴─► the cluster that the names' items are in now
//! ```
//!
//! A job is kept under the name that its cluster had when it was ordered, and a name stands for an item. So what is said
//! of a name counts for the cluster that its item is in now: where clusters merge, their jobs do. What is said of a name
//! whose item is gone counts for nothing.
//!
//! Limits: [`MAX_STATES`] names with jobs are looked at, in the order of the names.

use super::{Level, Named, named};
use crate::{
    problem::{Kind, Problem},
    v1::jobs::JobView,
};
use springline_model::{
    ClusterId, JobId, Space, TextId,
    job::{FixState, Fixing},
    rows::{ClusterJobRow, ClusterStateRow, JobRow, job_key},
};
use springline_sinks::{Scan, Snapshot};
use std::{cmp::Reverse, collections::HashMap};

/// The most names with jobs that are looked at.
const MAX_STATES: usize = 10_000;

/// How the clusters stand that have, or had, jobs.
#[derive(Default)]
pub(crate) struct Standing(HashMap<(Space, TextId), (Fixing, Vec<ClusterId>)>);

impl Standing {
    /// All of them.
    pub(crate) fn read(snapshot: &Snapshot<'_>) -> Result<Self, Problem> {
        let mut standing = Self::default();
        let scan = Scan { limit: MAX_STATES, ..Scan::default() };
        for row in snapshot.scan::<ClusterStateRow>(&scan)? {
            let Named { space, cluster, .. } = match named(snapshot, row.cluster.as_str(), None) {
                Ok(named) => named,
                Err(problem) if problem.kind() == Kind::NotFound => continue,
                Err(problem) => return Err(problem),
            };
            let (fixing, names) = standing.0.entry((space, cluster)).or_default();
            *fixing = latest(*fixing, row.fixing);
            names.push(row.cluster);
        }
        Ok(standing)
    }

    /// One of them.
    pub(crate) fn of(&self, space: &Space, root: TextId) -> Fixing {
        self.entry(space, root).map(|(fixing, _)| *fixing).unwrap_or_default()
    }

    /// The jobs of one, the newest first; at most so many.
    pub(crate) fn jobs(
        &self,
        snapshot: &Snapshot<'_>,
        space: &Space,
        root: TextId,
        most: usize,
    ) -> Result<Vec<JobView>, Problem> {
        let mut ids: Vec<Reverse<JobId>> = Vec::new();
        for name in self.entry(space, root).into_iter().flat_map(|(_, names)| names) {
            let prefix = crate::v1::list::key(&[name.as_str()]);
            let scan = Scan { prefix, limit: most, ..Scan::default() };
            let rows: Vec<ClusterJobRow> = snapshot.scan(&scan)?;
            ids.extend(rows.into_iter().map(|row| Reverse(row.outcome.job)));
        }
        ids.sort_unstable();
        let job = |Reverse(id): &Reverse<JobId>| {
            let row = snapshot.get::<JobRow>(&job_key(*id))?;
            Ok(row.map(|JobRow(job)| JobView::from(&*job)))
        };
        ids.iter().take(most).filter_map(|id| job(id).transpose()).collect()
    }

    fn entry(&self, space: &Space, root: TextId) -> Option<&(Fixing, Vec<ClusterId>)> {
        self.0.get(&(space.clone(), root))
    }
}

/// Of the names of one cluster: one that is being fixed, else the one whose job is the newest.
fn latest(a: Fixing, b: Fixing) -> Fixing {
    let rank = |fixing: &Fixing| (fixing.state == FixState::Fixing, fixing.job, fixing.state);
    std::cmp::max_by_key(a, b, rank)
}

/// What a name stands for now: the cluster's own name, and how it stands.
///
/// # Errors
/// Nothing has this name (any more), or the store fails.
pub(in crate::v1) fn standing(
    snapshot: &Snapshot<'_>,
    name: &ClusterId,
) -> Result<(ClusterId, Fixing), Problem> {
    let named = named(snapshot, name.as_str(), None)?;
    let row = named.row(snapshot, Level::Cluster)?;
    Ok((row.id, Standing::read(snapshot)?.of(&named.space, named.cluster)))
}
