//! A message of a change feed. docs/feeds.md describes it for readers.

use crate::{
    follow::{Item, Op},
    parquet::StoredRow,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

#[derive(Serialize)]
struct Envelope<'a> {
    op: &'static str,
    before: Option<StoredRow<'a>>,
    after: Option<StoredRow<'a>>,
    epoch: u64,
    n: u32,
    /// When the epoch was sealed: milliseconds since 1970.
    ts: i64,
    view: &'a str,
    table: &'a str,
}

/// The key of a row's messages: the table, and the row's own key in base64url. That of a truncation has none.
pub(super) fn key(item: &Item) -> String {
    format!("{}/{}", item.table.name(), URL_SAFE_NO_PAD.encode(&item.key))
}

/// The value of a message.
///
/// # Errors
/// A row does not decode.
pub(super) fn value(item: &Item) -> Result<Vec<u8>, serde_json::Error> {
    let row = |value| StoredRow { table: item.table, key: &item.key, value };
    let envelope = Envelope {
        op: item.op.letter(),
        before: item.before.as_deref().map(row),
        after: item.after.as_deref().map(row),
        epoch: item.at.epoch.0,
        n: item.at.n,
        ts: item.clock.0,
        view: item.table.view().name(),
        table: item.table.name(),
    };
    serde_json::to_vec(&envelope)
}

/// Whether a message without a value follows, that has a compacted topic forget the row.
pub(super) fn is_last_word(item: &Item) -> bool {
    item.op == Op::Delete
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::At;
    use springline_model::{Epoch, NodeName, Row as _, Table, Timestamp, rows::NodeRow};

    #[test]
    fn a_message_reads_as_documented() {
        let node = NodeName::from_canonical("agora");
        let row = NodeRow { node, subnodes: 1, authors: 2, links: 3, linkers: 4 };
        let item = Item {
            op: Op::Delete,
            at: At { epoch: Epoch(57), n: 3 },
            clock: Timestamp(1_787_173_586_000),
            table: Table::Nodes,
            key: row.key_bytes(),
            before: Some(row.value_bytes()),
            after: None,
        };
        assert_eq!(
            String::from_utf8(value(&item).unwrap()).unwrap(),
            r#"{"op":"d","before":{"node":"agora","subnodes":1,"authors":2,"links":3,"linkers":4},"after":null,"epoch":57,"n":3,"ts":1787173586000,"view":"catalog","table":"nodes"}"#
        );
        assert_eq!(key(&item), "nodes/YWdvcmEAAA");
        assert!(is_last_word(&item));
    }
}
