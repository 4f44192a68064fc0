//! Going through all that a segment says, term by term.

use super::{Blocks, Part, Segment, TermCursor, invert::LOCATOR};
use crate::search::SearchError;
use springline_model::rows::{Positions, Term};
use std::sync::Arc;

/// Shows every term of every document: by name, then by the document's number. What rows have, nothing more.
pub(in crate::search) fn each_occurrence(
    segment: &Arc<Segment>,
    mut visit: impl FnMut(u32, Term<'_>),
) -> Result<(), SearchError> {
    let mut cursor = TermCursor::first(segment.clone())?;
    let (mut last_postings, mut last_positions) = (None, None);
    while let Some((name, info)) = cursor.term() {
        if name.first() != Some(&LOCATOR) {
            let postings = segment.read(Part::Postings, info.postings.clone(), &mut last_postings)?;
            let positions = segment.read(Part::Positions, info.positions.clone(), &mut last_positions)?;
            let mut blocks = Blocks::new(&postings);
            while let Some(block) = blocks.next()? {
                block.each_with_positions(&positions, |posting, positions| {
                    let (title, body) = (posting.title, posting.body);
                    let positions = Positions::from_bytes(positions);
                    visit(posting.document, Term { name, title, body, positions });
                })?;
            }
        }
        cursor.advance()?;
    }
    Ok(())
}
