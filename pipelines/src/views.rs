//! Which operator feeds which table: the one place where the views are put together.
//!
//! ```text
//!  events ─► ledger ─┬─ records, accounts, repositories, labels, quarantine, … ──────► store
//!                    └─ visible ─┬─► (listings: stateless) backlinks, latest, … ─────► store
//!                                ├─► search postings ────────────────────────────────► segments
//!  hydrated ─────────────────────┴─► (state) counts, nodes, rankings, notifications ─► store
//! ```
//!
//! To add a view: one operator, its tables in `springline_model::table`, and a line here.

use crate::runtime::{
    collect::{self, Report},
    feed::{self, Feeder},
};
use differential_dataflow::AsCollection;
use springline_model::View;
use springline_operators::{
    Committed, HotConfig, RankingsConfig, backlink_counts, backlinks, feedback_lists, feedback_sums, hot,
    ledger, linkers, listings, notifications, rankings, search, totals,
};
use std::{collections::BTreeSet, rc::Rc, sync::mpsc::Sender};
use timely::{
    dataflow::{ProbeHandle, operators::Probe},
    worker::Worker,
};

/// What the hydrated records are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To fill the state of the operators that have one: the store already has every row.
    Live,
    /// To compute every row of every view, as a check or a rebuild.
    Recompute,
}

/// How things are ranked.
#[derive(Clone, Copy, Debug)]
pub struct Rankings {
    /// Nodes.
    pub nodes: RankingsConfig,
    /// Records of repositories.
    pub records: HotConfig,
}

/// Which views are computed, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How things are ranked.
    pub rankings: Rankings,
    /// What is not computed.
    pub off: BTreeSet<View>,
}

/// Builds the dataflow on a worker. The probe passes a tick when all its rows are on their way to the committer.
pub fn build(
    worker: &mut Worker,
    purpose: Purpose,
    plan: &Plan,
    committed: Rc<dyn Committed>,
    reports: &Sender<Report>,
) -> (Feeder, ProbeHandle<u64>) {
    let probe = ProbeHandle::new();
    let feeder = worker.dataflow::<u64, _, _>(|scope| {
        let (feed, feeder) = feed::source(scope);
        let ledger = ledger(feed.events, committed);
        let hydrated = feed.hydrated.as_collection();
        let all = ledger.visible.clone().concat(hydrated);
        let listed = match purpose {
            Purpose::Live => ledger.visible,
            Purpose::Recompute => all.clone(),
        };

        macro_rules! collect {
            ($rows:expr) => {
                collect::rows($rows, reports.clone()).probe_with(&probe)
            };
        }
        collect::ledger(ledger.rows, reports.clone()).probe_with(&probe);
        let is_on = |view| !plan.off.contains(&view);
        if is_on(View::Backlinks) {
            collect!(backlinks(listed.clone()));
            collect!(linkers(listed.clone()));
            collect!(backlink_counts(all.clone()));
        }
        if is_on(View::Catalog) {
            let listings = listings(listed.clone());
            collect!(listings.latest);
            collect!(listings.subnodes);
            collect!(listings.author_notes);
            collect!(listings.journals);
            let totals = totals(all.clone());
            collect!(totals.nodes);
            collect!(totals.authors);
            collect!(totals.sources);
            collect!(totals.collections);
            collect!(totals.days);
            collect!(totals.author_kinds);
        }
        if is_on(View::Rankings) {
            collect!(rankings(all.clone(), feed.clock.clone(), plan.rankings.nodes));
            collect!(hot(all.clone(), feed.clock, plan.rankings.records));
        }
        if is_on(View::Feedback) {
            let lists = feedback_lists(listed.clone());
            collect!(lists.all);
            collect!(lists.by_project);
            let sums = feedback_sums(all.clone());
            collect!(sums.totals);
            collect!(sums.days);
        }
        if is_on(View::Notifications) {
            collect!(notifications(all));
        }
        if is_on(View::Search) {
            collect::postings(search::postings(listed), reports.clone()).probe_with(&probe);
        }
        feeder
    });
    (feeder, probe)
}
