//! What a commit does to a tree, forth and back.

use super::{
    super::{blocks::BlockSource, cid::Cid},
    MstError, Tree,
};

/// What becomes of a key: `before` is none if it is created, `after` if it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The path.
    pub key: &'a str,
    /// Its value before.
    pub before: Option<Cid>,
    /// Its value after.
    pub after: Option<Cid>,
}

/// Makes a change.
///
/// # Errors
/// The tree isn't as it was before, or a node is missing or not valid.
pub fn apply<S: BlockSource>(tree: &mut Tree<'_, S>, change: &Change<'_>) -> Result<(), MstError> {
    let key = change.key.as_bytes();
    let found = match (change.before, change.after) {
        (None, None) => return Err(MstError::Value),
        (None, Some(after)) => return tree.insert(key, after),
        (Some(_), Some(after)) => tree.update(key, after)?,
        (Some(_), None) => tree.remove(key)?,
    };
    if Some(found) == change.before { Ok(()) } else { Err(MstError::Value) }
}

/// Takes changes of different keys back. Deletions are first: what they left is what the source has nodes for.
///
/// # Errors
/// The tree isn't as it was after them, or a node is missing or not valid.
pub fn invert<'a, S: BlockSource>(
    tree: &mut Tree<'_, S>,
    changes: impl Iterator<Item = Change<'a>> + Clone,
) -> Result<(), MstError> {
    let back = |change: Change<'a>| Change { before: change.after, after: change.before, ..change };
    let deletions = changes.clone().filter(|change| change.after.is_none());
    let others = changes.filter(|change| change.after.is_some());
    deletions.chain(others).try_for_each(|change| apply(tree, &back(change)))
}
