//! Why a source can't go on.

use crate::KnownError;
use std::{io, path::PathBuf};

/// Why a source can't go on. Trouble with an upstream is not among these: it goes into the status.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A setting makes no sense.
    #[error("{0}")]
    Config(String),
    /// Nobody takes its batches any more; the process is shutting down.
    #[error("the pipeline takes no more events")]
    Closed,
    /// What the ledger has is unknown.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// A folder that it needs for itself can't be made or used.
    #[error("{path} can't be used")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it reads was kept by another part of the program, and does not read.
    #[error(transparent)]
    Kept(Box<dyn std::error::Error + Send + Sync>),
    /// One of its own tasks ended without an answer.
    #[error("a task of the source died: {0}")]
    Task(String),
}

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
