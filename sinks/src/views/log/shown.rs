//! What an epoch changes in the records that can be seen.

use super::super::{blocks::Blocks, changes::RowChange, error::ViewsError, packed};
use springline_model::Table;
use std::collections::BTreeMap;

/// The changes of visible records, by key: `visible` says which come into sight and go out of it, `records` what changes
/// in their rows. Of those that are only hidden or shown again the row is what is stored.
pub(in super::super) fn shown(
    blocks: &Blocks,
    visible: &[(Vec<u8>, isize)],
    records: &[RowChange],
) -> Result<Vec<RowChange>, ViewsError> {
    let mut keys: BTreeMap<&Vec<u8>, (bool, bool)> = BTreeMap::new();
    for (key, diff) in visible {
        let (goes, comes) = keys.entry(key).or_default();
        (*goes, *comes) = (*goes || *diff < 0, *comes || *diff > 0);
    }
    let mut shown = Vec::with_capacity(keys.len());
    for (key, (goes, comes)) in keys {
        let place = records.binary_search_by(|record| record.key.cmp(key)).ok();
        let (old, new) = match place.map(|place| &records[place]) {
            Some(record) => (record.old.clone(), record.new.clone()),
            None => {
                let stored = packed::get(blocks, Table::Records, key)?;
                (stored.clone(), stored)
            }
        };
        let (old, new) = (old.filter(|_| goes), new.filter(|_| comes));
        if old != new {
            shown.push(RowChange { key: key.clone(), old, new });
        }
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use crate::{
        Engine, Scan, StoreConfig,
        views::{At, Changes, Follow, Views},
    };
    use proptest::prelude::*;
    use springline_model::{
        AccountStatus, Epoch, EpochCommit, Record, Rev, Row as _, SourceId, Table, Timestamp, Uri, View,
        rows::{AccountRow, RecordRow},
    };
    use std::{
        collections::{BTreeMap, BTreeSet},
        path::Path,
        sync::Arc,
    };

    type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

    #[derive(Clone, Debug)]
    enum Event {
        /// A record is there, with a text, or not.
        Say(u8, u8, Option<u8>),
        /// An authority is hidden, or shown.
        Hide(u8, bool),
    }

    fn events() -> impl Strategy<Value = Vec<Vec<Event>>> {
        let event = prop_oneof![
            4 => (0..3_u8, 0..5_u8, proptest::option::weighted(0.7, 0..3_u8))
                .prop_map(|(who, what, text)| Event::Say(who, what, text)),
            1 => (0..3_u8, any::<bool>()).prop_map(|(who, is_hidden)| Event::Hide(who, is_hidden)),
        ];
        proptest::collection::vec(proptest::collection::vec(event, 0..12), 1..12)
    }

    fn record(who: u8, what: u8, text: u8) -> RecordRow {
        let author = Uri::new(format!("garden://{who}/"));
        let record = Record {
            uri: Uri::new(format!("garden://{who}/{what}")),
            kind: "note".into(),
            author,
            node: None,
            title: String::new(),
            text: format!("text {text}"),
            langs: vec![],
            tags: vec![],
            at: Timestamp(0),
            links: vec![],
            attrs: BTreeMap::new(),
        };
        RecordRow { source: SourceId::new("s"), rev: Rev(1), record: Arc::new(record) }
    }

    fn account(who: u8, status: AccountStatus) -> AccountRow {
        AccountRow { authority: Uri::new(format!("garden://{who}/")), rev: Rev(1), status }
    }

    /// All that can be seen, as the ledger would say it.
    fn seen(records: &BTreeMap<(u8, u8), u8>, hidden: &BTreeSet<u8>) -> BTreeMap<(u8, u8), u8> {
        let mut seen = records.clone();
        seen.retain(|(who, _), _| !hidden.contains(who));
        seen
    }

    fn rows(seen: &BTreeMap<(u8, u8), u8>) -> Rows {
        let row = |((who, what), text): (&(u8, u8), &u8)| record(*who, *what, *text);
        seen.iter().map(row).map(|row| (row.key_bytes(), row.value_bytes())).collect()
    }

    fn live(epochs: Vec<Vec<Event>>, from: usize) {
        let views = Views::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
        let follow = |records| {
            let follow = Follow { views: BTreeSet::from([View::Ledger]), records, ..Follow::default() };
            views.follow(&follow).unwrap();
        };
        follow(false);
        let (mut records, mut hidden) = (BTreeMap::new(), BTreeSet::new());
        let mut begun = None;
        for (round, events) in epochs.into_iter().enumerate() {
            if round == from {
                follow(true);
                let head = views.log(View::Ledger).unwrap();
                begun = Some((head.id, head.newest, rows(&seen(&records, &hidden))));
            }
            let (was, were_hidden, before) = (records.clone(), hidden.clone(), seen(&records, &hidden));
            for event in events {
                match event {
                    Event::Say(who, what, Some(text)) => drop(records.insert((who, what), text)),
                    Event::Say(who, what, None) => drop(records.remove(&(who, what))),
                    Event::Hide(who, true) => drop(hidden.insert(who)),
                    Event::Hide(who, false) => drop(hidden.remove(&who)),
                }
            }
            let after = seen(&records, &hidden);
            let mut changes = Changes::default();
            for (rows, diff) in [(&was, -1), (&records, 1)] {
                for ((who, what), text) in rows {
                    changes.push(&record(*who, *what, *text), diff);
                }
            }
            for (hidden, diff) in [(&were_hidden, -1), (&hidden, 1)] {
                hidden.iter().for_each(|who| changes.push(&account(*who, AccountStatus::Hidden), diff));
            }
            for (rows, other, diff) in [(&before, &after, -1), (&after, &before, 1)] {
                for (name, text) in rows.iter().filter(|(name, text)| other.get(name) != Some(text)) {
                    changes.visible.push((record(name.0, name.1, *text).key_bytes(), diff));
                }
            }
            let epoch = Epoch(round as u64 + 1);
            let commit = EpochCommit { epoch, at: Timestamp(0), execution: 0, advances: vec![], events: 1 };
            views.apply(&commit, changes).unwrap();
        }
        let Some((log, from, mut told)) = begun else { return };
        let expected = rows(&seen(&records, &hidden));
        views.reader().read(|snapshot| {
            let page = snapshot.changes(View::Ledger, Some(log), from, usize::MAX).unwrap();
            let mut at = At::default();
            for change in page.changes.into_iter().filter(|change| change.table == Table::Records) {
                assert!(change.at > at);
                at = change.at;
                let was = match change.after {
                    Some(after) => told.insert(change.key, after),
                    None => told.remove(&change.key),
                };
                assert_eq!(was, change.before);
            }
            assert_eq!(told, expected);
            // Whoever begins now is told the same.
            let all = snapshot.scan_raw(Table::Records, &Scan { limit: usize::MAX, ..Scan::default() });
            let visible = snapshot.visible_raw(all.unwrap()).unwrap();
            assert_eq!(visible.into_iter().collect::<Rows>(), expected);
        });
        // The log goes on after a restart, and is another one once records are not told any more.
        follow(true);
        assert_eq!(views.log(View::Ledger).unwrap().id, log);
        follow(false);
        follow(true);
        assert_ne!(views.log(View::Ledger).unwrap().id, log, "a log with a hole");
    }

    proptest! {
        #[test]
        fn the_log_tells_what_can_be_seen(epochs in events(), from in 0..4_usize) {
            live(epochs, from);
        }
    }
}
