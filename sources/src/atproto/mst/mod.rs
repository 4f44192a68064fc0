//! The Merkle search tree: a repository's paths and the CIDs of their records, in the one shape that they have.
//!
//! ```text
//!   layer 2            ┌── d ──┐            a key lies on the layer that its SHA-256 says: two zero bits each
//!   layer 1       ┌ b ─┘       └─ ∙ ─┐      a node without keys leads down through a layer
//!   layer 0       a  c              e  f    left of a key what sorts before it, right of it what sorts after
//! ```
//!
//! | module | what |
//! |---|---|
//! | `node` | a block and what it holds |
//! | `walk` | all keys in order; one key |
//! | `tree` | a tree that is changed, of which only what is needed is loaded |
//! | `change` | what a commit does to a tree, forth and back |
//!
//! Invariants: the shape is a function of the keys and values, so that two trees with the same are equal by their
//! roots. What is accepted is in that shape as far as it was looked at: layers, order over all nodes, shared prefixes
//! left out, no empty nodes, a root with keys.
//!
//! Limits: keys of [`MAX_KEY`] bytes. A tree is no deeper than the layer of its highest key, which its maker had to
//! find a hash for; recursion ends at 128 in any case.

mod change;
mod node;
mod tree;
mod walk;

pub use change::{Change, apply, invert};
#[cfg(test)]
pub(in crate::atproto) use node::common_prefix;
pub use node::{Layers, Node, NodeEntry, layer_of};
pub use tree::Tree;
pub use walk::{Walk, lookup};

use super::{blocks::BlockError, cbor::CborError};

/// Of the longest path.
pub const MAX_KEY: usize = 1_024;

/// Not the tree that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MstError {
    /// A node that can't be had.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A node that isn't one.
    #[error("a node of the tree: {0}")]
    Cbor(#[from] CborError),
    /// A key that is empty, too long, or not text.
    #[error("a key of the tree is empty, too long, or not text")]
    Key,
    /// A key that shares more, or less, with the one before than it says.
    #[error("a key of the tree isn't shortened as it should be")]
    Prefix,
    /// Keys that aren't sorted.
    #[error("the tree's keys aren't sorted")]
    Order,
    /// A key on a wrong layer.
    #[error("a key of the tree is on the wrong layer")]
    Layer,
    /// A node without anything, or a root without keys.
    #[error("a node of the tree is empty")]
    Empty,
    /// A key that should not be there.
    #[error("a key is in the tree already")]
    Exists,
    /// A key that should be there.
    #[error("a key isn't in the tree")]
    NotFound,
    /// A key that should have another value.
    #[error("a key has another value in the tree")]
    Value,
}
