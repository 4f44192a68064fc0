//! What labelers say of an authority and its records in a tick, one label after the other.

use super::{LookupError, books::Books, owned::Turn, standing::Standing};
use springline_model::{
    Label, Row, Uri,
    rows::{ExpiryRow, IssuedRow, LabelRow},
};
use std::collections::{BTreeMap, BTreeSet};

/// The labels that a tick is about, as they were and as they are.
#[derive(Default)]
pub(super) struct Labels {
    turns: BTreeMap<Vec<u8>, Turn<Label>>,
    issued: Vec<IssuedRow>,
}

impl Labels {
    /// Takes a label, if it is news, and counts what it hides. `issued` is its number, if it is ours.
    pub(super) fn take(
        &mut self,
        books: &Books,
        standing: &mut Standing,
        label: Label,
        issued: Option<u64>,
    ) -> Result<(), LookupError> {
        self.issued.extend(issued.map(|seq| IssuedRow { seq, label: label.clone() }));
        let row = LabelRow(label);
        let key = row.key_bytes();
        if !self.turns.contains_key(&key) {
            let was = books.get::<LabelRow>(key.clone())?.map(|row| row.0);
            self.turns.insert(key.clone(), Turn { is: was.clone(), was });
        }
        let LabelRow(label) = row;
        let turn = self.turns.entry(key).or_insert(Turn { was: None, is: None });
        if turn.is.as_ref().is_none_or(|old| replaces(&label, old)) {
            standing.count_label(turn.is.as_ref(), &label);
            turn.is = Some(label);
        }
        Ok(())
    }

    /// The records that they are about.
    pub(super) fn subjects(&self) -> BTreeSet<Uri> {
        let labels = self.turns.values().filter_map(|turn| turn.is.as_ref());
        labels.filter(|label| !label.is_of_account()).map(|label| label.uri.clone()).collect()
    }

    /// Sets the rows that have changed.
    pub(super) fn write(self, books: &mut Books) -> Result<(), LookupError> {
        for Turn { was, is } in self.turns.into_values() {
            let (expired, expires) = (was.as_ref().and_then(expiry), is.as_ref().and_then(expiry));
            if expired != expires {
                // Not the same key: an expiry's begins with its time.
                books.set(expired, None);
                books.set(None, expires);
            }
            books.set(was.map(LabelRow), is.map(LabelRow));
        }
        for row in self.issued {
            let old = books.get::<IssuedRow>(row.key_bytes())?;
            if old.is_none() {
                books.set(None, Some(row));
            }
        }
        Ok(())
    }
}

/// When its time is up.
fn expiry(label: &Label) -> Option<ExpiryRow> {
    let at = label.exp.filter(|_| label.is_in_force());
    at.map(|at| ExpiryRow { at, label: label.clone() })
}

/// The label made last counts; of the same time one that says something else, but not one that forgets that its
/// time is up.
fn replaces(new: &Label, old: &Label) -> bool {
    let again = || Label { expired: true, ..new.clone() } == *old;
    new.cts > old.cts || (new.cts == old.cts && new != old && !again())
}
