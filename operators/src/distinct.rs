//! Counting distinct authors in many groups, small: most groups have one author, and an author is in many groups.
//!
//! An author's 16-byte id is held once a worker, in [`Numbers`]; groups hold the 4-byte number. A number is given
//! back when no group holds it any more, so memory follows what is there now, not what has ever been.

use foldhash::fast::RandomState;
use springline_model::UriId;
use std::collections::HashMap;

/// Gives authors small numbers for as long as any group holds them.
#[derive(Default)]
pub(crate) struct Numbers {
    by_id: HashMap<UriId, u32, RandomState>,
    /// By number: in how many groups, times records.
    uses: Vec<u64>,
    free: Vec<u32>,
}

impl Numbers {
    fn hold(&mut self, id: UriId) -> u32 {
        let number = *self.by_id.entry(id).or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.uses.push(0);
                u32::try_from(self.uses.len() - 1).expect("four billion authors' ids alone would fill 100 GB")
            })
        });
        self.uses[number as usize] += 1;
        number
    }

    fn release(&mut self, id: UriId) -> Option<u32> {
        let number = *self.by_id.get(&id)?;
        let uses = &mut self.uses[number as usize];
        *uses -= 1;
        if *uses == 0 {
            self.by_id.remove(&id);
            self.free.push(number);
        }
        Some(number)
    }
}

/// The authors of a group, each with the number of records it is there for.
#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "a bare map would make every group three times as big, most have one author"
)]
pub(crate) enum Distinct {
    #[default]
    Nobody,
    One {
        author: u32,
        records: u32,
    },
    Many(Box<HashMap<u32, u32, RandomState>>),
}

impl Distinct {
    /// One more record by the author (or, with a negative difference, fewer). What was never added cannot be
    /// taken away: that is left alone.
    pub(crate) fn change(&mut self, numbers: &mut Numbers, author: UriId, diff: isize) {
        for _ in 0..diff {
            let number = numbers.hold(author);
            self.add(number);
        }
        for _ in diff..0 {
            if let Some(number) = numbers.release(author) {
                self.take(number);
            }
        }
    }

    /// How many authors.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Nobody => 0,
            Self::One { .. } => 1,
            Self::Many(authors) => authors.len() as u64,
        }
    }

    fn add(&mut self, number: u32) {
        match self {
            Self::Nobody => *self = Self::One { author: number, records: 1 },
            Self::One { author, records } if *author == number => *records += 1,
            Self::One { author, records } => {
                *self = Self::Many(Box::new(HashMap::from_iter([(*author, *records), (number, 1)])));
            }
            Self::Many(authors) => *authors.entry(number).or_default() += 1,
        }
    }

    fn take(&mut self, number: u32) {
        match self {
            Self::One { author, records } if *author == number => {
                *records -= 1;
                if *records == 0 {
                    *self = Self::Nobody;
                }
            }
            Self::Nobody | Self::One { .. } => {}
            Self::Many(authors) => {
                if let Some(records) = authors.get_mut(&number) {
                    *records -= 1;
                    if *records == 0 {
                        authors.remove(&number);
                    }
                }
                if authors.len() == 1
                    && let Some((&author, &records)) = authors.iter().next()
                {
                    *self = Self::One { author, records };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn counts_as_a_map_does_and_forgets(steps in prop::collection::vec((0..3_usize, 0..4_u128, any::<bool>()), 0..200)) {
            let mut numbers = Numbers::default();
            let mut groups: [Distinct; 3] = Default::default();
            let mut oracle: [BTreeMap<u128, u32>; 3] = Default::default();
            for (group, author, more) in steps {
                let there = oracle[group].entry(author).or_default();
                if !more && *there == 0 {
                    continue;
                }
                *there = if more { *there + 1 } else { *there - 1 };
                oracle[group].retain(|_, records| *records > 0);
                groups[group].change(&mut numbers, UriId(author), if more { 1 } else { -1 });
                prop_assert_eq!(groups[group].len(), oracle[group].len() as u64);
            }
            for (group, authors) in oracle.into_iter().enumerate() {
                for (author, records) in authors {
                    for _ in 0..records {
                        groups[group].change(&mut numbers, UriId(author), -1);
                    }
                }
                prop_assert_eq!(groups[group].len(), 0);
            }
            prop_assert!(numbers.by_id.is_empty());
            prop_assert_eq!(numbers.free.len(), numbers.uses.len());
        }
    }
}
