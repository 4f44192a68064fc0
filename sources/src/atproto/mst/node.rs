//! A node as its block holds it.
//!
//! ```text
//!   { e: [{k: suffix, p: length of the prefix, t: right of it, v: value}, …], l: left of all }
//! ```

use super::{
    super::{
        cbor::{CborError, Order, Reader, Writer},
        cid::Cid,
    },
    MAX_KEY, MstError,
};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// Whether keys are hashed to see that they lie on their layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// All of them.
    Check,
    /// One of each node: whoever made the tree is trusted.
    Trust,
}

/// The layer that a key lies on.
#[must_use]
pub fn layer_of(key: &[u8]) -> u8 {
    let mut zeros = 0;
    for byte in Sha256::digest(key) {
        zeros += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    // 256 bits at most.
    (zeros / 2) as u8
}

/// A node. Keys stay in the block that it was read from.
#[derive(Clone, Debug)]
pub struct Node {
    /// What sorts before the first key.
    pub left: Option<Cid>,
    /// Keys and values, sorted.
    pub entries: Vec<NodeEntry>,
    /// The layer of its keys, if it has any.
    pub layer: Option<u8>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct NodeEntry {
    /// How many bytes are as in the key before.
    prefix: usize,
    /// Where the rest is in the block.
    suffix: Range<usize>,
    /// The CID of the record.
    pub value: Cid,
    /// What sorts between this key and the next.
    pub right: Option<Cid>,
}

impl NodeEntry {
    /// Makes the key of the entry before into this one's.
    pub fn key(&self, block: &[u8], key: &mut Vec<u8>) {
        key.truncate(self.prefix);
        key.extend_from_slice(block.get(self.suffix.clone()).unwrap_or_default());
    }
}

impl Node {
    /// Of a block.
    ///
    /// # Errors
    /// It isn't a node, or one that isn't in its one form.
    pub fn read(block: &[u8], layers: Layers) -> Result<Self, MstError> {
        let mut reader = Reader::new(block);
        let (mut left, mut entries, mut layer) = (None, None, None);
        reader.fields(Order::Sorted, |key, reader| match key {
            "e" => {
                entries = Some(read_entries(reader, layers, &mut layer)?);
                Ok(())
            }
            "l" => {
                left = Some(reader.nullable(Reader::link)?);
                Ok(())
            }
            _ => Err(MstError::Cbor(CborError::Expected("l or e"))),
        })?;
        reader.end()?;
        let left = left.ok_or(CborError::Missing("l"))?;
        Ok(Self { left, entries: entries.ok_or(CborError::Missing("e"))?, layer })
    }
}

fn read_entries(
    reader: &mut Reader<'_>,
    layers: Layers,
    layer: &mut Option<u8>,
) -> Result<Vec<NodeEntry>, MstError> {
    let mut entries = Vec::new();
    let mut last = Vec::new();
    reader.items(|reader| {
        let entry = read_entry(reader, &mut last)?;
        if layers == Layers::Check || layer.is_none() {
            let own = layer_of(&last);
            if layer.replace(own).is_some_and(|layer| layer != own) {
                return Err(MstError::Layer);
            }
        }
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

/// An entry; `last` is the key before and becomes its own.
fn read_entry(reader: &mut Reader<'_>, last: &mut Vec<u8>) -> Result<NodeEntry, MstError> {
    let (mut suffix, mut prefix, mut right, mut value) = (None, None, None, None);
    let mut end = 0;
    reader.fields(Order::Sorted, |key, reader| {
        match key {
            "k" => {
                suffix = Some(reader.bytes()?);
                end = reader.position();
            }
            "p" => prefix = Some(reader.integer()?),
            "t" => right = Some(reader.nullable(Reader::link)?),
            "v" => value = Some(reader.link()?),
            _ => return Err(CborError::Expected("k, p, t or v")),
        }
        Ok(())
    })?;
    let suffix = suffix.ok_or(CborError::Missing("k"))?;
    let prefix = usize::try_from(prefix.ok_or(CborError::Missing("p"))?).map_err(|_| MstError::Prefix)?;
    if prefix > last.len() {
        return Err(MstError::Prefix);
    }
    if suffix.is_empty() || prefix + suffix.len() > MAX_KEY {
        // Without a suffix it is the key before, or sorts before it.
        return Err(if suffix.is_empty() && !last.is_empty() { MstError::Order } else { MstError::Key });
    }
    match last.get(prefix).map(|next| next.cmp(&suffix[0])) {
        Some(std::cmp::Ordering::Equal) => return Err(MstError::Prefix),
        Some(std::cmp::Ordering::Greater) => return Err(MstError::Order),
        Some(std::cmp::Ordering::Less) | None => {}
    }
    last.truncate(prefix);
    last.extend_from_slice(suffix);
    Ok(NodeEntry {
        prefix,
        suffix: end - suffix.len()..end,
        value: value.ok_or(CborError::Missing("v"))?,
        right: right.ok_or(CborError::Missing("t"))?,
    })
}

/// The block of a node, of its keys, values and subtrees.
pub(super) fn write<'a>(
    left: Option<Cid>,
    entries: impl ExactSizeIterator<Item = (&'a [u8], Cid, Option<Cid>)>,
) -> Vec<u8> {
    let mut writer = Writer::with_capacity(64 + 128 * entries.len());
    writer.map(2);
    writer.text("e");
    writer.array(entries.len());
    let mut last: &[u8] = &[];
    for (key, value, right) in entries {
        let prefix = common_prefix(last, key);
        writer.map(4);
        writer.text("k");
        writer.bytes(&key[prefix..]);
        writer.text("p");
        writer.integer(prefix as i64);
        writer.text("t");
        writer.nullable(right, |writer, cid| writer.link(&cid));
        writer.text("v");
        writer.link(&value);
        last = key;
    }
    writer.text("l");
    writer.nullable(left, |writer, cid| writer.link(&cid));
    writer.into_bytes()
}

/// How many bytes two keys have in common at their start.
pub(in crate::atproto) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
