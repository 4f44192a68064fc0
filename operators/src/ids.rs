//! Dense numbers for ids: 4 bytes that index what is known of each, in place of 16 that have to be looked up.

use foldhash::fast::RandomState;
use springline_model::UriId;
use std::collections::HashMap;

/// Gives each id a number until it is released; then the number is used again.
///
/// Which number an id gets depends on history: nothing that is emitted may depend on it.
#[derive(Debug, Default)]
pub(crate) struct Dense {
    numbers: HashMap<UriId, u32, RandomState>,
    free: Vec<u32>,
}

impl Dense {
    /// The number of an id. If it has none yet: one that was released, or the lowest that was never used.
    pub(crate) fn number(&mut self, id: UriId) -> u32 {
        let next = self.numbers.len() + self.free.len();
        *self.numbers.entry(id).or_insert_with(|| {
            self.free
                .pop()
                .unwrap_or_else(|| u32::try_from(next).expect("four billion ids do not fit in memory"))
        })
    }

    /// Takes the number of an id back.
    pub(crate) fn release(&mut self, id: UriId) {
        self.free.extend(self.numbers.remove(&id));
    }
}
