//! The rows as they stand, store and overlay together, and what is said of them in a tick.

use super::{
    Committed, LookupError,
    overlay::Overlay,
    row::{Kept, LedgerRow},
};
use crate::Visible;
use foldhash::fast::RandomState;
use springline_model::Table;
use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

/// What one tick changes.
#[derive(Default)]
pub(super) struct Said {
    pub(super) visible: Vec<(Visible, isize)>,
    pub(super) rows: Vec<(LedgerRow, isize)>,
}

/// Rows of authorities that are remembered: every event asks for them, and most by few.
const REMEMBERED: usize = 1 << 15;

/// A worker's share of the ledger.
pub(super) struct Books {
    committed: Rc<dyn Committed>,
    overlay: Overlay,
    /// The newest state of some rows of accounts and repositories. Nobody else writes them, so what was read or set
    /// last is what is there.
    remembered: RefCell<HashMap<(Table, Vec<u8>), Option<LedgerRow>, RandomState>>,
    tick: u64,
    said: Said,
    /// A row was set twice in the tick: it was something else in between.
    twice: bool,
}

impl Books {
    pub(super) fn new(committed: Rc<dyn Committed>) -> Self {
        Self {
            committed,
            overlay: Overlay::default(),
            remembered: RefCell::default(),
            tick: 0,
            said: Said::default(),
            twice: false,
        }
    }

    /// Begins a tick.
    pub(super) fn open(&mut self, tick: u64) {
        self.overlay.evict(self.committed.tick());
        self.tick = tick;
    }

    /// Ends it.
    pub(super) fn close(&mut self) -> Said {
        let mut said = std::mem::take(&mut self.said);
        if std::mem::take(&mut self.twice) {
            differential_dataflow::consolidation::consolidate(&mut said.rows);
        }
        said
    }

    /// A row by its key.
    pub(super) fn get<R: Kept>(&self, key: Vec<u8>) -> Result<Option<R>, LookupError> {
        let place = (R::TABLE, key);
        if is_remembered(R::TABLE)
            && let Some(row) = self.remembered.borrow().get(&place)
        {
            return Ok(row.as_ref().and_then(R::of).cloned());
        }
        let row = match self.overlay.get::<R>(&place) {
            Some(row) => row.cloned(),
            None => {
                let value = self.committed.get(R::TABLE, &place.1)?;
                value.map(|value| decode::<R>(&place.1, &value)).transpose()?
            }
        };
        self.remember(place, row.clone().map(R::into_row));
        Ok(row)
    }

    fn remember(&self, place: (Table, Vec<u8>), row: Option<LedgerRow>) {
        if is_remembered(place.0) {
            let mut remembered = self.remembered.borrow_mut();
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(place, row);
        }
    }

    /// The rows whose keys begin with this.
    pub(super) fn under<R: Kept>(&self, prefix: &[u8]) -> Result<Vec<R>, LookupError> {
        let newer: BTreeSet<&[u8]> = self.overlay.under::<R>(prefix).map(|(key, _)| key).collect();
        let (mut rows, mut failed) = (Vec::new(), None);
        self.committed.scan(R::TABLE, prefix, &mut |key, value| {
            if !newer.contains(key) {
                match decode(key, value) {
                    Ok(row) => rows.push(row),
                    Err(error) => failed = Some(error),
                }
            }
        })?;
        match failed {
            Some(error) => Err(error),
            None => {
                rows.extend(self.overlay.under::<R>(prefix).filter_map(|(_, row)| row.cloned()));
                Ok(rows)
            }
        }
    }

    /// Replaces a row by its next state. Both have the same key.
    pub(super) fn set<R: Kept>(&mut self, old: Option<R>, new: Option<R>) {
        if old == new {
            return;
        }
        let Some(key) = old.as_ref().or(new.as_ref()).map(R::key_bytes) else { return };
        let new = new.map(R::into_row);
        self.remember((R::TABLE, key.clone()), new.clone());
        self.twice |= self.overlay.put(self.tick, (R::TABLE, key), new.clone());
        self.said.rows.extend(old.map(|old| (old.into_row(), -1)));
        self.said.rows.extend(new.map(|new| (new, 1)));
    }

    /// What everybody sees of a record was this and is now that.
    pub(super) fn show(&mut self, was: Option<Visible>, is: Option<Visible>) {
        if was != is {
            self.said.visible.extend(was.map(|was| (was, -1)));
            self.said.visible.extend(is.map(|is| (is, 1)));
        }
    }
}

const fn is_remembered(table: Table) -> bool {
    matches!(table, Table::Accounts | Table::Repos)
}

fn decode<R: Kept>(key: &[u8], value: &[u8]) -> Result<R, LookupError> {
    R::decode(key, value).map_err(|error| LookupError(Box::new(error)))
}
