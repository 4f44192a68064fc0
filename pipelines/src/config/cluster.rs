//! Several processes that keep the views together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Several `springline run` as one: each reads its share of the log and keeps its share of the views. With a journal in
/// Kafka only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// How many processes there are, at most 64. It stands in the stores: to change it, empty the data folders and read
    /// the log again.
    #[schemars(range(min = 1, max = 64))]
    pub processes: usize,
    /// Which of them this is, from 0 on.
    pub process: usize,
    /// A file with a line for each process: where the others reach it, and where its queries are answered
    /// (`10.0.0.1:2101 http://10.0.0.1:8080`). The same file for all.
    pub hosts_file: Option<PathBuf>,
    /// A file with a text of at least 16 characters by which the processes know each other, the same for all. What they
    /// say to each other is not encrypted.
    pub secret_file: Option<PathBuf>,
    /// Where this process listens for the others, if that is not its address in `hosts_file`: `0.0.0.0:2101`.
    pub listen: Option<String>,
    /// Another process that says nothing for this long is taken for lost.
    #[schemars(range(min = 1))]
    pub patience_secs: u64,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            processes: 1,
            process: 0,
            hosts_file: None,
            secret_file: None,
            listen: None,
            patience_secs: 10,
        }
    }
}
