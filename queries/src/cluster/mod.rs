//! Several processes that answer as one: the way from this server to the others, and theirs to it.
//!
//! ```text
//!  handler ─► Snapshot (sinks: views::peers) ─► Client ══ POST /internal/v1/ask ══► serve ─► Reader::answer
//!                                               deadline, who is down               a permit, a blocking thread
//! ```
//!
//! A question is a number that says what the asker takes for granted ([`wire`]), who he is and whom he asks, and the
//! request; the answer is a reply or a refusal. Rows go as they are stored, hidden records among them: so the route is
//! open only to who has the cluster's secret, and processes should talk over a network of their own (there is no TLS).
//!
//! Invariants: who answers asks nobody, and has permits and threads of his own, so that processes that wait for each
//! other's answers still give theirs. A process that did not answer is left alone until it does ([`Client`]): a read
//! waits for it once.

mod client;
mod serve;
mod wire;

pub use client::Client;
pub(crate) use serve::{PATH, Serving, ask};

use crate::auth::MIN_TOKEN_CHARS;
use springline_model::Secret;
use springline_sinks::views::peers::Layout;
use std::time::Duration;
use thiserror::Error;

/// Which processes answer as one.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Which of them this is, from 0.
    pub process: usize,
    /// Where each listens, this one too: `http://10.0.0.1:8080`.
    pub urls: Vec<String>,
    /// Workers of each.
    pub workers: usize,
    /// What they know each other by; at least 16 characters.
    pub secret: Secret,
    /// How long one read may take, everybody's answers together. [`ClusterConfig::DEADLINE`] is usual.
    pub deadline: Duration,
}

impl ClusterConfig {
    /// The usual deadline of a read.
    pub const DEADLINE: Duration = Duration::from_secs(2);

    /// Which process this is, and how many there are.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout { process: self.process, processes: self.urls.len(), workers: self.workers }
    }

    pub(crate) fn check(&self) -> Result<(), ClusterError> {
        if self.process >= self.urls.len() {
            return Err(ClusterError::NoSuchProcess { process: self.process, processes: self.urls.len() });
        }
        if self.workers == 0 {
            return Err(ClusterError::NoWorkers);
        }
        if self.secret.reveal().chars().count() < MIN_TOKEN_CHARS {
            return Err(ClusterError::ShortSecret);
        }
        Ok(())
    }
}

/// The cluster can't be as it is configured.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// There are fewer processes.
    #[error("process {process} of {processes}: they are counted from 0")]
    NoSuchProcess {
        /// Which.
        process: usize,
        /// How many there are.
        processes: usize,
    },
    /// Rows are with workers.
    #[error("a process has at least one worker")]
    NoWorkers,
    /// Too easy to guess.
    #[error("the cluster's secret has fewer than {MIN_TOKEN_CHARS} characters")]
    ShortSecret,
    /// No address to ask.
    #[error("`{url}`, where process {process} is to be asked, is no http:// address")]
    Url {
        /// As given.
        url: String,
        /// Whose.
        process: usize,
    },
    /// Asking needs a runtime.
    #[error("a cluster's server must be made on a runtime")]
    NoRuntime,
    /// There is no client to ask with.
    #[error("can't set up the way to the other processes")]
    Http(#[source] reqwest::Error),
}
