//! What an epoch changes in the rows of the views.

use super::error::ViewsError;
use springline_model::{Row, Table, rows::PostingsRow};
use std::{cmp::Ordering, collections::BTreeMap};
use thiserror::Error;

/// All that one epoch changes.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The rows of packed tables, in any order, consolidated or not.
    pub tables: BTreeMap<Table, Vec<Change>>,
    /// Documents that come (+1) to or go (-1) from the search index.
    pub postings: Vec<(PostingsRow, isize)>,
    /// The keys of records ([`springline_model::rows::RecordRow`]) that come into sight (1) or go out of it (-1); one that
    /// is another has both. Only for the log: if nobody follows the records it may be left out.
    pub visible: Vec<(Vec<u8>, isize)>,
}

impl Changes {
    /// Adds a row's change.
    pub fn push<R: Row>(&mut self, row: &R, diff: isize) {
        self.tables.entry(R::TABLE).or_default().push(Change::of(row, diff));
    }
}

/// One row comes or goes, so and so often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// [`Row::key_bytes`].
    pub key: Vec<u8>,
    /// [`Row::value_bytes`].
    pub value: Vec<u8>,
    /// How often more.
    pub diff: isize,
}

impl Change {
    /// Of a row.
    #[must_use]
    pub fn of<R: Row>(row: &R, diff: isize) -> Self {
        Self { key: row.key_bytes(), value: row.value_bytes(), diff }
    }
}

/// What becomes of one key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RowChange {
    pub(super) key: Vec<u8>,
    /// The value that must be there.
    pub(super) old: Option<Vec<u8>>,
    /// The value that will be there.
    pub(super) new: Option<Vec<u8>>,
}

/// How a change does not fit what is stored: a mistake of an operator, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Conflict {
    /// The row that goes is not there.
    #[error("the row that goes is not there")]
    Missing,
    /// The key holds another row than the one that goes.
    #[error("the row that goes is another than the one that is there")]
    Differs,
    /// The key of the row that comes holds one already.
    #[error("a row comes where one is")]
    Taken,
    /// Two rows come, or two go, under one key.
    #[error("several rows come or go under one key")]
    Several,
}

/// Sums the changes of equal rows; the result rises by key.
pub(super) fn consolidate(table: Table, mut changes: Vec<Change>) -> Result<Vec<RowChange>, ViewsError> {
    changes.sort_unstable_by(|a, b| a.key.cmp(&b.key).then_with(|| a.value.cmp(&b.value)));
    let mut rows: Vec<RowChange> = Vec::with_capacity(changes.len());
    let mut changes = changes.into_iter().peekable();
    while let Some(Change { key, value, mut diff }) = changes.next() {
        while let Some(same) = changes.next_if(|next| next.key == key && next.value == value) {
            diff += same.diff;
        }
        if diff == 0 {
            continue;
        }
        let row = match rows.last_mut() {
            Some(row) if row.key == key => row,
            _ => {
                rows.push(RowChange { key, old: None, new: None });
                let last = rows.len() - 1;
                &mut rows[last]
            }
        };
        let side = if diff.cmp(&0) == Ordering::Less { &mut row.old } else { &mut row.new };
        if diff.abs() > 1 || side.replace(value).is_some() {
            return Err(ViewsError::conflict(table, &row.key, Conflict::Several));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: &str, diff: isize) -> Change {
        Change { key: key.into(), value: value.into(), diff }
    }

    #[test]
    fn sums_and_pairs() {
        let some = |text: &str| Some(text.as_bytes().to_vec());
        let rows = consolidate(
            Table::Nodes,
            vec![
                change("b", "1", 1),
                change("a", "new", 1),
                change("c", "x", -1),
                change("a", "old", -1),
                change("b", "1", -1),
                change("c", "x", 2),
            ],
        );
        let expected = [
            RowChange { key: b"a".to_vec(), old: some("old"), new: some("new") },
            RowChange { key: b"c".to_vec(), old: None, new: some("x") },
        ];
        assert_eq!(rows.unwrap(), expected);
        assert!(consolidate(Table::Nodes, vec![change("a", "1", 1), change("a", "2", 1)]).is_err());
        assert!(consolidate(Table::Nodes, vec![change("a", "1", 2)]).is_err());
        assert!(consolidate(Table::Nodes, vec![change("a", "1", -2)]).is_err());
    }
}
