//! What the configuration says of an agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springline_model::Secret;
use std::{collections::BTreeMap, path::PathBuf};

/// An agent that can be set to work on a job: a command on this machine, or a webhook.
///
/// A command gets the job's snapshot as JSON on its standard input, and in its environment `SPRINGLINE_URL`, `JOB_ID`
/// and `JOB_TOKEN`: with that token it may `PATCH $SPRINGLINE_URL/v1/jobs/$JOB_ID`, and nothing else.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    /// The program and its arguments. No shell reads them.
    pub command: Vec<String>,
    /// Instead of a command: where a signed POST tells another machine to begin.
    pub webhook: Option<String>,
    /// What webhooks are signed with: HMAC-SHA256 of the body, in `X-Springline-Signature-256`. At least 16
    /// characters. Better kept in `secret_file`.
    #[schemars(with = "Option<String>")]
    pub secret: Option<Secret>,
    /// A file whose first line is the secret.
    pub secret_file: Option<PathBuf>,
    /// Further environment of the command. Of Springline's own it has `PATH`, `HOME`, `USER`, `LANG`, `TZ` and
    /// `TMPDIR`.
    pub env: BTreeMap<String, String>,
    /// Where each job gets a fresh folder to work in, which is removed at its end. `agents/work` in the data folder
    /// without.
    pub work_dir: Option<PathBuf>,
    /// An attempt that takes longer has failed.
    #[schemars(range(min = 1, max = 604_800))]
    pub timeout_secs: u64,
    /// How long a command may take to end when it is told to (SIGTERM); then it is killed.
    #[schemars(range(max = 600))]
    pub grace_secs: u64,
    /// Jobs that it may be at at one time.
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: u16,
    /// How often a job is tried again when Springline was killed under it. An agent that fails is not tried again.
    #[schemars(range(max = 100))]
    pub retries: u32,
    /// How much of what it says on standard output and error is kept; the rest is thrown away.
    #[schemars(range(min = 1, max = 8_388_608))]
    pub max_log_bytes: u64,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            webhook: None,
            secret: None,
            secret_file: None,
            env: BTreeMap::new(),
            work_dir: None,
            timeout_secs: 3600,
            grace_secs: 10,
            concurrency: 1,
            retries: 1,
            max_log_bytes: 1024 * 1024,
        }
    }
}
