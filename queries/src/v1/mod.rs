//! The views over HTTP, under `/v1`: a file a view, each a handful of plain functions from one epoch and typed
//! parameters to an answer.

pub mod actors;
pub mod agents;
pub mod authors;
pub mod backfill;
pub mod backlinks;
pub(crate) mod changes;
pub mod clusters;
pub mod collections;
pub mod counts;
pub mod epochs;
pub mod feedback;
pub mod feeds;
pub mod fixes;
pub mod graph;
pub mod inbox;
pub mod ingest;
pub(crate) mod job_logs;
pub(crate) mod job_reports;
pub mod jobs;
pub mod journals;
pub mod latest;
pub(crate) mod list;
pub(crate) mod merge;
pub mod moderation;
pub mod names;
pub mod nodes;
pub mod notifications;
pub mod posts;
pub mod quarantine;
pub mod rankings;
pub mod records;
pub mod related;
pub mod repos;
pub mod search;
pub mod shape;
pub mod sinks;
pub mod sources;
pub mod stats;
pub mod subreddits;
pub mod threads;
pub mod views;
pub mod write;

use crate::routes::Routes;

/// Adds the routes.
pub(crate) fn routes(routes: &mut Routes) {
    backlinks::routes(routes);
    search::routes(routes);
    rankings::routes(routes);
    nodes::routes(routes);
    graph::routes(routes);
    latest::routes(routes);
    authors::routes(routes);
    journals::routes(routes);
    records::routes(routes);
    notifications::routes(routes);
    inbox::routes(routes);
    actors::routes(routes);
    counts::routes(routes);
    threads::routes(routes);
    feeds::routes(routes);
    collections::routes(routes);
    clusters::routes(routes);
    repos::routes(routes);
    sources::routes(routes);
    sinks::routes(routes);
    backfill::routes(routes);
    quarantine::routes(routes);
    moderation::routes(routes);
    views::routes(routes);
    changes::routes(routes);
    epochs::routes(routes);
    ingest::routes(routes);
    feedback::routes(routes);
    stats::routes(routes);
    jobs::routes(routes);
    job_reports::routes(routes);
    job_logs::routes(routes);
    fixes::routes(routes);
    agents::routes(routes);
    subreddits::routes(routes);
}
