//! The AT Protocol: repositories of signed records, and the streams that carry them.
//!
//! | module | what |
//! |---|---|
//! | [`syntax`] | DIDs, handles, NSIDs, TIDs, AT URIs |
//! | [`cid`], [`cbor`], [`data`], [`json`] | addresses of blocks, and their data model |
//!
//! Nothing here touches a network, a clock or a store: a function of bytes to values, with a bound for every length
//! and depth. What is refused says why in an error enum.

pub mod cbor;
pub mod cid;
pub mod data;
pub mod json;
pub mod syntax;

#[cfg(test)]
mod tests;

pub use cid::{Cid, CidError, Codec};
