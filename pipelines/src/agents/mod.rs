//! Agents: programs, or other machines, that are set to work on jobs.
//!
//! ```text
//!  job_queue ─► Runner ── Lease ─► ledger          a job is a runner's once the views show its lease
//!                 │ a task a job
//!                 ├─► command: a process group of its own ── stdout, stderr ─► Log
//!                 └─► webhook: a signed POST              ── heartbeats ────► Heartbeat
//!
//!  the agent ── PATCH /v1/jobs/{id} with its token ─► Report          the row no longer ours ─► it is ended
//! ```
//!
//! # Invariants
//! * An attempt begins only when nothing of an earlier one is left: every process is recorded before it may begin
//!   (`group`), and what a killed Springline has left behind is ended before a job is tried again.
//! * The ledger decides. A runner that finds a job no longer its own ends the agent and says nothing more.
//! * What an agent says is bounded: a flood holds the agent back, and beyond the bound it is thrown away.
//! * A token is known to the agent alone; of an attempt that is no more it opens nothing.
//!
//! # Limits
//! * Linux: processes are found through `/proc`. One that has cleaned its environment is not found if it has left its
//!   group, nor after a restart if the group's leader has ended.
//! * A webhook that was asked just when Springline was killed may be asked again, as another attempt at the same job.

mod catalogue;
mod command;
mod config;
mod group;
mod output;
mod runner;
#[cfg(test)]
mod tests;
mod webhook;
mod work;

pub use catalogue::{AgentError, Agents};
pub use config::AgentConfig;
pub(crate) use runner::{Runner, new_id};
