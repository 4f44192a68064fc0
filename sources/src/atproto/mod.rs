//! The AT Protocol: repositories of signed records, and the streams that carry them.
//!
//! | module | what |
//! |---|---|
//! | [`syntax`] | DIDs, handles, NSIDs, TIDs, AT URIs |
//! | [`cid`], [`cbor`], [`data`], [`json`] | addresses of blocks, and their data model |
//! | [`blocks`], [`car`] | blocks in stores and in rows |
//! | [`mst`] | the tree of a repository's paths |
//! | [`key`], [`commit`] | the signed root of it |
//! | [`lexicon`] | what a record of a known kind may hold |
//! | [`record`], [`reader`] | from a record to what flows through Springline |
//! | [`jetstream`] | a line of a Jetstream |
//! | [`frame`], [`verify`] | messages of the streams, and whether they hold |
//! | [`repo`] | a whole repository, or a part with its proof |
//! | [`writer`] | a repository of our own, for tests and generators |
//!
//! Nothing of these touches a network, a clock or a store: a function of bytes to values, with a bound for every length
//! and depth. What is refused says why in an error enum.
//!
//! | module | what |
//! |---|---|
//! | [`identity`], [`who`] | DID documents and handles, from a network that is not trusted |
//! | [`live`] | streams that are followed |
//! | [`repos`] | whole repositories, fetched |
//! | [`replay`] | what was recorded |

pub mod blocks;
pub mod car;
pub mod cbor;
pub mod cid;
pub mod commit;
pub mod data;
pub mod frame;
pub mod identity;
pub mod jetstream;
pub mod json;
pub mod key;
pub mod lexicon;
pub mod live;
pub mod mst;
mod pictures;
pub mod reader;
pub mod record;
pub mod replay;
pub mod repo;
pub mod repos;
pub mod syntax;
pub mod verify;
pub mod who;
pub mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use cid::{Cid, CidError, Codec};

/// What hosts are told of who asks.
const USER_AGENT: &str = concat!("springline/", env!("CARGO_PKG_VERSION"));
