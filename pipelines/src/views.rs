//! Which operator feeds which table: the one place where the views are put together.
//!
//! ```text
//!  events ─► ledger ─┬─ records, accounts, repositories, labels, quarantine, … ──────► store
//!                    └─ visible ─┬─► (listings: stateless) backlinks, latest, … ─────► store
//!                                ├─► search postings ────────────────────────────────► segments
//!  hydrated ─────────────────────┴─► (state) counts, nodes, rankings, clusters, … ────► store
//! ```
//!
//! To add a view: one operator, its tables in `springline_model::table`, and a line here.

use crate::runtime::{
    collect::{self, Report},
    feed::{self, Feeder},
};
use differential_dataflow::AsCollection;
use springline_model::{View, hand};
use springline_operators::{
    ClustersConfig, Committed, HotConfig, RankingsConfig, backlink_counts, backlinks, clusters,
    feedback_lists, feedback_sums, hot, ledger, linkers, listings, notifications, rankings, search, totals,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::mpsc::Sender,
};
use timely::{
    dataflow::{ProbeHandle, operators::Probe},
    worker::Worker,
};

/// What the views are made by.
#[derive(Clone, Debug)]
pub struct Definitions {
    /// How nodes are ranked.
    pub nodes: RankingsConfig,
    /// How records of repositories are ranked.
    pub records: HotConfig,
    /// What is clustered.
    pub clusters: ClustersConfig,
    /// Views that are not computed.
    pub off: BTreeSet<View>,
    /// Views of which every row is wanted, and not only what changes: what was hydrated is computed, too. Of others the
    /// store has the rows, and only operators that keep state are hydrated.
    pub anew: BTreeSet<View>,
    /// Whether somebody follows the records that can be seen.
    pub tells_records: bool,
}

impl Definitions {
    /// By the name of a view what it depends on beside the records, as a text: rows made by another one have to be
    /// made anew.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<String, String> {
        let Self { nodes, records, clusters, off: _, anew: _, tells_records: _ } = self;
        let views =
            [(View::Rankings, format!("{nodes:?} {records:?}")), (View::Clusters, format!("{clusters:?}"))];
        views.into_iter().map(|(view, settings)| (view.name().to_owned(), settings)).collect()
    }
}

/// Builds the dataflow on a worker. The probe passes a tick when all its rows are on their way to the committer; with
/// `spread`, to that of the process that keeps them.
pub fn build(
    worker: &mut Worker,
    definitions: &Definitions,
    committed: Rc<dyn Committed>,
    reports: &Sender<Report>,
    spread: bool,
) -> (Feeder, ProbeHandle<u64>) {
    let probe = ProbeHandle::new();
    let feeder = worker.dataflow::<u64, _, _>(|scope| {
        let mut tables = Vec::new();
        let (feed, feeder) = feed::source(scope);
        let ledger = ledger(feed.events, committed);
        let hydrated = feed.hydrated.as_collection();
        let all = ledger.visible.clone().concat(hydrated);
        if definitions.tells_records {
            collect::visible(ledger.visible.clone(), reports.clone()).probe_with(&probe);
        }
        // What is said of clusters by hand is said to them, and nothing that anybody looks for.
        let told = all.clone();
        let [visible, all] =
            [ledger.visible, all].map(|records| records.filter(|visible| !hand::is_order(&visible.record)));
        let listed = |view| if definitions.anew.contains(&view) { all.clone() } else { visible.clone() };

        macro_rules! collect {
            ($rows:expr) => {
                if spread {
                    tables.push(collect::encoded($rows));
                } else {
                    collect::rows($rows, reports.clone()).probe_with(&probe);
                }
            };
        }
        collect::ledger(ledger.rows, reports.clone()).probe_with(&probe);
        let is_on = |view| !definitions.off.contains(&view);
        if is_on(View::Backlinks) {
            collect!(backlinks(listed(View::Backlinks)));
            collect!(linkers(listed(View::Backlinks)));
            collect!(backlink_counts(all.clone()));
        }
        if is_on(View::Catalog) {
            let listings = listings(listed(View::Catalog));
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
            collect!(rankings(all.clone(), feed.clock.clone(), definitions.nodes));
            collect!(hot(all.clone(), feed.clock.clone(), definitions.records));
        }
        if is_on(View::Feedback) {
            let lists = feedback_lists(listed(View::Feedback));
            collect!(lists.all);
            collect!(lists.by_project);
            let sums = feedback_sums(all.clone());
            collect!(sums.totals);
            collect!(sums.days);
        }
        if is_on(View::Clusters) {
            let clusters = clusters(told, feed.clock, &definitions.clusters);
            collect!(clusters.clusters);
            collect!(clusters.ranks);
            collect!(clusters.members);
            collect!(clusters.texts);
            collect!(clusters.items);
            collect!(clusters.names);
            collect!(clusters.themes);
            collect!(clusters.themed);
        }
        if is_on(View::Notifications) {
            collect!(notifications(all.clone()));
        }
        if is_on(View::Search) {
            collect::postings(search::postings(listed(View::Search)), reports.clone()).probe_with(&probe);
        }
        if spread {
            collect::homeward(tables, scope, reports.clone()).probe_with(&probe);
        }
        feeder
    });
    (feeder, probe)
}
