//! A tree that is changed. It begins as the CID of its root; a change loads the nodes that it needs, and only those
//! have to be there, so that the few blocks of a commit are enough to undo it.

use super::{
    super::{blocks::BlockSource, cid::Cid},
    Layers, MAX_KEY, MstError, Node, layer_of,
    node::write,
};

/// A tree over the blocks of a source. After an error it is of no use.
#[derive(Debug)]
pub struct Tree<'s, S> {
    source: &'s S,
    layers: Layers,
    root: Option<Subtree>,
}

#[derive(Debug)]
enum Subtree {
    /// As it is in the source.
    Stored(Cid),
    /// Loaded, and perhaps changed.
    Loaded(Box<Branch>),
}

/// A node. Between its keys, before the first and after the last, are gaps: subtrees of the layer below, or nothing.
#[derive(Debug)]
struct Branch {
    layer: u8,
    left: Option<Subtree>,
    leaves: Vec<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    key: Box<[u8]>,
    value: Cid,
    right: Option<Subtree>,
}

impl Branch {
    const fn new(layer: u8) -> Self {
        Self { layer, left: None, leaves: Vec::new() }
    }

    /// Where the key is, or the gap that it would be in.
    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        self.leaves.binary_search_by(|leaf| (*leaf.key).cmp(key))
    }

    /// The gap before the leaf of that number.
    fn gap(&mut self, at: usize) -> &mut Option<Subtree> {
        match at.checked_sub(1).and_then(|at| self.leaves.get_mut(at)) {
            Some(leaf) => &mut leaf.right,
            None => &mut self.left,
        }
    }

    /// As a subtree, unless there is nothing in it.
    fn subtree(self: Box<Self>) -> Option<Subtree> {
        (self.left.is_some() || !self.leaves.is_empty()).then_some(Subtree::Loaded(self))
    }
}

impl<'s, S: BlockSource> Tree<'s, S> {
    /// An empty one.
    pub const fn new(source: &'s S) -> Self {
        Self { source, layers: Layers::Trust, root: None }
    }

    /// The tree with that root, of which nothing is loaded yet.
    pub const fn stored(source: &'s S, root: Cid, layers: Layers) -> Self {
        Self { source, layers, root: Some(Subtree::Stored(root)) }
    }

    /// Adds a key.
    ///
    /// # Errors
    /// It is there already, too long, or a node is missing or not valid.
    pub fn insert(&mut self, key: &[u8], value: Cid) -> Result<(), MstError> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(MstError::Key);
        }
        let layer = layer_of(key);
        let root = match self.take_root()? {
            Some(mut root) if root.layer >= layer => {
                self.insert_below(&mut root, key, value, layer)?;
                root
            }
            root => self.raise(root, key, value, layer)?,
        };
        self.root = root.subtree();
        Ok(())
    }

    /// Gives a key another value, and returns the one that it had.
    ///
    /// # Errors
    /// It isn't there, or a node is missing or not valid.
    pub fn update(&mut self, key: &[u8], value: Cid) -> Result<Cid, MstError> {
        let layer = layer_of(key);
        let mut root = self.take_root()?.ok_or(MstError::NotFound)?;
        let old = self.update_below(&mut root, key, value, layer)?;
        self.root = root.subtree();
        Ok(old)
    }

    /// Removes a key, and returns its value.
    ///
    /// # Errors
    /// It isn't there, or a node is missing or not valid.
    pub fn remove(&mut self, key: &[u8]) -> Result<Cid, MstError> {
        let layer = layer_of(key);
        let mut root = self.take_root()?.ok_or(MstError::NotFound)?;
        let old = self.remove_below(&mut root, key, layer)?;
        // A root has keys: one that has only led down is left out.
        while root.leaves.is_empty() {
            let Some(subtree) = root.left.take() else { break };
            root = self.load(subtree, root.layer)?;
        }
        self.root = root.subtree();
        Ok(old)
    }

    /// The root's CID. `sink` gets every node that was loaded, those of which nothing was changed as well.
    pub fn finish(self, mut sink: impl FnMut(Cid, Vec<u8>)) -> Cid {
        match self.root {
            Some(root) => store(root, &mut sink),
            None => store(Subtree::Loaded(Box::new(Branch::new(0))), &mut sink),
        }
    }

    fn take_root(&mut self) -> Result<Option<Box<Branch>>, MstError> {
        let cid = match self.root.take() {
            None => return Ok(None),
            Some(Subtree::Loaded(root)) => return Ok(Some(root)),
            Some(Subtree::Stored(cid)) => cid,
        };
        let block = self.source.block(&cid)?;
        let node = Node::read(&block, self.layers)?;
        match (node.layer, node.left) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(MstError::Empty),
            (Some(layer), _) => Ok(Some(branch(&block, node, layer))),
        }
    }

    /// A subtree's node, one layer below.
    fn load(&self, subtree: Subtree, above: u8) -> Result<Box<Branch>, MstError> {
        let cid = match subtree {
            Subtree::Loaded(branch) => return Ok(branch),
            Subtree::Stored(cid) => cid,
        };
        let layer = above.checked_sub(1).ok_or(MstError::Layer)?;
        let block = self.source.block(&cid)?;
        let node = Node::read(&block, self.layers)?;
        if node.layer.is_none() && node.left.is_none() {
            return Err(MstError::Empty);
        }
        if node.layer.is_some_and(|own| own != layer) {
            return Err(MstError::Layer);
        }
        Ok(branch(&block, node, layer))
    }

    /// A root of a higher layer, in which the key divides the tree.
    fn raise(
        &self,
        root: Option<Box<Branch>>,
        key: &[u8],
        value: Cid,
        layer: u8,
    ) -> Result<Box<Branch>, MstError> {
        let (mut left, mut right) = (None, None);
        if let Some(root) = root {
            let between = root.layer + 1..layer;
            let halves = self.split(root.subtree(), key, between.start)?;
            // Nodes without keys lead down to where the tree was.
            let lift = |subtree: Option<Subtree>| {
                between.clone().fold(subtree, |subtree, layer| {
                    let left = Some(subtree?);
                    Some(Subtree::Loaded(Box::new(Branch { layer, left, leaves: Vec::new() })))
                })
            };
            (left, right) = (lift(halves.0), lift(halves.1));
        }
        Ok(Box::new(Branch { layer, left, leaves: vec![Leaf { key: key.into(), value, right }] }))
    }

    fn insert_below(&self, branch: &mut Branch, key: &[u8], value: Cid, layer: u8) -> Result<(), MstError> {
        let Err(at) = branch.find(key) else { return Err(MstError::Exists) };
        let own = branch.layer;
        let gap = branch.gap(at);
        if own > layer {
            let mut inner = match gap.take() {
                Some(subtree) => self.load(subtree, own)?,
                None => Box::new(Branch::new(own - 1)),
            };
            self.insert_below(&mut inner, key, value, layer)?;
            *gap = inner.subtree();
        } else {
            let (left, right) = self.split(gap.take(), key, own)?;
            *gap = left;
            branch.leaves.insert(at, Leaf { key: key.into(), value, right });
        }
        Ok(())
    }

    fn update_below(&self, branch: &mut Branch, key: &[u8], value: Cid, layer: u8) -> Result<Cid, MstError> {
        let own = branch.layer;
        match branch.find(key) {
            Ok(at) => {
                let leaf = branch.leaves.get_mut(at).ok_or(MstError::NotFound)?;
                Ok(std::mem::replace(&mut leaf.value, value))
            }
            Err(at) => {
                self.within(branch.gap(at), own, layer, |inner| self.update_below(inner, key, value, layer))
            }
        }
    }

    fn remove_below(&self, branch: &mut Branch, key: &[u8], layer: u8) -> Result<Cid, MstError> {
        let own = branch.layer;
        match branch.find(key) {
            Ok(at) => {
                let leaf = branch.leaves.remove(at);
                let gap = branch.gap(at);
                *gap = self.merge(gap.take(), leaf.right, own)?;
                Ok(leaf.value)
            }
            Err(at) => self.within(branch.gap(at), own, layer, |inner| self.remove_below(inner, key, layer)),
        }
    }

    /// Does something to the node in a gap, if a key of that layer can be in it.
    fn within(
        &self,
        gap: &mut Option<Subtree>,
        above: u8,
        layer: u8,
        change: impl FnOnce(&mut Branch) -> Result<Cid, MstError>,
    ) -> Result<Cid, MstError> {
        if above <= layer {
            return Err(MstError::NotFound);
        }
        let mut inner = self.load(gap.take().ok_or(MstError::NotFound)?, above)?;
        let old = change(&mut inner)?;
        *gap = inner.subtree();
        Ok(old)
    }

    /// What is before and what is after a key that isn't there.
    fn split(
        &self,
        subtree: Option<Subtree>,
        key: &[u8],
        above: u8,
    ) -> Result<(Option<Subtree>, Option<Subtree>), MstError> {
        let Some(subtree) = subtree else { return Ok((None, None)) };
        let mut left = self.load(subtree, above)?;
        let Err(at) = left.find(key) else { return Err(MstError::Exists) };
        let mut right = Box::new(Branch::new(left.layer));
        right.leaves = left.leaves.split_off(at);
        let (before, after) = self.split(left.gap(at).take(), key, right.layer)?;
        *left.gap(at) = before;
        right.left = after;
        Ok((left.subtree(), right.subtree()))
    }

    /// Two neighbours as one.
    fn merge(&self, a: Option<Subtree>, b: Option<Subtree>, above: u8) -> Result<Option<Subtree>, MstError> {
        let (a, b) = match (a, b) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => return Ok(a.or(b)),
        };
        let (mut a, mut b) = (self.load(a, above)?, self.load(b, above)?);
        let (layer, end) = (a.layer, a.leaves.len());
        let gap = a.gap(end);
        *gap = self.merge(gap.take(), b.left.take(), layer)?;
        a.leaves.append(&mut b.leaves);
        Ok(a.subtree())
    }
}

fn branch(block: &[u8], node: Node, layer: u8) -> Box<Branch> {
    let mut key = Vec::new();
    let leaves = node.entries.into_iter().map(|entry| {
        entry.key(block, &mut key);
        Leaf { key: key.as_slice().into(), value: entry.value, right: entry.right.map(Subtree::Stored) }
    });
    Box::new(Branch { layer, leaves: leaves.collect(), left: node.left.map(Subtree::Stored) })
}

fn store(subtree: Subtree, sink: &mut impl FnMut(Cid, Vec<u8>)) -> Cid {
    let branch = match subtree {
        Subtree::Stored(cid) => return cid,
        Subtree::Loaded(branch) => branch,
    };
    let left = branch.left.map(|left| store(left, sink));
    let leaves: Vec<_> = branch
        .leaves
        .into_iter()
        .map(|leaf| (leaf.key, leaf.value, leaf.right.map(|right| store(right, sink))))
        .collect();
    let block = write(left, leaves.iter().map(|(key, value, right)| (&**key, *value, *right)));
    let cid = Cid::of_cbor(&block);
    sink(cid, block);
    cid
}
