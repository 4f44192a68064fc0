//! How a sink is.

use schemars::JsonSchema;
use serde::Serialize;

/// What a sink is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SinkState {
    /// It has not begun yet.
    #[default]
    Starting,
    /// It is given the rows.
    Filling,
    /// It is given changes.
    Following,
    /// It rests until it is told to go on; changes are kept for it.
    Paused,
    /// It fails, and is tried again; changes are kept for it.
    Failing,
    /// It can't go on from where it is: it needs a reset.
    Lost,
}

/// How a sink is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SinkStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `kafka` or `parquet`.
    pub kind: &'static str,
    /// The view that it follows; `events` if it is told what came in.
    pub view: &'static str,
    /// What it is doing.
    pub state: SinkState,
    /// Why it is lost, or fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last change that it has had: epoch and number; of events the epoch that it is complete as of.
    pub at: String,
    /// Epochs between that and the last change of the view.
    pub lag_epochs: u64,
    /// Bytes that the view's log takes, or the journal here.
    pub log_bytes: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Rows and changes that it was told since the start.
    pub items: u64,
    /// How often since the start it failed, and was begun anew from its last commit.
    pub failures: u64,
}
