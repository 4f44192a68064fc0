//! Gardens in git repositories, cloned and polled.
//!
//! ```text
//!  upstream ── git fetch ──► mirror (bare clone) ── history: walk from the tip ──► plan ──► work: jobs
//!                                                                                           │
//!  ledger ── position (a commit) ───────────────────────────────────────────────┘    reader ▼ Outbox
//! ```
//!
//! | module | what |
//! |---|---|
//! | `command`, `mirror` | running git safely; the clone |
//! | `tree`, `history`, `scope` | which commit last changed which file |
//! | `plan`, `work` | what has to be sent |
//! | `reader` | from a blob to a record |
//! | `garden`, `run`, `yaml` | the life of a garden, of all gardens, and their list |
//!
//! The git program talks to upstreams, which it does best, and in a process that can be killed; the clone is read
//! in this process, without one. Nothing is ever checked out: a link, a hook or an attribute in a garden is data.
//!
//! A garden is a partition. Its position is `<commit> <rules>`: the commit of which all was sent, and a hash of
//! what else decides its records. A record is a function of the tip's content and of the first-parent history, so
//! that a garden that was followed commit by commit has the same records as one that was cloned just now.
//!
//! Limits: gardens with SHA-256 object ids are refused by the clone. An upstream that is itself a shallow clone is
//! refused by git. A history that was rewritten is walked as a whole, twice.

mod command;
mod config;
mod garden;
mod history;
mod mirror;
mod plan;
mod reader;
mod run;
mod scope;
mod tree;
mod work;
mod yaml;

pub use config::{GardenConfig, GitConfig};

use crate::{Source, SourceContext, SourceError};
use async_trait::async_trait;
use springline_model::SourceId;

/// Clones and follows gardens.
#[derive(Debug)]
pub struct Git {
    id: SourceId,
    config: GitConfig,
}

impl Git {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(id: SourceId, config: GitConfig) -> Result<Self, SourceError> {
        config.check()?;
        Ok(Self { id, config })
    }
}

#[async_trait]
impl Source for Git {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        run::Run::new(self.id, self.config, context).run().await
    }
}
