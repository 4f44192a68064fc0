//! Why the process can't start or had to end.

use super::{
    DataDirError, cluster::ClusterError, committer::CommitterError, feeds::FeedsError, journal::JournalError,
    kafka::LogError, labeler::LabelerError, recompute::RecomputeError, recovery::Refusal,
    sealer::SealerError, workers::WorkersFailed,
};
use crate::{agents::AgentError, embedding::EmbeddingError};
use springline_sinks::{
    parquet::ParquetError,
    views::{ReadError, ViewsError},
};
use springline_sources::SourceError;

/// Why the process can't start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The data folder can't be had.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The journal.
    #[error("the journal can't be used")]
    Journal(#[from] JournalError),
    /// The journal, where it is a log elsewhere.
    #[error("the log can't be used")]
    Log(#[from] LogError),
    /// The store.
    #[error("the store can't be used")]
    Store(#[from] ViewsError),
    /// The store does not decode.
    #[error("the store can't be read")]
    Read(#[from] ReadError),
    /// A snapshot.
    #[error("the snapshot can't be used")]
    Snapshot(#[from] ParquetError),
    /// What is on disk does not fit together.
    #[error(transparent)]
    Recovery(#[from] Refusal),
    /// The labeler's settings make no sense.
    #[error(transparent)]
    Labeler(#[from] LabelerError),
    /// The model of texts.
    #[error("the texts' model can't be used")]
    Embedding(#[from] EmbeddingError),
    /// An agent's settings make no sense.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// What follows the views.
    #[error("the views' changes can't be followed")]
    Feeds(#[from] FeedsError),
    /// A source's settings make no sense.
    #[error("a source can't be used")]
    Source(#[from] SourceError),
    /// The dataflow.
    #[error(transparent)]
    Workers(#[from] WorkersFailed),
    /// A view could not be corrected.
    #[error("a view could not be computed anew")]
    Recompute(#[from] RecomputeError),
    /// Sealing ended.
    #[error("no more epochs can be sealed")]
    Sealer(#[from] SealerError),
    /// Nothing more can be applied.
    #[error(transparent)]
    Committer(#[from] CommitterError),
    /// The other processes.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A thread panicked.
    #[error("{0} has failed")]
    Panicked(&'static str),
}
