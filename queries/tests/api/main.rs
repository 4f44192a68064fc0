//! The whole server over a loopback socket: memory store, hand-made rows, a fake process behind it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod agora;
mod changes;
mod cluster;
mod clusters;
mod clusters_pages;
mod compat;
mod description;
mod feeds;
mod hostile;
mod jobs;
mod links;
mod names;
mod network;
mod operation;
mod pages;
mod paging;
mod reads;
mod search;
mod support;
mod threads;
mod writes;
