//! Feedback: what people say of a project elsewhere, from payloads to records.
//!
//! ```text
//!  POST /v1/ingest/…   ─┐                      ┌─ Item(record) ─► filter ─► known? ─► Put
//!  POST /v1/hooks/…    ─┼─► reddit │ sentry ───┼─ Gone(uri)    ──────────► known? ─► Delete
//!  pollers             ─┘   github │ manual    └─ Passed(why)
//!                           pure functions: payload, project, now
//! ```
//!
//! | module | what |
//! |---|---|
//! | `config` | which projects there are, what of their feedback is wanted, and the secrets of their hooks |
//! | `draft` | the bounds that every item keeps, and the record that it becomes |
//! | `json` | fields of payloads, read forgivingly |
//! | `reddit sentry github manual` | a file a source: from its payloads to items |
//! | `hook` | signatures of deliveries |
//! | `verdict` | whether what is told of an item is news, given what is here |
//! | `poll` | what the sources that look at an upstream share |
//!
//! Invariants: whoever tells of an item (a poller, a hook, a client) makes the same record of it, under the same URI;
//! nothing here but `poll` does I/O or looks at a clock; every text, list and time is bounded, and what breaks a bound is refused
//! with the reason.

mod config;
mod draft;
pub mod github;
mod hook;
mod json;
mod manual;
pub(crate) mod poll;
pub mod reddit;
mod sentry;
#[cfg(test)]
mod tests;
mod verdict;

pub use config::{FeedbackConfig, ProjectConfig, Projects, Rules};
pub use draft::{MAX_TEXT_BYTES, MAX_TITLE_BYTES};
pub use hook::{SignatureError, delivery, verify};
pub use verdict::{Here, Teller, Verdict, judge};

use serde_json::Value;
use springline_model::{FeedbackSource, Project, Record, Timestamp, Uri};

/// What a payload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// There is an item, and it is now this.
    Item(Box<Item>),
    /// An item is gone.
    Gone(Uri),
    /// Nothing that is feedback; why not.
    Passed(String),
}

impl Reading {
    /// The item that it is about.
    ///
    /// # Errors
    /// None; why.
    pub fn uri(&self) -> Result<&Uri, &str> {
        match self {
            Self::Item(item) => Ok(&item.record.uri),
            Self::Gone(uri) => Ok(uri),
            Self::Passed(why) => Err(why),
        }
    }
}

/// An item as a payload tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The record.
    pub record: Record,
    /// Whether the payload says when it was said; otherwise the record's time is when it was told of.
    pub dated: bool,
}

/// Why a payload can't be taken, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Reads one item as clients post it: in its source's own shape, or in the plain one of [`FeedbackSource::Manual`].
///
/// # Errors
/// It breaks a bound, or holds nothing to read.
pub fn read(
    source: FeedbackSource,
    project: &Project,
    payload: &Value,
    now: Timestamp,
) -> Result<Reading, Refusal> {
    if !payload.is_object() {
        return Err(Refusal("an item is a JSON object".into()));
    }
    match source {
        FeedbackSource::Reddit => reddit::read(project, payload, now),
        FeedbackSource::Sentry => sentry::read(project, payload, now),
        FeedbackSource::Github => github::read(project, payload, now),
        FeedbackSource::Manual => manual::read(source, project, payload, now),
    }
}

/// Reads a delivery of a webhook. `kind` is what the sender's headers call it (`issues`), if they do.
///
/// # Errors
/// As [`read`].
pub fn read_hook(
    source: FeedbackSource,
    project: &Project,
    kind: Option<&str>,
    payload: &Value,
    now: Timestamp,
) -> Result<Reading, Refusal> {
    match source {
        FeedbackSource::Sentry => sentry::hook(project, payload, now),
        FeedbackSource::Github => github::hook(project, kind, payload, now),
        source => Err(Refusal(format!("{source} sends no webhooks"))),
    }
}
