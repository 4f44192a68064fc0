//! A block: some rows of a table that sort side by side, in one value of the store.
//!
//! ```text
//!   row*   row = shared · rest · length · key[shared..] · value
//! ```
//! `shared` is how many bytes the key has in common with the one before it (0 for the first), `rest` and `length`
//! how many bytes of key and value follow; all three are LEB128. Rows rise strictly by key. The store checks its
//! own checksums, so a block has none.

use super::ReadError;
use springline_model::Table;
use std::ops::Range;

/// Adds rows to a block.
pub(super) struct BlockWriter {
    bytes: Vec<u8>,
}

impl BlockWriter {
    /// With room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// `previous` is the key added before, if this is not the first row.
    pub(super) fn push(&mut self, previous: Option<&[u8]>, key: &[u8], value: &[u8]) {
        let shared = previous.map_or(0, |previous| common_prefix(previous, key));
        for number in [shared, key.len() - shared, value.len()] {
            put_number(&mut self.bytes, number);
        }
        self.bytes.extend_from_slice(&key[shared..]);
        self.bytes.extend_from_slice(value);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// How many bytes a row takes in a block, give or take the lengths of its lengths.
pub(super) fn row_size(previous: Option<&[u8]>, key: &[u8], value: &[u8]) -> usize {
    4 + key.len() - previous.map_or(0, |previous| common_prefix(previous, key)) + value.len()
}

/// How many bytes both begin with.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    // Eight at a time: keys of a table begin alike.
    let alike = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(a, b)| a == b).count() * 8;
    alike + a[alike..].iter().zip(&b[alike..]).take_while(|(a, b)| a == b).count()
}

fn put_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads the rows of a block in order, without copying their values.
pub(super) struct BlockReader<'a> {
    table: Table,
    rest: &'a [u8],
    key: Vec<u8>,
}

impl<'a> BlockReader<'a> {
    pub(super) fn new(table: Table, block: &'a [u8]) -> Self {
        Self { table, rest: block, key: Vec::new() }
    }

    /// The last row's key, if there is a row.
    pub(super) fn last_key(mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut any = false;
        while self.next()?.is_some() {
            any = true;
        }
        Ok(any.then_some(self.key))
    }

    /// The next row, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(&[u8], &'a [u8])>, ReadError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let value = self.step().ok_or(ReadError::Block { table: self.table })?;
        Ok(Some((&self.key, value)))
    }

    fn step(&mut self) -> Option<&'a [u8]> {
        let (shared, rest, length) = (self.number()?, self.number()?, self.number()?);
        if shared > self.key.len() {
            return None;
        }
        let (key, after) = self.rest.split_at_checked(rest)?;
        let (value, after) = after.split_at_checked(length)?;
        self.key.truncate(shared);
        self.key.extend_from_slice(key);
        self.rest = after;
        Some(value)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// A block taken apart: to change it, or to read it backwards.
pub(super) struct Rows<'a> {
    keys: Vec<u8>,
    rows: Vec<(Range<usize>, &'a [u8])>,
}

impl<'a> Rows<'a> {
    pub(super) fn read(table: Table, block: &'a [u8]) -> Result<Self, ReadError> {
        let mut rows = Self { keys: Vec::with_capacity(block.len()), rows: Vec::new() };
        let mut reader = BlockReader::new(table, block);
        while let Some((key, value)) = reader.next()? {
            let start = rows.keys.len();
            rows.keys.extend_from_slice(key);
            rows.rows.push((start..rows.keys.len(), value));
        }
        Ok(rows)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &'a [u8])> {
        self.rows.iter().map(|(key, value)| (&self.keys[key.clone()], *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn write(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
        let mut block = BlockWriter::with_capacity(0);
        let mut previous = None;
        for (key, value) in rows {
            block.push(previous.replace(key.as_slice()), key, value);
        }
        block.finish()
    }

    proptest! {
        #[test]
        fn rows_read_back(rows: BTreeMap<Vec<u8>, Vec<u8>>) {
            let block = write(&rows);
            let read = Rows::read(Table::Nodes, &block).unwrap();
            let back: BTreeMap<_, _> = read.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
            let last = BlockReader::new(Table::Nodes, &block).last_key().unwrap();
            prop_assert_eq!(last.as_ref(), rows.keys().last());
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_bytes_are_read_without_panic(block: Vec<u8>) {
            drop(Rows::read(Table::Nodes, &block));
        }
    }

    #[test]
    fn long_values_keep_their_length() {
        let rows = BTreeMap::from([(vec![1; 300], vec![7; 3_000_000])]);
        assert_eq!(
            Rows::read(Table::Nodes, &write(&rows)).unwrap().iter().next().unwrap().1.len(),
            3_000_000
        );
    }

    /// What version 1 of the store looks like. If this fails, raise the store's version.
    #[test]
    fn golden() {
        let rows = [("alpha", "1"), ("alphabet", "22"), ("beta", "")];
        let rows = rows.map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()));
        assert_eq!(write(&rows.into()), b"\0\x05\x01alpha1\x05\x03\x02bet22\0\x04\0beta");
    }
}
