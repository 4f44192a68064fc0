//! What differs between two trees: a merge of two sorted lists of raw tree entries.
//!
//! A garden may keep thousands of notes in one folder, and each commit then has a tree of hundreds of kilobytes
//! that differs from its parent's in one entry. So equal stretches are skipped by comparing bytes, and entries are
//! taken apart only where the two differ.

use std::cmp::Ordering;

/// Bytes of an object id in a tree.
pub(crate) const ID: usize = 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file, executable or not.
    Blob,
    /// A folder.
    Tree,
    /// A symbolic link, a submodule, or something unheard of: never read.
    Other,
}

/// One entry of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TreeEntry<'a> {
    pub(crate) mode: &'a [u8],
    pub(crate) name: &'a [u8],
    pub(crate) id: &'a [u8; ID],
    /// Its length in the tree's data.
    len: usize,
}

impl<'a> TreeEntry<'a> {
    /// The first entry of a tree's data; none if the data is malformed or empty.
    fn first(data: &'a [u8]) -> Option<Self> {
        let space = memchr::memchr(b' ', data)?;
        let nul = space + memchr::memchr(0, &data[space..])?;
        let id = data.get(nul + 1..nul + 1 + ID)?.try_into().ok()?;
        Some(Self { mode: &data[..space], name: &data[space + 1..nul], id, len: nul + 1 + ID })
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.mode {
            b"40000" | b"040000" => Kind::Tree,
            mode if mode.len() == 6 && mode.starts_with(b"100") => Kind::Blob,
            _ => Kind::Other,
        }
    }

    /// Git sorts folders as if their names ended in `/`.
    fn order(&self, other: &Self) -> Ordering {
        let end = |entry: &Self| if entry.kind() == Kind::Tree { b'/' } else { 0 };
        let common = self.name.len().min(other.name.len());
        self.name[..common].cmp(&other.name[..common]).then_with(|| {
            let next = |entry: &Self| entry.name.get(common).copied().unwrap_or_else(|| end(entry));
            next(self).cmp(&next(other)).then(self.name.len().cmp(&other.name.len()))
        })
    }
}

/// A malformed tree: its data ends inside an entry, or is no tree at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The entries that differ, in order: (old, new), of which one may be missing.
pub(crate) struct Differences<'a> {
    old: &'a [u8],
    new: &'a [u8],
}

impl<'a> Differences<'a> {
    pub(crate) fn between(old: &'a [u8], new: &'a [u8]) -> Self {
        Self { old, new }
    }

    fn skip_equal(&mut self) -> Result<(), Malformed> {
        let same = common_prefix(self.old, self.new);
        let mut skipped = 0;
        while skipped < same {
            let entry = TreeEntry::first(&self.new[skipped..]).ok_or(Malformed)?;
            if skipped + entry.len > same {
                break;
            }
            skipped += entry.len;
        }
        (self.old, self.new) = (&self.old[skipped..], &self.new[skipped..]);
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Difference<'a>>, Malformed> {
        self.skip_equal()?;
        let first = |data: &'a [u8]| match data {
            [] => Ok(None),
            data => TreeEntry::first(data).map(Some).ok_or(Malformed),
        };
        let (old, new) = (first(self.old)?, first(self.new)?);
        let (old, new) = match (old, new) {
            (Some(old), Some(new)) => match old.order(&new) {
                Ordering::Less => (Some(old), None),
                Ordering::Greater => (None, Some(new)),
                Ordering::Equal => (Some(old), Some(new)),
            },
            one => one,
        };
        self.old = &self.old[old.map_or(0, |old| old.len)..];
        self.new = &self.new[new.map_or(0, |new| new.len)..];
        Ok((old.is_some() || new.is_some()).then_some((old, new)))
    }
}

/// An entry before and after.
pub(crate) type Difference<'a> = (Option<TreeEntry<'a>>, Option<TreeEntry<'a>>);

impl<'a> Iterator for Differences<'a> {
    type Item = Result<Difference<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let difference = self.step();
        if difference.is_err() {
            // An error is the last item.
            (self.old, self.new) = (&[], &[]);
        }
        difference.transpose()
    }
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STRIDE: usize = 256;
    let strides = a.chunks_exact(STRIDE).zip(b.chunks_exact(STRIDE)).take_while(|(a, b)| a == b).count();
    let start = strides * STRIDE;
    start + a[start..].iter().zip(&b[start..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Tree = BTreeMap<Vec<u8>, (bool, u8)>;

    fn data(tree: &Tree) -> Vec<u8> {
        let mut entries: Vec<_> = tree.iter().collect();
        entries.sort_by_key(|(name, (is_tree, _))| {
            let mut key = (*name).clone();
            if *is_tree {
                key.push(b'/');
            }
            key
        });
        let mut data = Vec::new();
        for (name, (is_tree, id)) in entries {
            data.extend_from_slice(if *is_tree { b"40000 " } else { b"100644 " });
            data.extend_from_slice(name);
            data.push(0);
            data.extend_from_slice(&[*id; ID]);
        }
        data
    }

    type Flat = (Option<(bool, u8)>, Option<(bool, u8)>);

    fn found(old: &[u8], new: &[u8]) -> BTreeMap<(Vec<u8>, bool), Flat> {
        let flat = |entry: TreeEntry<'_>| (entry.kind() == Kind::Tree, entry.id[0]);
        Differences::between(old, new)
            .map(|difference| {
                let (old, new) = difference.unwrap();
                let either = new.or(old).unwrap();
                ((either.name.to_vec(), either.kind() == Kind::Tree), (old.map(flat), new.map(flat)))
            })
            .collect()
    }

    fn expected(old: &Tree, new: &Tree) -> BTreeMap<(Vec<u8>, bool), Flat> {
        let mut all: BTreeMap<(Vec<u8>, bool), Flat> = BTreeMap::new();
        for (name, value) in old {
            all.entry((name.clone(), value.0)).or_default().0 = Some(*value);
        }
        for (name, value) in new {
            all.entry((name.clone(), value.0)).or_default().1 = Some(*value);
        }
        all.retain(|_, (old, new)| old != new);
        all
    }

    fn trees() -> impl Strategy<Value = Tree> {
        // Few letters around `/`, so that names are prefixes of each other and sort on both sides of it.
        proptest::collection::btree_map(
            "[a.0-]{1,4}".prop_map(String::into_bytes),
            (any::<bool>(), 0u8..3),
            0..30,
        )
    }

    proptest! {
        #[test]
        fn finds_what_differs(old in trees(), new in trees()) {
            prop_assert_eq!(found(&data(&old), &data(&new)), expected(&old, &new));
        }

        #[test]
        fn finds_one_change_in_many(mut tree in trees(), name in "[a.0-]{1,4}", id in 3u8..9) {
            let old = tree.clone();
            tree.insert(name.into_bytes(), (false, id));
            prop_assert_eq!(found(&data(&old), &data(&tree)), expected(&old, &tree));
        }

        #[test]
        fn survives_anything(old in any::<Vec<u8>>(), new in any::<Vec<u8>>(), cut in 0usize..40, tree in trees()) {
            let _ = Differences::between(&old, &new).count();
            let data = data(&tree);
            let _ = Differences::between(&old, &data[..cut.min(data.len())]).take(1000).count();
        }
    }
}
