//! Whether two sets of rows are the same, told from a count and a sum.
//!
//! The sum, modulo 2^128, of a hash of every row does not depend on the order in which rows came, and takes back
//! exactly what goes: so it is kept up to date at the price of a hash a change. It finds mistakes and damage, and
//! shows that two ways lead to the same views; it is not made to withstand someone who forges rows.
//!
//! It covers what rows *say*, never how they came to be: of the ledger's rows it leaves out versions, sources and
//! the circumstances of a refusal, so that a store which saw every edit agrees with one that saw only the last.

use serde::{Deserialize, Serialize};
use springline_model::{
    Rev, Row as _, SourceId, Table, View,
    rows::{AccountRow, InboxRow, QuarantineRow, RepoRow},
};
use std::{borrow::Cow, fmt, ops::AddAssign};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// How many rows, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Live rows.
    pub rows: u64,
    /// The sum of their hashes, modulo 2^128.
    pub sum: u128,
}

impl Fingerprint {
    /// A row comes.
    pub(super) fn add(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash(table, key, value));
    }

    /// A row goes.
    pub(super) fn remove(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash(table, key, value));
    }
}

impl AddAssign for Fingerprint {
    fn add_assign(&mut self, other: Self) {
        self.rows = self.rows.wrapping_add(other.rows);
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:032x}", self.rows, self.sum)
    }
}

fn hash(table: Table, key: &[u8], value: &[u8]) -> u128 {
    xxh3_128_with_seed(&said(table, key, value), xxh3_64_with_seed(key, table as u64))
}

/// What a row says, without how it came to be. A value that does not decode stands for itself.
fn said<'a>(table: Table, key: &[u8], value: &'a [u8]) -> Cow<'a, [u8]> {
    match table.view() {
        View::Ledger => ledger(table, key, value).unwrap_or(Cow::Borrowed(value)),
        _ => Cow::Borrowed(value),
    }
}

fn ledger<'a>(table: Table, key: &[u8], value: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    match table {
        Table::Records => {
            let (_, record) = postcard::take_from_bytes::<(Rev, SourceId)>(value).ok()?;
            Some(Cow::Borrowed(record))
        }
        Table::Accounts => {
            let row = AccountRow::decode(key, value).ok()?;
            postcard::to_stdvec(&row.status).ok().map(Cow::Owned)
        }
        Table::Quarantine => {
            let QuarantineRow(row) = QuarantineRow::decode(key, value).ok()?;
            postcard::to_stdvec(&(row.reason, row.bytes, row.sample)).ok().map(Cow::Owned)
        }
        Table::Repos => {
            let row = RepoRow::decode(key, value).ok()?;
            postcard::to_stdvec(&(row.hosting, row.hidden_by, row.hiding)).ok().map(Cow::Owned)
        }
        Table::Inboxes => {
            let row = InboxRow::decode(key, value).ok()?;
            postcard::to_stdvec(&(row.seen, row.muted)).ok().map(Cow::Owned)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springline_model::{AccountStatus, Quarantined, Record, Timestamp, Uri, rows::RecordRow};
    use std::sync::Arc;

    fn of<R: springline_model::Row>(row: &R) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        fingerprint.add(R::TABLE, &row.key_bytes(), &row.value_bytes());
        fingerprint
    }

    #[test]
    fn adds_and_takes_back() {
        let rows = [
            (Table::Nodes, "a", "1"),
            (Table::Nodes, "b", "1"),
            (Table::Authors, "a", "1"),
            (Table::Nodes, "a", "2"),
        ];
        let mut all = Fingerprint::default();
        for (table, key, value) in rows {
            all.add(table, key.as_bytes(), value.as_bytes());
        }
        assert_eq!(all.rows, 4);
        for (table, key, value) in rows {
            all.remove(table, key.as_bytes(), value.as_bytes());
        }
        assert_eq!(all, Fingerprint::default());
        let hashes: std::collections::BTreeSet<u128> =
            rows.iter().map(|(table, key, value)| hash(*table, key.as_bytes(), value.as_bytes())).collect();
        assert_eq!(hashes.len(), rows.len());
    }

    #[test]
    fn the_way_does_not_matter() {
        let record = |text: &str| {
            Arc::new(Record {
                uri: "garden://a/b.md".into(),
                kind: "note".into(),
                author: Uri::user("a"),
                node: None,
                title: "b".into(),
                text: text.into(),
                langs: vec![],
                tags: vec![],
                at: Timestamp(0),
                links: vec![],
                attrs: Default::default(),
            })
        };
        let row =
            |rev, text: &str| RecordRow { rev: Rev(rev), source: SourceId::new("s"), record: record(text) };
        assert_eq!(of(&row(1, "x")), of(&row(1_000_000, "x")));
        assert_ne!(of(&row(1, "x")), of(&row(1, "y")));

        let account = |rev, status| AccountRow { authority: "garden://a/".into(), rev: Rev(rev), status };
        assert_eq!(of(&account(1, AccountStatus::Hidden)), of(&account(2, AccountStatus::Hidden)));
        assert_ne!(of(&account(1, AccountStatus::Hidden)), of(&account(1, AccountStatus::Active)));

        let refused = |at, reason: &str| {
            QuarantineRow(Quarantined {
                uri: "garden://a/b.md".into(),
                source: SourceId::new("s"),
                origin: format!("commit {at}"),
                reason: reason.into(),
                at: Timestamp(at),
                bytes: 1,
                sample: vec![],
            })
        };
        assert_eq!(of(&refused(1, "too long")), of(&refused(2, "too long")));
        assert_ne!(of(&refused(1, "too long")), of(&refused(1, "a FIFO")));
    }
}
