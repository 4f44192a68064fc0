//! The AT Protocol.

pub mod lexicon;
