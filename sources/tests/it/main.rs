//! The sources against real folders and real repositories, and against a naive re-reading of both.

#![allow(clippy::unwrap_used)]

mod agora;
mod crash;
mod files;
mod gardens;
mod git;
mod git_hostile;
mod git_transports;
mod links;
mod random_files;
mod random_git;
mod support;
