//! The sources against real folders and real repositories, and against a naive re-reading of both.

#![allow(clippy::unwrap_used)]

mod agora;
mod atproto;
mod crash;
mod files;
mod gardens;
mod git;
mod git_hostile;
mod git_transports;
mod github;
mod links;
#[path = "../../../tests/support/atproto/mod.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared with the tests of the whole program")]
mod network;
mod random_files;
mod random_git;
mod reddit;
mod support;
