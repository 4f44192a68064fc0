//! A folder of notes, indexed and followed.
//!
//! ```text
//!  disk ─► watch (hints where to look) ─┐
//!          rescan (now and then) ───────┼─► tree: scan, compare ─► reader: read, parse ─► Outbox
//!  ledger ─► known at start ────────────┘      │
//!                                         what was sent
//! ```
//!
//! | module | what |
//! |---|---|
//! | `layout` | which path is whose, and what it is called |
//! | `ignores` | which paths are none of our business |
//! | `links` | where symbolic links may lead |
//! | `scan` | what is there |
//! | `tree` | what was sent, and the difference |
//! | `watch` | where to look next |
//! | `open`, `reader` | from a file to a record |
//!
//! Each place (a garden of an Agora tree) is a partition. Its position is no place in time, a folder has none: it
//! names the rules that its records were made by, so that new rules read everything again. What the ledger has with
//! the same time and size is not read again after a restart.
//!
//! Limits: a file that is changed twice within one tick of the file system's clock (4 ms on Linux), the second
//! time to the same size, while the process is down, is not seen. A folder tree with more folders than the system
//! allows watches for is followed by rescans only where the watches ended; the status says so.

mod config;
mod ignores;
mod layout;
mod links;
mod open;
mod reader;
mod run;
mod scan;
mod tree;
mod watch;

pub use config::FilesConfig;
pub(crate) use config::defaults;

use crate::{Source, SourceContext, SourceError};
use async_trait::async_trait;
use layout::Layout;
use springline_model::SourceId;

/// Reads and follows a folder.
#[derive(Debug)]
pub struct Files {
    id: SourceId,
    config: FilesConfig,
    layout: Layout,
}

impl Files {
    /// Of a configuration.
    ///
    /// # Errors
    /// A setting makes no sense.
    pub fn new(id: SourceId, config: FilesConfig) -> Result<Self, SourceError> {
        let layout = Layout::of(&config)?;
        Ok(Self { id, config, layout })
    }
}

#[async_trait]
impl Source for Files {
    fn id(&self) -> &SourceId {
        &self.id
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), SourceError> {
        run::Run::new(self.id, self.config, self.layout, context).run().await
    }
}
