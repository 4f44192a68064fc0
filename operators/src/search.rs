//! Where was this said: the terms of each record.
//!
//! ```text
//!  records ─► Analyzer (model::text) ─► postings      no state: a row a record, retracted as it came
//! ```
//!
//! The row of a record is a pure function of the record and its source, so the retraction of an old version is
//! recomputed from it, term by term as it was; a change that leaves the row as it is (a link's kind) cancels out
//! and never reaches the index. The sink turns rows into postings.
//!
//! Limits: those of [`springline_model::text`] a record. One analyzer a worker: about 3 MB of remembered stems,
//! and scratch space for the largest text so far.

use crate::{Records, Rows};
use springline_model::{rows::PostingsRow, text::Analyzer};

/// A row for every record that says something.
#[must_use]
pub fn postings<'s>(records: Records<'s>) -> Rows<'s, PostingsRow> {
    let mut analyzer = Analyzer::new();
    let told = records.filter(|visible| visible.record.has_content());
    told.map(move |visible| analyzer.analyse(&visible.record, &visible.source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, histories};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn equals_the_oracle(history in histories()) {
            check(&history, postings, |records| {
                let analyse = |visible: &crate::Visible| Analyzer::new().analyse(&visible.record, &visible.source);
                records.iter().filter(|visible| visible.record.has_content()).map(analyse).collect()
            });
        }
    }
}
