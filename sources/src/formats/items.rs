//! Which list item a position stands in, in one pass over the lines and whatever the depth.
//!
//! An item is its bullet's line and all following lines that are indented further, or that go on with its
//! paragraph. That is a plain reading of lists, the same for all formats: Markdown and org differ in details
//! that nobody who indents consistently meets.

use super::{
    outline::Outline,
    text::{line_start, lines},
};
use springline_model::Context;
use std::ops::Range;

/// An item that may still grow.
struct Open {
    /// Columns before its bullet.
    indent: usize,
    start: usize,
    /// Which of the positions stand in it and in no item inside it.
    waiting: Vec<usize>,
}

/// For each position (rising) the innermost list item around it, without trailing blank lines; outside of
/// lists its line.
pub(super) fn enclosing(text: &str, positions: &[usize], outline: &Outline) -> Vec<Range<usize>> {
    let mut found = vec![0..0; positions.len()];
    if positions.is_empty() {
        return found;
    }
    let mut open: Vec<Open> = Vec::new();
    let mut next = 0;
    let mut unresolved = positions.len();
    let mut last_end = 0;
    let mut after_blank = true;
    for line in lines(text) {
        let shown = &text[line.clone()];
        if shown.trim().is_empty() {
            after_blank = true;
            continue;
        }
        let shape = Shape::of(shown);
        let inside_code = outline.context(line.start) == Context::Code && !outline.region_starts_in(&line);
        let goes_on = inside_code || (!after_blank && !shape.starts_something);
        if !goes_on {
            unresolved -= close(&mut open, shape.indent, last_end, &mut found);
        }
        if shape.bullet && !inside_code {
            open.push(Open { indent: shape.indent, start: line.start + shape.offset, waiting: Vec::new() });
        }
        while positions.get(next).is_some_and(|position| *position < line.end) {
            match open.last_mut() {
                Some(item) => item.waiting.push(next),
                None => {
                    found[next] = line_start(text, positions[next])..line.end;
                    unresolved -= 1;
                }
            }
            next += 1;
        }
        last_end = line.end;
        after_blank = false;
        if unresolved == 0 {
            break;
        }
    }
    close(&mut open, 0, last_end, &mut found);
    found
}

/// Closes the items that a line of this indentation ends; for how many positions that says where they stand.
fn close(open: &mut Vec<Open>, indent: usize, end: usize, found: &mut [Range<usize>]) -> usize {
    let mut resolved = 0;
    while open.last().is_some_and(|item| item.indent >= indent) {
        if let Some(item) = open.pop() {
            resolved += item.waiting.len();
            for index in item.waiting {
                found[index] = item.start..end;
            }
        }
    }
    resolved
}

/// How a line starts.
struct Shape {
    /// Columns before the first character; a tab goes to the next multiple of four.
    indent: usize,
    /// Bytes before it.
    offset: usize,
    bullet: bool,
    /// A bullet, heading, quotation, table or fence: no line that goes on with a paragraph.
    starts_something: bool,
}

impl Shape {
    fn of(line: &str) -> Self {
        let mut indent = 0;
        let mut offset = 0;
        for byte in line.bytes() {
            match byte {
                b' ' => indent += 1,
                b'\t' => indent = (indent / 4 + 1) * 4,
                _ => break,
            }
            offset += 1;
        }
        let rest = &line[offset..];
        let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let marker = match rest.len() - behind.len() {
            0 => rest.strip_prefix(['-', '*', '+']),
            1..=9 => behind.strip_prefix(['.', ')']),
            _ => None,
        };
        // In org a star at the margin is a heading, in Markdown a bullet; as an item it ends at the same
        // places.
        let bullet = marker.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        let starts_something = bullet
            || rest.starts_with(['#', '>', '|', '='])
            || rest.starts_with("```")
            || rest.starts_with("~~~")
            || rest.starts_with("**");
        Self { indent, offset, bullet, starts_something }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item<'a>(text: &'a str, at: &str) -> &'a str {
        let position = text.find(at).unwrap();
        &text[enclosing(text, &[position], &Outline::default())[0].clone()]
    }

    #[test]
    fn an_item_has_its_children() {
        let text =
            "intro @0\n\n- @1\n  - @2\n\n    more @3\n  * @4\ngoes on @5\n- @6\n\n# @7\n1. @8\n\t- @9\n\n\n";
        assert_eq!(item(text, "@0"), "intro @0");
        assert_eq!(item(text, "@1"), "- @1\n  - @2\n\n    more @3\n  * @4\ngoes on @5");
        assert_eq!(item(text, "@2"), "- @2\n\n    more @3");
        assert_eq!(item(text, "@3"), "- @2\n\n    more @3");
        assert_eq!(item(text, "@4"), "* @4\ngoes on @5");
        assert_eq!(item(text, "@5"), "* @4\ngoes on @5");
        assert_eq!(item(text, "@6"), "- @6");
        assert_eq!(item(text, "@7"), "# @7");
        assert_eq!(item(text, "@8"), "1. @8\n\t- @9");
        assert_eq!(item(text, "@9"), "- @9");
    }

    #[test]
    fn depth_costs_no_more_than_length() {
        let text: String = (0..3000).map(|depth| format!("{}- x\n", " ".repeat(depth))).collect();
        let positions: Vec<_> = text.match_indices('x').map(|(at, _)| at).collect();
        let started = std::time::Instant::now();
        assert_eq!(enclosing(&text, &positions, &Outline::default()).len(), 3000);
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }
}
