//! A tree as it is stored, read: one key, or all of them in order.

use super::{
    super::{blocks::BlockSource, cid::Cid},
    Layers, MstError, Node, layer_of,
};
use std::borrow::Cow;

/// The value of a key. Reads the nodes on the way to it: a proof that it is there, or that it isn't.
///
/// # Errors
/// A node on the way is missing or not valid.
pub fn lookup<S: BlockSource>(source: &S, root: &Cid, key: &[u8]) -> Result<Option<Cid>, MstError> {
    let due = layer_of(key);
    let mut next = Some(*root);
    let mut above: Option<u8> = None;
    let mut other = Vec::new();
    while let Some(cid) = next {
        let block = source.block(&cid)?;
        let node = Node::read(&block, Layers::Trust)?;
        let Some(layer) = below(above, &node)? else { return Ok(None) };
        next = node.left;
        other.clear();
        for entry in &node.entries {
            entry.key(&block, &mut other);
            match other.as_slice().cmp(key) {
                std::cmp::Ordering::Less => next = entry.right,
                std::cmp::Ordering::Equal => return Ok(Some(entry.value)),
                std::cmp::Ordering::Greater => break,
            }
        }
        if layer <= due {
            return Ok(None);
        }
        above = Some(layer);
    }
    Ok(None)
}

/// The layer of a node, given that of the one above; none if it is the root of an empty tree.
fn below(above: Option<u8>, node: &Node) -> Result<Option<u8>, MstError> {
    match (above, node.layer) {
        (None, None) if node.left.is_none() => Ok(None),
        (None, None) => Err(MstError::Empty),
        (None, Some(layer)) => Ok(Some(layer)),
        (Some(above), layer) => {
            let due = above.checked_sub(1).ok_or(MstError::Layer)?;
            if layer.is_none() && node.left.is_none() {
                return Err(MstError::Empty);
            }
            if layer.is_some_and(|layer| layer != due) { Err(MstError::Layer) } else { Ok(Some(due)) }
        }
    }
}

/// All keys and values in order. Keeps the nodes on the way to where it is, and looks at every rule of the tree.
#[derive(Debug)]
pub struct Walk<'s, S> {
    source: &'s S,
    root: Option<Cid>,
    stack: Vec<Level<'s>>,
    /// The key that was returned last.
    last: Vec<u8>,
}

#[derive(Debug)]
struct Level<'s> {
    block: Cow<'s, [u8]>,
    node: Node,
    layer: u8,
    /// The next step: the left subtree is 0, an entry 1, 3, …, what is right of it 2, 4, ….
    step: usize,
    key: Vec<u8>,
}

impl<'s, S: BlockSource> Walk<'s, S> {
    /// Of the tree with that root.
    pub const fn new(source: &'s S, root: Cid) -> Self {
        Self { source, root: Some(root), stack: Vec::new(), last: Vec::new() }
    }

    /// The next key and its value; none at the end, and after an error.
    ///
    /// # Errors
    /// A node is missing or not valid.
    #[expect(clippy::should_implement_trait, reason = "the key is lent, which an iterator can't do")]
    pub fn next(&mut self) -> Result<Option<(&str, Cid)>, MstError> {
        match self.step() {
            Ok(Some(value)) => {
                let key = std::str::from_utf8(&self.last).map_err(|_| MstError::Key)?;
                Ok(Some((key, value)))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.stack.clear();
                Err(error)
            }
        }
    }

    fn step(&mut self) -> Result<Option<Cid>, MstError> {
        if let Some(root) = self.root.take() {
            self.enter(root)?;
        }
        while let Some(level) = self.stack.last_mut() {
            let step = level.step;
            level.step += 1;
            if step % 2 == 1 {
                let Some(entry) = level.node.entries.get(step / 2) else {
                    self.stack.pop();
                    continue;
                };
                entry.key(&level.block, &mut level.key);
                if self.last >= level.key {
                    return Err(MstError::Order);
                }
                self.last.clone_from(&level.key);
                return Ok(Some(entry.value));
            }
            let subtree = match step.checked_sub(2) {
                None => level.node.left,
                Some(step) => level.node.entries.get(step / 2).and_then(|entry| entry.right),
            };
            if let Some(subtree) = subtree {
                self.enter(subtree)?;
            }
        }
        Ok(None)
    }

    fn enter(&mut self, cid: Cid) -> Result<(), MstError> {
        let block = self.source.block(&cid)?;
        let node = Node::read(&block, Layers::Check)?;
        if let Some(layer) = below(self.stack.last().map(|level| level.layer), &node)? {
            self.stack.push(Level { block, node, layer, step: 0, key: Vec::new() });
        }
        Ok(())
    }
}
