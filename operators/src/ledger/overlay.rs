//! What was said in ticks that the store does not show yet.

use springline_model::Uri;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
};

/// The rows of one table that changed in ticks in flight, by key; `None` for a row that is gone.
pub(super) struct Overlay<R> {
    /// The newest word on each key, and in which tick it was said.
    newest: BTreeMap<Uri, (u64, Option<R>)>,
    /// What each tick spoke of, in order.
    ticks: VecDeque<(u64, Vec<Uri>)>,
}

impl<R> Default for Overlay<R> {
    fn default() -> Self {
        Self { newest: BTreeMap::new(), ticks: VecDeque::new() }
    }
}

impl<R> Overlay<R> {
    /// The newest word on a key; `None` if the store has it.
    pub(super) fn get(&self, key: &str) -> Option<&Option<R>> {
        self.newest.get(key).map(|(_, row)| row)
    }

    /// Every word on keys that begin with a text.
    pub(super) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Uri, &'a Option<R>)> {
        self.newest
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(key, _)| key.as_str().starts_with(prefix))
            .map(|(key, (_, row))| (key, row))
    }

    /// Notes a word. Ticks never fall.
    pub(super) fn put(&mut self, tick: u64, key: Uri, row: Option<R>) {
        match self.ticks.back_mut() {
            Some((last, keys)) if *last == tick => keys.push(key.clone()),
            _ => self.ticks.push_back((tick, vec![key.clone()])),
        }
        self.newest.insert(key, (tick, row));
    }

    /// Forgets what the store shows by now: everything up to a tick that was not said again since.
    pub(super) fn evict(&mut self, shown: Option<u64>) {
        let Some(shown) = shown else { return };
        while self.ticks.front().is_some_and(|(tick, _)| *tick <= shown) {
            let Some((tick, keys)) = self.ticks.pop_front() else { return };
            for key in keys {
                if self.newest.get(&key).is_some_and(|(said, _)| *said == tick) {
                    self.newest.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_only_what_the_store_does_not_show() {
        let mut overlay = Overlay::default();
        overlay.put(3, Uri::from("a/1"), Some(1));
        overlay.put(3, Uri::from("b/1"), Some(2));
        overlay.put(5, Uri::from("a/1"), None);
        overlay.evict(None);
        overlay.evict(Some(2));
        assert_eq!(overlay.get("b/1"), Some(&Some(2)));
        assert_eq!(overlay.under("a/").collect::<Vec<_>>(), [(&Uri::from("a/1"), &None)]);
        overlay.evict(Some(4));
        assert_eq!((overlay.get("a/1"), overlay.get("b/1")), (Some(&None), None));
        overlay.evict(Some(5));
        assert!(overlay.newest.is_empty() && overlay.ticks.is_empty());
    }
}
