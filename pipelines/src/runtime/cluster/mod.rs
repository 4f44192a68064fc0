//! Several processes as one: one dataflow over all of them, a share of the log and of the views in each.
//!
//! ```text
//!           log: partition p is read by process p mod N
//!            │                              │
//!   process 0: reader ─► sealer          process 1: reader ─► sealer
//!                 │        │ ticks ═══════ hub ═══════► │         (control links: ticks, nudges, who has what)
//!              workers ◄═══════ timely's exchange ═══► workers    (data links)
//!                 │                                    │
//!            committer ─► redo, fsync ═ "I have it" ═ redo ◄─ committer
//!                 └────► store                        └──► store  (only what every process has)
//! ```
//!
//! - [`hosts`]: who the processes are. [`hello`]: how two of them make sure of each other. [`gather`] and [`form`]: how all of
//!   them find together, and where they begin. [`hub`]: what they say to each other. [`net`]: timely's sockets. [`pace`]: who closes
//!   ticks. [`redo`]: what a process has and may not apply yet. [`shard`]: whose share a store is.
//!
//! Invariants:
//! 1. Ticks, epochs and clocks are the same everywhere: process 0 closes them, the others follow.
//! 2. Nobody applies an epoch before every process has its share of it on disk (redo or store). So after any crash there is
//!    a newest epoch that all have: what is behind it is dropped by all and read again.
//! 3. A row whose key says where it is ([`springline_model::home`]) is in that process' store, every other one where it
//!    was made.
//! 4. Who loses another process stops feeding its own dataflow, keeps on serving what is stored, and finds together with
//!    the others again, in the same process. Nobody goes on alone: the dataflow needs all.
//!
//! Limits: [`hosts::MAX_PROCESSES`]; the network between the processes is trusted but for the secret.

mod form;
mod gather;
mod hello;
mod hosts;
mod hub;
mod net;
mod pace;
mod redo;
mod shard;
mod wire;

pub use hosts::{Cluster, Host, MAX_PROCESSES};
pub use redo::RedoError;

pub(crate) use form::{Formed, Mesh};
pub(crate) use hub::{Hub, Lost, Reached};
pub(crate) use net::{Cut, Net};
pub(crate) use pace::{Follower, Leader};
pub(crate) use redo::Redo;
pub(crate) use shard::{Shard, claim, of_store};

use super::journal::JournalError;
use springline_model::Epoch;
use springline_sinks::views::ViewsError;
use std::path::PathBuf;

/// What the processes are called among the sources.
pub(crate) const NAME: &str = "cluster";

/// Which of the log's partitions a process reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) process: usize,
    pub(crate) processes: usize,
}

impl Share {
    /// All of it.
    pub(crate) const WHOLE: Self = Self { process: 0, processes: 1 };

    /// Whether a partition belongs to it.
    pub(crate) fn has(self, partition: i32) -> bool {
        usize::try_from(partition).is_ok_and(|partition| partition % self.processes == self.process)
    }
}

/// Why a process can't be one of several.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No file says who the others are.
    #[error("several processes need --hosts FILE, with a line for each: `host:port http://host:port`")]
    NoHosts,
    /// Whoever reaches their ports could pass for one of them, and read what is hidden.
    #[error(
        "several processes need a secret to know each other by: --secret FILE, the same for all, with 16 characters at least"
    )]
    NoSecret,
    /// A file can't be read.
    #[error("cannot read {}", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// The hosts' file says something that can't be.
    #[error("{}: {}", .0.display(), .1)]
    Hosts(PathBuf, String),
    /// The secret is too short.
    #[error("{}: the secret has less than 16 characters", .0.display())]
    ShortSecret(PathBuf),
    /// The port is not to be had.
    #[error("cannot listen for the other processes at {0}")]
    Listen(String, #[source] std::io::Error),
    /// The store is the share of another process, or of another number of them.
    #[error(
        "the store is {found}, and this process is to be {wanted}. Another number of processes or workers needs a start \
         from the beginning of the log: empty the data folders of all processes"
    )]
    OtherShard {
        /// Whose it is.
        found: String,
        /// Whose it would have to be.
        wanted: String,
    },
    /// A process has lost what it had.
    #[error(
        "process {process} has nothing behind epoch {reach}, and another one has applied epoch {applied}: its data folder \
         was emptied or is an old copy. Bring it back, or empty the data folders of all processes: the log is read again"
    )]
    Behind {
        /// Which.
        process: usize,
        /// How far it can get by itself.
        reach: Epoch,
        /// How far another one is.
        applied: Epoch,
    },
    /// The redo.
    #[error(transparent)]
    Redo(#[from] RedoError),
    /// Its files.
    #[error("the redo can't be used")]
    Journal(#[from] JournalError),
    /// The store.
    #[error("the store can't be used")]
    Store(#[from] ViewsError),
    /// The system has no random numbers, or no threads.
    #[error("{0}")]
    System(String),
    /// Another process is gone: they find together again.
    #[error("{0}")]
    Lost(String),
}
