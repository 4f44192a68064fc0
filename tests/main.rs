//! Springline end to end, as its users meet it: the program, its folders, its answers.

#![allow(clippy::unwrap_used)]

mod api;
mod atproto;
mod browser;
mod dice;
mod faults;
mod feedback;
mod git;
mod jobs;
mod labels;
mod oracle;
mod peer;
