//! Springline end to end, as its users meet it: the program, its folders, its answers.

#![allow(clippy::unwrap_used)]

mod api;
mod atproto;
mod browser;
mod cluster;
mod clusters;
mod dice;
mod faults;
mod feedback;
mod feeds;
mod git;
mod jobs;
mod kafka;
mod labels;
mod oracle;
mod parquet;
mod peer;
mod replay;
mod ways;
