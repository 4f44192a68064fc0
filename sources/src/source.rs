//! What the host needs to know of a source, and a source of its host.

use crate::{
    Known, Outbox, ProgressBars, SourceError, SourceStatus, atproto::who::Identities, feedback::Projects,
};
use async_trait::async_trait;
use serde::Serialize;
use springline_model::{Epoch, SourceId, Uri};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// An upstream that is read for as long as the process runs.
#[async_trait]
pub trait Source: Send {
    /// Its name in the configuration.
    fn id(&self) -> &SourceId;

    /// Reads until it is told to stop. Trouble with the upstream is no reason to return: the source keeps what
    /// it has, says so in its status, and tries again.
    ///
    /// # Errors
    /// The source can't go on: its configuration doesn't fit what it finds, or the ledger can't be read.
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError>;
}

/// What a source gets from its host.
pub struct SourceContext {
    /// Where events go.
    pub out: Outbox,
    /// What the ledger has.
    pub known: Arc<dyn Known>,
    /// What an operator asks for.
    pub commands: mpsc::Receiver<Command>,
    /// Cancelled at shutdown; `run` returns soon after.
    pub stop: CancellationToken,
    /// What the source tells of itself.
    pub status: Arc<SourceStatus>,
    /// Who accounts are.
    pub identities: Identities,
    /// What feedback is wanted, by project.
    pub projects: Arc<Projects>,
    /// Bars for a first index.
    pub progress: ProgressBars,
    /// A folder of the source's own for what it can fetch again (clones). Made by the source when it needs it.
    pub data_dir: PathBuf,
}

/// A request to a running source.
#[derive(Debug)]
pub enum Command {
    /// Look at the upstream now.
    Pull {
        /// Only this one; all without.
        partition: Option<String>,
        /// Answered when what was found has been sent and is durable.
        done: oneshot::Sender<Result<PullReport, String>>,
    },
    /// Stop looking; keep what there is.
    Pause,
    /// Look again, and catch up.
    Resume,
    /// Read everything again as if nothing were known; what is gone upstream is deleted.
    Reset,
    /// Fetch all repositories of a host.
    Fetch {
        /// `https://pds.example`.
        host: String,
        /// Answered with the reason if it won't.
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Read a quarantined piece again.
    Retry {
        /// [`springline_model::Quarantined::uri`].
        uri: Uri,
        /// Answered with the reason if it can't be taken now either.
        done: oneshot::Sender<Result<(), String>>,
    },
}

impl Command {
    /// Answers for a source that reads what was kept, once: there is nothing more to look at.
    pub fn read_once(self) {
        match self {
            Self::Pull { done, .. } => drop(done.send(Ok(PullReport::default()))),
            command => command.refuse("what was kept is read once"),
        }
    }

    /// Answers what a source has no use for: nobody is left waiting.
    pub fn refuse(self, why: &str) {
        // Who does not wait any more is not told.
        match self {
            Self::Pull { done, .. } => drop(done.send(Err(why.to_owned()))),
            Self::Retry { done, .. } | Self::Fetch { done, .. } => drop(done.send(Err(why.to_owned()))),
            Self::Pause | Self::Resume | Self::Reset => {}
        }
    }
}

/// What a [`Command::Pull`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PullReport {
    /// One entry a partition that was looked at.
    pub partitions: Vec<Pulled>,
    /// The last epoch that any of it was sealed in; none if nothing had changed.
    pub epoch: Option<Epoch>,
}

impl PullReport {
    pub(crate) fn add(&mut self, pulled: Pulled, epoch: Option<Epoch>) {
        self.partitions.push(pulled);
        self.epoch = self.epoch.max(epoch);
    }
}

/// What was found in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// Which.
    pub partition: String,
    /// Records put.
    pub puts: u64,
    /// Records deleted.
    pub deletes: u64,
    /// Pieces quarantined.
    pub quarantined: u64,
    /// Why it could not be looked at.
    pub error: Option<String>,
}
