//! What records of a network of repositories do to each other: who is told, and what is hot.
//!
//! ```text
//!  records ─┬─► effects of a record on others, by kind and path (see `effects`)
//!           │     ├─ on an account ─────────────────────────────► notifications       no state
//!           │     └─ on a record ──by target──► is it there? ─┬─► notifications       (interactions)
//!           │                                                 └─► hot records         (hot)
//!           └─► replies ──by thread──► ancestors, 5 steps up ───► notifications       (replies)
//! ```
//!
//! A target belongs to the account in its URI, so no record has to be read to know who is told; but nobody is told of
//! what happens to a record that is not there, or may not be seen.

pub(crate) mod compact;
pub(crate) mod effects;
mod hot;
mod interactions;
mod replies;
#[cfg(test)]
mod tests;

pub use hot::{HotConfig, hot};
pub(crate) use interactions::{account_effects, interactions};
pub(crate) use replies::replies;
