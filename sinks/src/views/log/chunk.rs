//! Some changes of one epoch that follow each other, in one value of the store.
//!
//! ```text
//!   [0] "changes" · view · log · epoch · n  →  clock · change*      n: the first one's number; the next ones count on
//!   change = table's tag · key · before? · after?                   (postcard)
//! ```

use super::{At, LogError, ViewChange};
use serde::{Deserialize, Serialize};
use springline_model::{
    Epoch, Table, Timestamp, View,
    key::{KeyReader, KeyWriter},
};

const CHANGES: &[u8] = b"\0changes";

/// The size from which a chunk is closed.
pub(super) const CLOSE_BYTES: usize = 8 * 1024;

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    table: u8,
    #[serde(borrow)]
    key: &'a [u8],
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
}

/// What the keys of a view's logs begin with.
pub(super) fn prefix(view: View) -> Vec<u8> {
    [CHANGES, &KeyWriter::new().text(view.name()).take()].concat()
}

/// What the keys of one log begin with.
pub(super) fn log_prefix(view: View, id: u64) -> Vec<u8> {
    [&prefix(view)[..], &id.to_be_bytes()].concat()
}

/// The key of the chunk that begins at a position.
pub(super) fn key(view: View, id: u64, first: At) -> Vec<u8> {
    let mut key = KeyWriter::new();
    key.u64(first.epoch.0).u32(first.n);
    [log_prefix(view, id), key.into_bytes()].concat()
}

/// The position that a chunk begins at, from its key.
pub(super) fn first(view: View, key: &[u8]) -> Option<At> {
    let mut key = KeyReader::new(key.get(prefix(view).len() + 8..)?);
    Some(At { epoch: Epoch(key.u64().ok()?), n: key.u32().ok()? })
}

/// A chunk that is being written.
pub(super) struct Writer {
    pub(super) first: At,
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(first: At, clock: Timestamp) -> Self {
        let mut writer = Self { first, bytes: Vec::new() };
        writer.put(&clock);
        writer
    }

    /// Adds a change; whether the chunk is to be closed.
    pub(super) fn push(
        &mut self,
        table: Table,
        key: &[u8],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) -> bool {
        self.put(&Stored { table: table as u8, key, before, after });
        self.bytes.len() >= CLOSE_BYTES
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn put(&mut self, value: &impl Serialize) {
        // Plain data into memory: see `springline_model::rows`.
        #[expect(clippy::expect_used, reason = "see above")]
        let bytes = postcard::to_extend(value, std::mem::take(&mut self.bytes)).expect("plain data");
        self.bytes = bytes;
    }
}

/// Shows the changes of a chunk in order, until told to stop; gives the position of the last one that it holds.
pub(super) fn read(
    view: View,
    key: &[u8],
    chunk: &[u8],
    mut show: impl FnMut(ViewChange),
) -> Result<At, LogError> {
    let damaged = || LogError::Damaged(view);
    let mut at = first(view, key).ok_or_else(damaged)?;
    let (clock, mut rest): (Timestamp, _) = postcard::take_from_bytes(chunk).map_err(|_| damaged())?;
    loop {
        let (stored, after): (Stored<'_>, _) = postcard::take_from_bytes(rest).map_err(|_| damaged())?;
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        show(ViewChange {
            at,
            clock,
            table: Table::from_tag(stored.table).ok_or_else(damaged)?,
            key: stored.key.to_vec(),
            before: owned(stored.before),
            after: owned(stored.after),
        });
        if after.is_empty() {
            return Ok(at);
        }
        (at.n, rest) = (at.n + 1, after);
    }
}

/// The position of the last change that a chunk holds.
pub(super) fn last(view: View, key: &[u8], chunk: &[u8]) -> Result<At, LogError> {
    let damaged = || LogError::Damaged(view);
    let mut at = first(view, key).ok_or_else(damaged)?;
    let (_, mut rest): (Timestamp, _) = postcard::take_from_bytes(chunk).map_err(|_| damaged())?;
    loop {
        (_, rest) = postcard::take_from_bytes::<Stored<'_>>(rest).map_err(|_| damaged())?;
        if rest.is_empty() {
            return Ok(at);
        }
        at.n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Row = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

    proptest! {
        #[test]
        fn reads_back(rows in proptest::collection::vec(any::<Row>(), 1..9), epoch: u64, clock: i64) {
            let at = At { epoch: Epoch(epoch), n: 5 };
            let mut writer = Writer::new(at, Timestamp(clock));
            for (key, before, after) in &rows {
                writer.push(Table::Nodes, key, before.as_deref(), after.as_deref());
            }
            let (key, chunk) = (key(View::Catalog, 9, at), writer.finish());
            let mut read_back = Vec::new();
            let end = read(View::Catalog, &key, &chunk, |change| read_back.push(change)).unwrap();
            prop_assert_eq!(end, last(View::Catalog, &key, &chunk).unwrap());
            prop_assert_eq!(end, read_back.last().unwrap().at);
            for (index, (change, row)) in read_back.into_iter().zip(rows).enumerate() {
                prop_assert_eq!(change.at, At { n: 5 + index as u32, ..at });
                prop_assert_eq!(change.clock, Timestamp(clock));
                prop_assert_eq!((change.key, change.before, change.after), row);
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(chunk: Vec<u8>) {
            let key = key(View::Catalog, 9, At::default());
            drop(read(View::Catalog, &key, &chunk, drop));
            drop(last(View::Catalog, &key, &chunk));
        }
    }
}
