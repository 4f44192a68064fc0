//! What was said in ticks that the store does not show yet.

use super::row::{Kept, LedgerRow};
use springline_model::Table;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
};

/// A table and a key in it.
type Place = (Table, Vec<u8>);

/// The rows that changed in ticks in flight; `None` for a row that is gone.
#[derive(Default)]
pub(super) struct Overlay {
    /// The newest word on each row, and in which tick it was said.
    newest: BTreeMap<Place, (u64, Option<LedgerRow>)>,
    /// What each tick spoke of, in order.
    ticks: VecDeque<(u64, Vec<Place>)>,
}

impl Overlay {
    /// The newest word on a row; `None` if the store has it.
    pub(super) fn get<R: Kept>(&self, place: &Place) -> Option<Option<&R>> {
        self.newest.get(place).map(|(_, row)| row.as_ref().and_then(R::of))
    }

    /// Every word on rows of a table whose keys begin with this.
    pub(super) fn under<R: Kept>(&self, prefix: &[u8]) -> impl Iterator<Item = (&[u8], Option<&R>)> {
        let from = (R::TABLE, prefix.to_vec());
        let prefix = prefix.to_vec();
        self.newest
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(move |((table, key), _)| *table == R::TABLE && key.starts_with(&prefix))
            .map(|((_, key), (_, row))| (key.as_slice(), row.as_ref().and_then(R::of)))
    }

    /// Notes a word. Ticks never fall.
    pub(super) fn put(&mut self, tick: u64, place: Place, row: Option<LedgerRow>) -> bool {
        match self.ticks.back_mut() {
            Some((last, places)) if *last == tick => places.push(place.clone()),
            _ => self.ticks.push_back((tick, vec![place.clone()])),
        }
        self.newest.insert(place, (tick, row)).is_some_and(|(said, _)| said == tick)
    }

    /// Forgets what the store shows by now: everything up to a tick that was not said again since.
    pub(super) fn evict(&mut self, shown: Option<u64>) {
        let Some(shown) = shown else { return };
        while self.ticks.front().is_some_and(|(tick, _)| *tick <= shown) {
            let Some((tick, places)) = self.ticks.pop_front() else { return };
            for place in places {
                if self.newest.get(&place).is_some_and(|(said, _)| *said == tick) {
                    self.newest.remove(&place);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springline_model::{Rev, Row as _, rows::TombRow};

    #[test]
    fn keeps_only_what_the_store_does_not_show() {
        let tomb = |uri: &str, rev| TombRow { uri: uri.into(), rev: Rev(rev) };
        let place = |uri: &str| (Table::Tombs, tomb(uri, 0).key_bytes());
        let mut overlay = Overlay::default();
        let get = |overlay: &Overlay, uri: &str| {
            overlay.get::<TombRow>(&place(uri)).map(|row| row.map(|row| row.rev.0))
        };
        overlay.put(3, place("a/1"), Some(tomb("a/1", 1).into_row()));
        overlay.put(3, place("b/1"), Some(tomb("b/1", 2).into_row()));
        overlay.put(5, place("a/1"), None);
        overlay.evict(None);
        overlay.evict(Some(2));
        assert_eq!(get(&overlay, "b/1"), Some(Some(2)));
        let under: Vec<_> = overlay.under::<TombRow>(b"a/").map(|(_, row)| row.cloned()).collect();
        assert_eq!(under, [None]);
        overlay.evict(Some(4));
        assert_eq!((get(&overlay, "a/1"), get(&overlay, "b/1")), (Some(None), None));
        overlay.evict(Some(5));
        assert!(overlay.newest.is_empty() && overlay.ticks.is_empty());
    }
}
