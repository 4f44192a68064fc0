//! Which points are at least so similar to one, exactly: lists of features for words, a scan for meanings.

mod meanings;
mod words;

use super::point::Point;
use meanings::Meanings;
use words::Words;

/// Points by what they are compared by. A point is known by a number of the caller's choice.
#[derive(Debug, Default)]
pub(super) struct Index {
    words: Words,
    meanings: Meanings,
}

impl Index {
    pub(super) fn insert(&mut self, number: u32, point: &Point) {
        match &point.meaning {
            Some(vector) => self.meanings.insert(number, vector),
            None => self.words.insert(number, &point.words),
        }
    }

    pub(super) fn remove(&mut self, number: u32, point: &Point) {
        match &point.meaning {
            Some(vector) => self.meanings.remove(number, vector),
            None => self.words.remove(number, &point.words),
        }
    }

    /// The points whose similarity with this one is at least the threshold (which is not 0), in no order.
    pub(super) fn query<'a>(
        &mut self,
        point: &Point,
        threshold: u32,
        point_of: impl Fn(u32) -> &'a Point,
        found: &mut Vec<(u32, u32)>,
    ) {
        match &point.meaning {
            Some(vector) => self.meanings.query(vector, threshold, found),
            None => self.words.query(&point.words, threshold, |number| &point_of(number).words, found),
        }
    }
}
