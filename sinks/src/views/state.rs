//! What the store says of itself: which epoch it holds, and how far each view and each source is.
//!
//! ```text
//!   [0] "state"                       → epoch · clock · fingerprint a table · version and epoch a view
//!   [0] "position" · source · name    → position
//! ```
//! Both are written in the batch of the epoch that they are about. A source's thousand partitions don't have to be
//! written again when one moves, so positions are apart.

use super::{error::ViewsError, fingerprint::Fingerprint, log::Book};
use crate::store::{Store, Write};
use serde::{Deserialize, Serialize};
use springline_model::{
    Epoch, EpochCommit, Partition, Position, SourceId, Table, Timestamp, View,
    key::{KeyReader, KeyWriter},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

const STATE: &[u8] = b"\0state";
const POSITION: &[u8] = b"\0position";
const SETTINGS: &[u8] = b"\0settings";

/// All but the positions, and the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The last epoch applied.
    pub(super) epoch: Epoch,
    /// When it was sealed.
    pub(super) clock: Timestamp,
    /// Of the rows of each table.
    pub(super) tables: BTreeMap<Table, Fingerprint>,
    /// Of each view that was ever complete.
    pub(super) views: BTreeMap<View, Stamp>,
    /// Which logs there are; kept apart, under a key of its own.
    pub(super) book: Book,
}

/// How complete a view is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// The version of the definition that its rows come from; none while they are being replaced.
    pub(super) version: Option<u16>,
    /// The epoch that they are complete as of.
    pub(super) applied: Epoch,
    /// Whether they lie in the second of their two places.
    pub(super) is_second: bool,
}

/// On disk, tables go by their tags and views by their names: both outlive a reordering of the enums. What another
/// version of this program knew and this one does not is left out.
#[derive(Serialize, Deserialize)]
struct Stored {
    epoch: Epoch,
    clock: Timestamp,
    tables: Vec<(u8, Fingerprint)>,
    views: Vec<(String, Stamp)>,
}

impl State {
    /// Of a store with nothing in it: every view is complete as of epoch zero.
    pub(super) fn fresh() -> Self {
        let mut state = Self::default();
        View::ALL.iter().for_each(|view| state.complete(*view));
        state
    }

    /// Reads it back, or starts afresh.
    pub(super) fn load(store: &dyn Store) -> Result<Self, ViewsError> {
        let book = Book::load(store)?;
        let Some(bytes) = store.get(STATE)? else { return Ok(Self { book, ..Self::fresh() }) };
        let stored: Stored = postcard::from_bytes(&bytes)?;
        let table = |(tag, fingerprint)| Table::from_tag(tag).map(|table| (table, fingerprint));
        let view = |(name, stamp): (String, Stamp)| View::from_name(&name).map(|view| (view, stamp));
        Ok(Self {
            epoch: stored.epoch,
            clock: stored.clock,
            tables: stored.tables.into_iter().filter_map(table).collect(),
            views: stored.views.into_iter().filter_map(view).collect(),
            book,
        })
    }

    /// The write that keeps it.
    pub(super) fn write(&self) -> Result<Write, ViewsError> {
        let stored = Stored {
            epoch: self.epoch,
            clock: self.clock,
            tables: self.tables.iter().map(|(table, fingerprint)| (*table as u8, *fingerprint)).collect(),
            views: self.views.iter().map(|(view, stamp)| (view.name().to_owned(), *stamp)).collect(),
        };
        Ok(Write::Put(STATE.to_vec(), postcard::to_stdvec(&stored)?))
    }

    /// Moves on by an epoch, and with it every view that is not waiting to be recomputed.
    pub(super) fn advance(&mut self, commit: &EpochCommit) {
        self.epoch = commit.epoch;
        self.clock = commit.at;
        for (view, stamp) in &mut self.views {
            if stamp.version == Some(view.version()) {
                stamp.applied = commit.epoch;
            }
        }
    }

    pub(super) fn stamp(&self, view: View) -> Stamp {
        self.views.get(&view).copied().unwrap_or_default()
    }

    /// Whether the view's rows are what this program would have written.
    pub(super) fn is_current(&self, view: View) -> bool {
        self.stamp(view).version == Some(view.version())
    }

    /// The view's rows are what this program would have written, as of the state's epoch.
    pub(super) fn complete(&mut self, view: View) {
        let is_second = self.stamp(view).is_second;
        self.views.insert(view, Stamp { version: Some(view.version()), applied: self.epoch, is_second });
    }

    /// The view's rows are those in the other of their two places.
    pub(super) fn turn(&mut self, view: View) {
        let stamp = self.views.entry(view).or_default();
        stamp.is_second = !stamp.is_second;
    }

    /// The views whose rows lie in the second of their places.
    pub(super) fn second(&self) -> BTreeSet<View> {
        self.views.iter().filter(|(_, stamp)| stamp.is_second).map(|(view, _)| *view).collect()
    }

    /// The view's rows are not to be trusted.
    pub(super) fn invalidate(&mut self, view: View) {
        self.views.entry(view).or_default().version = None;
    }

    pub(super) fn table(&mut self, table: Table) -> &mut Fingerprint {
        self.tables.entry(table).or_default()
    }

    /// Of all tables of a view.
    pub(super) fn fingerprint(&self, view: View) -> Fingerprint {
        let mut sum = Fingerprint::default();
        view.tables().filter_map(|table| self.tables.get(&table)).for_each(|table| sum += *table);
        sum
    }
}

/// The write that keeps the settings that views were made by.
pub(super) fn write_settings(settings: &str) -> Write {
    Write::Put(SETTINGS.to_vec(), settings.as_bytes().to_vec())
}

/// Reads them back.
pub(super) fn load_settings(store: &dyn Store) -> Result<Option<String>, ViewsError> {
    let damaged = |_| ViewsError::State("the settings are not UTF-8");
    store.get(SETTINGS)?.map(|settings| String::from_utf8(settings).map_err(damaged)).transpose()
}

/// The write that keeps a partition's position.
pub(super) fn write_position(partition: &Partition, position: &Position) -> Write {
    let mut key = KeyWriter::new();
    key.text(partition.source.as_str()).text(&partition.name);
    Write::Put([POSITION, &key.into_bytes()].concat(), position.0.clone().into_bytes())
}

/// Reads all positions back.
pub(super) fn load_positions(store: &dyn Store) -> Result<BTreeMap<Partition, Position>, ViewsError> {
    let end = [POSITION, &[u8::MAX]].concat();
    let pairs = store.range(Bound::Included(POSITION), Bound::Excluded(&end), false, usize::MAX)?;
    let damaged = || ViewsError::State("a position is not what this program writes");
    let decode = |(key, value): (Vec<u8>, Vec<u8>)| {
        let mut key = KeyReader::new(key.get(POSITION.len()..).unwrap_or_default());
        let source = SourceId::new(key.text().map_err(|_| damaged())?);
        let name = key.text().map_err(|_| damaged())?;
        let position = String::from_utf8(value).map_err(|_| damaged())?;
        Ok((Partition { source, name }, Position(position)))
    };
    pairs.into_iter().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Engine, StoreConfig};
    use std::path::Path;

    #[test]
    fn reads_back() {
        let store = store::open(&StoreConfig::of(Engine::Memory), Path::new("")).unwrap();
        assert_eq!(State::load(&*store).unwrap(), State::fresh());
        let mut state = State::fresh();
        state.invalidate(View::Search);
        state.turn(View::Rankings);
        state.table(Table::Nodes).add(Table::Nodes, b"a", b"b");
        let at = Timestamp(-5);
        state.advance(&EpochCommit { epoch: Epoch(7), at, execution: 0, advances: vec![], events: 0 });
        assert_eq!(
            (state.stamp(View::Search).applied, state.stamp(View::Catalog).applied),
            (Epoch(0), Epoch(7))
        );
        assert_eq!(state.fingerprint(View::Catalog).rows, 1);
        let positions = ["", "garden/a", "garden/a\0b", "é\u{10FFFF}"].map(|name| {
            (Partition { source: SourceId::new("s"), name: name.into() }, Position(format!("at {name}")))
        });
        let positions = BTreeMap::from(positions);
        let mut writes: Vec<Write> = positions.iter().map(|(name, at)| write_position(name, at)).collect();
        writes.push(state.write().unwrap());
        assert_eq!(load_settings(&*store).unwrap(), None);
        writes.push(write_settings("{}"));
        store.commit(writes).unwrap();
        assert_eq!(State::load(&*store).unwrap(), state);
        assert_eq!(load_positions(&*store).unwrap(), positions);
        assert_eq!(load_settings(&*store).unwrap().as_deref(), Some("{}"));
    }
}
